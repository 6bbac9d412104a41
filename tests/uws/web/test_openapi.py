"""The OpenAPI description is valid, whole, and true of what is answered."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from penstock.openapi import describe_routes
from tests.uws.web.client import BROWSER, Client, create, get
from uws.core.tokens import HEADER
from uws.openapi import CATALOGUE, JOB_LIST, WORKER

pytestmark = pytest.mark.asyncio(loop_scope="package")


def described(client: Client) -> dict[str, Any]:
    return describe_routes(client.app, "http://127.0.0.1")


async def test_the_description_is_openapi(client: Client) -> None:
    document = described(client)
    assert document["openapi"].startswith("3.1")
    assert not [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()]
    identifiers = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(identifiers) == len(set(identifiers))


async def test_everything_that_is_described_is_there_and_the_reverse(client: Client) -> None:
    found = {
        (method.upper(), path): "default" not in operation["responses"]
        for path, operations in described(client)["paths"].items()
        for method, operation in operations.items()
    }
    said = {(method, "/uws/jobs" + path) for method, path in JOB_LIST}
    said |= {(method, "/async" + path) for method, path in JOB_LIST}
    said |= {(method, "/uws" + path) for method, path in CATALOGUE}
    said |= {(method, "/uws/worker" + path) for method, path in WORKER}
    assert all(found[each] for each in said)
    jobs = {each for each in found if each[1].startswith(("/uws/jobs", "/uws/jobtypes", "/uws/worker", "/async"))}
    assert jobs <= said


async def test_every_request_of_a_worker_carries_the_token(client: Client) -> None:
    for path, operations in described(client)["paths"].items():
        for operation in operations.values() if path.startswith("/uws/worker") else ():
            assert HEADER in {parameter["name"] for parameter in operation["parameters"]}
            assert operation["summary"]


def schema_of(document: dict[str, Any], method: str, path: str, status: int, media_type: str) -> dict[str, Any]:
    answer = document["paths"][path][method]["responses"][str(status)]
    return {**answer["content"][media_type]["schema"], "components": document["components"]}


GETS = [
    ("/uws/jobs", "/uws/jobs"),
    ("/uws/jobs/{job_id}", ""),
    *(
        (f"/uws/jobs/{{job_id}}/{part}", f"/{part}")
        for part in ("phase", "executionduration", "destruction", "quote", "owner", "results", "parameters")
    ),
    ("/uws/jobtypes", "/uws/jobtypes"),
    ("/uws/jobtypes/{name}", "/uws/jobtypes/sleep"),
]


@pytest.mark.parametrize(("path", "place"), GETS)
async def test_every_answer_in_json_fits_its_schema(client: Client, path: str, place: str) -> None:
    job = await create(client, DURATION="1", RUNID="r")
    status, media_type, text = await get(client, place if place.startswith("/uws") else job + place, "application/json")
    assert (status, media_type) == (200, "application/json")
    Draft202012Validator(schema_of(described(client), "get", path, 200, media_type)).validate(orjson.loads(text))


@pytest.mark.parametrize(
    ("method", "path", "place", "status"),
    [
        ("get", "/uws/jobs/{job_id}", "/uws/jobs/none", 404),
        ("get", "/uws/jobs", "/uws/jobs?LAST=x", 400),
        ("post", "/uws/jobs", "/uws/jobs?JOBTYPE=sleep&DURATION=x&Y=1", 403),
        ("post", "/uws/jobs", "/uws/jobs", 400),
        ("get", "/uws/schema/{name}.json", "/uws/schema/none.json", 404),
    ],
)
async def test_every_error_in_json_fits_its_schema(
    client: Client, method: str, path: str, place: str, status: int
) -> None:
    async with client.request(method, place, headers={"Accept": "application/json"}) as response:
        assert (response.status, response.content_type) == (status, "application/problem+json")
        problem = orjson.loads(await response.read())
    schema = schema_of(described(client), method, path, status, "application/problem+json")
    Draft202012Validator(schema).validate(problem)


FORMS = ("text/plain", "application/json", "application/xml", "text/html", "application/x-votable+xml")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/xml", BROWSER])
@pytest.mark.parametrize(("path", "place"), GETS)
async def test_every_media_type_that_is_answered_is_described(
    client: Client, path: str, place: str, accept: str
) -> None:
    job = await create(client)
    _, media_type, _ = await get(client, place if place.startswith("/uws") else job + place, accept)
    answers = described(client)["paths"][path]["get"]["responses"]["200"]["content"]
    assert media_type in answers
