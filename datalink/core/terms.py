"""Our own vocabulary of link semantics, for what the core vocabulary has no word for (DataLink 1.1 s3.2.6)."""

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
MORE = Term(
    "more",
    "More members",
    "The target is the list of links of the same dataset or container with the members that follow.",
)
STAGING = Term(
    "staging",
    "Staging",
    "The service brings the file, or the files of the dataset or container, to a storage site for a time: "
    "by POST it creates a job of UWS.",
)
COMPUTE = Term(
    "compute",
    "Run next to this",
    "The service tells whether and where a computing task can run that needs the file.",
)
PROVENANCE = Term(
    "provenance",
    "Provenance",
    "The target is a record of how the file came to be: of which activities, by whom and with what.",
)
NOTEBOOK = Term(
    "notebook",
    "Notebook",
    "The target is a notebook that works with the file.",
)
TERMS = (REPLICA, MEMBER, MORE, STAGING, COMPUTE, PROVENANCE, NOTEBOOK)
