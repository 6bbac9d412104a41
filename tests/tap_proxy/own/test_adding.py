from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pyarrow as pa
import pytest
from aiohttp.test_utils import TestClient, TestServer

from penstock.dali.errors import NotFound, ServiceUnavailable, UsageError
from penstock.db import Database
from penstock.direct import libpq_url
from tap_proxy.core.own_tables import OwnTable
from tap_proxy.own.adding import Adding, Order
from tap_proxy.own.loading import loading
from tap_proxy.own.store import OwnTables
from tests.tap_proxy.hosting import serving
from tests.tap_proxy.own.files import DEC, IDS, MAG, NAMES, RA, SOURCES, as_csv, as_parquet

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RESERVED = frozenset({"ivoa", "tap_schema"})


class Site:
    """A running service, and the operator beside it, who has a database connection of their own."""

    def __init__(self, client: TestClient, db: Database) -> None:
        self.client = client
        self.db = db
        self.told: list[tuple[int, float]] = []
        self._additions = 0

    def adding(self) -> Adding:
        self._additions += 1
        now = NOW.replace(microsecond=self._additions)
        return Adding(
            self.db, reserved=RESERVED, clock=lambda: now, progress=lambda rows, done: self.told.append((rows, done))
        )

    async def add(self, source: Path | str, **order: object) -> OwnTable:
        return await self.adding().add(Order(source=str(source), **order))  # type: ignore[arg-type]

    async def rows(self, text: str, status: int = 200) -> list[list[str]]:
        data = {"LANG": "ADQL", "QUERY": text, "RESPONSEFORMAT": "csv"}
        async with self.client.post("/tap/sync", data=data) as response:
            answer = await response.text()
            assert response.status == status, answer
            return list(csv.reader(io.StringIO(answer)))[1:]

    async def rows_of_job(self, text: str) -> list[list[str]]:
        data = {"LANG": "ADQL", "QUERY": text, "RESPONSEFORMAT": "csv", "PHASE": "RUN"}
        async with self.client.post("/tap/async", data=data, allow_redirects=False) as response:
            job = urlsplit(response.headers["Location"]).path
        for phase in ("QUEUED", "EXECUTING"):
            async with self.client.get(job, params={"WAIT": "60", "PHASE": phase}) as response:
                assert response.status == 200
        async with self.client.get(f"{job}/results/result") as response:
            answer = await response.text()
            assert response.status == 200, answer
            return list(csv.reader(io.StringIO(answer)))[1:]


@asynccontextmanager
async def site_of(folder: Path, url: str) -> AsyncIterator[Site]:
    async with serving(folder, url, rows=0) as app, TestClient(TestServer(app)) as client:
        db = Database(url)
        try:
            yield Site(client, db)
        finally:
            await db.close()


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    async with site_of(tmp_path, database_url) as site:
        yield site


@pytest.mark.parametrize("kind", SOURCES)
async def test_a_table_of_every_format_is_there_at_once_with_all_values(site: Site, tmp_path: Path, kind: str) -> None:
    own = await site.add(SOURCES[kind](tmp_path))
    assert (own.schema, own.table.name, own.rows) == ("own", "stars", 3)
    found = await site.rows("SELECT id, ra, dec, name, mag FROM own.stars ORDER BY id")
    assert [int(row[0]) for row in found] == IDS
    assert [float(row[1]) for row in found] == RA
    assert [float(row[2]) for row in found] == DEC
    assert [row[3] for row in found][:2] == NAMES[:2]
    assert [float(row[4]) if row[4] else None for row in found] == MAG
    assert site.told[-1] == (3, 1.0)


@pytest.mark.parametrize("kind", ["fits", "votable", "parquet"])
async def test_units_ucds_and_descriptions_come_along(site: Site, tmp_path: Path, kind: str) -> None:
    await site.add(SOURCES[kind](tmp_path), description="Bright stars")
    columns = await site.rows(
        "SELECT column_name, unit, ucd, description, indexed FROM tap_schema.columns WHERE table_name = 'own.stars'"
    )
    told = {row[0]: row[1:] for row in columns}
    assert told["id"] == ["", "meta.id;meta.main", "", "1"]
    assert told["ra"] == ["deg", "pos.eq.ra;meta.main", "", "0"]
    assert told["dec"] == ["deg", "pos.eq.dec;meta.main", "", "1"]
    assert told["mag"] == ["mag", "", "visual magnitude", "0"]
    assert told["flux"][0] == "Jy"
    [[described]] = await site.rows("SELECT description FROM tap_schema.tables WHERE table_name = 'own.stars'")
    assert described == "Bright stars"
    async with site.client.get("/tap/tables") as response:
        assert "own.stars" in await response.text()


@pytest.mark.parametrize("kind", ["fits", "votable", "parquet"])
async def test_truths_and_arrays_come_back(site: Site, tmp_path: Path, kind: str) -> None:
    await site.add(SOURCES[kind](tmp_path))
    data = {"LANG": "ADQL", "QUERY": "SELECT flag, flux FROM own.stars ORDER BY id", "RESPONSEFORMAT": "parquet"}
    async with site.client.post("/tap/sync", data=data) as response:
        table = pa.parquet.read_table(io.BytesIO(await response.read()))
    assert table.column("flag").to_pylist() == [True, False, True]
    assert table.column("flux").to_pylist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


