"""Harvests other registries: page by page, each written whole or not at all together with where to go on.

A harvest is incremental from the day that the last one began, by the clock of the source, and a little earlier, since
some registries date a record before they show it. A harvest that was killed goes on with the token of its last page;
where the source does not know the token any more, it begins again. A harvest that reads everything deletes, at its
end, what it did not meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from registry.core.answers import Answer, AnswerReader, BadAnswer
from registry.core.dates import read_date
from registry.core.harvesting import Peer, Scope, judge_page, peer_of
from registry.core.oai import ErrorCode, Prefix, Verb, format_stamp
from registry.ports import AnotherAtWork, Fetch, Source, Sources, Tally, Unreachable

OVERLAP = timedelta(minutes=5)
MAX_NOTES = 100
MAX_EMPTY_PAGES = 3
BACKOFF_S = (2.0, 10.0, 30.0)
LONGEST_WAIT_S = 300.0


class HarvestFailed(Exception):
    """A harvest came to no end; what it wrote stays. `resumable` says that the next one goes on from there."""

    def __init__(self, message: str, *, resumable: bool = False) -> None:
        super().__init__(message)
        self.resumable = resumable


@dataclass(slots=True, kw_only=True)
class Report:
    """How a harvest went; `size` is how many records the source says there are, `notes` are (identifier, text)."""

    url: str
    full: bool
    name: str = ""
    pages: int = 0
    tally: Tally = field(default_factory=Tally)
    size: int | None = None
    resumed: bool = False
    notes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """How many records came."""
        return sum(getattr(self.tally, name) for name in Tally.__slots__)

    def note(self, about: str, *texts: str) -> None:
        """Add notes, as long as there are not too many."""
        self.notes += [(about, text) for text in texts][: max(0, MAX_NOTES - len(self.notes))]


Progress = Callable[[Report], None]
Pause = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a source is read."""

    answer_bytes: int = 32 * 1024 * 1024
    records: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvester:
    """Harvests registries into a store.

    Parameters
    ----------
    fetch
        Fetches answers.
    store
        Keeps what comes.
    authority
        The authority that is managed here, whose records are not taken from others.
    clock
        Tells the time.
    limits
        How much of a source is read.
    pause
        Waits for some seconds.
    """

    fetch: Fetch
    store: Sources
    authority: str
    clock: Callable[[], datetime]
    limits: Limits = Limits()
    pause: Pause = asyncio.sleep

    async def harvest(
        self, url: str, *, set_name: str, full: bool = False, progress: Progress = lambda _report: None
    ) -> Report:
        """Harvest what is new at a registry, or, if `full`, everything.

        Parameters
        ----------
        url
            The base URL of its OAI-PMH interface.
        set_name
            The set that is asked for, empty for all records.
        full
            Read everything, and delete what is not there any more.
        progress
            Is told after every page.

        Raises
        ------
        HarvestFailed
            The registry cannot be read to the end, or another harvest of it is at work.
        """
        try:
            source = replace(await self.store.source(url), attempted=self.now())
            if source.version:  # nothing is kept of an address that never answered
                source = await self.store.save(source)
            return await _Run(self, source, set_name=set_name, full=full, progress=progress).to_the_end()
        except AnotherAtWork as error:
            raise HarvestFailed(str(error)) from error
        except (Unreachable, BadAnswer) as error:
            resumable = await self._note_failure(url, str(error))
            raise HarvestFailed(str(error), resumable=resumable) from error
        except HarvestFailed as error:
            await self._note_failure(url, str(error), begin_again=True)
            raise

    async def _note_failure(self, url: str, text: str, *, begin_again: bool = False) -> bool:
        """Write why a harvest failed, and tell whether the next one goes on; if `begin_again`, it must not."""
        source = replace(await self.store.source(url), error=text[:1000])
        if begin_again:
            source = replace(source, token=None, begun=None)
        try:
            if source.version:
                await self.store.save(source)
        except AnotherAtWork:
            return False  # who is at work will say how it went
        return source.token is not None

    def now(self) -> str:
        """Return the present instant as a stamp."""
        return format_stamp(self.clock())

    async def ask(self, url: str, arguments: Mapping[str, str]) -> Answer:
        """Return the answer to a request; one that fails for the moment is repeated.

        The first request of a harvest is not, unless the registry asks for it: a misspelt address is told at once.
        """
        first = arguments["verb"] == Verb.IDENTIFY
        for wait in BACKOFF_S:
            try:
                return await self._ask_once(url, arguments)
            except Unreachable as error:
                if not error.transient or (first and error.retry_after_s is None):
                    raise
                delay = wait if error.retry_after_s is None else error.retry_after_s
                if delay > LONGEST_WAIT_S:
                    raise Unreachable(f"{error.message}; it asks to come back in {delay:.0f} s") from error
                await self.pause(delay)
        return await self._ask_once(url, arguments)

    async def _ask_once(self, url: str, arguments: Mapping[str, str]) -> Answer:
        reader = AnswerReader(self.limits.answer_bytes)
        async with aclosing(self.fetch.chunks(url, arguments)) as chunks:
            async for chunk in chunks:
                reader.feed(chunk)
        return reader.close()


