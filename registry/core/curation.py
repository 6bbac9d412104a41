"""Curation: what only people know of the resources of a deployment, in one TOML file.

What stands at the top holds for all records that do not say otherwise; ``[services.NAME]`` and ``[collections.NAME]``
say otherwise, member by member. Subjects at the top are added to those that a service gives itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from registry.core.record import Agent, Coverage, Curation, Record, Rights

_LINE = r"^[^\x00-\x1f\x7f\u{fffe}\u{ffff}]*[^\s\x00-\x1f\x7f\u{fffe}\u{ffff}][^\x00-\x1f\x7f\u{fffe}\u{ffff}]*$"
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u{fffe}\u{ffff}]*$"
Line = Annotated[str, StringConstraints(pattern=_LINE, max_length=1000)]
Text = Annotated[str, StringConstraints(pattern=_TEXT, strip_whitespace=True, min_length=1, max_length=20_000)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$")]
Uri = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$")]
Ivoid = Annotated[str, StringConstraints(pattern=r"^ivo://\w[\w.!~*'()+=-]{2,}(/[\w.!~*'()+=-]+)*$")]
Email = Annotated[str, StringConstraints(pattern=r"^[!-~]+@[!-~]+$")]
Subject = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Interval = tuple[float, float]
Waveband = Literal["Radio", "Millimeter", "Infrared", "Optical", "UV", "EUV", "X-ray", "Gamma-ray", "Neutrino"]
_EXPECTED = {  # what a pattern means, in words
    "Line": "one line of text",
    _LINE: "one line of text, not empty",
    _TEXT: "text without control characters",
    r"^https?://[!-~]+$": "a URL that begins with http:// or https://",
    r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$": "a URI such as https://spdx.org/licenses/CC-BY-4.0",
    r"^ivo://\w[\w.!~*'()+=-]{2,}(/[\w.!~*'()+=-]+)*$": "an IVOA identifier such as ivo://vo.example.org/people/us",
    r"^[!-~]+@[!-~]+$": "an address such as vo@example.org",
    r"^[a-z0-9][a-z0-9-]*$": "a term of the Unified Astronomy Thesaurus, such as galaxy-clusters",
}


class CurationError(Exception):
    """The curation file is wrong; the message names the line, the key and what is expected."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Somebody(_Table):
    """A person or an organisation."""

    name: Line
    ivoid: Ivoid | None = None
    logo: Url | None = None
    address: Line | None = None
    email: Email | None = None
    telephone: Line | None = None

    def agent(self) -> Agent:
        """Return the same for a record."""
        return Agent(**self.model_dump())


class Licence(_Table):
    """What may be done with a resource."""

    text: Line
    uri: Uri | None = None


class Covered(_Table):
    """What a resource covers."""

    spatial: Annotated[str, StringConstraints(pattern=r"^[0-9/, -]+$")] | None = None
    temporal: tuple[Interval, ...] = ()
    spectral: tuple[Interval, ...] = ()
    wavebands: tuple[Waveband, ...] = ()

    def over(self, found: Coverage) -> Coverage:
        """Return `found` with what is said here in place of what was found."""
        said = {name: value for name, value in self.model_dump().items() if value}
        return replace(found, **said)


class Statement(_Table):
    """What can be said of one resource or of all."""

    publisher: Somebody | None = None
    contacts: tuple[Somebody, ...] = ()
    creators: tuple[Somebody, ...] = ()
    contributors: tuple[Somebody, ...] = ()
    rights: tuple[Licence, ...] = ()
    subjects: tuple[Subject, ...] = ()
    facilities: tuple[Line, ...] = ()
    instruments: tuple[Line, ...] = ()
    coverage: Covered = Covered()


class Particular(Statement):
    """What can be said of one resource only."""

    publish: bool = True
    title: Line | None = None
    short_name: Annotated[str, StringConstraints(pattern=_LINE, max_length=16)] | None = None
    description: Text | None = None
    reference_url: Url | None = None


