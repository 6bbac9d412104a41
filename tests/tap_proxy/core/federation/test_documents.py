"""What upstreams say of themselves, whatever they say."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import orjson
import pytest

from penstock.tables import ForeignKey, Table
from tap_proxy.core.federation.ability import VOTABLE, Ability, OfferedFormat, Unreadable, read_capabilities
from tap_proxy.core.federation.functions import function_of
from tap_proxy.core.federation.mount import (
    Metadata,
    Mount,
    RemoteTable,
    metadata_document,
    metadata_of,
    mounted,
)
from tap_proxy.core.federation.tableset import MAX_TABLES, DescribedTables, described_tables, read_tables
from tap_proxy.core.formats import TAP_FORMATS
from tests.tap_proxy.core.federation.builders import ABLE, NOW, table

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<tableset><schema><name>&b;</name><table><name>t</name><column><name>c</name></column></table></schema></tableset>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<tableset><schema><name>s</name><table><name>t</name><description>&a;</description><column><name>c</name></column>
</table></schema></tableset>"""


def tables(xml: str, *schemas: str) -> tuple[RemoteTable, ...]:
    return read_tables(BytesIO(xml.encode()), frozenset(schemas))


def tableset(*columns: str, name: str = "s.t", schema: str = "s") -> str:
    return (
        f"<tableset {XSI}><schema><name>{schema}</name><table><name>{name}</name>{''.join(columns)}</table></schema>"
        "</tableset>"
    )


@pytest.mark.parametrize(
    ("written", "here", "own", "there"),
    [
        ("ivoa.obscore", "ivoa_obscore", ("ivoa", "obscore"), "ivoa.obscore"),
        ("basic", "basic", None, "basic"),
        ("a.b.c", "a_b_c", ("b", "c"), "a.b.c"),
        ('"J/A+A/1".t', "J_A_A_1_t", ("J/A+A/1", "t"), '"J/A+A/1".t'),
        ("J/A+A/1/t", "J_A_A_1_t", None, '"J/A+A/1/t"'),
        ("2mass.data", "t_2mass_data", None, '"2mass.data"'),
        ("select", "select_", None, "select"),
        ('"a ""b"""', "a_b", None, '"a ""b"""'),
    ],
)
def test_tables_get_names_that_need_no_quotes(written: str, here: str, own: tuple[str, str] | None, there: str) -> None:
    (remote,) = mounted([("x", written, Table(name=written, columns=()))])
    assert (remote.table.name, remote.own, remote.written) == (here, own, there)


def test_two_tables_never_have_one_name() -> None:
    found = mounted([table("a.b_c", "x"), table("a_b.c", "x"), table("A.B_C", "x")])
    assert [remote.table.name for remote in found] == ["a_b_c", "a_b_c_2", "A_B_C_3"]
    found = mounted([table("x_2", "c"), table("x", "c"), table("x", "c"), table("x_2", "c")])
    assert [remote.table.name for remote in found] == ["x_2", "x", "x_3", "x_2_2"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ('xsi:type="vs:VOTableType" arraysize="*"', ("char", "*", None)),
        ('xsi:type="vs:VOTableType" arraysize="1"', ("char", None, None)),
        ('xsi:type="vs:VOTableType" arraysize="nonsense"', ("char", "*", None)),
    ],
)
def test_types_of_votable_are_read(kind: str, expected: tuple[str, str | None, str | None]) -> None:
    (remote,) = tables(tableset(f"<column><name>c</name><dataType {kind}>char</dataType></column>"))
    (column,) = remote.table.columns
    assert (column.datatype, column.arraysize, column.xtype) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("VARCHAR", ("char", "*", None)),
        ("DOUBLE", ("double", None, None)),
        ("BIGINT", ("long", None, None)),
        ("TIMESTAMP", ("char", "*", "timestamp")),
        ("REGION", ("char", "*", "adql:REGION")),
        ("real", ("float", None, None)),
        ("nobody knows", ("char", "*", None)),
        ("", ("char", "*", None)),
    ],
)
def test_other_types_are_read(word: str, expected: tuple[str, str | None, str | None]) -> None:
    (remote,) = tables(tableset(f'<column><name>c</name><dataType xsi:type="vs:TAPType">{word}</dataType></column>'))
    (column,) = remote.table.columns
    assert (column.datatype, column.arraysize, column.xtype) == expected


