from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from astropy import units
from astropy.io.votable.ucd import parse_ucd

from penstock.db import Database
from penstock.lake.catalogue import SCHEMAS, Catalogue
from penstock.lake.obscore import LAKE_DID, MANDATORY, OBSCORE, OPTIONAL, TABLE_UTYPE, access_path
from penstock.tables import Column
from tests.penstock.lake.builders import open_store
from tests.support.systems import require_shared

COLUMNS = [
    pytest.param(column, id=f"{schema.name}.{table.name}.{column.name}")
    for schema in SCHEMAS
    for table in schema.tables
    for column in table.columns
]
ROW = re.compile(r"\| (\d+) \| (\w+) \| (\w+) \| [^|]* \| ([^|]*) \| ([^|]*) \| ([^|]*) \| [^|]* \| (yes|NOT NULL) \|")
ADQL_TYPES = {
    "VARCHAR": "char",
    "CLOB": "char",
    "REGION": "char",
    "INTEGER": "int",
    "BIGINT": "long",
    "DOUBLE": "double",
}


def test_the_mandatory_columns_are_those_of_the_standard() -> None:
    reference = require_shared("reference", "tap.md").read_text()
    rows = [match.groups() for match in ROW.finditer(reference[reference.index("## B.10") :])]
    assert len(rows) == len(MANDATORY) == 30
    for (_, name, adql, unit, ucd, utype, null), column in zip(rows, MANDATORY, strict=True):
        assert (column.name, column.unit or "", column.ucd) == (name, unit.strip(), ucd.strip())
        assert column.utype == f"obscore:{utype.strip()}"
        assert column.datatype.replace("unicodeChar", "char") == ADQL_TYPES[adql]
        assert column.nullable == (null == "yes")
        assert column.std


def test_the_table_says_that_it_is_obscore() -> None:
    assert OBSCORE.utype == TABLE_UTYPE
    assert OBSCORE.columns == (*MANDATORY, *OPTIONAL, LAKE_DID)
    assert [column.name for column in OBSCORE.columns if column.url_path] == ["access_url"]
    region = next(column for column in MANDATORY if column.name == "s_region")
    assert (region.datatype, region.xtype) == ("char", "adql:REGION")


@pytest.mark.parametrize("column", [one for one in COLUMNS if ".obsplan." not in str(one.id)])
def test_every_column_is_described_with_a_ucd_and_a_unit_that_exist(column: Column) -> None:
    assert column.description
    assert column.ucd
    parse_ucd(column.ucd, check_controlled_vocabulary=True)
    if column.unit:
        units.Unit(column.unit, format="vounit")


def test_keys_lead_to_columns_that_are_described() -> None:
    described = {f"{schema.name}.{table.name}": table for schema in SCHEMAS for table in schema.tables}
    for name, table in described.items():
        for key in table.foreign_keys:
            target = {column.name for column in described[key.target_table].columns}
            assert {there for _, there in key.pairs} <= target, name
            assert {here for here, _ in key.pairs} <= {column.name for column in table.columns}


def test_columns_that_claim_an_index_have_one() -> None:
    catalogue = Catalogue.of("sqlite")
    tables = [table for schema in SCHEMAS for table in schema.tables if table.table_type == "table"]
    for table, sql in ((table, getattr(catalogue, table.name)) for table in tables):
        first = {index.columns[0].name for index in sql.indexes} | {next(iter(sql.primary_key)).name}
        claimed = {column.name for column in table.columns if column.indexed}
        assert claimed == first - {"path"}, table.name


def test_what_is_private_is_not_described() -> None:
    described = {column.name for schema in SCHEMAS for table in schema.tables for column in table.columns}
    assert not described & {"path", "modified_ns"}
    assert "marks" not in {table.name for schema in SCHEMAS for table in schema.tables}


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
async def test_migrations_make_what_is_declared(database_url: str) -> None:
    async with open_store(database_url) as store, store.db.read() as connection:
        for metadata in (store.tables.obscore.metadata, store.tables.files.metadata):
            assert await connection.run_sync(_differences, metadata) == []


def _differences(connection: sa.Connection, metadata: sa.MetaData) -> list[object]:
    names = {table.name for table in metadata.tables.values()}
    options = {
        "include_schemas": True,
        "compare_type": True,
        # An index on an expression is read from one engine only.
        "include_object": lambda _item, name, kind, *_: (
            name in names if kind == "table" else name != "ivoa_obscore_zone"
        ),
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def test_a_cone_search_and_a_look_up_use_indexes(tmp_path: object) -> None:
    db = Database(f"sqlite:///{tmp_path}/x.db")
    async with open_store(str(db.url)) as store, store.db.read() as connection:
        for where in ("s_dec BETWEEN 1 AND 2 AND s_ra BETWEEN 3 AND 4", "obs_publisher_did = 'x'", "lake_did = 'x'"):
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT * FROM ivoa__obscore WHERE {where}")
            assert "USING INDEX" in str(plan.all())
    await db.close()


def test_the_access_path_quotes_the_identifier() -> None:
    assert access_path("ivo://a/lake?s:n%20x") == "/datalink/links?ID=ivo%3A%2F%2Fa%2Flake%3Fs%3An%2520x"
