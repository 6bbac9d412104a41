"""What operators do by hand: records of their own, beside those that the deployment makes of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from lxml import etree

from penstock.dali.errors import Forbidden, NotFound, PreconditionFailed, UsageError
from registry.core.envelope import Stored
from registry.core.identifier import authority_of, identifier_key
from registry.core.oai import format_stamp
from registry.core.reading import text_of
from registry.core.rules import Level, RuleFinding, check_record
from registry.core.voresource import parse
from registry.ports import Origin, Records

Expectation = Callable[[Stored | None], bool]
"""Whether a record is as the caller believes it to be."""


class Conflict(UsageError):
    """There is something already where something new should be."""

    status_hint = 409


class InvalidRecord(UsageError):
    """A record that may not be published; `findings` say why, line by line."""

    status_hint = 422

    def __init__(self, findings: list[RuleFinding]) -> None:
        errors = [one for one in findings if one.level is Level.ERROR]
        first = errors[0]
        super().__init__(f"The record has {len(errors)} faults; line {first.line}: {first.message} ({first.rule}).")
        self.findings = findings


class Editor:
    """Changes records by hand.

    Parameters
    ----------
    store
        The records.
    authority
        The naming authority that is managed here.
    clock
        Tells the time.
    """

    def __init__(self, store: Records, authority: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._authority = authority
        self._clock = clock

    def check(self, document: bytes) -> list[RuleFinding]:
        """Judge a record; an empty list means that nothing was found."""
        return check_record(document, authority=self._authority, now=format_stamp(self._clock()))

    async def put(
        self, document: bytes, *, ivoid: str | None = None, expected: Expectation = lambda _known: True
    ) -> tuple[Stored, bool]:
        """Write a record, new or in place of one; return it, and whether it is new.

        Parameters
        ----------
        document
            The ``ri:Resource``.
        ivoid
            The identifier that it must have.
        expected
            Whether the record that is there may be replaced.

        Raises
        ------
        InvalidRecord
            It may not be published.
        Forbidden
            The record is made by the deployment, or was harvested.
        PreconditionFailed
            `expected` does not hold.
        """
        findings = await asyncio.to_thread(self.check, document)  # schemas take their time over a large record
        if any(one.level is Level.ERROR for one in findings):
            raise InvalidRecord(findings)
        resource = parse(document)
        own = text_of(resource, "identifier")
        if ivoid is not None and identifier_key(ivoid) != identifier_key(own):
            raise UsageError(f"The record is of {own}, not of {ivoid[:200]}.")
        new = True

        def decide(known: Stored | None) -> etree._Element:
            nonlocal new
            new = known is None or known.deleted
            _refuse_foreign(known)
            if not expected(known):
                raise PreconditionFailed(f"{own} is not as the request expects it to be.")
            return resource

        return await self._store.edit(own, decide, format_stamp(self._clock())), new

    async def create(self, document: bytes) -> Stored:
        """Write a record that must be new.

        Raises
        ------
        Conflict
            There is one.
        """
        try:
            stored, _ = await self.put(document, expected=lambda known: known is None or known.deleted)
        except PreconditionFailed as error:
            raise Conflict("There is a record of that identifier already; PUT replaces it.") from error
        return stored

    async def deprecate(self, ivoid: str) -> Stored:
        """Say that a resource is not there any more, while its record stays: its status becomes inactive.

        Raises
        ------
        NotFound, Forbidden
            There is no such record, or it is not one that operators write.
        """

        def decide(known: Stored | None) -> etree._Element:
            resource = parse(_present(known, ivoid).xml)
            resource.set("status", "inactive")
            return resource

        return await self._store.edit(ivoid, decide, format_stamp(self._clock()))

    async def delete(self, ivoid: str, *, expected: Expectation = lambda _known: True) -> Stored:
        """Delete a record; harvesters are told so for good.

        Raises
        ------
        NotFound, Forbidden
            There is no such record, or it is not one that operators write.
        PreconditionFailed
            `expected` does not hold.
        """

        def decide(known: Stored | None) -> None:
            if not expected(_present(known, ivoid)):
                raise PreconditionFailed(f"{ivoid[:200]} is not as the request expects it to be.")

        return await self._store.edit(ivoid, decide, format_stamp(self._clock()))


def _present(known: Stored | None, ivoid: str) -> Stored:
    if known is None or known.deleted:
        what = "" if authority_of(ivoid) else " (an identifier is ivo://authority/path)"
        raise NotFound(f"There is no record {ivoid[:200]}{what}.")
    _refuse_foreign(known)
    return known


def _refuse_foreign(known: Stored | None) -> None:
    if known is None or known.origin == Origin.OPERATOR:
        return
    if known.deleted and known.origin not in {Origin.DEPLOYMENT, Origin.LAKE}:
        return
    if known.origin in {Origin.DEPLOYMENT, Origin.LAKE}:
        raise Forbidden(f"{known.ivoid} is made by the deployment itself; the file registry.curation changes it.")
    raise Forbidden(f"{known.ivoid} was harvested from {known.origin}.")
