"""Upstreams that come and go: what they offer is kept, and what is away costs its rows and a warning."""

# ruff: noqa: E501  (what is looked for reads best on a line)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from aiohttp import web
from pydantic import ValidationError

from penstock.context import migrations
from penstock.db import Database
from penstock.migrations import upgrade
from penstock.settings import FOR_JOBS
from tap_proxy.app import MOUNTS
from tap_proxy.core.federation.ability import Ability
from tap_proxy.core.federation.mount import Metadata
from tap_proxy.settings import TapSettings, UpstreamSettings
from tap_proxy.upstream.harvesting import Harvester
from tap_proxy.upstream.store import Known, UpstreamStore
from tests.tap_proxy import hosting
from tests.tap_proxy.core.federation.builders import OBSCORE, mount
from tests.tap_proxy.upstream.sites import ask, csv, penstock, proxy, row, running, schemas
from tests.tap_proxy.upstream.stub import CAPABILITIES, Stub
from tests.uws.waiting import eventually

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
KNOWN = Known(
    source="https://a.example/tap",
    url="https://a.example/tap",
    metadata=mount("a", OBSCORE).metadata,
    harvested=NOW,
    tried=NOW,
    problem=None,
)
COUNT = "SELECT archive, COUNT(*) AS n FROM ivoa.obscore GROUP BY archive ORDER BY archive"


class Silent(Stub):
    """A stub that describes observations and gives none, however long one waits."""

    @asynccontextmanager
    async def serving(self, _base: str) -> AsyncIterator[web.Application]:
        app = web.Application()
        app.router.add_get("/tap/capabilities", self._document(CAPABILITIES))
        app.router.add_get("/tap/tables", self._document(TABLESET))
        app.router.add_post("/tap/sync", self._silent)
        yield app


TABLESET = (
    '<v:tableset xmlns:v="http://www.ivoa.net/xml/VOSITables/v1.0"><schema><name>ivoa</name><table><name>ivoa.obscore'
    "</name><column><name>obs_publisher_did</name><dataType>char</dataType></column></table></schema></v:tableset>"
)


def test_an_archive_that_is_away_costs_its_rows_and_a_warning(tmp_path: Path) -> None:
    own = {"archive_name": "home"}
    with running(penstock(tmp_path / "good", [row(n, "good") for n in range(5)])) as good:
        with running(penstock(tmp_path / "dead", [row(1, "dead")])) as dead:
            upstreams = {name: {"url": f"{url}/tap", "obscore": True} for name, url in (("dead", dead), ("good", good))}
            with proxy(tmp_path / "home", upstreams, [row(0, "home")], **own) as base:
                assert csv(base, COUNT) == [["dead", "1"], ["good", "5"], ["home", "1"]]
        # It is gone now; a new process knows its tables all the same.
        with proxy(tmp_path / "home", upstreams, **own) as base:
            assert csv(base, COUNT) == [["good", "5"], ["home", "1"]]
            text = ask(base, COUNT).text
            assert '<INFO name="warning_dead" value="its rows are missing: dead cannot be reached' in text
            assert '<INFO name="archive_good" value="5 rows of ivoa.obscore"/>' in text
            refused = ask(base, "SELECT TOP 1 obs_id FROM dead.ivoa_obscore")
            assert refused.status_code == 502
            assert "dead cannot be reached" in refused.text


def test_a_silent_archive_is_waited_for_no_longer_than_the_limit(tmp_path: Path) -> None:
    with running(Silent().serving) as mute:
        upstreams = {"mute": {"url": f"{mute}/tap", "obscore": True}}
        with proxy(tmp_path, upstreams, [row(0, "home")], archive_time_limit_s=0.5) as base:
            assert csv(base, COUNT) == [["here", "1"]]
            assert (
                'name="warning_mute" value="its rows are missing: mute does not answer in time."'
                in ask(base, COUNT).text
            )


