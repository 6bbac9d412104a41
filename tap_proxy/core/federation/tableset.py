"""The tables of an upstream, as its /tables tells them (VOSI 1.1 s3.3; VODataService 1.2 s3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import IO, get_args

from lxml import etree

from penstock.tables import Column, ForeignKey, Table
from penstock.votable.datatypes import shape_of
from penstock.votable.model import Datatype
from tap_proxy.core.federation.ability import Unreadable
from tap_proxy.core.federation.mount import RemoteTable, mounted

MAX_TABLES = 20_000
MAX_COLUMNS = 500_000
_MOST_KEYS = 1000
_HIDDEN = frozenset({"tap_schema", "tap_upload"})
_DATATYPES = frozenset(get_args(Datatype))
# VODataService 1.2 s3.5.2 (TAPType, SimpleDataType) and the words that services in use write in their place
_OTHER_TYPES: dict[str, tuple[Datatype, str | None, str | None]] = {
    "boolean": ("boolean", None, None),
    "smallint": ("short", None, None),
    "integer": ("int", None, None),
    "bigint": ("long", None, None),
    "real": ("float", None, None),
    "double": ("double", None, None),
    "double precision": ("double", None, None),
    "timestamp": ("char", "*", "timestamp"),
    "char": ("char", None, None),
    "varchar": ("char", "*", None),
    "string": ("char", "*", None),
    "clob": ("char", "*", None),
    "binary": ("unsignedByte", "*", None),
    "varbinary": ("unsignedByte", "*", None),
    "blob": ("unsignedByte", "*", None),
    "point": ("char", "*", "adql:POINT"),
    "region": ("char", "*", "adql:REGION"),
}


def read_tables(source: IO[bytes], schemas: Set[str] = frozenset()) -> tuple[RemoteTable, ...]:
    """Read the tables of an upstream, those of TAP_SCHEMA left out; of some of its schemas only, where these are named.

    Raises
    ------
    Unreadable
        It is no such document, or there are too many tables or columns.
    """
    return mounted(_tables(source, {schema.lower() for schema in schemas}))


Described = Mapping[str, str | None]
"""A row of a table of TAP_SCHEMA, by the lower-case names of its columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedTables:
    """Rows of the tables of TAP_SCHEMA."""

    tables: Iterable[Described]
    columns: Iterable[Described]
    keys: Iterable[Described] = ()
    key_columns: Iterable[Described] = ()


def described_tables(described: DescribedTables, schemas: Set[str] = frozenset()) -> tuple[RemoteTable, ...]:
    """Return the same from rows of TAP_SCHEMA (TAP 1.1 s4.2 to s4.4)."""
    wanted = {schema.lower() for schema in schemas}
    by_table: dict[str, dict[str, Column]] = {}
    keys = _described_keys(described)
    for row in described.columns:
        column = _described_column(row)
        by_table.setdefault(row.get("table_name") or "", {}).setdefault(column.name.lower(), column)
    found = []
    for row in described.tables:
        name, schema = row.get("table_name") or "", row.get("schema_name") or ""
        if name in by_table and schema.lower() not in _HIDDEN and (not wanted or schema.lower() in wanted):
            table = Table(
                name=name,
                columns=tuple(by_table[name].values()),
                description=row.get("description"),
                utype=row.get("utype"),
                table_type="view" if row.get("table_type") == "view" else "table",
                foreign_keys=tuple(keys.get(name, ())),
            )
            found.append((schema, name, table))
    return mounted(found)


def _described_keys(described: DescribedTables) -> Mapping[str, Sequence[ForeignKey]]:
    """Return the foreign keys by the table that refers."""
    pairs: dict[str | None, list[tuple[str, str]]] = {}
    for row in described.key_columns:
        pair = bare_name(row.get("from_column") or ""), bare_name(row.get("target_column") or "")
        pairs.setdefault(row.get("key_id"), []).append(pair)
    keys: dict[str, list[ForeignKey]] = {}
    for row in described.keys:
        key = ForeignKey(
            target_table=row.get("target_table") or "",
            pairs=tuple(pairs.get(row.get("key_id"), ())),
            description=row.get("description"),
            utype=row.get("utype"),
        )
        keys.setdefault(row.get("from_table") or "", []).append(key)
    return keys


