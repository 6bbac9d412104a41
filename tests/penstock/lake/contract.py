"""What every lake does: one class of tests, run against each of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from penstock.auth.principal import Principal
from penstock.dali.errors import NotFound, UsageError
from penstock.lake.port import DataLake, Did, DidType, Rule, Staging, StagingLake, StagingState

SOMEBODY = Principal(subject="somebody@iam.example.org")
SOMEBODY_ELSE = Principal(subject="else@iam.example.org")
HOUR = timedelta(hours=1)
PATIENCE_S = 300
LOOK_EVERY_S = 0.1


class Lake(DataLake, StagingLake, Protocol):
    """A lake that stages."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A lake and what it is known to hold: a dataset, its files, one under embargo, and a site that lacks them."""

    lake: Lake
    dataset: Did
    files: tuple[Did, ...]
    content: Callable[[Did], bytes]
    embargoed: Did
    site: str


async def until(lake: Lake, rule: Rule, reached: Callable[[Staging], bool]) -> Staging:
    """Wait until a staging has got so far; the daemons of a real lake take their time."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            state = await lake.staging(rule.id, caller=SOMEBODY)
            if reached(state):
                return state
            await asyncio.sleep(LOOK_EVERY_S)


async def staged(lake: Lake, rule: Rule) -> Staging:
    """Wait until everything is there."""
    return await until(lake, rule, lambda state: state.state is StagingState.OK)


class LakeContract:
    """Subclasses give the fixture `case`."""

    async def test_it_has_the_ports(self, case: Case) -> None:
        assert isinstance(case.lake, DataLake)
        assert isinstance(case.lake, StagingLake)

    async def test_files_and_datasets_are_resolved_in_one_call(self, case: Case) -> None:
        unknown = (Did(case.dataset.scope, "no such.fits"), Did("nowhere", "x"))
        entries = await case.lake.resolve([*case.files, *unknown, case.dataset, case.files[0]], caller=SOMEBODY)
        assert set(entries) == {*case.files, case.dataset}
        for did in case.files:
            data, entry = case.content(did), entries[did]
            assert (entry.did, entry.type, entry.media_type) == (did, DidType.FILE, "application/fits")
            assert (entry.size_bytes, entry.md5) == (len(data), hashlib.md5(data).hexdigest())
            assert any(replica.online for replica in entry.replicas)
            assert entry.metadata["obs_id"]
        whole = entries[case.dataset]
        assert whole.type is DidType.DATASET
        assert int(whole.metadata["files"]) == len(case.files)
        assert whole.size_bytes == sum(len(case.content(did)) for did in case.files)

    async def test_an_embargo_is_told(self, case: Case) -> None:
        entries = await case.lake.resolve(case.files, caller=SOMEBODY)
        assert [did for did, entry in entries.items() if entry.public_from is not None] == [case.embargoed]
        embargo = entries[case.embargoed].public_from
        assert embargo is not None
        assert embargo > datetime.now(UTC)

    @pytest.mark.parametrize(
        "name", ["a\nb", "it's", 'a"b', "a;b", "%s%00", "../../etc/passwd", "ünï", "a b", "*", "-"]
    )
    async def test_odd_names_are_unknown_and_nothing_else(self, case: Case, name: str) -> None:
        odd = Did(case.dataset.scope, name)
        assert set(await case.lake.resolve([odd, case.files[0]], caller=SOMEBODY)) == {case.files[0]}
        assert [member async for member in case.lake.content(odd, caller=SOMEBODY)] == []

    async def test_more_identifiers_than_fit_one_call_are_resolved(self, case: Case) -> None:
        many = [Did(case.dataset.scope, f"unknown-{number}") for number in range(1500)]
        assert set(await case.lake.resolve([*many, case.files[0]], caller=SOMEBODY)) == {case.files[0]}
        assert await case.lake.resolve([], caller=SOMEBODY) == {}

    async def test_content_tells_members_and_sizes(self, case: Case) -> None:
        members = [member async for member in case.lake.content(case.dataset, caller=SOMEBODY)]
        assert {member.did: (member.type, member.size_bytes) for member in members} == {
            did: (DidType.FILE, len(case.content(did))) for did in case.files
        }
        assert [member async for member in case.lake.content(case.files[0], caller=SOMEBODY)] == []
        assert [member async for member in case.lake.content(Did("nowhere", "x"), caller=SOMEBODY)] == []

    async def test_sites_are_listed_by_name_and_replicas_are_at_them(self, case: Case) -> None:
        names = [site.name for site in await case.lake.sites()]
        assert names == sorted(names)
        entries = await case.lake.resolve(case.files, caller=SOMEBODY)
        assert {replica.site for entry in entries.values() for replica in entry.replicas} <= set(names)
        assert await case.lake.distances("nowhere") == {}
        assert set(await case.lake.distances(names[0])) <= set(names[1:])

    async def test_a_file_is_staged_and_given_up_again(self, case: Case) -> None:
        lake, did = case.lake, case.files[2]
        rule = await lake.stage([did], site=case.site, lifetime=HOUR, caller=SOMEBODY)
        assert rule.created
        await staged(lake, rule)
        state = await lake.staging(rule.id, caller=SOMEBODY)
        assert (state.done, state.total, state.stuck) == (1, 1, 0)
        assert state.expires is not None
        assert abs(state.expires - datetime.now(UTC) - HOUR) < timedelta(minutes=10)
        replicas = (await lake.resolve([did], caller=SOMEBODY))[did].replicas
        assert case.site in {replica.site for replica in replicas if replica.online}
        await lake.unstage(rule.id, caller=SOMEBODY)
        with pytest.raises(NotFound):
            await lake.staging(rule.id, caller=SOMEBODY)
        await lake.unstage(rule.id, caller=SOMEBODY)  # what is gone may be given up again

    async def test_who_asks_again_gets_the_same_rule_for_longer(self, case: Case) -> None:
        lake, dids = case.lake, [case.files[3], case.files[4], case.dataset]
        first = await lake.stage(dids, site=case.site, lifetime=HOUR, caller=SOMEBODY)
        again = await lake.stage(dids[::-1], site=case.site, lifetime=3 * HOUR, caller=SOMEBODY)
        shorter = await lake.stage(dids, site=case.site, lifetime=HOUR, caller=SOMEBODY)
        assert (first.created, again.created, shorter.created) == (True, False, False)
        assert first.id == again.id == shorter.id
        await staged(lake, first)
        state = await lake.staging(first.id, caller=SOMEBODY)
        assert (state.done, state.total) == (len(case.files), len(case.files))
        assert state.expires is not None
        assert state.expires > datetime.now(UTC) + 2 * HOUR
        await lake.unstage(first.id, caller=SOMEBODY)

    async def test_what_cannot_be_staged_is_refused_with_a_sentence(self, case: Case) -> None:
        lake, did = case.lake, case.files[0]
        for site in ("nowhere", "*", "a|b", f"{case.site}|*", ""):
            with pytest.raises(NotFound, match="is not a site of this lake"):
                await lake.stage([did], site=site, lifetime=HOUR, caller=SOMEBODY)
        with pytest.raises(NotFound, match="knows no"):
            await lake.stage([did, Did("no", "where")], site=case.site, lifetime=HOUR, caller=SOMEBODY)
        with pytest.raises(UsageError, match="ID is missing"):
            await lake.stage([], site=case.site, lifetime=HOUR, caller=SOMEBODY)

    async def test_rules_that_are_none_are_not_found(self, case: Case) -> None:
        for rule in ("0" * 32, "foo", "", "../rules", "a" * 5000):
            with pytest.raises(NotFound):
                await case.lake.staging(rule, caller=SOMEBODY)
            await case.lake.unstage(rule, caller=SOMEBODY)

    async def test_quotas_are_told_by_site(self, case: Case) -> None:
        quotas = await case.lake.quotas(SOMEBODY)
        names = [quota.site for quota in quotas]
        assert case.site in names
        assert names == sorted(names)

    async def test_many_callers_at_once_get_the_same(self, case: Case) -> None:
        answers = await asyncio.gather(*(case.lake.resolve(case.files, caller=SOMEBODY) for _ in range(10)))
        assert all(answer == answers[0] for answer in answers)