def test_an_upstream_that_was_never_reached_is_told_of(tmp_path: Path) -> None:
    upstreams = {"gone": {"url": "http://127.0.0.1:1/tap", "missing": True}}
    settings = {name: {"url": each["url"]} for name, each in upstreams.items()}
    with running(penstock(tmp_path, [row(0, "home")], upstreams=settings)) as base:

        def told() -> bool:
            return (
                "The archive gone did not say what it offers"
                in requests.get(f"{base}/tap/availability", timeout=60).text
            )

        asyncio.run(eventually(told))
        assert "<vosi:available>true" in requests.get(f"{base}/tap/availability", timeout=60).text
        assert "gone" not in schemas(base)
        assert csv(base, "SELECT COUNT(*) AS n FROM ivoa.obscore") == [["1"]]


def test_only_schemas_that_are_wanted_are_mounted(tmp_path: Path) -> None:
    with running(penstock(tmp_path / "up", [row(1, "up")])) as up:
        upstreams = {"up": {"url": f"{up}/tap", "schemas": ["lake"]}}
        with proxy(tmp_path / "home", upstreams) as base:
            names = [name for (name,) in csv(base, "SELECT table_name FROM tap_schema.tables WHERE schema_name = 'up'")]
            assert sorted(names) == ["up.lake_files", "up.lake_rejected", "up.lake_replicas", "up.lake_sites"]
            keys = "SELECT from_column, target_table, target_column FROM tap_schema.keys JOIN tap_schema.key_columns USING (key_id) WHERE from_table = '{}' ORDER BY target_table, from_column"
            theirs = csv(up, keys.format("lake.replicas"))
            assert csv(base, keys.format("up.lake_replicas")) == [
                [column, f"up.{target.replace('.', '_')}", there] for column, target, there in theirs
            ]
            assert theirs
            document = requests.get(f"{base}/tap/tables/up.lake_replicas", timeout=60).text
            assert "<targetTable>up.lake_files</targetTable>" in document


class Terse(Stub):
    """A stub that has no /tables, only TAP_SCHEMA."""

    @asynccontextmanager
    async def serving(self, _base: str) -> AsyncIterator[web.Application]:
        app = web.Application()
        app.router.add_get("/tap/capabilities", self._document(CAPABILITIES))
        app.router.add_post("/tap/sync", self._described)
        yield app

    async def _described(self, request: web.Request) -> web.Response:
        query = str((await request.post())["QUERY"])
        names, rows = self.TABLES if "TAP_SCHEMA.tables" in query else self.COLUMNS
        fields = "".join(f'<FIELD name="{name}" datatype="char" arraysize="*"/>' for name in names)
        cells = "".join(f"<TR>{''.join(f'<TD>{value}</TD>' for value in row)}</TR>" for row in rows)
        return web.Response(
            text=f"<VOTABLE><RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
        )

    TABLES = (("schema_name", "table_name"), (("cat", "cat.stars"), ("TAP_SCHEMA", "TAP_SCHEMA.tables")))
    COLUMNS = (
        ("table_name", "column_name", "datatype", "unit", "principal"),
        (("cat.stars", "ra", "DOUBLE", "deg", "1"), ("cat.stars", "name", "VARCHAR", "", "0")),
    )


def test_an_upstream_without_tables_is_read_from_its_tap_schema(tmp_path: Path) -> None:
    with running(Terse().serving) as url, proxy(tmp_path, {"terse": {"url": f"{url}/tap"}}) as base:
        query = "SELECT column_name, datatype, unit FROM tap_schema.columns WHERE table_name = 'terse.cat_stars' ORDER BY column_index"
        assert csv(base, query) == [["ra", "double", "deg"], ["name", "char", ""]]


@asynccontextmanager
async def database(url: str) -> AsyncIterator[Database]:
    db = Database(url)
    await upgrade(db, migrations())
    yield db
    await db.close()


async def test_what_is_known_is_kept(database_url: str) -> None:
    async with database(database_url) as db:
        store = UpstreamStore(db)
        await store.keep("a", KNOWN)
        assert (await store.all())["a"] == KNOWN
        failed = replace(KNOWN, metadata=None, harvested=None, url=None, tried=NOW + timedelta(1), problem="it is away")
        await store.keep("a", failed)
        assert (await store.all())["a"] == replace(KNOWN, tried=NOW + timedelta(1), problem="it is away")


