"""The broker as a caller meets it: requests, offers, sessions, lists."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import yaml
from lxml import etree

from execplanner.core.ids import new_id
from execplanner.core.times import to_ms
from execplanner.ports import Step
from execplanner.store import SqlKeeper
from tests.execplanner import upstream
from tests.execplanner.hosting import NOTEBOOK, K, MemoryExecutor, Site, compute, record, request_for, serving
from tests.support import official
from tests.uws.waiting import eventually
from uws.ports import job_id_of

ADA, BOB, ADMIN = ({"X-Test-User": name} for name in ("ada", "bob", "admin"))
NEVER = MemoryExecutor(steps=(Step.RUNNING,))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, executor=MemoryExecutor(steps=(Step.RUNNING,))) as running:
        yield running


async def test_offers_are_made_at_the_place_that_location_names(site: Site) -> None:
    async with site.client.post("/execplanner/requests", json=request_for(), allow_redirects=False) as response:
        assert response.status == 303
        document = await response.json()
        location = response.headers["Location"]
    assert document["meta"]["url"] == location
    assert (document["result"], len(document["offers"])) == ("YES", 1)
    again = await (await site.client.get(urlsplit(location).path)).json()
    assert again == document
    assert upstream.findings(document, "OfferSetResponse") == []


async def test_an_offer_says_when_where_and_how_much(site: Site) -> None:
    asked = request_for(compute={**compute(2, 4), "cores": {"min": 2, "max": 100}, "memory": {"min": 4, "max": 6}})
    document = await site.ask(asked)
    [offer] = document["offers"]
    assert offer["phase"] == "OFFERED"
    assert offer["compute"]["cores"] == {"min": 8, "max": 8}
    assert offer["compute"]["memory"] == {"min": 6, "max": 6}
    assert offer["schedule"]["available"]["duration"] == "PT1H"
    assert offer["schedule"]["preparing"]["start"] <= offer["schedule"]["available"]["start"]
    assert offer["meta"]["messages"][0]["values"]["facility"] == "ivo://penstock.example/one"
    [capped] = [one for one in document["meta"]["messages"] if one["level"] == "WARN"]
    assert (capped["kind"], capped["values"]["limit"]) == ("urn:resource-limit", "8")
    options = {one["path"]: one for one in offer["meta"]["options"]}
    assert options["phase"]["values"] == ["ACCEPTED", "REJECTED", "CANCELLED"]
    assert options["compute/cores"] == {"kind": "uri:integer-value-option", "path": "compute/cores", "min": 1, "max": 8}


async def test_prefer_representation_gives_200(site: Site) -> None:
    headers = {"Prefer": "return=representation"}
    async with site.client.post("/execplanner/requests", json=request_for(), headers=headers) as response:
        assert response.status == 200
        assert response.headers["Preference-Applied"] == "return=representation"


@pytest.mark.parametrize("form", ["json", "yaml", "xml"])
async def test_every_form_is_read_and_written(site: Site, form: str) -> None:
    bodies = {"json": json.dumps(request_for()), "yaml": yaml.safe_dump(request_for()), "xml": XML}
    headers = {"Content-Type": f"application/{form}", "Accept": f"application/{form}"}
    sent = site.client.post("/execplanner/requests", data=bodies[form], headers=headers, allow_redirects=False)
    async with sent as response:
        assert response.status == 303, await response.text()
        assert response.content_type == f"application/{form}"
        assert response.headers["Vary"] == "Accept"
        body = await response.read()
    match form:
        case "xml":
            assert etree.fromstring(body).findtext("offers/execution/phase") == "OFFERED"
        case _:
            document = yaml.safe_load(body)
            assert document["offers"][0]["executable"]["location"] == NOTEBOOK["location"]
            assert upstream.findings(document, "OfferSetResponse") == []


XML = f"""<offers-request>
  <executable kind="{K}/executable/jupyter-notebook.yaml"><meta><name>a-notebook</name></meta>
    <location>https://example.org/a.ipynb</location></executable>
  <compute kind="{K}/compute/simple-compute-resource.yaml"><cores><min>1</min></cores>
    <memory><min>1</min></memory></compute>
