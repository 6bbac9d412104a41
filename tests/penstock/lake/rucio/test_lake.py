"""The lake of a real Rucio: the contract of lakes, and everything at which its interface is not what one expects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc.jwk import KeySet, generate_key

from penstock.auth.opening import open_authenticator
from penstock.auth.principal import ANONYMOUS, Principal
from penstock.clock import utc_now
from penstock.dali.errors import AuthenticationRequired, NotFound, ServiceUnavailable, UsageError
from penstock.lake.mapping import load_mapping
from penstock.lake.port import Did, DidType, Medium, ReplicaState, StagingState
from penstock.lake.rucio.client import CHUNK, Refusal, RucioClient, open_client
from penstock.lake.rucio.lake import Remembered, RucioLake
from penstock.lake.rucio.settings import RucioSettings
from penstock.lake.store import LakeStore
from penstock.settings import load_settings
from tests.penstock.lake.builders import open_store
from tests.penstock.lake.contract import HOUR, SOMEBODY, Case, LakeContract, until
from tests.support.oidc import Client, oidc_provider
from tests.support.rucio import sample
from tests.support.rucio.server import AUDIENCE, Rucio


@asynccontextmanager
async def opened(rucio: Rucio, folder: Path, **more: Any) -> AsyncIterator[tuple[RucioLake, RucioClient, LakeStore]]:
    settings = RucioSettings(**rucio.settings(**more))  # type: ignore[arg-type]
    async with AsyncExitStack() as stack, open_store(f"sqlite:///{folder}/lake.db") as store:
        client = await open_client(settings, utc_now, stack)
        yield RucioLake(client, settings, store, load_mapping("obscore")), client, store


OTHER = "cta"  # where tests add files, so that those of the sample stay as many as they are


def file(dataset: int, number: int) -> Did:
    return Did(sample.SCOPE, sample.file_name(dataset, number))


def content(did: Did) -> bytes:
    dataset, number = did.name.removeprefix("obs-").removesuffix(".fits").split("_")
    return sample.content(int(dataset), int(number))


class TestRucioLake(LakeContract):
    @pytest.fixture
    async def case(self, rucio: Rucio, tmp_path: Path) -> AsyncIterator[Case]:
        async with opened(rucio, tmp_path, timeout_s=120) as (lake, _, _):
            yield Case(
                lake=lake,
                dataset=Did(sample.SCOPE, sample.dataset_name(0)),
                files=tuple(file(0, number) for number in range(sample.FILES_PER_DATASET)),
                content=content,
                embargoed=file(0, 1),
                site="CSIC_ES",
            )


async def test_nobody_waits_for_what_another_fetches_unless_it_is_the_same() -> None:
    kept, answers = Remembered(60, lambda: 0.0), asyncio.Event()
    asked = []

    async def slow() -> str:
        asked.append("a")
        await answers.wait()
        return "slow"

    async def quick() -> str:
        return "quick"

    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(kept.get("a", slow)) for _ in range(2))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(kept.get("b", quick), 5) == "quick"
        answers.set()
    assert (first.result(), second.result(), asked) == ("slow", "slow", ["a"])


async def test_replicas_tell_sites_protocols_states_and_media(rucio: Rucio, tmp_path: Path) -> None:
    async with opened(rucio, tmp_path) as (lake, _, _):
        did = file(1, 3)  # at CSIC_ES and on tape
        entry = (await lake.resolve([did], caller=ANONYMOUS))[did]
        assert entry.adler32 == sample.described(1, 3)["adler32"]
        assert [(one.site, (one.url or "").partition(":")[0]) for one in entry.replicas] == [
            ("CSIC_ES", "http"),  # every protocol of a site, ours first: unset, Rucio tells only its own best
            ("CSIC_ES", "root"),
            ("PAWSEY_AU", "http"),
            ("PAWSEY_AU", "root"),
        ]
        assert {one.medium for one in entry.replicas if one.site == "PAWSEY_AU"} == {Medium.TAPE}
        assert [one.online for one in entry.replicas] == [True, True, False, False]
        url = entry.replicas[0].url
        assert url
        answer = await asyncio.to_thread(requests.get, url, timeout=60)
        assert answer.content == sample.content(1, 3)


async def test_a_container_is_told_apart_and_lists_its_datasets(rucio: Rucio, tmp_path: Path) -> None:
    async with opened(rucio, tmp_path) as (lake, _, _):
        did = Did(sample.SCOPE, sample.SURVEY)
        entry = (await lake.resolve([did], caller=ANONYMOUS))[did]
        assert (entry.type, entry.metadata["files"]) == (DidType.CONTAINER, "300")
        members = [member async for member in lake.content(did, caller=ANONYMOUS)]
        assert {member.did.name for member in members} == {sample.dataset_name(number) for number in range(10)}
        assert {(member.type, member.size_bytes) for member in members} == {(DidType.DATASET, None)}


async def test_sites_have_attributes_and_distances(rucio: Rucio, tmp_path: Path) -> None:
    async with opened(rucio, tmp_path) as (lake, _, _):
        sites = {site.name: site for site in await lake.sites()}
        assert set(sites) == {"CSIC_ES", "PAWSEY_AU", "STFC_UK", "ARCHIVE_IT"}
        site = sites["STFC_UK"]
        assert (site.title, site.latitude_deg, site.longitude_deg, site.medium) == ("STFC", 51.57, -1.31, Medium.DISK)
        assert (site.attributes["country"], site.attributes["istape"]) == ("GB", "false")
        assert sites["PAWSEY_AU"].medium is Medium.TAPE
        assert await lake.distances("STFC_UK") == {"CSIC_ES": 1, "PAWSEY_AU": 7}
        assert await lake.distances("ARCHIVE_IT") == {}


async def test_a_thousand_identifiers_are_one_call_and_more_are_refused_by_rucio(rucio: Rucio, tmp_path: Path) -> None:
    dids = [file(dataset, number) for dataset in range(40) for number in range(sample.FILES_PER_DATASET)]
    async with opened(rucio, tmp_path, timeout_s=120) as (lake, client, _):
        assert len(dids) > CHUNK
        assert set(await lake.resolve(dids, caller=ANONYMOUS)) == set(dids)
        body = {"dids": [{"scope": did.scope, "name": did.name} for did in dids]}
        with pytest.raises(Refusal) as refused:
            [row async for row in client.rows("POST", "/replicas/list", body)]
        assert refused.value.kind == "InvalidObject"
        assert len(refused.value.text) <= 200  # it repeats all that it was sent


def test_json_that_is_no_stream_is_not_asked_for(rucio: Rucio) -> None:
    token = {"X-Rucio-Auth-Token": rucio.token(sample.SERVICE)}
    body = {"dids": [{"scope": sample.SCOPE, "name": sample.file_name(0, 0)}]}
    for accept, status in (("application/json", 406), ("*/*", 200)):  # we send the second
        answer = requests.post(f"{rucio.url}/replicas/list", json=body, headers=token | {"Accept": accept}, timeout=60)
        assert answer.status_code == status


async def test_a_file_without_replicas_is_known(rucio: Rucio, tmp_path: Path) -> None:
    async with opened(rucio, tmp_path) as (lake, client, _):
        did = Did(OTHER, "lost.fits")
        row = {"scope": did.scope, "name": did.name, "bytes": 1, "adler32": "00020002", "state": "U"}
        await client.send("POST", "/replicas", {"rse": "STFC_UK", "files": [row], "ignore_availability": True})
        [replica, *_] = (await lake.resolve([did], caller=ANONYMOUS))[did].replicas
        assert (replica.site, replica.state) == ("STFC_UK", ReplicaState.UNAVAILABLE)


async def test_the_parts_of_an_archive_are_not_taken_for_the_archive(rucio: Rucio, tmp_path: Path) -> None:
    rucio.run("python", "-c", _ARCHIVE)
    archive, part = Did(OTHER, "archive.zip"), Did(OTHER, "part.fits")
    async with opened(rucio, tmp_path) as (lake, _, _):
        entries = await lake.resolve([archive, part], caller=ANONYMOUS)
        assert any(replica.online for replica in entries[archive].replicas)
        assert {replica.archived for replica in entries[part].replicas} == {True}
        assert not any(replica.online for replica in entries[part].replicas)
        assert (entries[part].size_bytes, entries[archive].size_bytes) == (40, 100)


_ARCHIVE = """
from rucio.client import Client
c = Client()
c.add_replicas('STFC_UK', [{'scope': 'cta', 'name': 'archive.zip', 'bytes': 100, 'adler32': '00000001'}])
parts = [{'scope': 'cta', 'name': 'part.fits', 'bytes': 40, 'adler32': '00000002'}]
c.add_files_to_archive('cta', 'archive.zip', parts)
"""


async def test_who_is_not_known_sees_public_scopes_only(rucio: Rucio, tmp_path: Path) -> None:
    did = file(0, 0)
    async with opened(rucio, tmp_path, public_scopes=["pub*"], member_scopes=[]) as (lake, _, _):
        dataset = Did(sample.SCOPE, sample.dataset_name(0))
        for caller in (ANONYMOUS, SOMEBODY, Principal(subject="x", token="of nobody that Rucio knows")):
            assert await lake.resolve([did, dataset], caller=caller) == {}
            assert [one async for one in lake.content(dataset, caller=caller)] == []
        assert set(await lake.resolve([did], caller=Principal(admin=True))) == {did}
    async with opened(rucio, tmp_path, public_scopes=[], member_scopes=["ska"]) as (lake, _, _):
        assert await lake.resolve([did], caller=ANONYMOUS) == {}
        assert set(await lake.resolve([did], caller=SOMEBODY)) == {did}
    async with opened(rucio, tmp_path, public_scopes=["s?a"]) as (lake, _, _):
        assert set(await lake.resolve([did], caller=ANONYMOUS)) == {did}


async def test_a_caller_with_a_token_is_seen_by_rucio_as_their_own_account(rucio: Rucio, tmp_path: Path) -> None:
    alice = Principal(subject="alice", token=rucio.token(sample.ALICE))
    async with opened(rucio, tmp_path, public_scopes=[]) as (lake, client, _):
        assert await client.account(token=alice.token) == "alice"
        assert set(await lake.resolve([file(0, 0)], caller=alice)) == {file(0, 0)}
        assert await lake.resolve([file(0, 0)], caller=ANONYMOUS) == {}  # what is cached is the caller's own
        assert [quota.limit_bytes for quota in await lake.quotas(alice)] == [50_000]


async def test_a_token_of_an_openid_provider_is_the_account_that_rucio_has_for_it(rucio: Rucio, tmp_path: Path) -> None:
    keys = KeySet([generate_key("RSA", 2048, {"kid": "one", "use": "sig"})])
    known, unknown = Client("somebody"), Client("nobody")
    with oidc_provider(keys, [known, unknown]) as provider:
        rucio.trust(provider.issuer, known.id, "alice")
        issuer = {"url": provider.issuer, "audiences": [AUDIENCE]}
        own = load_settings({}, authenticator="oidc", oidc={"issuers": [issuer]})
        async with opened(rucio, tmp_path, public_scopes=[]) as (lake, _, _), AsyncExitStack() as stack:
            authenticator = await open_authenticator(own, utc_now, stack)

            async def came(client: Client, scope: str = "openid profile") -> Principal:
                token = await asyncio.to_thread(provider.token, client, AUDIENCE, scope)
                return await authenticator.authenticate({"Authorization": f"Bearer {token}"})

            assert set(await lake.resolve([file(0, 0)], caller=await came(known))) == {file(0, 0)}
            assert [quota.limit_bytes for quota in await lake.quotas(await came(known))] == [50_000]
            for caller in (await came(unknown), await came(known, "profile")):  # Rucio does not believe these
                assert await lake.resolve([file(0, 0)], caller=caller) == {}


async def test_a_quota_that_does_not_suffice_is_explained(rucio: Rucio, tmp_path: Path) -> None:
    alice = Principal(subject="alice", token=rucio.token(sample.ALICE))
    async with opened(rucio, tmp_path) as (lake, _, _):
        dataset = Did(sample.SCOPE, sample.dataset_name(3))
        with pytest.raises(UsageError, match=r"172800 bytes were asked for, and the account alice uses 0 of 50000"):
            await lake.stage([dataset], site="CSIC_ES", lifetime=HOUR, caller=alice)
        with pytest.raises(UsageError, match=r"the account alice has no quota there"):
            await lake.stage([dataset], site="STFC_UK", lifetime=HOUR, caller=alice)


async def test_the_service_keeps_to_its_quota_though_rucio_lets_its_account_do_anything(
    rucio: Rucio, tmp_path: Path
) -> None:
    async with opened(rucio, tmp_path) as (lake, client, _):
        rules = [{"scope": sample.SCOPE, "name": file(3, 2).name}]
        beyond = {"dids": rules, "account": "penstock", "copies": 1, "rse_expression": "PAWSEY_AU", "lifetime": 3600}
        with rucio.held():
            with pytest.raises(UsageError, match=r"5760 bytes were asked for, and the account penstock uses 0 of 1000"):
                await lake.stage([file(3, 2)], site="PAWSEY_AU", lifetime=HOUR, caller=SOMEBODY)
            (made,) = await client.send("POST", "/rules/", beyond)
            rule = await lake.stage([file(3, 2)], site="PAWSEY_AU", lifetime=HOUR, caller=SOMEBODY)
            assert (rule.id, rule.created) == (made, False)
            await lake.unstage(rule.id, caller=SOMEBODY)


async def test_a_rule_of_their_own_is_ended_for_a_caller_whom_rucio_does_not_let(rucio: Rucio, tmp_path: Path) -> None:
    alice = Principal(subject="alice", token=rucio.token(sample.ALICE))
    async with opened(rucio, tmp_path) as (lake, client, _):
        rule = await lake.stage([file(3, 1)], site="CSIC_ES", lifetime=HOUR, caller=alice)
        with pytest.raises(Refusal) as refused:
            await client.send("DELETE", f"/rules/{rule.id}", {}, token=alice.token)
        assert refused.value.kind == "AccessDenied"
        with pytest.raises(NotFound):
            await lake.staging(rule.id, caller=SOMEBODY)  # it is not the service's
        assert (await lake.staging(rule.id, caller=alice)).total == 1
        await lake.unstage(rule.id, caller=alice)
        with pytest.raises(NotFound):
            await lake.staging(rule.id, caller=alice)


async def test_who_is_not_known_stages_only_where_that_is_allowed(rucio: Rucio, tmp_path: Path) -> None:
    async with opened(rucio, tmp_path) as (lake, _, _):
        with pytest.raises(AuthenticationRequired):
            await lake.stage([file(0, 0)], site="CSIC_ES", lifetime=HOUR, caller=ANONYMOUS)
    async with opened(rucio, tmp_path, anonymous_staging=True) as (lake, _, _):
        rule = await lake.stage([file(0, 0)], site="STFC_UK", lifetime=HOUR, caller=ANONYMOUS)
        await lake.unstage(rule.id, caller=ANONYMOUS)


async def test_a_transfer_that_fails_is_stuck_with_its_reason(rucio: Rucio, tmp_path: Path) -> None:
    dids = [file(5, number) for number in range(4)]
    async with opened(rucio, tmp_path) as (lake, _, _):
        with rucio.failing(sample.file_name(5, 2)):
            rule = await lake.stage(dids, site="CSIC_ES", lifetime=HOUR, caller=SOMEBODY)
            state = await until(lake, rule, lambda state: (state.done, state.stuck) == (3, 1))
        assert (state.done, state.total) == (3, 4)
        assert "injected failure" in (state.reason or "")
        await lake.unstage(rule.id, caller=SOMEBODY)


async def test_a_token_of_the_service_that_rucio_has_forgotten_is_renewed(rucio: Rucio, tmp_path: Path) -> None:
    async with opened(rucio, tmp_path) as (lake, client, _):
        client._token = "a token that Rucio has forgotten"
        assert set(await lake.resolve([file(0, 0)], caller=ANONYMOUS)) == {file(0, 0)}


async def test_a_wrong_password_is_our_trouble_and_not_the_caller_s(rucio: Rucio, tmp_path: Path) -> None:
    async with opened(rucio, tmp_path, password="wrong") as (lake, _, _):
        with pytest.raises(ServiceUnavailable, match="does not let this service in"):
            await lake.resolve([file(0, 0)], caller=ANONYMOUS)


async def test_a_token_in_a_file_serves_instead_of_a_password(rucio: Rucio, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(rucio.token(sample.SERVICE) + "\n")
    async with opened(rucio, tmp_path, password="", token_file=path) as (lake, _, _):
        assert set(await lake.resolve([file(0, 0)], caller=ANONYMOUS)) == {file(0, 0)}


async def test_a_mounted_site_is_read_as_files(rucio: Rucio, tmp_path: Path) -> None:
    paths = {f"{rucio.storage}/es/": rucio.store / "es"}
    async with opened(rucio, tmp_path, paths=paths) as (lake, _, _):
        did = file(1, 4)
        found = [one.path for one in (await lake.resolve([did], caller=ANONYMOUS))[did].replicas if one.path]
        assert [path.read_bytes() for path in found] == [sample.content(1, 4)]


async def test_rucio_itself_sees_the_rule_that_was_made(rucio: Rucio, tmp_path: Path) -> None:
    async with opened(rucio, tmp_path) as (lake, _, _):
        with rucio.held():
            rule = await lake.stage([file(7, 0)], site="STFC_UK", lifetime=timedelta(days=2), caller=SOMEBODY)
            shown = rucio.run(
                "python", "-c", f"from rucio.client import Client\nprint(Client().get_replication_rule('{rule.id}'))"
            )
            assert "'rse_expression': 'STFC_UK'" in shown
            assert "'account': 'penstock'" in shown
            state = await lake.staging(rule.id, caller=SOMEBODY)
            assert (state.state, state.done) == (StagingState.REPLICATING, 0)
            await lake.unstage(rule.id, caller=SOMEBODY)