async def test_what_is_published_says_when_it_changed(tmp_path: Path) -> None:
    upstreams = {"a": UpstreamSettings(url=KNOWN.source)}  # type: ignore[call-arg]
    async with hosting.resources(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", rows=0, upstreams=upstreams) as opened:
        times = (NOW + timedelta(days=day) for day in count())
        opened.clock = lambda: next(times)
        mounts = await opened.shared(MOUNTS)
        for known in (KNOWN, replace(KNOWN, harvested=NOW + timedelta(hours=1))):
            before = mounts.changed
            await mounts.load()
            assert mounts.changed == before
            await UpstreamStore(opened.db).keep("a", known)
            await mounts.load()
            assert mounts.changed > before


async def test_another_service_under_an_old_name_begins_anew(database_url: str) -> None:
    async with database(database_url) as db:
        store = UpstreamStore(db)
        await store.keep("a", KNOWN)
        before = await store.versions()
        other = Known(source="ivo://b/tap", url=None, metadata=None, harvested=None, tried=NOW, problem="not found")
        await store.keep("a", other)
        assert (await store.all())["a"] == other
        assert await store.versions() != before


async def test_an_upstream_is_found_in_the_registry_and_must_be_public(tmp_path: Path) -> None:
    async with database(f"sqlite:///{tmp_path / 'test.db'}") as db:
        await _register(db, "ivo://found.example/tap", "http://127.0.0.1:1/tap")
        settings = TapSettings(  # type: ignore[call-arg]
            upstreams={
                "listed": UpstreamSettings(registry="ivo://Found.example/tap"),  # type: ignore[call-arg]
                "nowhere": UpstreamSettings(registry="ivo://other.example/tap"),  # type: ignore[call-arg]
            }
        )
        harvester = Harvester(db, settings, allow_private=False, clock=lambda: NOW)
        await harvester.refresh()
        known = await UpstreamStore(db).all()
        assert known["listed"].problem == "listed leads to an address that is not public."
        assert "knows no TAP service ivo://other.example/tap" in (known["nowhere"].problem or "")


async def _register(db: Database, ivoid: str, url: str) -> None:
    prefix = "rr__" if db.dialect == "sqlite" else "rr."
    async with db.write() as connection:
        for statement in (
            f"INSERT INTO {prefix}resource (ivoid, res_title) VALUES (:ivoid, 'found')",
            f"INSERT INTO {prefix}capability (ivoid, cap_index, standard_id) VALUES (:ivoid, 1, 'ivo://ivoa.net/std/tap')",
            f"INSERT INTO {prefix}interface (ivoid, cap_index, intf_index, intf_role, access_url, authenticated_only)"
            " VALUES (:ivoid, 1, 1, 'std', :url, 0)",
        ):
            values = {"ivoid": ivoid, "url": url} if ":url" in statement else {"ivoid": ivoid}
            await connection.execute(sa.text(statement), values)


def test_metadata_are_read_as_they_were_written() -> None:
    from tap_proxy.core.federation.mount import metadata_document, metadata_of

    metadata = mount("a", OBSCORE, ("x.y", "size:int")).metadata
    assert metadata_of(metadata_document(metadata)) == metadata
    assert metadata_of(metadata_document(Metadata(tables=(), ability=Ability()))) == Metadata(
        tables=(), ability=Ability()
    )


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("ivoa", {"url": "https://a.example/tap"}, "cannot be a schema"),
        ("Cadc", {"url": "https://a.example/tap"}, "cannot be a schema"),
        ("select", {"url": "https://a.example/tap"}, "cannot be a schema"),
        ("a", {}, "either url or registry"),
        ("a", {"url": "https://a.example/tap", "registry": "ivo://a/tap"}, "either url or registry"),
        ("a", {"url": "https://me:secret@a.example/tap"}, "without a password"),
        ("a", {"url": "https://a.example/tap?key=1"}, "without a password"),
        ("a", {"url": "file:///etc/passwd"}, "must be like"),
        ("a", {"url": "https://a.example/tap", "tokn": "x"}, "not permitted"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, values: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TapSettings(upstreams={name: values})  # type: ignore[call-arg]


def test_a_token_is_written_for_jobs_alone() -> None:
    settings = TapSettings(upstreams={"a": {"url": "https://a.example/tap", "token": "open-sesame"}})  # type: ignore[call-arg]
    assert "open-sesame" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()
    assert TapSettings.model_validate_json(settings.model_dump_json(context=FOR_JOBS)) == settings
