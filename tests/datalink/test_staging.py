"""The job type lake.stage on a lake that does as it is told; tests/penstock/lake/rucio has it with a real Rucio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datalink.plugin import datalink as service
from datalink.staging import LEASE, STAGE
from penstock.auth.principal import Principal
from penstock.basket.app import open_baskets
from penstock.basket.model import read_item
from penstock.basket.plugin import service as basket
from penstock.dali.errors import NotFound, ServiceError, ServiceUnavailable, UsageError
from penstock.dali.params import Parameters
from penstock.lake.port import Did, DidType, Entry, Member, Quota, Rule, Staging, StagingState
from penstock.migrations import upgrade
from penstock.service import Resources
from tests.datalink.builders import MemoryLake, a_file, resources
from tests.uws.waiting import eventually

OWNER = Principal(subject="owner")
OK = Staging(state=StagingState.OK, done=2, total=2)


def moving(done: int, state: StagingState = StagingState.REPLICATING, **more: Any) -> Staging:
    return Staging(state=state, done=done, total=2, **more)


@dataclass
class StagingMemoryLake(MemoryLake):
    """Tells one state of `course` after the other, the last for ever."""

    course: list[Staging | ServiceError] = field(default_factory=lambda: [OK])
    created: bool = True
    staged: list[tuple[tuple[Did, ...], str, timedelta | None]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    owner: Principal = OWNER

    async def stage(self, dids: Sequence[Did], *, site: str, lifetime: timedelta | None, caller: Principal) -> Rule:
        assert caller == self.owner
        self.staged.append((tuple(dids), site, lifetime))
        return Rule(id="rule", created=self.created)

    async def content(self, did: Did, *, caller: Principal) -> AsyncIterator[Member]:
        for member in self.members.get(did, ()):
            yield Member(did=member, type=self.entries[member].type)

    async def staging(self, rule: str, *, caller: Principal) -> Staging:
        state = self.course.pop(0) if len(self.course) > 1 else self.course[0]
        if isinstance(state, ServiceError):
            raise state
        return state

    async def unstage(self, rule: str, *, caller: Principal) -> None:
        self.ended.append(rule)

    async def quotas(self, caller: Principal) -> Sequence[Quota]:
        return ()


@dataclass
class Context:
    """What a job sees: the port's `JobContext`."""

    shared: Resources
    parameters: Parameters
    job_id: str = "job"
    attempt: int = 1
    owner: Principal = OWNER
    told: list[tuple[float | None, str | None]] = field(default_factory=list)
    written: dict[str, bytes] = field(default_factory=dict)

    async def resources(self) -> Resources:
        return self.shared

    async def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        self.told.append((fraction, message))

    @asynccontextmanager
    async def result(self, result_id: str, media_type: str) -> AsyncIterator[Any]:
        pieces: list[bytes] = []

        class Sink:
            async def write(self, data: bytes) -> None:
                pieces.append(data)

        yield Sink()
        self.written[result_id] = b"".join(pieces)


def lake(**more: Any) -> StagingMemoryLake:
    made = StagingMemoryLake(**more)
    made.add(a_file("a.fits", "paris", "perth"))
    made.add(a_file("b.fits", "paris"))
    return made


def context(held: MemoryLake, *ids: str, section: Mapping[str, Any] | None = None, **parameters: str) -> Context:
    given = [("ID", one) for one in ids] + list(({"SITE": "paris"} | parameters).items())
    return Context(shared=resources(service, held, beside=(basket,), **(section or {})), parameters=Parameters(given))


async def test_a_basket_gives_its_files_and_takes_the_result() -> None:
    held = lake(course=[OK])
    job = context(held, "basket:mine", "demo:a.fits", BASKET="staged")
    await upgrade(job.shared.db, {"basket": "penstock.basket.migrations"})
    baskets = open_baskets(job.shared.settings, job.shared.db, job.shared.clock)
    references = (
        "ivo://penstock.example/lake?demo:a.fits",
        "https://x.org/links?ID=demo:b.fits",
        "https://x.org/other",
    )
    await baskets.add(OWNER, "mine", [read_item({"reference": one}) for one in references])
    await STAGE.run(job)
    assert held.staged[0][0] == (Did("demo", "a.fits"), Did("demo", "b.fits"))
    _, (item,) = await baskets.page(OWNER, "staged", after=0, limit=10)
    assert item.what.reference == f"{job.shared.settings.own_url}/uws/jobs/job/results/replicas"
    assert (item.what.job, item.what.media_type) == ("job", "application/json")


