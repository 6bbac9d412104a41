"""Every client that is known, at every kind of resource: what it sends, and the form that it must get."""

from __future__ import annotations

import orjson
import pytest

from tests.uws.web.client import BROWSER, JAVA, OLD_JAVA, Client, create

pytestmark = pytest.mark.asyncio(loop_scope="package")
XML, TEXT_XML, JSON, HTML, TEXT = "application/xml", "text/xml", "application/json", "text/html", "text/plain"
CONTAINERS = ("", "/results", "/parameters")
ATOMS = ("/phase", "/executionduration", "/destruction", "/quote", "/owner")
CLIENTS = {
    "STILTS on Java 17": (JAVA, XML, TEXT),
    "STILTS on Java 8": (OLD_JAVA, XML, TEXT),
    "pyvo, curl, Java 21, fetch": ("*/*", XML, TEXT),
    "UWS rich client": ("application/xml,text/plain", XML, TEXT),
    "astroquery reads": (None, XML, TEXT),
    "astroquery posts": ("text/plain", XML, TEXT),
    "a browser": (BROWSER, HTML, TEXT),
    "a front end": ("application/json", JSON, JSON),
    "a front end with a way out": ("application/json, */*;q=0.5", JSON, JSON),
    "axios": ("application/json, text/plain, */*", JSON, JSON),
    "one that prefers text": ("application/json;q=0.5, text/plain", JSON, TEXT),
    "one that prefers XML": ("application/xml;q=0.9, application/json;q=0.5", XML, TEXT),
    "one that prefers anything": ("application/json;q=0.5, */*", XML, TEXT),
    "one that names text/xml": ("text/xml", TEXT_XML, TEXT),
    "a suffix": ("application/problem+json", JSON, JSON),
    "only wildcards": ("application/*, text/*", XML, TEXT),
    "an unknown type": ("image/png", XML, TEXT),
    "HTML without a browser": ("text/html", XML, TEXT),
    "nonsense": (";;;,/,*;q=", XML, TEXT),
}


@pytest.mark.parametrize(("accept", "container", "atom"), CLIENTS.values(), ids=CLIENTS.keys())
async def test_a_client_gets_the_form_that_it_can_read(
    client: Client, accept: str | None, container: str, atom: str
) -> None:
    path = await create(client)
    for resource in ("/uws/jobs", *(path + each for each in (*CONTAINERS, *ATOMS))):
        expected = atom if resource.endswith(ATOMS) else container
        if expected == HTML and resource.endswith(CONTAINERS[1:]):
            expected = XML  # a browser sees these on the page of the job
        assert await media_type(client, resource, accept) == expected, resource


async def media_type(client: Client, resource: str, accept: str | None, status: int = 200) -> str:
    headers = {} if accept is None else {"Accept": accept}
    skip = ["Accept"] if accept is None else []
    async with client.get(resource, headers=headers, skip_auto_headers=skip) as response:
        assert response.status == status
        assert response.headers["Vary"] == "Accept, Sec-Fetch-Dest"
        return response.content_type


@pytest.mark.parametrize(
    ("asked", "container", "atom"),
    [
        ("json", JSON, JSON),
        ("JSON", JSON, JSON),
        ("application/json", JSON, JSON),
        ("xml", XML, None),
        ("application/xml", XML, None),
        ("text/xml", TEXT_XML, None),
        ("text/plain", None, TEXT),
        ("csv", None, None),
        ("%00", None, None),
    ],
)
async def test_responseformat_wins_and_what_cannot_be_is_refused(
    client: Client, asked: str, container: str | None, atom: str | None
) -> None:
    path = await create(client)
    for resource in ("/uws/jobs", *(path + each for each in (*CONTAINERS, *ATOMS))):
        expected = atom if resource.endswith(ATOMS) else container
        status = 200 if expected else 400
        found = await media_type(client, f"{resource}?ResponseFormat={asked}", BROWSER, status)
        assert found == (expected or TEXT), resource


async def test_responseformat_of_a_post_is_a_parameter_of_the_job(client: Client) -> None:
    path = await create(client, "/async", RESPONSEFORMAT="json")
    assert await media_type(client, path, "*/*") == XML
    async with client.get(f"{path}/parameters?RESPONSEFORMAT=json") as response:
        assert orjson.loads(await response.read()) == {"parameters": [{"id": "RESPONSEFORMAT", "value": "json"}]}


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        ("*/*", "", TEXT),
        (JAVA, "", TEXT),
        (BROWSER, "", HTML),
        ("application/json", "", "application/problem+json"),
        ("*/*", "?RESPONSEFORMAT=json", "application/problem+json"),
        ("application/json", "?responseformat=xml", TEXT),
    ],
)
async def test_errors_follow_the_same_rule(client: Client, accept: str, query: str, expected: str) -> None:
    assert await media_type(client, f"/uws/jobs/none{query}", accept, 404) == expected


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        ("", {"executionDuration": 7}),
        ("", {"runId": "r"}),
        ("", {"action": "DELETE"}),
        ("/executionduration", {"executionDuration": 7}),
        ("/destruction", {"destruction": "2030-01-01T00:00:00Z"}),
        ("/parameters", {"parameters": {"DURATION": 3}}),
        ("/parameters", {"parameters": [{"id": "DURATION", "value": "3"}]}),
        ("/phase", {"phase": "ABORT"}),
    ],
)
async def test_every_post_takes_json(client: Client, resource: str, body: dict[str, object]) -> None:
    path = await create(client)
    async with client.post(path + resource, json=body, allow_redirects=False) as response:
        assert response.status == 303, await response.text()


@pytest.mark.parametrize("resource", ["", "/executionduration", "/destruction", "/parameters", "/phase"])
async def test_every_post_refuses_other_json_as_a_problem(client: Client, resource: str) -> None:
    path = await create(client)
    headers = {"Accept": "application/json"}
    async with client.post(path + resource, json={"phase": 3, "what": 1}, headers=headers) as response:
        assert (response.status, response.content_type) == (400, "application/problem+json")
        problem = orjson.loads(await response.read())
    assert [error["field"] for error in problem["errors"]] == ["phase", "what"]
