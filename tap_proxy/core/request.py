"""The parameters of a TAP query, as typed values (TAP 1.1 s2.7).

Everything is checked here and nowhere else; a job is checked when it runs, not when it is made (TAP 1.1 s2.7).
Parameters that TAP does not know are ignored, REQUEST=doQuery and VERSION of TAP 1.0 among them (DALI 1.2 s4.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.dali.errors import UsageError
from penstock.dali.formats import Format, FormatTable
from penstock.dali.params import Parameters
from penstock.votable.document import ServiceDescriptor
from tap_proxy.core.uploads import UploadOrder, read_orders

TAP_STANDARD_ID = "ivo://ivoa.net/std/TAP"
LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")  # (TAP 1.1 s2.7.1)
MAX_RUNID_LENGTH = 64

_INTEGER = re.compile(r"[+]?[0-9]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLimits:
    """How many rows a result has at most: where the caller does not say, and whatever the caller says."""

    default: int
    hard: int

    def of(self, wanted: int | None) -> int:
        """Return the limit for a caller who wants so many, or does not say (DALI 1.2 s4.3.4)."""
        return min(self.default if wanted is None else wanted, self.hard)


@dataclass(frozen=True, slots=True, kw_only=True)
class TapQuery:
    """A query as it is to be run.

    `maxrec` is the effective limit: the caller's or the default one, never above the hard one (DALI 1.2 s4.3.4).
    `standard_id` is the protocol in which it was asked. `ucds` are other UCDs for columns of the result, where an older
    protocol wants its own; `this` describes the service that was asked, where the result is to do so.
    """

    text: str
    language: str
    format: Format
    maxrec: int
    runid: str | None = None
    uploads: tuple[UploadOrder, ...] = ()
    standard_id: str = TAP_STANDARD_ID
    ucds: Mapping[str, str] = field(default_factory=dict)
    this: ServiceDescriptor | None = None


def read_query(params: Parameters, *, formats: FormatTable, limits: RowLimits) -> TapQuery:
    """Read the parameters of a query.

    Raises
    ------
    UsageError
        A parameter is missing, wrong, or given twice.
    """
    output = formats.choose(params)
    return TapQuery(
        text=_query(params),
        language=_language(params),
        format=output,
        maxrec=_maxrec(params, limits),
        runid=_runid(params),
        uploads=read_orders(params),
    )


def _language(params: Parameters) -> str:
    asked = (params.single("LANG") or "").strip()
    offered = ", ".join(LANGUAGES)
    if not asked:
        raise UsageError(f"LANG is missing; it names the language of QUERY: one of {offered}.")
    for language in LANGUAGES:
        if asked.upper() == language:
            return language
    raise UsageError(f"LANG={asked[:40]} is not a language of this service; use one of {offered}.")


def _query(params: Parameters) -> str:
    text = params.single("QUERY")
    if text is None or not text.strip():
        raise UsageError("QUERY is missing; give an ADQL query, such as SELECT TOP 5 * FROM ivoa.obscore.")
    return text


def _maxrec(params: Parameters, limits: RowLimits) -> int:
    text = (params.single("MAXREC") or "").strip()
    if not text:
        return limits.of(None)
    if not _INTEGER.fullmatch(text):
        raise UsageError(f"MAXREC={text[:40]} is not a count of rows: it must be a whole number, 0 or more.")
    return limits.of(int(text))


def _runid(params: Parameters) -> str | None:
    text = params.single("RUNID")
    if text is not None and len(text) > MAX_RUNID_LENGTH:
        raise UsageError(f"RUNID is longer than {MAX_RUNID_LENGTH} characters (DALI 1.2 s4.3.6).")
    return text
