"""Ranges of bytes: which parts of a representation a request asks for (RFC 9110 s14).

A range that cannot be read is passed over, as if it had not been there. So are sets that no client needs and that would
make the server do a lot for a little: very many ranges, and ranges of which several cover the same bytes
(RFC 9110 s14.2, s17.15).
"""

from __future__ import annotations

import re
from itertools import pairwise

Span = tuple[int, int]
"""The first byte of a part, and the first one after it."""

MOST_RANGES = 64
_UNIT = re.compile(r"bytes=(.*)", re.DOTALL)
_RANGE = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)


class Unsatisfiable(ValueError):
    """None of the ranges that are asked for lies within the representation (RFC 9110 s15.5.17)."""


def read_ranges(header: str, size_bytes: int) -> tuple[Span, ...]:
    """Return the parts that a Range header asks for, in its order; none where the whole is to be sent.

    Raises
    ------
    Unsatisfiable
        The header can be read, and no range of it lies within the representation.
    """
    match = _UNIT.fullmatch(header)
    members = match[1].split(",", MOST_RANGES) if match else []
    if not members or len(members) > MOST_RANGES:
        return ()
    spans = []
    for member in members:
        span = _span(member.strip(" \t"), size_bytes)
        if span is None:
            return ()
        spans.append(span)
    satisfiable = tuple((start, stop) for start, stop in spans if start < stop)
    if not satisfiable:
        raise Unsatisfiable
    return () if _overlap(satisfiable) else satisfiable


def _span(member: str, size_bytes: int) -> Span | None:
    """Return one range, empty if it lies beyond the end; None if it is none (RFC 9110 s14.1.1)."""
    match = _RANGE.fullmatch(member)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size_bytes - int(match[2])), size_bytes
    start = int(match[1])
    if not match[2]:
        return start, size_bytes
    return None if int(match[2]) < start else (start, min(int(match[2]) + 1, size_bytes))


def _overlap(spans: tuple[Span, ...]) -> bool:
    ordered = sorted(spans)
    return any(before[1] > after[0] for before, after in pairwise(ordered))
