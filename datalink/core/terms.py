"""Our own vocabulary of link semantics: the core vocabulary has no word for a replica (DataLink 1.1 s3.2.6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """A term: what stands after the ``#``, what people call it, and what it means."""

    name: str
    label: str
    description: str


REPLICA = Term(
    "replica",
    "Replica",
    "The target is a bitwise copy of the file that #this leads to, at one storage site. "
    "Whoever needs the file once takes #this; whoever wants it from a certain site takes a replica.",
)
MEMBER = Term(
    "member",
    "Member",
    "The target is the list of links of a member of the dataset or container.",
)
TERMS = (REPLICA, MEMBER)
