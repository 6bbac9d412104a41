"""The parameters of one request, as the caller spelt them.

Names are case-insensitive, values are not (DALI 1.2 s4.1). Only letters of ASCII have two cases: all names of the
standards are made of them, and no other character is taken for one. A name may occur several times (DALI 1.2 s4.2).
The spelling of the first occurrence is kept for whoever shows the parameters again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

from penstock.dali.errors import MultiValuedParamNotSupported

_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)


def upper_name(name: str) -> str:
    """Return the name of a parameter in the one form by which it is known."""
    return name.upper() if name.isascii() else name.translate(_UPPER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that came with the request, for ``UPLOAD=table,param:name`` (DALI 1.2 s4.3.5).

    `content` is the path of a spooled file, which lives as long as the request, or the bytes themselves.
    """

    name: str
    content: Path | bytes
    size_bytes: int
    filename: str | None = None
    media_type: str | None = None

    def read(self) -> bytes:
        """Return the whole content."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


class Parameters:
    """An ordered multi-map with case-insensitive names.

    Parameters
    ----------
    pairs
        (name, value) in the order in which they came.
    parts
        Files that came beside them.
    """

    __slots__ = ("_pairs", "_values", "parts")

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), parts: Iterable[Part] = ()) -> None:
        self._pairs = tuple(pairs)
        self.parts = tuple(parts)
        self._values: dict[str, tuple[str, list[str]]] = {}
        for name, value in self._pairs:
            self._values.setdefault(upper_name(name), (name, []))[1].append(value)

    def single(self, name: str) -> str | None:
        """Return the value of a single-valued parameter, or None where it was not given.

        Raises
        ------
        MultiValuedParamNotSupported
            It was given more than once, in whatever case (DALI 1.2 s4.2).
        """
        values = self.all(name)
        if len(values) > 1:
            raise MultiValuedParamNotSupported(f"{name} was given {len(values)} times; it takes one value.")
        return values[0] if values else None

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value given for the name, in order."""
        entry = self._values.get(upper_name(name))
        return tuple(entry[1]) if entry else ()

    def names(self) -> tuple[str, ...]:
        """Return each name once, in the spelling and order of its first occurrence."""
        return tuple(spelling for spelling, _ in self._values.values())

    def items(self) -> tuple[tuple[str, str], ...]:
        """Return every (name, value) as it came."""
        return self._pairs

    def part(self, name: str) -> Part | None:
        """Return the file of that name, or None.

        A value sent without a file name serves as a file too: that is how some clients send inline tables.

        Raises
        ------
        MultiValuedParamNotSupported
            There are several, and which one is meant cannot be told.
        """
        found = [part for part in self.parts if upper_name(part.name) == upper_name(name)]
        if len(found) > 1:
            raise MultiValuedParamNotSupported(f"The request has {len(found)} files called {name[:40]!r}.")
        if found:
            return found[0]
        value = self.single(name)
        if value is None:
            return None
        content = value.encode()
        return Part(name=name, content=content, size_bytes=len(content))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and upper_name(name) in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameters):
            return NotImplemented
        return (self._pairs, self.parts) == (other._pairs, other.parts)

    __hash__ = None  # type: ignore[assignment]  # compared by value and holds a dict

    def __repr__(self) -> str:
        return f"Parameters({list(self._pairs)!r}, parts={list(self.parts)!r})"
