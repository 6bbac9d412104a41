"""Reads the answers of other registries (OAI-PMH 2.0 s3.2) as they come, in the memory of one page.

Nothing is believed of an answer before it is whole: a page that breaks off, is no XML or has a document type gives an
error and no records. Records are cut out as bytes; what they say is judged in `judging`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from registry.core.envelope import OAI
from registry.core.oai import Verb

_ROOT = f"{{{OAI}}}OAI-PMH"
_RECORD = f"{{{OAI}}}record"
_LIST = f"{{{OAI}}}{Verb.LIST_RECORDS}"
_IDENTIFY = f"{{{OAI}}}{Verb.IDENTIFY}"


class BadAnswer(Exception):
    """An answer that cannot be used at all; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A record as it was cut out of a page: its header, and each child of its metadata as XML with its name."""

    ivoid: str
    datestamp: str
    deleted: bool
    metadata: tuple[tuple[str, bytes], ...]


@dataclass(slots=True, kw_only=True)
class Answer:
    """A whole answer; `token` is None where there is no element, `errors` are (code, text)."""

    response_date: str = ""
    records: list[Cut] = field(default_factory=list)
    token: str | None = None
    size: int | None = None
    errors: list[tuple[str, str]] = field(default_factory=list)
    identify: etree._Element | None = None


class AnswerReader:
    """Reads one answer.

    Parameters
    ----------
    max_bytes
        The largest answer that is read.
    """

    def __init__(self, max_bytes: int) -> None:
        self._parser = etree.XMLPullParser(
            events=("start", "end"),
            tag=f"{{{OAI}}}*",  # what stands in records makes no events: there may be a million columns
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        )
        self._answer = Answer()
        self._left = self._max_bytes = max_bytes
        self._root: etree._Element | None = None

    def feed(self, chunk: bytes) -> None:
        """Read a part of the answer.

        Raises
        ------
        BadAnswer
            It is larger than allowed, no XML, or no OAI-PMH.
        """
        self._left -= len(chunk)
        if self._left < 0:
            raise BadAnswer(f"the answer has more than {self._max_bytes} bytes")
        try:
            self._parser.feed(chunk)
            self._read_events()
        except etree.XMLSyntaxError as error:
            raise self._not_xml(error) from error

    def close(self) -> Answer:
        """Return the answer.

        Raises
        ------
        BadAnswer
            It breaks off, or has nothing of what an answer must have.
        """
        try:
            root = self._parser.close()
            self._read_events()
            if self._root is None:
                self._begin(root)
        except etree.XMLSyntaxError as error:
            raise self._not_xml(error) from error
        if not self._answer.response_date:
            raise BadAnswer("the answer has no responseDate")
        return self._answer

    def _not_xml(self, error: etree.XMLSyntaxError) -> BadAnswer:
        with suppress(etree.XMLSyntaxError):
            self._read_events()  # what came before may tell better what this is
        if self._root is None:
            return BadAnswer(f"the answer is no XML ({error.msg}): is this the address of its OAI-PMH interface?")
        return BadAnswer(f"the answer is not well-formed XML, or breaks off ({error.msg})")

    def _read_events(self) -> None:
        for event, element in self._parser.read_events():
            if not isinstance(element, etree._Element):
                continue  # the stubs know of other events, too
            if event == "end":
                self._end(element)
            elif self._root is None:
                self._begin(element)

    def _begin(self, root: etree._Element) -> None:
        if root.getroottree().docinfo.internalDTD is not None and root.tag == _ROOT:
            raise BadAnswer("the answer has a document type declaration, which is not read")
        if root.tag != _ROOT:
            raise BadAnswer(f"the answer is no OAI-PMH 2.0 but {str(root.tag)[:80]}: is this the address of OAI-PMH?")
        self._root = root

    def _end(self, element: etree._Element) -> None:
        parent = element.getparent()
        where = None if parent is None else parent.tag
        if where == _LIST and element.tag == _RECORD:
            self._answer.records.append(_cut(element))
            _drop(element)
        elif where == _LIST and element.tag == f"{{{OAI}}}resumptionToken":
            size = element.get("completeListSize", "")
            self._answer.token = (element.text or "").strip()
            self._answer.size = int(size) if size.isascii() and size.isdigit() and len(size) < 12 else None
        elif where == _ROOT:
            self._end_of_member(element)

    def _end_of_member(self, element: etree._Element) -> None:
        match element.tag:
            case tag if tag == f"{{{OAI}}}responseDate":
                self._answer.response_date = (element.text or "").strip()
            case tag if tag == f"{{{OAI}}}error":
                text = " ".join((element.text or "").split())
                self._answer.errors.append((element.get("code", ""), text[:500]))
            case tag if tag == _IDENTIFY:
                self._answer.identify = element
            case _:
                pass


def _cut(record: etree._Element) -> Cut:
    header = record.find(f"{{{OAI}}}header")
    metadata = record.find(f"{{{OAI}}}metadata")
    children = () if metadata is None else tuple(metadata.iterchildren(etree.Element))
    return Cut(
        ivoid=_text(header, "identifier"),
        datestamp=_text(header, "datestamp"),
        deleted=header is not None and header.get("status") == "deleted",
        metadata=tuple((str(child.tag), etree.tostring(child, with_tail=False)) for child in children),
    )


def _text(header: etree._Element | None, name: str) -> str:
    found: Any = None if header is None else header.findtext(f"{{{OAI}}}{name}")
    return (found or "").strip()


def _drop(record: etree._Element) -> None:
    """Free a record that was cut out, and what stands before it."""
    record.clear()
    parent = record.getparent()
    while parent is not None and record.getprevious() is not None:
        del parent[0]