class _Run:
    """One harvest of one source."""

    def __init__(self, harvester: Harvester, source: Source, *, set_name: str, full: bool, progress: Progress) -> None:
        self._by = harvester
        self._source = source
        self._set = set_name
        self._progress = progress
        everything = full or source.watermark is None or source.set != set_name
        self._goes_on = source.token is not None and source.set == set_name and (source.full or not everything)
        self._report = Report(url=source.url, full=everything or (self._goes_on and source.full), resumed=self._goes_on)
        self._tokens: set[int] = set()
        self._empty_pages = 0

    async def to_the_end(self) -> Report:
        peer = await self._identify()
        arguments: dict[str, str] | None = self._resumption() if self._goes_on else self._beginning(peer)
        while arguments is not None:
            answer = await self._by.ask(self._source.url, arguments)
            if self._token_is_lost(answer, arguments):
                self._report.resumed, self._goes_on = False, False
                arguments = self._beginning(peer)
                continue
            arguments = await self._take(answer, peer)
        await self._finish()
        return self._report

    async def _identify(self) -> Peer:
        answer = await self._by.ask(self._source.url, {"verb": Verb.IDENTIFY})
        if answer.identify is None:
            raise HarvestFailed(f"the registry does not identify itself{_told(answer)}")
        peer = peer_of(answer.identify)
        self._report.name = peer.name
        self._report.note("Identify", *peer.notes)
        return peer

    def _beginning(self, peer: Peer) -> dict[str, str]:
        """Return the arguments of the first request, and note that a harvest begins.

        A registry that does not tell for good what is gone is read whole each time.
        """
        full = self._report.full = self._report.full or not peer.keeps_deleted
        self._source = replace(
            self._source,
            set=self._set,
            full=full,
            token=None,
            begun=None,
            generation=self._source.generation + 1 if full else self._source.generation,
        )
        arguments = {"verb": str(Verb.LIST_RECORDS), "metadataPrefix": str(Prefix.IVO_VOR)}
        if self._set:
            arguments["set"] = self._set
        if not full and self._source.watermark:
            since = format_stamp(datetime.fromisoformat(self._source.watermark).astimezone(UTC) - OVERLAP)
            arguments["from"] = since[:10] if peer.days else since
        return arguments

    def _resumption(self) -> dict[str, str]:
        return {"verb": Verb.LIST_RECORDS, "resumptionToken": self._source.token or ""}

    def _token_is_lost(self, answer: Answer, arguments: dict[str, str]) -> bool:
        """Tell whether a token of an earlier run is not good any more; one of this run must be."""
        codes = {code for code, _ in answer.errors}
        lost = self._goes_on and not self._report.pages and "resumptionToken" in arguments
        return lost and ErrorCode.BAD_RESUMPTION_TOKEN in codes

    async def _take(self, answer: Answer, peer: Peer) -> dict[str, str] | None:
        """Write the records of an answer, and return the arguments of the next request."""
        if answer.errors:
            self._refuse_errors(answer)
        following = answer.token or None
        self._refuse_endless(following, answer)
        judged = list(judge_page(answer.records, self._scope(peer)))
        for one in judged:
            self._report.note(one.ivoid, *one.notes)
        begun = self._source.begun or self._watermark(answer)
        self._source, tally = await self._by.store.take(
            replace(self._source, token=following, begun=begun), judged, self._by.now()
        )
        self._report.tally += tally
        self._report.pages += 1
        self._report.size = answer.size or self._report.size
        self._progress(self._report)
        return None if following is None else self._resumption()

    def _scope(self, peer: Peer) -> Scope:
        now = format_stamp(self._by.clock() + OVERLAP)
        return Scope(own=self._by.authority, managed=peer.authorities, now=now)

    def _watermark(self, answer: Answer) -> str:
        stamp, problem = read_date(answer.response_date)
        if problem:
            self._report.note("responseDate", problem)
        if stamp is None:
            raise HarvestFailed(f"the date of the answer {problem}")
        return min(stamp, self._by.now())

    def _refuse_errors(self, answer: Answer) -> None:
        if {code for code, _ in answer.errors} != {ErrorCode.NO_RECORDS_MATCH}:
            raise HarvestFailed(f"the registry refuses the request{_told(answer)}")
        if self._report.full:
            raise HarvestFailed(f"the registry says that it has no records{_told(answer)}: what was known is kept")

    def _refuse_endless(self, token: str | None, answer: Answer) -> None:
        if token is None:
            return
        if hash(token) in self._tokens or token == self._source.token:
            raise HarvestFailed("the registry gave the same resumption token twice: its list has no end")
        self._tokens.add(hash(token))
        self._empty_pages = 0 if answer.records else self._empty_pages + 1
        if self._empty_pages >= MAX_EMPTY_PAGES:
            raise HarvestFailed(f"{MAX_EMPTY_PAGES} answers in a row have a resumption token and no records")
        if self._report.seen + len(answer.records) > self._by.limits.records:
            raise HarvestFailed(f"the list has more than {self._by.limits.records} records")

    async def _finish(self) -> None:
        """Note that the harvest came to its end."""
        source = self._source
        if source.full:
            source, gone = await self._by.store.sweep(source, self._by.now())
            self._report.tally += Tally(deleted=gone)
        done = replace(
            source,
            watermark=source.begun,
            token=None,
            begun=None,
            full=False,
            finished=self._by.now(),
            error=None,
        )
        self._source = await self._by.store.save(done)


def _told(answer: Answer) -> str:
    return "".join(f"; {code}: {text}" for code, text in answer.errors)