def test_names_of_columns_lose_their_quotes_and_come_once() -> None:
    columns = [f"<column><name>{name}</name></column>" for name in ('"a b"', "size", "SIZE", "x")]
    (remote,) = tables(tableset(*columns))
    assert [column.name for column in remote.table.columns] == ["a b", "size", "x"]


def test_tap_schema_and_tables_without_columns_are_left_out() -> None:
    assert tables(tableset("<column><name>c</name></column>", schema="TAP_SCHEMA")) == ()
    assert tables(tableset()) == ()
    assert tables(tableset("<column><name>c</name></column>"), "other") == ()
    assert len(tables(tableset("<column><name>c</name></column>"), "S")) == 1


@pytest.mark.parametrize("document", [b"", b"no xml", b"<tableset><schema>", BOMB[:80], b"\xff\xfe\x00"])
def test_what_is_no_xml_is_refused(document: bytes) -> None:
    with pytest.raises(Unreadable):
        read_tables(BytesIO(document))
    with pytest.raises(Unreadable):
        read_capabilities(BytesIO(document))


@pytest.mark.parametrize("document", [BOMB, OUTSIDE])
def test_entities_are_not_followed(document: bytes) -> None:
    try:
        found = read_tables(BytesIO(document))
    except Unreadable:
        return
    assert "aaaaaaaa" not in str(found)
    assert "root:" not in str(found)


def test_too_many_tables_are_refused() -> None:
    one = "<table><name>t</name><column><name>c</name></column></table>"
    with pytest.raises(Unreadable, match="name some of its schemas"):
        tables(f"<tableset><schema><name>s</name>{one * (MAX_TABLES + 1)}</schema></tableset>")


def test_capabilities_of_something_else_are_refused() -> None:
    with pytest.raises(Unreadable, match="no TAP service"):
        read_capabilities(BytesIO(b'<capabilities><capability standardID="ivo://ivoa.net/std/SIA"/></capabilities>'))


def test_little_is_taken_for_granted() -> None:
    bare = read_capabilities(BytesIO(b'<capabilities><capability standardID="ivo://ivoa.net/std/TAP"/></capabilities>'))
    assert bare == Ability()
    assert bare.quickest() == VOTABLE


@pytest.mark.parametrize(
    ("asked", "form"),
    [
        ("votable", "application/x-votable+xml"),
        ("votable/b2", "application/x-votable+xml;serialization=BINARY2"),
        ("csv", "text/csv;header=present"),
        ("json", None),  # every service has its own
        ("tsv", None),
        ("html", None),
    ],
)
def test_forms_are_asked_for_where_they_are_offered(asked: str, form: str | None) -> None:
    assert ABLE.form_of(TAP_FORMATS.resolve(asked)) == form


@pytest.mark.parametrize(
    ("offered", "form"),
    [
        (("text/csv", "text/csv;header=present"), "text/csv;header=present"),
        (("text/csv;charset=utf-8",), None),
        (("text/csv;header=absent",), None),
    ],
)
def test_csv_passes_only_where_it_has_a_header(offered: tuple[str, ...], form: str | None) -> None:
    ability = Ability(formats=tuple(OfferedFormat(mime=mime) for mime in (*offered, "text/tab-separated-values")))
    assert ability.form_of(TAP_FORMATS.resolve("csv")) == form
    assert ability.form_of(TAP_FORMATS.resolve("tsv")) is None


def test_a_votable_of_unknown_kind_is_not_taken_for_another() -> None:
    bare = Ability()
    assert bare.form_of(TAP_FORMATS.resolve("votable")) == VOTABLE
    assert bare.form_of(TAP_FORMATS.resolve("votable/b2")) is None