def _described_column(row: Described) -> Column:
    datatype, arraysize, xtype = known_type(row.get("datatype") or "", row.get("arraysize"), row.get("xtype"))
    return Column(
        name=bare_name(row.get("column_name") or ""),
        datatype=datatype,
        arraysize=arraysize,
        xtype=xtype,
        unit=row.get("unit"),
        ucd=row.get("ucd"),
        utype=row.get("utype"),
        description=row.get("description"),
        indexed=row.get("indexed") == "1",
        principal=row.get("principal") == "1",
        std=row.get("std") == "1",
    )


def _tables(source: IO[bytes], wanted: Set[str]) -> Iterator[tuple[str, str, Table]]:
    """Yield (schema, name, table), forgetting every schema when it was read."""
    tables = columns = 0
    try:
        for _, schema in etree.iterparse(
            source,
            events=("end",),
            tag=("{*}schema", "schema"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
        ):
            name = _text(schema, "name") or ""
            if name.lower() not in _HIDDEN and (not wanted or name.lower() in wanted):
                for element in schema.findall("{*}table"):
                    table = _table(element)
                    tables, columns = tables + 1, columns + len(table.columns)
                    if tables > MAX_TABLES or columns > MAX_COLUMNS:
                        raise Unreadable("it has too many tables: name some of its schemas in the setting `schemas`")
                    if table.columns:
                        yield name, table.name, table
            schema.clear()
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"its tables are no XML: {error}") from error


def _table(element: etree._Element) -> Table:
    columns: dict[str, Column] = {}
    for each in element.findall("{*}column"):
        column = column_of(each)
        columns.setdefault(column.name.lower(), column)
    return Table(
        name=_text(element, "name") or "",
        columns=tuple(columns.values()),
        description=_text(element, "description"),
        utype=_text(element, "utype"),
        table_type="view" if element.get("type") == "view" else "table",
        foreign_keys=tuple(_foreign_key(each) for each in element.findall("{*}foreignKey")[:_MOST_KEYS]),
    )


def _foreign_key(element: etree._Element) -> ForeignKey:
    pairs = (
        (bare_name(_text(each, "fromColumn") or ""), bare_name(_text(each, "targetColumn") or ""))
        for each in element.findall("{*}fkColumn")
    )
    return ForeignKey(
        target_table=_text(element, "targetTable") or "",
        pairs=tuple(pairs),
        description=_text(element, "description"),
        utype=_text(element, "utype"),
    )


def column_of(element: etree._Element) -> Column:
    """Read one column."""
    flags = {(flag.text or "").strip().lower() for flag in element.findall("{*}flag")}
    datatype, arraysize, xtype = _type(element.find("{*}dataType"))
    return Column(
        name=bare_name(_text(element, "name") or ""),
        datatype=datatype,
        arraysize=arraysize,
        xtype=xtype,
        unit=_text(element, "unit"),
        ucd=_text(element, "ucd"),
        utype=_text(element, "utype"),
        description=_text(element, "description"),
        indexed="indexed" in flags,
        principal="principal" in flags,
        std=element.get("std") == "true",
    )


def bare_name(name: str) -> str:
    """Return the name of a column without the quotes that a query needs."""
    quoted = len(name) > 2 and name[0] == name[-1] == '"'
    return name[1:-1].replace('""', '"') if quoted else name


def _type(element: etree._Element | None) -> tuple[Datatype, str | None, str | None]:
    """Return datatype, arraysize and xtype; what nobody knows is read as text."""
    if element is None:
        return "char", "*", None
    return known_type((element.text or "").strip(), element.get("arraysize"), element.get("extendedType"))


def known_type(word: str, arraysize: str | None, xtype: str | None) -> tuple[Datatype, str | None, str | None]:
    """Return datatype, arraysize and xtype of a type that VOTable, TAP or a service in use calls by a word."""
    arraysize = _arraysize(arraysize)
    if word in _DATATYPES:
        return word, arraysize, xtype  # type: ignore[return-value]  # just found among the datatypes
    datatype, size, known = _OTHER_TYPES.get(word.lower(), ("char", "*", None))
    return datatype, size or arraysize, xtype or known


def _arraysize(text: str | None) -> str | None:
    size = (text or "").strip()
    if size in ("", "1"):
        return None
    try:
        shape_of(size)
    except ValueError:
        return "*"
    return size


def _text(element: etree._Element, child: str) -> str | None:
    found = element.find(f"{{*}}{child}")
    return None if found is None or not found.text else " ".join(found.text.split()) or None