async def test_a_cone_finds_what_lies_across_zero(site: Site, tmp_path: Path) -> None:
    await site.add(as_csv(tmp_path))
    cone = "SELECT id FROM own.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(0, 0, 1))"
    assert await site.rows(cone) == [["2"]]


async def test_a_name_that_is_taken_is_kept_unless_it_may_be_replaced(site: Site, tmp_path: Path) -> None:
    await site.add(as_csv(tmp_path))
    with pytest.raises(UsageError, match="--replace"):
        await site.add(as_parquet(tmp_path))
    assert len(await site.rows("SELECT * FROM own.stars")) == 3
    (tmp_path / "stars.csv").write_text("id,colour\n7,blue\n")
    await site.add(tmp_path / "stars.csv", replace=True)
    assert await site.rows("SELECT colour FROM own.stars") == [["blue"]]


async def test_a_job_begins_with_the_table_that_is_there_then(site: Site, tmp_path: Path) -> None:
    await site.add(as_csv(tmp_path))
    assert len(await site.rows_of_job("SELECT * FROM own.stars")) == 3
    (tmp_path / "stars.csv").write_text("id,colour\n7,blue\n")
    await site.add(tmp_path / "stars.csv", replace=True)
    assert await site.rows_of_job("SELECT * FROM own.stars") == [["7", "blue"]]


async def test_a_cone_on_an_added_table_goes_by_zones(site: Site, tmp_path: Path) -> None:
    await site.add(as_csv(tmp_path))
    within = "1 = CONTAINS(POINT(ra, dec), CIRCLE({}, {}, 0.001))"
    for ra, dec, one in zip(RA, DEC, IDS, strict=True):
        assert await site.rows(f"SELECT id FROM own.stars WHERE {within.format(ra, dec)}") == [[str(one)]]
    if site.db.dialect == "sqlite":
        query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'own__stars'"
    else:
        query = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'own' AND tablename = 'stars'"
    async with site.db.read() as connection:
        made = [row[0].replace('"', "") for row in await connection.exec_driver_sql(query)]
    assert any("dec +" in one and ", ra, dec)" in one for one in made), made


async def test_positions_that_are_text_are_taken_as_they_are(site: Site, tmp_path: Path) -> None:
    fields = [pa.field(name, pa.string(), metadata={"ucd": f"pos.eq.{name}", "unit": ""}) for name in ("ra", "dec")]
    path = tmp_path / "hours.parquet"
    pa.parquet.write_table(pa.table([["12 30 49.4"], ["+12 23 28"]], schema=pa.schema(fields)), path)
    await site.add(path)
    assert await site.rows("SELECT ra, dec FROM own.hours") == [["12 30 49.4", "+12 23 28"]]


async def test_a_removed_table_is_gone_and_its_name_is_free(site: Site, tmp_path: Path) -> None:
    await site.add(as_csv(tmp_path))
    query = "SELECT id FROM own.stars"
    assert len(await site.rows(query)) == 3
    await OwnTables(site.db).remove("own", "stars")
    async with site.client.post("/tap/sync", data={"LANG": "ADQL", "QUERY": query}) as response:
        assert response.status in (400, 503)
    assert await site.rows("SELECT table_name FROM tap_schema.tables WHERE schema_name = 'own'") == []
    with pytest.raises(NotFound):
        await OwnTables(site.db).remove("own", "stars")
    await site.add(as_csv(tmp_path))
    assert len(await site.rows(query)) == 3


async def test_a_load_that_breaks_off_leaves_nothing_and_can_be_repeated(site: Site, tmp_path: Path) -> None:
    good, broken = as_parquet(tmp_path).read_bytes(), tmp_path / "stars.vot"
    SOURCES["votable"](tmp_path)
    broken.write_bytes(broken.read_bytes()[:-200])
    with pytest.raises(UsageError):
        await site.add(broken)
    assert good
    assert await site.rows("SELECT table_name FROM tap_schema.tables WHERE schema_name = 'own'") == []
    await site.add(as_csv(tmp_path))
    assert len(await site.rows("SELECT * FROM own.stars")) == 3