@pytest.mark.parametrize(
    ("form", "returns"),
    [
        ("f() -> VARCHAR(16)", ("char", "*", None)),
        ("f(a NUMERIC(3, 4), b TEXT)->INTEGER", ("int", None, None)),
        ("f(a  DOUBLE PRECISION) -> INTEGER[]", ("int", "*", None)),
        ("f(geo GEOMETRY) -> POINT", ("char", "*", "adql:POINT")),
        ("f(a INTEGER) -> what nobody knows", ("char", "*", None)),
    ],
)
def test_signatures_of_functions_are_read(form: str, returns: tuple[str, str | None, str | None]) -> None:
    function = function_of(form)
    assert function is not None
    assert (function.returns.datatype, function.returns.arraysize, function.returns.xtype) == returns


@pytest.mark.parametrize(
    "form",
    [
        *("", "f", "f(a INTEGER)", "f(INTEGER) -> INTEGER", "f(a INTEGER, ...) -> INTEGER", "1f() -> INTEGER"),
        *("f(a) -> <b>", "ivo_hasword(a TEXT, b TEXT) -> INTEGER", "MOC(a TEXT) -> MOC", "lower(a TEXT) -> TEXT"),
        f"f({', '.join('a INTEGER' for _ in range(60))}) -> INTEGER",
        f"f({'(' * 5000}) -> INTEGER",
    ],
)
def test_what_is_no_signature_or_ours_is_left_out(form: str) -> None:
    assert function_of(form) is None


KEYS = """<tableset><schema><name>s</name>
<table><name>s.a</name><column><name>id</name></column><column><name>"of b"</name></column>
<foreignKey><targetTable>s.b</targetTable><fkColumn><fromColumn>"of b"</fromColumn><targetColumn>id</targetColumn>
</fkColumn><description>its b</description></foreignKey>
<foreignKey><targetTable>s.gone</targetTable><fkColumn><fromColumn>id</fromColumn><targetColumn>id</targetColumn>
</fkColumn></foreignKey>
<foreignKey><targetTable>s.b</targetTable><fkColumn><fromColumn>id</fromColumn><targetColumn>nothing</targetColumn>
</fkColumn></foreignKey><foreignKey><targetTable>s.b</targetTable></foreignKey></table>
<table><name>s.b</name><column><name>id</name></column></table></schema></tableset>"""
OF_B = ForeignKey(target_table="s_b", pairs=(("of b", "id"),), description="its b")


def test_foreign_keys_lead_to_tables_that_are_mounted() -> None:
    first, second = tables(KEYS)
    assert (first.table.foreign_keys, second.table.foreign_keys) == ((OF_B,), ())
    mounted_there = Mount(name="m", url="", metadata=Metadata(tables=(first, second), ability=ABLE), harvested=NOW)
    assert mounted_there.schema().tables[0].foreign_keys == (replace(OF_B, target_table="m.s_b"),)
    assert metadata_of(metadata_document(mounted_there.metadata)) == mounted_there.metadata


def test_foreign_keys_are_read_from_tap_schema() -> None:
    described = DescribedTables(
        tables=[{"schema_name": "s", "table_name": name} for name in ("s.a", "s.b")],
        columns=[
            {"table_name": name, "column_name": column}
            for name, column in (("s.a", '"of b"'), ("s.a", "id"), ("s.b", "id"))
        ],
        keys=[
            {"key_id": "1", "from_table": "s.a", "target_table": "s.b", "description": "its b"},
            {"key_id": "2", "from_table": "s.a", "target_table": "s.gone"},
        ],
        key_columns=[
            {"key_id": "1", "from_column": '"of b"', "target_column": "id"},
            {"key_id": "2", "from_column": "id", "target_column": "id"},
        ],
    )
    first, second = described_tables(described)
    assert (first.table.foreign_keys, second.table.foreign_keys) == ((OF_B,), ())


def test_metadata_of_an_earlier_version_are_read() -> None:
    earlier = orjson.loads(metadata_document(Metadata(tables=tables(KEYS), ability=ABLE)))
    del earlier["functions"]
    assert metadata_of(orjson.dumps(earlier)).functions == ()
