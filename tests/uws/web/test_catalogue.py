"""The types of job over HTTP, and who may create jobs of them."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer
from astropy.io.votable import validate
from jsonschema import Draft202012Validator
from lxml import etree, html

from penstock.auth.challenges import Challenge
from penstock.auth.middleware import install_authentication
from penstock.auth.principal import Principal
from penstock.edge.app import new_service_app
from penstock.edge.errors import negotiated_error
from tests.uws.hosting import make_settings, open_resources
from tests.uws.web.client import BROWSER, JAVA, Client, document, get
from uws.app import make_app, open_jobs
from uws.ports import Dispatch, JobContext, JobType, Limits, ParameterSpec, ResultSpec
from uws.worker.jobtypes import ECHO, SLEEP


async def nothing(context: JobContext) -> None: ...


STAFF = JobType(
    name="staff",
    version="1",
    title="For <staff>",
    description="Secret & small",
    run=nothing,
    roles=frozenset({"staff"}),
    limits=Limits(max_duration_s=7, max_upload_bytes=10),
    docs="https://penstock.example/docs",
    results=(ResultSpec(id="out", media_types=("text/plain",), multiple=True),),
    parameters=(
        ParameterSpec(name="file", type="file", media_types=("image/fits",)),
        ParameterSpec(name="choice", options=("a", "b"), default="b"),
        ParameterSpec(name="flag", type="boolean"),
        ParameterSpec(name="number", type="integer", minimum=1, maximum=9, unit="s", description="How many"),
        ParameterSpec(name="many", multiple=True),
        ParameterSpec(name="text", required=True, description="<b>bold</b>"),
    ),
)
JOB_TYPES = {each.name: each for each in (ECHO, SLEEP, STAFF)}


class Groups:
    """An authenticator that believes the name and the groups in the header."""

    security_methods = ("https://example.org/test",)
    challenges: Sequence[Challenge] = (Challenge(scheme="test"),)

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        name, *groups = headers.get("Authorization", "").split() or [None]
        return Principal(subject=name, groups=frozenset(groups), admin=name == "admin")


class Nobody:
    """An executor that runs nothing."""

    def capacity(self, *, light: bool = False) -> int:
        return 0

    async def waiting(self) -> int:
        return 0

    async def start(self, dispatch: Dispatch) -> None:
        raise NotImplementedError

    async def stop(self, job_id: str) -> None:
        """Nothing to stop."""

    async def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def client_of(folder: Path) -> AsyncIterator[Client]:
    async with open_resources(make_settings(folder), authenticator=Groups()) as resources:

        async def open_executor(*_: object) -> Nobody:
            return Nobody()

        service = await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_executor)
        root = new_service_app(negotiated_error)
        root.add_subapp("/uws", make_app(resources, service))
        install_authentication(root, resources.authenticator)
        async with TestClient(TestServer(root)) as client:
            yield client


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/x-votable+xml"),
        (JAVA, "application/x-votable+xml"),
        ("text/xml", "text/xml"),
        ("application/json", "application/json"),
        (BROWSER, "text/html"),
        ("application/json, */*;q=0.5", "application/json"),
        ("image/png", "application/x-votable+xml"),
    ],
)
async def test_the_form_is_negotiated_as_that_of_jobs(tmp_path: Path, accept: str, media_type: str) -> None:
    async with client_of(tmp_path) as client:
        for path in ("/uws/jobtypes", "/uws/jobtypes/", "/uws/jobtypes/staff", "/uws/jobtypes/staff/"):
            async with client.get(path, headers={"Accept": accept}) as response:
                assert (response.status, response.content_type) == (200, media_type)
                assert response.headers["Vary"] == "Accept, Sec-Fetch-Dest"


@pytest.mark.parametrize(
    ("asked", "media_type"),
    [
        ("votable", "application/x-votable+xml"),
        ("application/x-votable%2Bxml", "application/x-votable+xml"),
        ("xml", "application/x-votable+xml"),
        ("JSON", "application/json"),
    ],
)
async def test_responseformat_wins(tmp_path: Path, asked: str, media_type: str) -> None:
    async with client_of(tmp_path) as client:
        assert (await get(client, f"/uws/jobtypes?RESPONSEFORMAT={asked}", BROWSER))[1] == media_type
        status, _, text = await get(client, "/uws/jobtypes/echo?RESPONSEFORMAT=csv")
        assert (status, "RESPONSEFORMAT=csv" in text) == (400, True)


async def test_every_form_says_what_the_type_is(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        listed = orjson.loads((await get(client, "/uws/jobtypes", "application/json"))[2])["jobTypes"]
        assert [each["name"] for each in listed] == ["echo", "sleep", "staff"]
        one = orjson.loads((await get(client, "/uws/jobtypes/staff", "application/json"))[2])
        base = f"http://127.0.0.1:{client.port}/uws"
        assert one.pop("_links") == {"self": f"{base}/jobtypes/staff", "jobs": f"{base}/jobs"}
        assert one == listed[2]
        assert one["limits"]["executionDuration"] == {"default": 7, "maximum": 7}
        assert one["roles"] == ["staff"]
        votable = (await get(client, "/uws/jobtypes"))[2].encode()
        assert validate(io.BytesIO(votable), output=io.StringIO())
        assert len(etree.fromstring(votable)) == 3
        page = (await get(client, "/uws/jobtypes", BROWSER))[2]
        assert f'href="{base}/jobtypes/staff"' in page
        status, _, text = await get(client, "/uws/jobtypes/none")
        assert (status, "echo, sleep, staff" in text) == (404, True)


async def test_the_page_has_a_form_that_fits_the_type(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        text = (await get(client, "/uws/jobtypes/staff", BROWSER, Authorization="ann staff"))[2]
        assert "<b>bold" not in text
        assert "&lt;b&gt;bold" in text
        (form,) = html.fromstring(text).forms
        assert (form.action, form.method, form.get("enctype")) == ("/uws/jobs", "POST", "multipart/form-data")
        assert dict(form.form_values()) == {
            "JOBTYPE": "staff",
            "choice": "b",
            "flag": "",
            "number": "",
            "many": "",
            "text": "",
            "RUNID": "",
            "PHASE": "RUN",
        }
        assert form.inputs["file"].get("accept") == "image/fits"
        assert [form.inputs["number"].get(name) for name in ("type", "min", "max", "step")] == ["number", "1", "9", "1"]
        assert form.inputs["text"].get("required") is not None
        assert len(form.xpath(".//*[@name='many']")) == 3
        labels = {label.get("for") for label in form.iter("label")} - {None}
        assert labels == {each.get("id") for each in form.xpath(".//*[@id]")}
        stranger = (await get(client, "/uws/jobtypes/staff", BROWSER))[2]
        assert "<form" not in stranger
        assert "members of: staff" in stranger


async def test_what_a_browser_sends_for_the_form_creates_a_job(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        text = (await get(client, "/uws/jobtypes/staff", BROWSER, Authorization="ann staff"))[2]
        (form,) = html.fromstring(text).forms
        data = aiohttp.FormData(default_to_multipart=True)
        for name, value in [*form.form_values(), ("many", "one"), ("many", "two")]:
            data.add_field(name, "said" if name == "text" else value)
        data.add_field("file", b"", filename="", content_type="application/octet-stream")
        headers = {"Authorization": "ann staff"}
        async with client.post(form.action, data=data, headers=headers, allow_redirects=False) as response:
            assert response.status == 303, await response.text()
            path = response.headers["Location"].partition(str(client.port))[2]
        async with client.get(path, headers={**headers, "Accept": "application/json"}) as response:
            job = await response.json()
        assert job["parameters"] == [
            {"id": "choice", "value": "b"},
            {"id": "many", "value": "one"},
            {"id": "many", "value": "two"},
            {"id": "text", "value": "said"},
        ]
        assert (job["phase"], job["executionDuration"]) == ("QUEUED", 7)


@pytest.mark.parametrize(
    ("who", "status"), [(None, 401), ("bob", 403), ("bob others", 403), ("ann staff", 303), ("admin", 303)]
)
async def test_a_type_with_roles_is_for_their_members(tmp_path: Path, who: str | None, status: int) -> None:
    async with client_of(tmp_path) as client:
        headers = {} if who is None else {"Authorization": who}
        data = {"JOBTYPE": "staff", "text": "x"}
        async with client.post("/uws/jobs", data=data, headers=headers, allow_redirects=False) as response:
            assert response.status == status
            assert ("WWW-Authenticate" in response.headers) == (status == 401)
        async with client.post("/uws/jobs", data={"JOBTYPE": "echo"}, headers=headers) as response:
            assert response.status == 200


async def test_the_limits_of_a_type_hold_later_too(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        headers = {"Authorization": "admin"}
        data = {"JOBTYPE": "staff", "text": "x", "EXECUTIONDURATION": "100"}
        async with client.post("/uws/jobs", data=data, headers=headers) as response:
            path = response.url.path
        unlimited = {"EXECUTIONDURATION": "0"}
        async with client.post(f"{path}/executionduration", data=unlimited, headers=headers) as response:
            assert b"<uws:executionDuration>7<" in await response.read()
        form = aiohttp.FormData()
        form.add_field("file", b"x" * 11, filename="f")
        async with client.post(f"{path}/parameters", data=form, headers=headers) as response:
            assert response.status == 413


@pytest.mark.parametrize("name", ["job", "jobs", "job-order", "job-type", "problem"])
async def test_schemas_are_served(tmp_path: Path, name: str) -> None:
    async with client_of(tmp_path) as client, client.get(f"/uws/schema/{name}.json") as response:
        assert (response.status, response.content_type) == (200, "application/schema+json")
        schema = orjson.loads(await response.read())
        assert schema["$id"] == f"http://127.0.0.1:{client.port}/uws/schema/{name}.json"
        Draft202012Validator.check_schema(schema)


async def test_a_schema_that_there_is_not_is_not_found(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        status, _, text = await get(client, "/uws/schema/other.json")
        assert (status, "job-order" in text) == (404, True)


BODIES: list[tuple[Any, int, list[str]]] = [
    ({"jobType": "echo", "parameters": {"MESSAGE": "x"}}, 303, []),
    ({"jobType": "echo", "parameters": {"message": 3}}, 303, []),
    ({"jobType": "echo", "parameters": [{"id": "MESSAGE", "value": "x"}], "runId": "r"}, 303, []),
    ({"jobType": "sleep", "parameters": {"DURATION": 1.5}, "executionDuration": 5, "destruction": None}, 303, []),
    ({"jobType": "sleep", "parameters": {"DURATION": -1, "X": True}}, 403, ["X", "DURATION"]),
    ({"jobType": "echo", "parameters": {"MESSAGE": None}}, 400, ["parameters.MESSAGE"]),
    ({"jobType": "echo", "parameters": {"MESSAGE": {}}}, 400, ["parameters.MESSAGE"]),
    ({"jobType": "echo", "parameters": {"MESSAGE": ["a", []]}}, 400, ["parameters.MESSAGE"]),
    ({"parameters": [{"id": 1}], "extra": 1}, 400, ["parameters.0.id", "parameters.0.value", "extra"]),
    ({"jobType": "echo", "parameters": 3}, 400, ["parameters"]),
    ({"jobType": 1, "executionDuration": "1"}, 400, ["jobType", "executionDuration"]),
    ([], 400, [""]),
    ("{", 400, [""]),
]


@pytest.mark.parametrize(("body", "status", "fields"), BODIES, ids=[str(body)[:60] for body, _, _ in BODIES])
async def test_a_body_in_json_is_read_or_refused_as_a_whole(
    tmp_path: Path, body: Any, status: int, fields: list[str]
) -> None:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    data = body if isinstance(body, str) else orjson.dumps(body)
    async with (
        client_of(tmp_path) as client,
        client.post("/uws/jobs", data=data, headers=headers, allow_redirects=False) as response,
    ):
        assert response.status == status, await response.text()
        if status != 303:
            problem = await response.json(content_type="application/problem+json")
            assert [error["field"] for error in problem["errors"]] == fields


async def test_a_value_in_json_is_the_text_that_a_form_has(tmp_path: Path) -> None:
    async with client_of(tmp_path) as client:
        for value, text in ((True, "true"), (3, "3"), (3.0, "3"), (2.5, "2.5"), (1e300, f"{10**300:d}"), ("x", "x")):
            body = {"jobType": "echo", "parameters": {"MESSAGE": value}}
            async with client.post("/uws/jobs", json=body) as response:
                path = response.url.path
            (parameter,) = (await document(client, path)).parameters
            assert parameter.value == text or float(parameter.value) == value
