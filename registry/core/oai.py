"""OAI-PMH 2.0: the verbs, their arguments and everything that can be wrong with a request.

`VERBS` is the protocol's argument table (OAI-PMH 2.0 s4): which arguments a verb must have, which it may have, and
which one excludes all others. A request is one of the six verbs with arguments that are each given once; anything
else is ``badVerb`` or ``badArgument``. Names and verbs are case-sensitive. Dates are UTC, either whole days or seconds,
both in one request alike, and both ends of a range are inside (OAI-PMH 2.0 s2.7.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SET = "ivo_managed"
GRANULARITY = "YYYY-MM-DDThh:mm:ssZ"
ARGUMENTS = frozenset({"identifier", "metadataPrefix", "from", "until", "set", "resumptionToken"})

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


class Verb(StrEnum):
    """The six requests."""

    IDENTIFY = "Identify"
    LIST_METADATA_FORMATS = "ListMetadataFormats"
    LIST_SETS = "ListSets"
    LIST_IDENTIFIERS = "ListIdentifiers"
    LIST_RECORDS = "ListRecords"
    GET_RECORD = "GetRecord"


class ErrorCode(StrEnum):
    """The protocol's errors (OAI-PMH 2.0 s3.6), without the two that say that there are no sets or no formats."""

    BAD_VERB = "badVerb"
    BAD_ARGUMENT = "badArgument"
    BAD_RESUMPTION_TOKEN = "badResumptionToken"  # noqa: S105  # the name of an error
    CANNOT_DISSEMINATE_FORMAT = "cannotDisseminateFormat"
    ID_DOES_NOT_EXIST = "idDoesNotExist"
    NO_RECORDS_MATCH = "noRecordsMatch"


class Prefix(StrEnum):
    """The metadata formats, both mandatory for an IVOA registry (RegistryInterface 1.1 s3.1.2)."""

    IVO_VOR = "ivo_vor"
    OAI_DC = "oai_dc"


class OaiError(Exception):
    """A request that is answered with an error of the protocol."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbSpec:
    """The arguments of one verb.

    Raises
    ------
    ValueError
        An argument is none of the protocol's, or stands twice: the table itself is wrong.
    """

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    exclusive: str | None = None

    def __post_init__(self) -> None:
        """Refuse a table that contradicts itself, when it is imported."""
        listed = [*self.required, *self.optional, *((self.exclusive,) if self.exclusive else ())]
        if len(set(listed)) != len(listed) or not ARGUMENTS.issuperset(listed):
            raise ValueError(f"arguments of a verb are listed twice or unknown: {sorted(listed)}")

    def allows(self, name: str) -> bool:
        """Tell whether the verb takes the argument at all."""
        return name in self.required or name in self.optional or name == self.exclusive


_SELECTIVE = VerbSpec(
    required=frozenset({"metadataPrefix"}),
    optional=frozenset({"from", "until", "set"}),
    exclusive="resumptionToken",
)
VERBS: Mapping[Verb, VerbSpec] = {
    Verb.IDENTIFY: VerbSpec(),
    Verb.LIST_METADATA_FORMATS: VerbSpec(optional=frozenset({"identifier"})),
    Verb.LIST_SETS: VerbSpec(exclusive="resumptionToken"),
    Verb.LIST_IDENTIFIERS: _SELECTIVE,
    Verb.LIST_RECORDS: _SELECTIVE,
    Verb.GET_RECORD: VerbSpec(required=frozenset({"identifier", "metadataPrefix"})),
}
if set(VERBS) != set(Verb):
    raise ValueError("every verb needs its arguments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that keeps to the table."""

    verb: Verb
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which records a list is about; `since` and `until` are inclusive stamps of whole seconds, None is open."""

    prefix: Prefix
    since: str | None = None
    until: str | None = None
    set: str | None = None


def read_request(pairs: Iterable[tuple[str, str]]) -> Request:
    """Read the verb and its arguments as they came.

    Raises
    ------
    OaiError
        badVerb or badArgument.
    """
    given = tuple(pairs)
    verbs = [value for name, value in given if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in set(Verb):
        what = f"{verbs[0][:40]!r} is none" if len(verbs) == 1 else f"{len(verbs)} verbs were given instead"
        raise OaiError(ErrorCode.BAD_VERB, f"A request has one verb of {', '.join(Verb)}; {what}.")
    verb = Verb(verbs[0])
    arguments = [(name, value) for name, value in given if name != "verb"]
    _check(verb, arguments)
    return Request(verb=verb, arguments=dict(arguments))


def _check(verb: Verb, arguments: list[tuple[str, str]]) -> None:
    spec = VERBS[verb]
    names = [name for name, _ in arguments]
    for name, value in arguments:
        if not spec.allows(name):
            raise _bad(f"{verb} takes no argument {name[:40]!r}.")
        if not value.isprintable():
            raise _bad(f"{name} contains a character that cannot be printed.")
        if names.count(name) > 1:
            raise _bad(f"{name} was given {names.count(name)} times.")
    if spec.exclusive in names:
        if len(names) > 1:
            raise _bad(f"{spec.exclusive} excludes all other arguments.")
        return
    missing = sorted(spec.required.difference(names))
    if missing:
        raise _bad(f"{verb} needs the argument {missing[0]}.")


def read_prefix(text: str) -> Prefix:
    """Read a metadataPrefix.

    Raises
    ------
    OaiError
        cannotDisseminateFormat.
    """
    try:
        return Prefix(text)
    except ValueError:
        raise OaiError(
            ErrorCode.CANNOT_DISSEMINATE_FORMAT, f"{text[:40]!r} is not offered; use {' or '.join(Prefix)}."
        ) from None


def read_selection(arguments: Mapping[str, str]) -> Selection:
    """Read what a list request without a token selects.

    Raises
    ------
    OaiError
        badArgument or cannotDisseminateFormat.
    """
    since, until = arguments.get("from"), arguments.get("until")
    if since is not None and until is not None and len(since) != len(until):
        raise _bad("from and until must be written alike: both as days or both as seconds.")
    selection = Selection(
        prefix=read_prefix(arguments["metadataPrefix"]),
        since=None if since is None else _instant("from", since, "T00:00:00Z"),
        until=None if until is None else _instant("until", until, "T23:59:59Z"),
        set=arguments.get("set"),
    )
    if selection.since and selection.until and selection.since > selection.until:
        raise _bad("from is later than until.")
    return selection


def _instant(name: str, text: str, completion: str) -> str:
    stamp = text + completion if _DAY.fullmatch(text) else text
    if not _SECOND.fullmatch(stamp) or not _exists(stamp):
        raise _bad(f"{name}={text[:40]!r} is not a date: it is written YYYY-MM-DD or {GRANULARITY}.")
    return stamp


def _exists(stamp: str) -> bool:
    try:
        datetime.strptime(stamp, _STAMP)
    except ValueError:
        return False
    return True


def format_stamp(instant: datetime) -> str:
    """Write an instant in UTC as dates are written here, in whole seconds."""
    return instant.strftime(_STAMP)


def _bad(message: str) -> OaiError:
    return OaiError(ErrorCode.BAD_ARGUMENT, message)
