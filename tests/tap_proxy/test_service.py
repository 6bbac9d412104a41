"""The use-case over a source that does what a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from io import BytesIO
from xml.etree import ElementTree

import pytest
from astropy.io.votable import parse_single_table

from penstock.dali.errors import InternalError, ServiceError, UsageError
from penstock.dali.params import Parameters
from penstock.db import Dialect
from penstock.votable.model import Field
from penstock.votable.rows import batch_from_rows
from tap_proxy.core.formats import TAP_FORMATS
from tap_proxy.core.request import RowLimits, read_query
from tap_proxy.ports import Part, Statement, UploadedTable
from tap_proxy.service import Run, TapService

N = Field(name="n", datatype="int")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIMITS = RowLimits(default=50, hard=200)
RUN = Run(now=NOW, base_url="http://penstock.example", time_limit_s=9)


class ScriptedSource:
    """Yields `batches` of numbers, then fails with `failure` if there is one."""

    dialect: Dialect = "sqlite"

    def __init__(self, batches: Sequence[int] = (3,), failure: ServiceError | None = None) -> None:
        self.batches = batches
        self.failure = failure
        self.asked: list[int] = []
        self.closed = 0

    async def open(self, statement: Statement, *, maxrows: int, time_limit_s: float) -> AsyncGenerator[Part, None]:
        self.asked.append(maxrows)
        first = 0
        try:
            for index, size in enumerate(self.batches):
                size = min(size, maxrows - first)
                rows = batch_from_rows((N,), [(n,) for n in range(first, first + size)])
                first += size
                yield Part(rows, self.failure is None and index == len(self.batches) - 1)
                if first >= maxrows:
                    return
            if self.failure:
                raise self.failure
        finally:
            await asyncio.sleep(0)
            self.closed += 1

    async def warm_up(self) -> None: ...

    async def ping(self) -> None: ...

    async def rest(self) -> None: ...

    async def close(self) -> None: ...


def compiled(text: str, maxrows: int = 0, _uploads: object = ()) -> Statement:
    if "nonsense" in text:
        raise UsageError("Line 1, column 8: there is no column nonsense.")
    return Statement(sql=text, params=(), fields=(N,))


async def no_uploads(_orders: object) -> tuple[UploadedTable, ...]:
    return ()


def service(source: ScriptedSource, translate=compiled) -> TapService:
    return TapService(
        compile=translate, source=source, load_uploads=no_uploads, limits=LIMITS, cached_queries=8, links_url=None
    )


async def answer(source: ScriptedSource, *, tell_failure: bool = True, text: str = "SELECT n", **params: str) -> bytes:
    pairs = Parameters([("LANG", "ADQL"), ("QUERY", text), *params.items()])
    query = read_query(pairs, formats=TAP_FORMATS, limits=LIMITS)
    run = Run(now=NOW, base_url="http://penstock.example", time_limit_s=10, tell_failure=tell_failure)
    return b"".join([piece async for piece in service(source).answer(query, run)])


def statuses(document: bytes) -> list[str]:
    infos = ElementTree.fromstring(document).iterfind(".//{*}INFO[@name='QUERY_STATUS']")
    return [info.get("value", "") for info in infos]


def count(document: bytes) -> int:
    return len(parse_single_table(BytesIO(document)).array)


@pytest.mark.parametrize(
    ("rows", "maxrec", "returned", "overflow"),
    [(10, 5, 5, True), (5, 5, 5, False), (4, 5, 4, False), (6, 5, 5, True), (0, 5, 0, False), (1, 1, 1, False)],
)
async def test_overflow_is_flagged_exactly_when_rows_are_dropped(
    rows: int, maxrec: int, returned: int, overflow: bool
) -> None:
    document = await answer(ScriptedSource([rows]), MAXREC=str(maxrec))
    assert count(document) == returned
    assert statuses(document) == (["OK", "OVERFLOW"] if overflow else ["OK"])


async def test_the_default_and_the_hard_limit_cut_too() -> None:
    assert count(await answer(ScriptedSource([60]))) == LIMITS.default
    document = await answer(ScriptedSource([150, 150]), MAXREC="1000000")
    assert count(document) == LIMITS.hard
    assert statuses(document) == ["OK", "OVERFLOW"]


async def test_one_row_more_than_maxrec_is_asked_for() -> None:
    source = ScriptedSource()
    await answer(source, MAXREC="7")
    assert source.asked == [8]


async def test_maxrec_zero_gives_metadata_and_runs_nothing() -> None:
    source = ScriptedSource()
    document = await answer(source, MAXREC="0")
    assert (count(document), statuses(document), source.asked) == (0, ["OK", "OVERFLOW"], [])


async def test_maxrec_zero_still_checks_the_query() -> None:
    with pytest.raises(UsageError, match="nonsense"):
        await answer(ScriptedSource(), text="SELECT nonsense", MAXREC="0")


async def test_a_small_result_is_one_piece() -> None:
    query = read_query(Parameters([("LANG", "ADQL"), ("QUERY", "SELECT n")]), formats=TAP_FORMATS, limits=LIMITS)
    pieces = [piece async for piece in service(ScriptedSource()).answer(query, RUN)]
    assert len(pieces) == 1


async def test_the_head_tells_what_was_asked() -> None:
    document = await answer(ScriptedSource(), text="SELECT n -- <&>", RUNID="mine")
    infos = {info.get("name"): info.get("value") for info in ElementTree.fromstring(document).iterfind(".//{*}INFO")}
    assert infos["QUERY"] == "SELECT n -- <&>"
    assert infos["RUNID"] == "mine"
    assert infos["standardID"] == "ivo://ivoa.net/std/TAP"


BROKEN = InternalError("the disk fell off")


@pytest.mark.parametrize("form", ["votable/td", "votable/b2"])
async def test_a_failure_after_the_first_rows_is_told_at_the_end(form: str) -> None:
    source = ScriptedSource([3, 3], BROKEN)
    document = await answer(source, RESPONSEFORMAT=form)
    assert statuses(document) == ["OK", "ERROR"]
    assert b"the disk fell off" in document
    assert source.closed == 1


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
async def test_a_format_without_a_place_for_it_breaks_off(form: str) -> None:
    with pytest.raises(InternalError, match="disk"):
        await answer(ScriptedSource([3, 3], BROKEN), RESPONSEFORMAT=form)


async def test_a_job_fails_as_a_whole() -> None:
    with pytest.raises(InternalError, match="disk"):
        await answer(ScriptedSource([3, 3], BROKEN), tell_failure=False)


async def test_a_failure_before_the_first_row_is_raised() -> None:
    with pytest.raises(InternalError, match="disk"):
        await answer(ScriptedSource([], BROKEN))


@pytest.mark.parametrize("taken", [1, 2, 3])
async def test_closing_the_answer_closes_the_source(taken: int) -> None:
    source = ScriptedSource([2] * 20)
    query = read_query(Parameters([("LANG", "ADQL"), ("QUERY", "SELECT n")]), formats=TAP_FORMATS, limits=LIMITS)
    async with aclosing(service(source).answer(query, RUN)) as pieces:
        for _ in range(taken):
            await anext(pieces)
    assert source.closed == 1


async def test_a_query_is_compiled_once() -> None:
    seen: list[str] = []

    def translate(text: str, maxrows: int, _uploads: object = ()) -> Statement:
        seen.append(text)
        return compiled(text)

    tap = service(ScriptedSource(), translate)
    query = read_query(Parameters([("LANG", "ADQL"), ("QUERY", "SELECT n")]), formats=TAP_FORMATS, limits=LIMITS)
    for _ in range(3):
        assert [piece async for piece in tap.answer(query, RUN)]
    assert seen == ["SELECT n"]


async def test_a_table_that_somebody_else_took_note_of_meanwhile_is_found() -> None:
    def outdated(_text: str, _maxrows: int, _uploads: object) -> Statement:
        held.compile_with(compiled)  # as the task that looks for news does, between a failure and the look that follows
        raise UsageError("There is no table stars.")

    held = service(ScriptedSource([3]), outdated)
    pairs = Parameters([("LANG", "ADQL"), ("QUERY", "SELECT n FROM stars")])
    query = read_query(pairs, formats=TAP_FORMATS, limits=LIMITS)
    assert count(b"".join([piece async for piece in held.answer(query, RUN)])) == 3