class CurationFile(Statement):
    """The whole file; `title` is the name of the deployment, with which titles of records begin."""

    title: Line = "Penstock"
    services: Mapping[str, Particular] = Field(default_factory=dict)
    collections: Mapping[str, Particular] = Field(default_factory=dict)

    def curation(self, authority: str, particular: Statement | None = None) -> Curation:
        """Return who answers for a resource; without a contact, it is the postmaster of the authority."""
        said = particular or Statement()
        nobody = Somebody(name="The operator", email=f"postmaster@{authority}")
        publisher = said.publisher or self.publisher or Somebody(name=self.title)
        return Curation(
            publisher=publisher.agent(),
            contacts=tuple(one.agent() for one in said.contacts or self.contacts or (nobody,)),
            creators=tuple(one.agent() for one in said.creators or self.creators),
            contributors=tuple(one.agent() for one in said.contributors or self.contributors),
            rights=tuple(Rights(text=one.text, uri=one.uri) for one in said.rights or self.rights),
        )

    def curate(self, record: Record, said: Particular) -> Record:
        """Return the record with what the file says of it in place of what was found."""
        return replace(
            record,
            title=said.title or record.title,
            short_name=said.short_name or record.short_name,
            text=said.description or record.text,
            subjects=said.subjects or tuple(dict.fromkeys((*record.subjects, *self.subjects))),
            reference_url=said.reference_url or record.reference_url,
            facilities=said.facilities or self.facilities or record.facilities,
            instruments=said.instruments or self.instruments or record.instruments,
            coverage=said.coverage.over(self.coverage.over(record.coverage)),
        )


def read_curation(text: str) -> CurationFile:
    """Read the file.

    Raises
    ------
    CurationError
        It is no TOML, has a key that nobody knows, or a value that does not fit.
    """
    try:
        return CurationFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CurationError(f"it is no TOML: {error}") from error
    except ValidationError as error:
        raise CurationError(_explain(text, error)) from error


def _explain(text: str, error: ValidationError) -> str:
    first = error.errors()[0]
    path = tuple(first["loc"])
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
    line = line_of(text, tuple(part for part in path if isinstance(part, str)))
    return f"line {line}: {key}: {_reason(first)}"


def _reason(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "there is no such key; `penstock registry init` writes a file with all of them"
        case "string_pattern_mismatch":
            return f"{error['input']!r} is not {_EXPECTED.get(error['ctx']['pattern'], 'what is expected')}"
        case _:
            return str(error["msg"])


def line_of(text: str, path: tuple[str, ...]) -> int:
    """Return the line of a key in a TOML file; that of the nearest table around it where it is not found."""
    best, depth = 1, 0
    for number, keys in _keys(text):
        shared = len(keys) if path[: len(keys)] == keys else 0
        if shared > depth:
            best, depth = number, shared
    return best


def _keys(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the lines of a TOML file that begin a table or a member, with the whole path of each."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*([^\[\]]+?)\s*\]", line):
            table = _path(header[1])
            yield number, table
        elif member := re.match(r"\s*([\w.\"'-]+)\s*=(.*)", line):
            path = (*table, *_path(member[1]))
            yield number, path
            for inner in re.findall(r"[{,]\s*([\w-]+)\s*=", member[2]):
                yield number, (*path, inner)


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


EXAMPLE = """\
# What people know of the resources of this deployment. What stands here holds for all records that do not say
# otherwise below. The setting registry.curation names this file.

title = "Example Observatory"  # the name of the deployment: titles of records begin with it
subjects = ["virtual-observatories"]  # terms of the Unified Astronomy Thesaurus, https://astrothesaurus.org
facilities = []  # telescopes, for data collections
instruments = []

[publisher]
name = "Example Observatory"
# ivoid = "ivo://vo.example.org/org"  # if the organisation has a record of its own

[[contacts]]
name = "VO help desk"
email = "vo@example.org"
# address = "1 Hill Road, Springfield"
# telephone = "+1 555 0100"

# [[creators]]  # who made the data
# name = "Doe, J."
# logo = "https://example.org/logo.png"

# [[rights]]
# text = "CC-BY 4.0"
# uri = "https://spdx.org/licenses/CC-BY-4.0.html"

# What is known better of one service; its name is that of `penstock serve NAME`.
# [services.tap]
# title = "Example Observatory TAP"
# short_name = "Example TAP"  # 16 characters at most
# description = "Queries on the observations of the Example Observatory."
# reference_url = "https://example.org/archive"
# subjects = ["surveys", "photometry"]

# [services.execplanner]
# publish = false  # no record at all

# What is known better of one collection of the lake; its name is that of `penstock lake ls`.
# [collections.sample]
# title = "A sample of images"
# description = "A few images to try things on."
# coverage = { wavebands = ["Optical"], temporal = [[59000.0, 60000.0]] }  # MJD
"""
"""What `penstock registry init` writes."""
