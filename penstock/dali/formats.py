"""RESPONSEFORMAT: the forms in which a service writes its results, and how callers name them (DALI 1.2 s4.3.3).

A caller names a form by a short name (``csv``) or by a media type (``text/csv;header=present``). A media type that was
asked for is repeated exactly in Content-Type; a short name gets the form's own media type, and text its charset,
without which many clients take it for Latin-1. Where versions of VOTable are offered, a media type may name one, as in
``application/x-votable+xml;version=1.5``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from penstock.dali.errors import UsageError
from penstock.dali.media import MediaType
from penstock.dali.params import Parameters

Serialization = Literal["TABLEDATA", "BINARY", "BINARY2"]
VotableVersion = Literal["1.3", "1.4", "1.5"]
_VOTABLE_VERSIONS: dict[str, VotableVersion] = {version: version for version in get_args(VotableVersion)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A form of results: `key` names the writer, `media_type` goes into Content-Type; its `version` may be chosen."""

    key: str
    media_type: str
    extension: str
    serialization: Serialization | None = None
    version: VotableVersion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatRow:
    """A form, the short names that mean it, and other media types that mean it."""

    format: Format
    aliases: tuple[str, ...]
    media_types: tuple[str, ...] = ()


VOTABLE_TYPES = ("application/x-votable+xml", "text/xml", "application/xml", "text/x-votable+xml")
DATALINK_TYPE = "application/x-votable+xml;content=datalink"


def _votable_row(serialization: Serialization, alias: str, *, default: bool) -> FormatRow:
    suffix = f";serialization={serialization}"
    types = [media_type + suffix for media_type in VOTABLE_TYPES]
    return FormatRow(
        format=Format(
            key="votable",
            media_type=VOTABLE_TYPES[0] if default else types[0],
            extension="vot",
            serialization=serialization,
            version="1.4",
        ),
        aliases=("votable", alias) if default else (alias,),
        media_types=(*types, *VOTABLE_TYPES) if default else tuple(types),
    )


def votable_rows(*serializations: Serialization) -> tuple[FormatRow, ...]:
    """Return a row per serialization; the first is what ``votable`` alone means."""
    aliases = {"TABLEDATA": "votable/td", "BINARY": "votable/b", "BINARY2": "votable/b2"}
    return tuple(_votable_row(s, aliases[s], default=n == 0) for n, s in enumerate(serializations))


def _row(media_type: str, *aliases: str, also: tuple[str, ...] = ()) -> FormatRow:
    key = aliases[0]
    return FormatRow(format=Format(key=key, media_type=media_type, extension=key), aliases=aliases, media_types=also)


CSV = _row("text/csv;header=present", "csv", also=("text/csv",))
TSV = _row("text/tab-separated-values", "tsv")
JSON = _row("application/json", "json")
FITS = _row("application/fits", "fits")
PARQUET = _row("application/vnd.apache.parquet", "parquet")
HTML = _row("text/html", "html")
TEXT = FormatRow(format=Format(key="text", media_type="text/plain", extension="txt"), aliases=("text", "txt"))
DATALINK = FormatRow(
    format=Format(key="votable", media_type=DATALINK_TYPE, extension="vot", serialization="TABLEDATA"),
    aliases=("votable", "votable/td", "datalink"),
    media_types=VOTABLE_TYPES,
)


def _with_charset(form: Format) -> Format:
    is_text = form.media_type.startswith("text/")
    return replace(form, media_type=f"{form.media_type};charset=utf-8") if is_text else form


class FormatTable:
    """The forms that one service offers; the first row is the default.

    Parameters
    ----------
    rows
        The forms.
    parameters
        Names of the parameter. FORMAT is another name of it in TAP (TAP 1.1 s2.7.3), elsewhere it means what it likes.

    Raises
    ------
    ValueError
        Two rows claim the same name.
    """

    def __init__(self, rows: Sequence[FormatRow], *, parameters: Sequence[str] = ("RESPONSEFORMAT", "FORMAT")) -> None:
        self.rows = tuple(rows)
        self._parameters = tuple(parameters)
        self.default = self.rows[0].format
        self._aliases: dict[str, Format] = {}
        self._types: dict[MediaType, Format] = {}
        self._spelt: dict[str, Format] = {}
        for row in self.rows:
            self._enter(row)

    def _enter(self, row: FormatRow) -> None:
        spoken = _with_charset(row.format)
        for alias in row.aliases:
            if self._aliases.setdefault(alias, spoken) != spoken:
                raise ValueError(f"two formats are called {alias!r}")
        for text in (row.format.media_type, *row.media_types):
            if self._types.setdefault(_canonical(text), row.format) != row.format:
                raise ValueError(f"two formats have the media type {text!r}")
            self._spelt[text] = replace(row.format, media_type=text)

    def __iter__(self) -> Iterator[FormatRow]:
        return iter(self.rows)

    def choose(self, params: Parameters) -> Format:
        """Return the form that the request asks for, the default where it does not ask.

        Raises
        ------
        UsageError
            The form is not offered, or two names of the parameter were given different values.
        MultiValuedParamNotSupported
            The parameter was given twice by the same name.
        """
        given = (params.single(name) for name in self._parameters)
        asked = {text.strip() for text in given if text and text.strip()}
        if len(asked) > 1:
            raise UsageError(f"{' and '.join(self._parameters)} mean the same; they were given different values.")
        return self.resolve(asked.pop()) if asked else self.default

    def resolve(self, asked: str) -> Format:
        """Return the form that a short name or media type means.

        Raises
        ------
        UsageError
            The form is not offered.
        """
        known = self._aliases.get(asked.lower()) or self._spelt.get(asked)
        if known is not None:
            return known
        # A plus sign that was not percent-encoded arrives as a space.
        text = asked.replace(" xml", "+xml")
        by_type = self._by_type(_canonical(text))
        if by_type is None:
            offered = ", ".join(row.aliases[0] for row in self.rows)
            raise UsageError(f"RESPONSEFORMAT={asked[:80]} is not offered; use one of {offered}, or its media type.")
        return replace(by_type, media_type=text)

    def _by_type(self, wanted: MediaType) -> Format | None:
        version = _VOTABLE_VERSIONS.get(dict(wanted.params).get("version", ""))
        if version is None:
            return self._types.get(wanted)
        found = self._types.get(replace(wanted, params=wanted.params - {("version", version)}))
        return None if found is None or found.version is None else replace(found, version=version)


def _canonical(text: str) -> MediaType:
    parsed = MediaType.parse(text) or MediaType(essence="")
    kept = frozenset((name, value.lower()) for name, value in parsed.params)
    return replace(parsed, params=kept - {("charset", "utf-8")})
