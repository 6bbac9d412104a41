"""What upstreams say of themselves, whatever they say."""

from __future__ import annotations

from io import BytesIO

import pytest

from penstock.tables import Table
from tap_proxy.core.federation.ability import VOTABLE, Ability, Unreadable, read_capabilities
from tap_proxy.core.federation.mount import RemoteTable, mounted
from tap_proxy.core.federation.tableset import MAX_TABLES, read_tables
from tap_proxy.core.formats import TAP_FORMATS
from tests.tap_proxy.core.federation.builders import ABLE, table

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


def test_a_votable_of_unknown_kind_is_not_taken_for_another() -> None:
    bare = Ability()
    assert bare.form_of(TAP_FORMATS.resolve("votable")) == VOTABLE
    assert bare.form_of(TAP_FORMATS.resolve("votable/b2")) is None