async def test_two_loads_of_one_table_do_not_mix(site: Site, tmp_path: Path) -> None:
    own = await site.add(as_csv(tmp_path))
    async with loading(site.db, "own", own.table):
        with pytest.raises(ServiceUnavailable, match="being loaded already"):
            await site.add(as_csv(tmp_path), replace=True)
    assert len(await site.rows("SELECT * FROM own.stars")) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read"),
        ("a,A\n1,2\n", "two columns"),
        ("a,b\n1,2\n3\n", "cannot be read"),
        ("\x00\x01\x02", "cannot be"),
        ("<VOTABLE>", "wrong"),
        ("SIMPLE  = nonsense", "cannot be read as FITS"),
    ],
)
async def test_a_file_without_a_table_is_refused(site: Site, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(UsageError, match=said):
        await site.add(tmp_path / "bad.csv")


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"schema": "ivoa"}, "not for added tables"),
        ({"schema": "Own"}, "for example own"),
        ({"table": 'x"; DROP TABLE y; --'}, "cannot be the name of a table"),
        ({"table": "a" * 49}, "cannot be the name"),
        ({"indexes": ("nothing",)}, "no column 'nothing' to index"),
        ({"without": ("nothing",)}, "no column 'nothing' to leave out; columns: id, ra"),
        ({"without": ("mag",), "indexes": ("mag",)}, "no column 'mag' to index"),
    ],
)
async def test_a_wrong_order_says_what_to_do(site: Site, tmp_path: Path, order: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        await site.add(as_csv(tmp_path), **order)
    for missing in (str(tmp_path / "missing.csv"), f"sqlite:///{tmp_path}/missing.db#stars"):
        with pytest.raises(UsageError, match="cannot be opened"):
            await site.add(missing)
    with pytest.raises(UsageError, match="mysql:// is not read"):
        await site.add("mysql://me:secret@host/stars#bright")


async def test_types_of_csv_hold_for_the_last_row_too(site: Site, tmp_path: Path) -> None:
    lines = ["n,x,t", *(f"{n},{n},{n}" for n in range(450_000)), "7,0.5,seven"]
    (tmp_path / "wide.csv").write_text("\n".join(lines))
    own = await site.add(tmp_path / "wide.csv")
    assert [column.datatype for column in own.table.columns] == ["long", "double", "unicodeChar"]
    assert await site.rows("SELECT n, x FROM own.wide WHERE t = 'seven'") == [["7", "0.5"]]


async def test_columns_may_have_names_that_must_be_quoted(site: Site, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text('select,"a ""b""",Größe\n1,2,3\n')
    await site.add(tmp_path / "odd.csv")
    assert await site.rows('SELECT "select", "a ""b""", "Größe" FROM own.odd') == [["1", "2", "3"]]


async def test_a_table_of_this_postgresql_is_published_where_it_is(tmp_path: Path, postgres_url: str) -> None:
    async with site_of(tmp_path, postgres_url) as site:
        connection = await asyncpg.connect(libpq_url(site.db.url))
        await connection.execute(
            "CREATE SCHEMA survey;"
            "CREATE TABLE survey.stars (id BIGINT PRIMARY KEY, ra FLOAT8, dec FLOAT8, seen TIMESTAMP, notes JSONB)"
        )
        await connection.execute("COMMENT ON COLUMN survey.stars.seen IS 'first observation'")
        await connection.execute("INSERT INTO survey.stars VALUES (1, 10, 20, '2020-01-01T00:00:00')")
        plain = site.db.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with pytest.raises(UsageError, match=r"'notes' \(jsonb\).*--without notes"):
            await site.add(f"{plain}#survey.stars")
        own = await site.add(f"{plain}#survey.stars", without=("notes",))
        assert (own.in_place, own.rows) == (True, 1)
        assert [column.name for column in own.table.columns if column.indexed] == ["id"]
        assert await site.rows("SELECT seen FROM survey.stars WHERE ra BETWEEN 9 AND 11") == [["2020-01-01T00:00:00"]]
        assert [len(row) for row in await site.rows("SELECT * FROM survey.stars")] == [4]
        await OwnTables(site.db).remove("survey", "stars")
        assert await connection.fetchval("SELECT count(*) FROM survey.stars") == 1
        await connection.close()


async def test_a_table_of_another_postgresql_is_copied(tmp_path: Path, database_url: str, postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE stars (id BIGINT, at POINT, name TEXT, ok BOOLEAN, seen DATE)")
    await connection.execute(
        "INSERT INTO stars VALUES (1, '(1,2)', '', true, '2020-01-01'), (2, NULL, NULL, NULL, NULL)"
    )
    await connection.close()
    async with site_of(tmp_path, database_url) as site:
        own = await site.add(f"{postgres_url}#stars", without=("at",))
        assert "@" not in own.origin or "***" in own.origin
        found = await site.rows("SELECT id, seen FROM own.stars ORDER BY id")
        assert found == [["1", "2020-01-01"], ["2", ""]]
        assert await site.rows("SELECT id FROM own.stars WHERE name IS NULL") == [["2"]]


async def test_queries_that_run_while_a_table_is_replaced_see_the_old_rows_or_the_new(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "stars.csv").write_text("v\n1\n1\n")
    await site.add(tmp_path / "stars.csv")
    (tmp_path / "stars.csv").write_text("v\n2\n2\n")

    async def look() -> set[str]:
        data = {"LANG": "ADQL", "QUERY": "SELECT v FROM own.stars", "RESPONSEFORMAT": "csv"}
        async with site.client.post("/tap/sync", data=data) as response:
            text = await response.text()
            return set(text.split()[1:]) if response.status == 200 else {"503" if response.status == 503 else text}

    replacing = asyncio.create_task(site.add(tmp_path / "stars.csv", replace=True))
    seen = [await look() for _ in range(30)]
    await replacing
    assert all(one in ({"1"}, {"2"}, {"503"}) for one in seen), seen
    assert await look() == {"2"}
