from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest

from penstock.dali.errors import ServiceUnavailable
from penstock.edge.app import new_service_app
from penstock.edge.errors import text_error
from penstock.edge.health import Readiness, add_health
from tests.penstock.edge.builders import running


async def well() -> str | None:
    return None


async def ill() -> str | None:
    return "no connection"


async def broken() -> str | None:
    raise RuntimeError("secret")


async def away() -> str | None:
    raise ServiceUnavailable("The database does not answer.")


async def hanging() -> str | None:
    await asyncio.Event().wait()
    return None


@asynccontextmanager
async def asked(path: str, **checks):
    readiness = Readiness(timeout_s=0.05)
    for name, check in checks.items():
        readiness.add(name, check)
    app = new_service_app(text_error)
    add_health(app, readiness)
    async with running(app) as server, server.get("/s" + path) as answer:
        yield answer.status, orjson.loads(await answer.read())


async def test_ready_when_every_check_is_well() -> None:
    async with asked("/ready", database=well, lake=well) as (status, document):
        assert status == 200
        assert document == {"status": "ok", "checks": {"database": "ok", "lake": "ok"}}


async def test_not_ready_names_what_is_wrong_and_no_more() -> None:
    async with asked("/ready", a=well, b=ill, c=broken, d=hanging, e=away) as (status, document):
        assert status == 503
        assert document["checks"] == {
            "a": "ok",
            "b": "no connection",
            "c": "the check failed",
            "d": "no answer within 0.05 s",
            "e": "The database does not answer.",
        }


async def test_alive_though_not_ready() -> None:
    async with asked("/health", a=broken) as (status, document):
        assert (status, document) == (200, {"status": "ok"})


def test_a_check_has_a_name_of_its_own() -> None:
    readiness = Readiness()
    readiness.add("database", well)
    with pytest.raises(ValueError, match="already"):
        readiness.add("database", ill)
