"""What becomes of a file that a scan has read, given what the catalogue knows under its name.

A name stands for one content. A file whose content differs from that of its other copies is refused; when there are no
other copies to be read, it is the name's content that has changed::

    known content   copy at this site       copies elsewhere    verdict
    none            -                       -                   ADDED
    the same        none                    -                   ADDED
    the same        this file               -                   UNCHANGED, or UPDATED if it could not be read before
    the same        another file, gone      -                   UPDATED: the file moved
    any             another file, there     -                   REFUSED
    another         -                       one can be read     REFUSED, and this copy can no longer be read
    another         none, or this file      none can be read    UPDATED
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from penstock.lake.port import ReplicaState


class Verdict(StrEnum):
    """What happened to a file in a scan."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A replica as the catalogue has it; `path` is text, see `penstock.lake.names`."""

    site: str
    path: str | None
    state: ReplicaState
    modified_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A file as the catalogue has it."""

    size_bytes: int | None
    md5: str | None
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict, why a file is refused, and what is to be written."""

    verdict: Verdict
    reason: str | None = None
    new_content: bool = False
    withdraw: bool = False  # the copy at this site cannot be read as what its name stands for


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A file that was read, as a copy at a site."""

    site: str
    path: str
    size_bytes: int
    md5: str


def judge(offer: Offer, known: Known | None, *, other_is_there: bool) -> Decision:
    """Return what becomes of `offer`; `other_is_there` says whether the site's known copy still lies where it did."""
    if known is None:
        return Decision(verdict=Verdict.ADDED, new_content=True)
    mine = next((copy for copy in known.copies if copy.site == offer.site), None)
    if mine is not None and mine.path != offer.path and other_is_there:
        return Decision(verdict=Verdict.REFUSED, reason=f"the site has a file of this name already: {mine.path}")
    if (known.size_bytes, known.md5) == (offer.size_bytes, offer.md5):
        if mine is None:
            return Decision(verdict=Verdict.ADDED)
        same = mine.path == offer.path and mine.state is ReplicaState.AVAILABLE
        return Decision(verdict=Verdict.UNCHANGED if same else Verdict.UPDATED)
    elsewhere = next(
        (copy for copy in known.copies if copy.site != offer.site and copy.state is ReplicaState.AVAILABLE), None
    )
    if elsewhere is not None:
        return Decision(
            verdict=Verdict.REFUSED,
            reason=f"its content differs from that of the copy at {elsewhere.site}",
            withdraw=mine is not None,
        )
    return Decision(verdict=Verdict.UPDATED, new_content=True)