</offers-request>"""


async def test_accepting_one_offer_rejects_the_others(tmp_path: Path) -> None:
    records = [record(name) for name in ("one", "two", "three")]
    async with serving(tmp_path, records=records, executor=NEVER) as site:
        offers = (await site.ask())["offers"]
        assert len({one["meta"]["messages"][0]["values"]["facility"] for one in offers}) == 3
        chosen, *others = (one["meta"]["uuid"] for one in offers)
        status, session = await site.set_phase(chosen, "ACCEPTED")
        assert (status, session["phase"]) == (200, "ACCEPTED")
        assert upstream.findings(session, "AbstractExecutionSession") == []
        assert "expires" not in session
        for other in others:
            status, problem = await site.set_phase(other, "ACCEPTED")
            assert (status, problem["session"]["phase"]) == (409, "REJECTED")
        assert (await site.set_phase(chosen, "ACCEPTED"))[0] == 200


async def test_an_offer_expires_for_everybody_who_looks(site: Site) -> None:
    document = await site.ask(request_for(compute=compute(8)))
    session = document["offers"][0]["meta"]["uuid"]
    soon = {"requested": {"duration": "PT1H", "start": site.clock().strftime("%Y-%m-%dT%H:%M:%SZ/PT5M")}}
    status, refused = await site.json("POST", "/requests", json=request_for(schedule=soon))
    assert (status, refused["result"]) == (303, "NO")
    site.clock.ahead = timedelta(seconds=301)
    _, found = await site.json("GET", f"/sessions/{session}")
    assert (found["phase"], found["meta"].get("options")) == ("EXPIRED", None)
    status, problem = await site.set_phase(session, "ACCEPTED")
    assert (status, problem["session"]["phase"]) == (410, "EXPIRED")
    assert (await site.ask(request_for(compute=compute(8))))["result"] == "YES"


async def test_less_at_once_and_all_later_are_both_offered(site: Site) -> None:
    [held] = (await site.ask(request_for(compute=compute(6))))["offers"]
    wide = request_for(compute=compute({"min": 1, "max": 8}))
    [only] = (await site.ask(wide, path="/requests?MAXOFFERS=1"))["offers"]
    assert only["compute"]["cores"]["min"] == 2
    await site.set_phase(only["meta"]["uuid"], "REJECTED")
    soon, later = (await site.ask(wide))["offers"]
    assert [one["compute"]["cores"]["min"] for one in (soon, later)] == [2, 8]
    assert begin(soon) < begin(held) + timedelta(minutes=1)
    assert begin(later) >= begin(soon) + timedelta(hours=1)
    assert (await site.set_phase(later["meta"]["uuid"], "ACCEPTED"))[1]["phase"] in ("ACCEPTED", "WAITING")
    assert (await site.json("GET", f"/sessions/{soon['meta']['uuid']}"))[1]["phase"] == "REJECTED"


async def test_what_is_not_kept_any_more_is_gone_and_what_never_was_is_not_found(site: Site) -> None:
    document = await site.ask()
    offerset, session = document["meta"]["uuid"], document["offers"][0]["meta"]["uuid"]
    site.clock.ahead = timedelta(days=3)
    assert (await site.json("GET", f"/sessions/{session}"))[1]["phase"] == "EXPIRED"
    await SqlKeeper(site.resources.db).purge(to_ms(site.clock() - timedelta(days=2)))
    for path in (f"/offersets/{offerset}", f"/sessions/{session}"):
        status, problem = await site.json("GET", path)
        assert (status, problem["status"]) == (410, 410)
    assert (await site.set_phase(session, "ACCEPTED"))[0] == 410
    assert (await site.json("GET", f"/sessions/{new_id(to_ms(site.clock()), bytes(10))}"))[0] == 404


async def test_later_room_is_offered_when_there_is_none_now(site: Site) -> None:
    first = (await site.ask(request_for(compute=compute(8))))["offers"][0]
    await site.set_phase(first["meta"]["uuid"], "ACCEPTED")
    [second] = (await site.ask(request_for(compute=compute(8))))["offers"]
    assert second["schedule"]["available"]["start"] >= first["schedule"]["releasing"]["start"]


async def test_a_plan_that_saw_no_reservations_is_made_again_with_a_look_at_them(tmp_path: Path) -> None:
    """Nothing is known here of what was taken elsewhere, so the first plan is for now, and refused by the store."""
    one = record(capacity={"cores": 8, "memory": "32Gi"})
    async with serving(tmp_path / "a", f"sqlite:///{tmp_path}/shared.db", records=[one]) as first:
        [held] = (await first.ask(request_for(compute=compute(8))))["offers"]
        async with serving(tmp_path / "b", f"sqlite:///{tmp_path}/shared.db", records=[one]) as second:
            [later] = (await second.ask())["offers"]
            assert begin(later) >= begin(held) + timedelta(hours=1)
            within = (begin(held) + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ/PT1M")
            nothing = await second.ask(request_for(schedule={"requested": {"duration": "PT1H", "start": within}}))
            assert (nothing["result"], nothing["offers"]) == ("NO", [])
            assert any(each["kind"] == "urn:resource-limit" for each in nothing["meta"]["messages"])


def begin(offer: dict[str, Any]) -> datetime:
    """Return the earliest start of an offer."""
    return datetime.fromisoformat(offer["schedule"]["available"]["start"].partition("/")[0].replace("Z", "+00:00"))


async def test_all_who_ask_at_once_for_the_only_facility_get_an_offer_of_their_own(tmp_path: Path) -> None:
    """Each takes the room that the others have just seen: nobody loses every time."""
    async with serving(tmp_path, executor=NEVER, max_open_offers_anonymous=0) as site:
        documents = await asyncio.gather(*(site.ask(request_for(compute=compute(8))) for _ in range(40)))
    starts = {offer["schedule"]["available"]["start"] for document in documents for offer in document["offers"]}
    assert len(starts) == 40


async def test_a_session_runs_to_its_end_as_a_job_with_results(tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        session = (await site.ask(request_for(), headers=ADA))["offers"][0]["meta"]["uuid"]
        await site.set_phase(session, "ACCEPTED", headers=ADA)
        status, found = await site.json("GET", f"/sessions/{session}?WAIT=60&PHASE=ACCEPTED", headers=ADA)
        assert status == 200
        assert found["phase"] != "ACCEPTED"

        async def completed() -> bool:
            _, found = await site.json("GET", f"/sessions/{session}", headers=ADA)
            return bool(found["phase"] == "COMPLETED")

        await eventually(completed)
        _, found = await site.json("GET", f"/sessions/{session}", headers=ADA)
        places = {one["kind"]: one["location"] for one in found["connectors"]}
        job_url = places["ivo://ivoa.net/std/UWS#rest-1.1"]
        assert job_url.endswith(f"/uws/jobs/{job_id_of(UUID(session))}")
        assert upstream.findings(found, "AbstractExecutionSession") == []

        async def job_document() -> Any:
            return await (
                await site.client.get(urlsplit(job_url).path, headers={**ADA, "Accept": "application/json"})
            ).json()

        async def job_completed() -> bool:
            return bool((await job_document())["phase"] == "COMPLETED")

        await eventually(job_completed)
        stdout = urlsplit(places["urn:penstock:kind:connector:stdout"]).path
        text = await (await site.client.get(stdout, headers=ADA)).text()
        assert text == "this is stdout\n"
        job = await job_document()
        assert (job["phase"], job["ownerId"]) == ("COMPLETED", "ada")
        assert {one["id"] for one in job["results"]} == {"stdout", "stderr", "plot.png"}
        assert (await site.client.get(urlsplit(job_url).path, headers=BOB)).status == 403
        assert site.executor.calls == ["prepare", "start", "release"]


async def test_work_that_fails_fails_its_session_and_its_job(tmp_path: Path) -> None:
    async with serving(tmp_path, executor=MemoryExecutor(steps=(Step.RUNNING, Step.FAILED))) as site:
        session = (await site.ask())["offers"][0]["meta"]["uuid"]
        await site.set_phase(session, "ACCEPTED")

        async def failed() -> bool:
            _, found = await site.json("GET", f"/sessions/{session}")
            return bool(found["phase"] == "FAILED" and "release" in site.executor.calls)

        await eventually(failed)
        _, found = await site.json("GET", f"/sessions/{session}")
        assert "it went wrong" in found["meta"]["messages"][-1]["message"]
        assert (await site.ask(request_for(compute=compute(8))))["result"] == "YES"


@pytest.mark.parametrize("way", ["session", "delete", "job", "job deleted"])
async def test_cancelling_stops_the_work_whichever_way(site: Site, way: str) -> None:
    session = (await site.ask(request_for(compute=compute(8))))["offers"][0]["meta"]["uuid"]
    await site.set_phase(session, "ACCEPTED")
    job = f"/uws/jobs/{job_id_of(UUID(session))}"

    async def runs() -> bool:
        _, found = await site.json("GET", f"/sessions/{session}")
        return bool(found["phase"] == "RUNNING")

    await eventually(runs)
    match way:
        case "session":
            assert (await site.set_phase(session, "CANCELLED"))[1]["phase"] == "CANCELLED"
        case "delete":
            assert (await site.client.delete(f"/execplanner/sessions/{session}")).status == 204
        case "job":
            await site.client.post(f"{job}/phase", data={"PHASE": "ABORT"})
        case _:
            await site.client.delete(job)
    await eventually(lambda: f"memory:{session}" in site.executor.stopped and "release" in site.executor.calls)

    async def free() -> bool:
        return (await site.ask(request_for(compute=compute(8))))["offers"] != []

    await eventually(free)


async def test_a_session_of_later_waits_for_its_time(site: Site) -> None:
    start = (site.clock() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = request_for(schedule={"requested": {"start": f"{start}/PT1H", "duration": "PT30M"}})
    [offer] = (await site.ask(asked))["offers"]
    session = offer["meta"]["uuid"]
    assert offer["schedule"]["available"]["start"].startswith(start[:-1])
    await site.set_phase(session, "ACCEPTED")

    async def phase(expected: str) -> bool:
        _, found = await site.json("GET", f"/sessions/{session}")
        return bool(found["phase"] == expected)

    await eventually(lambda: phase("WAITING"))
    job = await (
        await site.client.get(f"/uws/jobs/{job_id_of(UUID(session))}", headers={"Accept": "application/json"})
    ).json()
    assert job["phase"] == "HELD"
    site.clock.ahead = timedelta(hours=2, minutes=1)
    await eventually(lambda: phase("RUNNING"))


async def test_direct_runs_the_best_offer_at_once(site: Site) -> None:
    async with site.client.post("/execplanner/direct", json=request_for(), allow_redirects=False) as response:
        assert response.status == 303
        session = await response.json()
        assert response.headers["Location"] == session["meta"]["url"]
    assert session["phase"] == "ACCEPTED"
    status, failed = await site.json("POST", "/direct", json=request_for(compute=compute(9)))
    assert (status, failed["phase"]) == (400, "FAILED")
    assert failed["meta"]["messages"][0]["kind"] == "urn:resource-limit"
    assert upstream.findings(failed, "AbstractExecutionSession") == []


async def test_an_offer_is_changed_within_its_options(site: Site) -> None:
    session = (await site.ask())["offers"][0]["meta"]["uuid"]
    more = {"kind": "uri:integer-value-update", "path": "/compute/cores", "value": 4}
    status, found = await site.json("POST", f"/sessions/{session}", json=more)
    assert (status, found["compute"]["cores"]) == (200, {"min": 4, "max": 4})
    less = {"kind": "uri:integer-delta-update", "path": "compute/memory", "delta": 3}
    _, found = await site.json("POST", f"/sessions/{session}", json=less)
    assert found["compute"]["memory"] == {"min": 4, "max": 4}
    other = (await site.ask(request_for(compute=compute(4))))["offers"][0]["meta"]["uuid"]
    status, _ = await site.json("POST", f"/sessions/{session}", json={**more, "value": 5})
    assert status == 409
    await site.set_phase(other, "REJECTED")
    assert (await site.json("POST", f"/sessions/{session}", json={**more, "value": 5}))[0] == 200
    assert (await site.json("POST", f"/sessions/{session}", json={**more, "value": 9}))[0] == 400


async def test_a_stale_version_is_not_changed(site: Site) -> None:
    session = (await site.ask())["offers"][0]["meta"]["uuid"]
    async with site.client.get(f"/execplanner/sessions/{session}") as response:
        tag = response.headers["ETag"]
    async with site.client.get(f"/execplanner/sessions/{session}", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
    assert (await site.set_phase(session, "ACCEPTED", headers={"If-Match": '"77-json"'}))[0] == 412
    assert (await site.set_phase(session, "ACCEPTED", headers={"If-Match": tag}))[0] == 200
    assert (await site.set_phase(session, "CANCELLED", headers={"If-Match": tag}))[0] == 412


async def test_the_same_request_with_a_key_is_answered_once(site: Site) -> None:
    headers = {"Idempotency-Key": "k 1"}
    first = await site.ask(request_for(), headers=headers)
    assert await site.ask(request_for(), headers=headers) == first
    status, _ = await site.json("POST", "/requests", json=request_for(compute=compute(2)), headers=headers)
    assert status == 422
    assert (await site.ask(request_for(), headers={**headers, **ADA}))["meta"]["uuid"] != first["meta"]["uuid"]
    direct = [await site.json("POST", "/direct", json=request_for(), headers={"Idempotency-Key": "d"}) for _ in "ab"]
    assert direct[0][1]["meta"]["uuid"] == direct[1][1]["meta"]["uuid"]


async def test_owners_see_their_own(site: Site) -> None:
    document = await site.ask(request_for(), headers=ADA)
    session = document["offers"][0]["meta"]["uuid"]
    for path in (f"/sessions/{session}", f"/offersets/{document['meta']['uuid']}"):
        assert (await site.json("GET", path, headers=ADA))[0] == 200
        assert (await site.json("GET", path, headers=ADMIN))[0] == 200
        assert (await site.json("GET", path, headers=BOB))[0] == 403
        assert (await site.json("GET", path))[0] == 401
    assert (await site.set_phase(session, "ACCEPTED", headers=BOB))[0] == 403
    assert (await site.set_phase(session, "ACCEPTED"))[0] == 401
    assert (await site.client.delete(f"/execplanner/sessions/{session}", headers=BOB)).status == 403


async def test_lists_have_filters_and_pages(site: Site) -> None:
    ids = [(await site.ask(request_for(), headers=ADA))["offers"][0]["meta"]["uuid"] for _ in range(3)]
    await site.set_phase(ids[1], "REJECTED", headers=ADA)

    async def listed(query: str) -> list[int]:
        _, document = await site.json("GET", f"/sessions{query}", headers=ADA)
        return [ids.index(one["uuid"]) for one in document["sessions"]]

    assert await listed("") == [2, 1, 0]
    assert await listed("?phase=REJECTED,ACCEPTED") == [1]
    assert await listed("?PHASE=OFFERED&LAST=1") == [2]
    _, page = await site.json("GET", "/sessions?LAST=2", headers=ADA)
    assert await listed("?" + page["next"].partition("?")[2]) == [0]
    _, page = await site.json("GET", "/sessions?PHASE=OFFERED&PHASE=REJECTED&LAST=1", headers=ADA)
    assert await listed("?" + page["next"].partition("?")[2]) == [1]
    _, sets = await site.json("GET", "/offersets", headers=ADA)
    assert len(sets["offersets"]) == 3
    assert (await site.json("GET", "/sessions"))[0] == 401
    assert (await site.json("GET", "/sessions?PHASE=LOST", headers=ADA))[0] == 400
    _, nothing = await site.json("GET", "/sessions", headers=BOB)
    assert nothing == {"sessions": []}


async def test_too_many_open_offers_are_429_until_some_are_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path, max_open_offers=2, max_open_offers_anonymous=1) as site:
        first = await site.ask(request_for(), headers=ADA)
        await site.ask(request_for(), headers=ADA)
        async with site.client.post("/execplanner/requests", json=request_for(), headers=ADA) as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == "300"
        await site.ask(request_for(), headers=BOB)
        await site.set_phase(first["offers"][0]["meta"]["uuid"], "REJECTED", headers=ADA)
        await site.ask(request_for(), headers=ADA)


async def test_a_facility_for_a_group_is_for_its_members(tmp_path: Path) -> None:
    async with serving(tmp_path, records=[record("one", groups=["skao"])]) as site:
        no = await site.ask(request_for(), headers=BOB)
        assert [one["kind"] for one in no["meta"]["messages"]] == ["urn:not-authorized"]
        assert (await site.ask(request_for(), headers={**BOB, "X-Test-Groups": "skao"}))["result"] == "YES"


async def test_maintenance_is_not_offered(tmp_path: Path) -> None:
    closed = [{"start": "2020-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z"}]
    async with serving(tmp_path, records=[record("one", closed=closed)]) as site:
        document = await site.ask()
        assert document["result"] == "NO"
        assert "no room" in document["meta"]["messages"][0]["message"]


async def test_offers_are_ranked_as_asked(tmp_path: Path) -> None:
    records = [
        record("dear", costs={"monetary": {"core_hour": 9}}),
        record("cheap", costs={"monetary": {"core_hour": 1}, "carbon": {"fixed": 5}}, capacity={"startup": "1h"}),
    ]
    async with serving(tmp_path, records=records) as site:

        async def first(query: str, **more: Any) -> str:
            document = await site.ask(request_for(**more), f"/requests{query}")
            facility: str = document["offers"][0]["meta"]["messages"][0]["values"]["facility"]
            return facility.rpartition("/")[2]

        assert await first("") == "dear"
        assert await first("?RANK=cost") == "cheap"
        assert await first("?RANK=carbon,cost") == "dear"
        limit = [{"kind": f"{K}/costs/simple-minmax-float-cost.yaml", "type": COST, "max": 2}]
        assert await first("", costs=limit) == "cheap"
        document = await site.ask(request_for(), "/requests?MAXOFFERS=1")
        assert len(document["offers"]) == 1
        assert document["offers"][0]["costs"][0]["max"] == 9


COST = "urn:ivoa:calycopis:cost:monetary"


async def test_facilities_and_kinds_can_be_searched(tmp_path: Path) -> None:
    gpus = {"cores": 64, "memory": "1Ti", "gpus": 2, "gpu_models": ["A100"]}
    records = [record("one", site="paris"), record("two", capacity=gpus, storage_sites=["PERTH-DISK"])]
    async with serving(tmp_path, records=records) as site:

        async def found(query: str) -> list[str]:
            _, document = await site.json("GET", f"/facilities{query}")
            return [one["id"].rpartition("/")[2] for one in document["facilities"]]

        assert await found("") == ["one", "two"]
        assert await found("?KIND=jupyter-notebook&CORES=9") == ["two"]
        assert await found(f"?kind={K}/executable/docker-container.yaml") == ["one", "two"]
        assert await found("?GPU=a100") == await found("?GPU=2") == ["two"]
        assert await found("?GPU=%C2%B2") == []
        assert await found("?SITE=paris") == ["one"]
        assert await found("?SITE=PERTH-DISK") == ["two"]
        assert await found("?KIND=zeppelin-notebook") == []
        assert await found("?MEMORY=33Gi") == ["two"]
        _, kinds = await site.json("GET", "/kinds")
        by_name = {one["name"]: one for one in kinds["kinds"]}
        assert by_name["jupyter-notebook"]["facilities"] == 2
        assert by_name["git-repository"]["kind"] == "urn:penstock:kind:executable:git-repository"


async def test_a_facility_that_does_not_answer_is_a_warning_while_others_do(tmp_path: Path) -> None:
    records = [record("one"), record("two", executors={"main": {"plugin": "memory", "estimates": False}})]
    async with serving(tmp_path, records=records, executor=MemoryExecutor(away=True)) as site:
        document = await site.ask()
        assert (document["result"], len(document["offers"])) == ("YES", 1)
        assert "away" in document["meta"]["messages"][0]["message"]
        assert document["meta"]["messages"][0]["level"] == "WARN"


async def test_vosi_and_openapi_tell_of_every_interface(site: Site) -> None:
    body = await (await site.client.get("/execplanner/capabilities")).read()
    for key in ("accepts", "requests", "direct", "sessions"):
        assert f"ivo://penstock.example/std/executionbroker#{key}-1.0".encode() in body
    assert b"ivoa.net/std/ExecutionBroker" not in body
    assert official.findings(body, record=False) == []


async def test_people_get_a_page(site: Site) -> None:
    async with site.client.get("/execplanner/") as response:
        assert response.content_type == "text/html"
