"""Baskets as callers meet them over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner

from penstock.auth.middleware import install_authentication
from penstock.auth.principal import Principal
from penstock.basket import openapi
from penstock.basket.app import open_baskets
from penstock.basket.commands import app as command
from penstock.basket.model import read_item
from penstock.basket.plugin import service
from penstock.basket.service import Baskets
from penstock.dali.errors import UsageError
from penstock.db import Database
from penstock.migrations import upgrade
from penstock.openapi import describe_routes
from penstock.service import Resources
from tests.datalink.builders import MemoryLake, resources
from tests.registry.builders import NamedCallers

ALICE, BOB = {"X-Test-Caller": "alice"}, {"X-Test-Caller": "bob"}
HTML = {"Accept": "text/html,application/xhtml+xml"}
A, B = {"reference": "demo:a.fits"}, {"reference": "https://x.org/b", "label": "<B>", "size": 5}


@pytest.fixture
async def given(tmp_path: Path) -> AsyncIterator[Resources]:
    db = Database(f"sqlite:///{tmp_path / 'penstock.db'}")
    await upgrade(db, {"basket": "penstock.basket.migrations"})
    yield resources(service, MemoryLake(), db, max_items=3, max_baskets=2)
    await db.close()


async def application(given: Resources, *, known: bool) -> web.Application:
    """Return the application; callers are `known` where there is an authenticator."""
    if known:
        settings = given.settings.model_copy(update={"authenticator": "oidc"})
        given = replace(given, settings=settings, authenticator=NamedCallers())
    inner = await service.open(given)
    install_authentication(inner, given.authenticator)
    app = web.Application()
    app.add_subapp(service.path, inner)
    return app


@pytest.fixture
async def client(given: Resources) -> AsyncIterator[TestClient]:
    """A deployment whose callers may sign in."""
    async with TestClient(TestServer(await application(given, known=True))) as client:
        yield client


@pytest.fixture
async def plain(given: Resources) -> AsyncIterator[TestClient]:
    """A deployment without authentication."""
    async with TestClient(TestServer(await application(given, known=False))) as client:
        yield client


async def send(client: TestClient, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Return status, body and headers."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
    kind = {"Content-Type": "application/json"} if body is not None else {}
    async with client.request(method, path, data=data, headers=kind | headers) as response:
        text = await response.text()
        is_json = response.content_type.endswith("json")
        return response.status, json.loads(text) if is_json else text, response.headers


async def test_a_basket_is_made_filled_shown_and_removed(client: TestClient) -> None:
    status, basket, headers = await send(client, "POST", "/basket", {"name": "m31"}, **ALICE)
    assert (status, basket["name"], basket["size"]) == (201, "m31", 0)
    assert headers["Location"] == basket["url"] == str(client.make_url("/basket/m31"))
    assert (await send(client, "POST", "/basket", {"name": "m31"}, **ALICE))[0] == 200
    status, added, _ = await send(client, "POST", "/basket/m31", {"items": [A, B]}, **ALICE)
    assert status == 201
    assert [item["reference"] for item in added["items"]] == [A["reference"], B["reference"]]
    status, shown, _ = await send(client, "GET", "/basket/m31", **ALICE)
    assert (status, shown["size"], shown["items"], shown["after"]) == (200, 2, added["items"], None)
    first = added["items"][0]["id"]
    assert (await send(client, "DELETE", f"/basket/m31/items/{first}", **ALICE))[0] == 204
    assert (await send(client, "DELETE", f"/basket/m31/items/{first}", **ALICE))[0] == 404
    _, listed, _ = await send(client, "GET", "/basket/", **ALICE)
    assert [(one["name"], one["size"]) for one in listed["baskets"]] == [("m31", 1)]
    assert (await send(client, "DELETE", "/basket/m31", **ALICE))[0] == 204
    assert (await send(client, "GET", "/basket/m31", **ALICE))[0] == 404


async def test_who_is_known_need_not_make_a_basket_first(client: TestClient) -> None:
    assert (await send(client, "POST", "/basket/new", A, **ALICE))[0] == 201


async def test_nobody_sees_the_baskets_of_others(client: TestClient) -> None:
    await send(client, "POST", "/basket/mine", A, **ALICE)
    for caller in (BOB, {}):
        for method, path, body in (
            ("GET", "/basket/mine", None), ("DELETE", "/basket/mine", None), ("DELETE", "/basket/mine/items/1", None),
        ):  # fmt: skip
            assert (await send(client, method, path, body, **caller))[0] == 404
        assert (await send(client, "GET", "/basket", **caller))[1] == {"baskets": []}


async def test_an_anonymous_basket_is_known_by_its_name_alone(client: TestClient) -> None:
    status, problem, _ = await send(client, "POST", "/basket", {"name": "mine"})
    assert (status, problem["error"]) == (400, "UsageError")
    assert (await send(client, "POST", "/basket/guessed", A))[0] == 404
    _, basket, _ = await send(client, "POST", "/basket")
    assert len(basket["name"]) == 16
    assert (await send(client, "POST", f"/basket/{basket['name']}", A))[0] == 201
    assert (await send(client, "GET", f"/basket/{basket['name']}"))[1]["size"] == 1
    assert (await send(client, "GET", "/basket"))[1] == {"baskets": []}


async def test_without_authentication_everybody_shares_them(plain: TestClient) -> None:
    assert (await send(plain, "POST", "/basket", {"name": "ours"}))[0] == 201
    assert [one["name"] for one in (await send(plain, "GET", "/basket"))[1]["baskets"]] == ["ours"]


async def test_quotas_hold(client: TestClient) -> None:
    many = {"items": [{"reference": f"demo:{n}"} for n in range(4)]}
    assert (await send(client, "POST", "/basket/one", many, **ALICE))[0] == 429
    assert (await send(client, "POST", "/basket/two", A, **ALICE))[0] == 201
    status, problem, headers = await send(client, "POST", "/basket/three", A, **ALICE)
    assert (status, headers["Content-Type"]) == (429, "application/problem+json")
    assert "2 baskets" in problem["detail"]


async def test_pages_lead_from_one_to_the_next(client: TestClient) -> None:
    await send(client, "POST", "/basket/mine", {"items": [{"reference": f"demo:{n}"} for n in range(3)]}, **ALICE)
    seen: list[str] = []
    path: str | None = "/basket/mine?limit=2"
    while path:
        async with client.get(path, headers=ALICE) as response:
            seen += [item["reference"] for item in (await response.json())["items"]]
            following = response.links.get("next")
            path = None if following is None else following["url"].path_qs
    assert seen == ["demo:0", "demo:1", "demo:2"]


async def test_a_basket_that_has_not_changed_is_304(client: TestClient) -> None:
    await send(client, "POST", "/basket/mine", A, **ALICE)
    _, _, headers = await send(client, "GET", "/basket/mine", **ALICE)
    old = headers["ETag"]
    assert (await send(client, "GET", "/basket/mine", **ALICE, **{"If-None-Match": old}))[0] == 304
    await send(client, "POST", "/basket/mine", B, **ALICE)
    assert (await send(client, "GET", "/basket/mine", **ALICE, **{"If-None-Match": old}))[0] == 200
    for tag in (old, '"nonsense"', 'W/"v2"'):
        assert (await send(client, "DELETE", "/basket/mine", **ALICE, **{"If-Match": tag}))[0] == 412
    _, _, headers = await send(client, "GET", "/basket/mine", **ALICE)
    assert (await send(client, "DELETE", "/basket/mine", **ALICE, **{"If-Match": headers["ETag"]}))[0] == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/basket", b"{", 400),
        ("POST", "/basket", {"name": 5}, 400),
        ("POST", "/basket", {"nome": "x"}, 400),
        ("POST", "/basket", [], 400),
        ("POST", "/basket", {"name": "../etc"}, 400),
        ("POST", "/basket/mine", {"reference": "no did"}, 400),
        ("POST", "/basket/mine", {"items": "demo:a"}, 400),
        ("POST", "/basket/mine", {"items": [A], "more": 1}, 400),
        ("POST", "/basket/mine", b"x" * (4 * 1024 * 1024 + 1), 413),
        ("POST", "/basket/-x", A, 400),
        ("GET", "/basket/mine?limit=0", None, 400),
        ("GET", "/basket/mine?after=-1", None, 400),
        ("DELETE", "/basket/mine/items/one", None, 400),
        ("PUT", "/basket/mine", A, 405),
    ],
)
async def test_what_cannot_be_understood_is_a_problem(
    client: TestClient, method: str, path: str, body: Any, status: int
) -> None:
    found, problem, headers = await send(client, method, path, body, **ALICE)
    assert (found, headers["Content-Type"]) == (status, "application/problem+json")
    assert problem["status"] == status


async def test_other_bodies_are_refused(client: TestClient) -> None:
    async with client.post("/basket/mine", data=b"a=b", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415


async def test_people_see_pages(client: TestClient) -> None:
    await send(client, "POST", "/basket/mine", {"items": [A, B]}, **ALICE)
    _, page, headers = await send(client, "GET", "/basket/mine", **ALICE, **HTML)
    assert headers["Content-Type"].startswith("text/html")
    assert "&lt;B&gt;" in page
    assert "<B>" not in page
    assert "demo:a.fits" in page
    assert "mine" in (await send(client, "GET", "/basket", **ALICE, **HTML))[1]
    assert "anonymous" in (await send(client, "GET", "/basket", **HTML))[1]
    assert "<h1>" in (await send(client, "GET", "/basket/none", **ALICE, **HTML))[1]


async def test_answers_are_as_openapi_says(client: TestClient) -> None:
    await send(client, "POST", "/basket/mine", {"items": [A, B]}, **ALICE)
    for path, model in (("/basket", openapi.BASKETS), ("/basket/mine", openapi.PAGE)):
        jsonschema.validate((await send(client, "GET", path, **ALICE))[1], dict(model.schema))
    described = describe_routes(client.app, "https://x.org")
    assert described["paths"]["/basket/{name}"]["post"]["requestBody"]


class TestForJobs:
    @pytest.fixture
    def baskets(self, given: Resources) -> Baskets:
        return open_baskets(given.settings, given.db, given.clock)

    async def test_a_basket_stands_for_the_files_in_it(self, baskets: Baskets) -> None:
        alice = Principal(subject="alice")
        await baskets.create(alice, "mine")
        await baskets.add(
            alice, "mine", [read_item(A), read_item({"reference": "https://x.org/links?id=demo:b&ID=demo:c"})]
        )
        for name in ("basket:mine", "https://x.org/basket/mine"):
            found = await baskets.expand(alice, ["demo:z", name, "demo:a.fits"], base_url="https://x.org")
            assert found == ["demo:z", "demo:a.fits", "demo:b", "demo:c"]

    async def test_a_basket_without_files_is_refused(self, baskets: Baskets) -> None:
        alice = Principal(subject="alice")
        await baskets.create(alice, "empty")
        with pytest.raises(UsageError, match="no file"):
            await baskets.expand(alice, ["basket:empty"], base_url="https://x.org")


class TestCommand:
    def run(self, folder: Path, *arguments: str) -> Any:
        return CliRunner().invoke(command, [*arguments, "--data", str(folder)])

    def test_baskets_are_filled_listed_and_emptied(self, tmp_path: Path) -> None:
        own = ("--owner", "alice")
        added = self.run(tmp_path, "add", "mine", "demo:a", "https://x.org/b", "--label", "two", *own, "--json")
        assert added.exit_code == 0, added.output
        assert [json.loads(line)["reference"] for line in added.stdout.splitlines()] == ["demo:a", "https://x.org/b"]
        assert self.run(tmp_path, "list", *own).stdout.startswith("mine  2 items")
        assert "1  did  demo:a  two" in self.run(tmp_path, "list", "mine", *own).stdout
        assert self.run(tmp_path, "remove", "mine", "1", *own).exit_code == 0
        assert json.loads(self.run(tmp_path, "list", "mine", *own, "--json").stdout)["id"] == 2
        assert self.run(tmp_path, "remove", "mine", *own).exit_code == 0
        assert self.run(tmp_path, "list", *own).stdout == ""

    def test_what_goes_wrong_is_one_line(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "remove", "none")
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr == "penstock basket: There is no basket none.\n"