async def test_replicas_are_made_and_told_with_their_addresses() -> None:
    held = lake(course=[moving(0), moving(1), OK])
    job = context(held, "demo:a.fits", "ivo://penstock.example/lake?demo:b.fits", LIFETIME="3600")
    await STAGE.run(job)
    dids = (Did("demo", "a.fits"), Did("demo", "b.fits"))
    # A lease while it runs, and the whole lifetime at its end.
    assert held.staged == [(dids, "paris", LEASE), (dids, "paris", timedelta(hours=1))]
    assert held.ended == []
    assert [fraction for fraction, _ in job.told] == [0.0, 0.5, 1.0, 1.0]
    assert job.told[1][1] == "1 of 2 files are at paris"
    document = json.loads(job.written["replicas"])
    assert (document["site"], document["lifetime_s"]) == ("paris", 3600)
    assert [(row["did"], row["urls"]) for row in document["files"]] == [
        ("demo:a.fits", ["https://paris.example.org/a.fits"]),
        ("demo:b.fits", ["https://paris.example.org/b.fits"]),
    ]
    links = "/datalink/links?ID=ivo%3A%2F%2Fpenstock.example%2Flake%3Fdemo%3Aa.fits"
    assert document["files"][0]["datalink"].endswith(links)


async def test_files_of_containers_are_told_one_by_one_even_if_they_hold_each_other() -> None:
    held = lake()
    outer, inner = Did("demo", "outer"), Did("demo", "inner")
    for did in (outer, inner):
        held.add(Entry(did=did, type=DidType.DATASET))
    held.members = {outer: (inner, Did("demo", "a.fits")), inner: (outer, Did("demo", "b.fits"))}
    job = context(held, "demo:outer")
    await STAGE.run(job)
    files = json.loads(job.written["replicas"])["files"]
    assert sorted(row["did"] for row in files) == ["demo:a.fits", "demo:b.fits"]


@pytest.mark.parametrize(("group", "told"), [("survey", ["https://paris.example.org/secret.fits"]), ("other", [])])
async def test_the_address_of_a_file_under_embargo_is_told_to_its_groups_only(group: str, told: list[str]) -> None:
    held = lake()
    held.add(a_file("secret.fits", "paris", public_from=datetime(2999, 1, 1, tzinfo=UTC)))
    job = context(held, "demo:secret.fits", section={"early_access": {"demo": ["survey"]}})
    job.owner = held.owner = Principal(subject="owner", groups=frozenset({group}))
    await STAGE.run(job)
    assert json.loads(job.written["replicas"])["files"][0]["urls"] == told


@pytest.mark.parametrize("created", [True, False])
async def test_a_job_that_is_aborted_ends_the_rule_that_it_made_and_no_other(*, created: bool) -> None:
    held = lake(course=[moving(0)], created=created)
    job = context(held, "demo:a.fits")
    running = asyncio.create_task(STAGE.run(job))
    await eventually(lambda: bool(job.told))  # it waits for the lake now
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert held.ended == (["rule"] if created else [])
    assert job.written == {}


async def test_a_rule_in_which_nothing_moves_fails_with_the_lake_s_reason() -> None:
    stuck = moving(1, StagingState.STUCK, stuck=1, reason="no space left")
    held = lake(course=[stuck])
    job = context(held, "demo:a.fits", section={"stage_stuck_s": 0.3})
    with pytest.raises(ServiceUnavailable, match="1 of 2 files are at paris; 1 cannot be copied now: no space left"):
        await STAGE.run(job)
    assert held.ended == ["rule"]


async def test_a_lake_that_is_away_for_a_moment_is_waited_for() -> None:
    held = lake(course=[moving(0), ServiceUnavailable("The lake is away."), OK])
    job = context(held, "demo:a.fits")
    await STAGE.run(job)
    assert (None, "waiting: The lake is away.") in job.told
    assert "replicas" in job.written


async def test_a_rule_that_somebody_else_ended_is_told() -> None:
    held = lake(course=[moving(0), NotFound("gone")])
    with pytest.raises(UsageError, match="Somebody ended the staging"):
        await STAGE.run(context(held, "demo:a.fits"))


@pytest.mark.parametrize(
    ("ids", "parameters", "message"),
    [
        ((), {}, "ID has 0 values"),
        (("no did",), {}, "is not a data identifier"),
        (("ivo://else.where/lake?a:b",), {}, "is not an identifier of this data lake"),
        (("demo:a.fits",), {"LIFETIME": "99999999"}, "is more than"),
        (("demo:a.fits",), {"LIFETIME": "soon"}, "LIFETIME"),
    ],
)
async def test_bad_parameters_are_told_before_anything_is_staged(
    ids: tuple[str, ...], parameters: dict[str, str], message: str
) -> None:
    held = lake()
    with pytest.raises(UsageError, match=message):
        await STAGE.run(context(held, *ids, **parameters))
    assert held.staged == []


async def test_a_lake_that_cannot_stage_says_so() -> None:
    with pytest.raises(UsageError, match="cannot stage"):
        await STAGE.run(context(MemoryLake(), "demo:a.fits"))
