"""The planner as a caller meets it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp.test_utils import TestClient
from lxml import etree

from tests.execplanner.hosting import serving
from tests.execplanner.test_facilities import RECORD, nothing
from tests.support import official
from uws.ports import JobType

JOB_TYPES = {"sleep": JobType(name="sleep", version="1", title="Sleep", description="Sleeps.", run=nothing)}
ACCEPTS = "/execplanner/accepts"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient]:
    async with serving(tmp_path, records=(), job_types=JOB_TYPES) as site:
        yield site.client


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[TestClient]:
    record = tmp_path / "facility.yaml"
    record.write_text(RECORD)
    async with serving(tmp_path, records=(), facility_file=record) as site:
        yield site.client


async def answer(response: aiohttp.ClientResponse) -> dict[str, Any]:
    body = await response.read()
    assert response.status == 200, body
    document = json.loads(body)
    assert document["reponseword"] == document["responseword"]
    return document


@pytest.mark.parametrize("path", ["/execplanner/accepts", "/execplanner/accept"])
async def test_a_kind_that_this_host_runs_is_handed_to_its_uws(client: TestClient, path: str) -> None:
    document = await answer(await client.get(path, params={"tasktype": "sleep"}))
    endpoint = str(client.make_url("/uws/jobs"))
    assert document["reponseword"] == "YES"
    assert document["servicetype"] == "ivo://ivoa.net/std/UWS#rest-1.1"
    assert document["serviceinfo"] == {"endpoint": endpoint}
    assert document["interfaces"] == [{"servicetype": document["servicetype"], "serviceinfo": {"endpoint": endpoint}}]
    assert document["resources"]["maxduration"] == "86400s"


async def test_an_unknown_kind_is_a_plain_no(client: TestClient) -> None:
    document = await answer(await client.get(f"{ACCEPTS}?tasktype=uri://zeppelin&resources.mincores=100000"))
    (reason,) = document["reponseinfo"]["reasons"]
    assert document["reponseword"] == "NO"
    assert (reason["httpcode"], reason["stage"], reason["path"]) == (404, "kind", "/tasktype")
    assert "interfaces" not in document


QUESTION = {
    "tasktype": "jupyter-notebook",
    "taskinfo": {"languages": ["md", "python"]},
    "resources": {"mincores": 2, "maxcores": 100, "minmemory": "8G", "maxstartup": "60s"},
}


def multipart() -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("tasktype", "jupyter-notebook")
    form.add_field("taskinfo", "languages: [md, python]", filename="info.yml", content_type="text/yaml")
    form.add_field("resources", json.dumps(QUESTION["resources"]), content_type="text/json")
    return form


@pytest.mark.parametrize(
    "body",
    [
        {"params": "tasktype=jupyter-notebook&taskinfo.languages={md,python}&resources.mincores=2"
         "&resources.maxcores=100&resources.minmemory=8G&resources.maxstartup=60s"},
        {"data": {"TASKTYPE": "jupyter-notebook", "taskinfo.languages": "{md,python}", "Resources.mincores": "2",
                  "resources.maxcores": "100", "resources.minmemory": "8G", "resources.maxstartup": "60s"}},
        {"json": QUESTION},
        {"data": yaml.safe_dump(QUESTION), "headers": {"Content-Type": "application/yaml; charset=utf-8"}},
        {"data": multipart},
    ],
    ids=["query", "form", "json", "yaml", "multipart"],
)  # fmt: skip
async def test_every_way_to_ask_gives_the_same_answer(hub: TestClient, body: dict[str, Any]) -> None:
    body = {name: value() if callable(value) else value for name, value in body.items()}
    send = hub.get(ACCEPTS, **body) if "params" in body else hub.post(ACCEPTS, **body)
    document = await answer(await send)
    assert document["reponseword"] == "YES"
    assert document["servicetype"] == "jupyter-hub"
    assert document["resources"] == {
        "mincores": 2,
        "maxcores": 16,
        "minmemory": "8G",
        "maxmemory": "64G",
        "maxstartup": "30s",
        "maxduration": "28800s",
    }


async def test_a_no_says_at_which_stages_and_what_there_is(hub: TestClient) -> None:
    question = {
        "tasktype": "jupyter-notebook",
        "taskinfo": {"languages": "cobol"},
        "resources": {"mincores": 17, "maxstartup": "1s", "minstore": "1P", "mingpus": 1},
        "when": "now",
    }
    document = await answer(await hub.post(ACCEPTS, json=question))
    info = document["reponseinfo"]
    assert [one["stage"] for one in info["reasons"]] == ["taskinfo", "size", "size", "time"]
    assert all(one["text"].endswith(".") for one in info["reasons"])
    assert info["warnings"] == ["'/when' is not understood and was passed over."]
    assert document["resources"]["maxcores"] == 16
    assert document["responseinfo"] == info


@pytest.mark.parametrize("accept", ["application/json", "application/yaml", "application/xml"])
@pytest.mark.parametrize("name", ["\ud800", "\0", "\x1b", "\uffff"])
@pytest.mark.parametrize("place", ["resources", "taskinfo", None])
async def test_a_name_that_cannot_be_printed_is_refused_in_every_form(
    hub: TestClient, accept: str, name: str, place: str | None
) -> None:
    question = {"tasktype": "jupyter-notebook"} | ({place: {name: "1"}} if place else {name: "1"})
    headers = {"Accept": accept, "Content-Type": "application/json"}
    response = await hub.post(ACCEPTS, data=json.dumps(question), headers=headers)
    assert response.status == 400
    assert "cannot be printed" in await response.text()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html, image/gif, image/jpeg, */*; q=0.2", "application/json"),
        ("application/yaml", "application/yaml"),
        ("text/yaml, application/json;q=0.5", "application/yaml"),
        ("application/xml", "application/xml"),
        ("application/json;q=0.1, text/xml;q=0.2", "application/xml"),
        ("application/*", "application/json"),
        ("application/json;q=0, */*", "application/yaml"),
    ],
)
async def test_the_answer_comes_in_the_form_that_is_accepted(
    client: TestClient, accept: str | None, expected: str
) -> None:
    headers = {"Accept": accept} if accept else {}
    response = await client.get(f"{ACCEPTS}?tasktype=sleep", headers=headers, skip_auto_headers=["Accept"])
    assert response.headers["Content-Type"] == expected
    assert response.headers["Vary"] == "Accept"
    body = await response.read()
    match expected:
        case "application/yaml":
            assert yaml.safe_load(body)["interfaces"][0]["serviceinfo"]["endpoint"].endswith("/uws/jobs")
            assert b"&id" not in body
        case "application/xml":
            root = etree.fromstring(body)
            assert root.findtext("reponseword") == "YES"
            assert root.findtext("interfaces/interface/serviceinfo/endpoint", "").endswith("/uws/jobs")


@pytest.mark.parametrize(
    ("asked", "expected"), [("xml", "application/xml"), ("text/yaml", "text/yaml"), ("json", "application/json")]
)
async def test_responseformat_goes_before_accept(client: TestClient, asked: str, expected: str) -> None:
    params = {"tasktype": "sleep", "RESPONSEFORMAT": asked}
    for send in (client.get(ACCEPTS, params=params), client.post(ACCEPTS, data=params)):
        response = await send
        assert response.headers["Content-Type"] == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("tasktype=", 400),
        ("tasktype=a&tasktype=b", 400),
        ("tasktype=sleep&resources.minmemory=8", 400),
        ("tasktype=sleep&resources.minmemory=8bananas", 400),
        ("tasktype=sleep&resources.mincores=-1", 400),
        ("tasktype=sleep&resources.mincores=1&resources.mincores=2", 400),
        ("tasktype=sleep&resources.maxstartup=P1Y", 400),
        ("tasktype=sleep&taskinfo=x", 400),
        ("tasktype=sleep&taskinfo..x=y", 400),
        ("tasktype=sleep&RESPONSEFORMAT=csv", 400),
        ("tasktype=%ff", 400),
        ("tasktype=%00", 400),
    ],
)
async def test_a_wrong_question_is_a_problem(client: TestClient, query: str, status: int) -> None:
    response = await client.get(f"{ACCEPTS}?{query}")
    problem = await response.json(content_type="application/problem+json")
    assert response.status == status == problem["status"]
    assert problem["detail"]


@pytest.mark.parametrize(
    ("media_type", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"{}", 400),
        ("application/json", b'{"tasktype": "sleep", "tasktype": "echo"}', 400),
        ("application/json", b'{"tasktype": "\\ud800"}', 200),
        ("application/json", b"[" * 100_000, 400),
        ("application/yaml", b"a: &a [x]\nb: [*a, *a]", 400),
        ("application/json", b" " * 2_000_000, 413),
        ("application/xml", b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>", 415),
        ("image/png", b"\x89PNG", 415),
        ("multipart/form-data", b"no boundary", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 400),
        (None, b"tasktype: sleep", 200),
    ],
)
async def test_a_hostile_body_is_a_problem(
    client: TestClient, media_type: str | None, body: bytes, status: int
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = await client.post(ACCEPTS, data=body, headers=headers, skip_auto_headers=["Content-Type"])
    assert response.status == status, await response.text()
    assert ("Accept-Post" in response.headers) == (status == 415)
    if status != 200:
        assert response.content_type == "application/problem+json"


async def test_a_part_that_is_no_text_is_a_problem(client: TestClient) -> None:
    form = aiohttp.FormData()
    form.add_field("tasktype", "sleep")
    form.add_field("taskinfo.data", b"\xff\xfe", filename="x.bin", content_type="application/octet-stream")
    assert (await client.post(ACCEPTS, data=form)).status == 400


async def test_nothing_acceptable_is_406(client: TestClient) -> None:
    response = await client.get(f"{ACCEPTS}?tasktype=sleep", headers={"Accept": "image/png"})
    assert response.status == 406


async def test_facilities_are_listed(hub: TestClient) -> None:
    document = await (await hub.get("/execplanner/facilities")).json()
    (facility,) = document["facilities"]
    assert facility["id"] == "ivo://penstock.example/hub"
    assert facility["kinds"]["jupyter-notebook"] == {"title": "Notebooks", "languages": ["md", "python"]}
    assert facility["capacity"] == {"cores": 16, "memory": "64G", "startup": "30s", "duration": "28800s"}


async def test_vosi_documents_are_valid(client: TestClient) -> None:
    for path in ("capabilities", "availability"):
        body = await (await client.get(f"/execplanner/{path}")).read()
        assert official.findings(body, record=False) == []
    capabilities = await (await client.get("/execplanner/capabilities")).text()
    assert 'standardID="ivo://penstock.example/std/executionbroker#accepts-1.0"' in capabilities


@pytest.mark.parametrize("path", ["/execplanner", "/execplanner/"])
async def test_people_get_a_page(client: TestClient, path: str) -> None:
    response = await client.get(path)
    assert response.content_type == "text/html"
    assert "tasktype=sleep" in await response.text()
