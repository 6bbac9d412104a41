"""What becomes of a record, table by table (RegTAP 1.2 s8)."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from registry.core.regtap import rows_of
from registry.core.regtap.tables import FILLED
from tests.registry.regtap.corpus import identifier, record, texts
from tests.support.systems import require_shared

NAMESPACES = (
    'xmlns:ri="http://www.ivoa.net/xml/RegistryInterface/v1.0" xmlns:a="http://www.ivoa.net/xml/VODataService/v1.1" '
    'xmlns:old="http://www.ivoa.net/xml/VODataService/v1.0" xmlns:mine="http://mine.example/x/v1.0" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
NO_SCHEMA = {"lines", "spectra", "theory-spectra"}  # of protocols for which the collected schemas have none


def rows(name: str, table: str) -> list[dict[str, Any]]:
    found = [dict(row) for row in rows_of(identifier(name), record(name)).get(table, [])]
    assert {row.pop("ivoid") for row in found} <= {identifier(name).lower()}
    return found


def of(body: str, *, attributes: str = 'status="active"') -> dict[str, list[dict[str, Any]]]:
    element = etree.fromstring(f"<ri:Resource {NAMESPACES} {attributes}>{body}</ri:Resource>")
    made = rows_of("ivo://A.b/C", element)
    return {table: [{k: v for k, v in row.items() if k != "ivoid"} for row in some] for table, some in made.items()}


@pytest.mark.parametrize("name", sorted(set(texts()) - NO_SCHEMA))
def test_the_records_of_these_tests_are_valid(name: str) -> None:
    etree.XMLSchema(etree.parse(require_shared("xsd", "ALL.xsd"))).assertValid(record(name).getroottree())


@pytest.mark.parametrize("name", texts())
def test_every_value_has_its_column(name: str) -> None:
    columns = {table.name: {column.name for column in table.columns} for table in FILLED}
    for table, some in rows_of(identifier(name), record(name)).items():
        for row in some:
            assert set(row) <= columns[table]
            assert all(
                value is None or value == value.strip() != "" for value in row.values() if isinstance(value, str)
            )


@pytest.mark.parametrize("name", ["retired", "withdrawn"])
def test_what_is_not_active_leaves_no_rows(name: str) -> None:
    assert rows_of(identifier(name), record(name)) == {}


def test_a_resource_is_one_row() -> None:
    (plates,) = rows("plates", "resource")
    assert plates == {
        "res_type": "vs:catalogresource",
        "created": "2019-03-04T05:06:07",
        "short_name": "Plates",
        "res_title": "Scanned photographic plates 1890 to 1970",
        "updated": "2024-05-06T07:08:09",
        "content_level": "research",
        "res_description": (
            "Eighty years of photographic plates, scanned at high resolution. Each plate has an astrometric solution."
        ),
        "reference_url": "https://obs.example/info/plates",
        "creator_seq": "Dube, A.; Müller-Åström, Ö.",
        "content_type": "archive",
        "source_format": "bibcode",
        "source_value": "2015ExObs..12..345D",
        "res_version": "3.1",
        "region_of_regard": None,
        "waveband": "optical",
        "rights": None,
        "rights_uri": None,
    }


def test_lists_are_joined_by_hashes_and_rights_are_the_first() -> None:
    assert rows("teaching", "resource")[0]["content_level"] == "elementary education#general"
    assert rows("cone-quasars", "resource")[0]["waveband"] == "optical#x-ray"
    assert rows("cone-quasars", "resource")[0]["region_of_regard"] == 0.001
    assert rows("collection", "resource")[0]["rights"] == "Cite the thesis."
    assert rows("tap", "resource")[0]["rights_uri"] == "https://creativecommons.org/publicdomain/zero/1.0/"


def test_roles_have_what_their_kind_has() -> None:
    roles = rows("plates", "res_role")
    assert [(role["base_role"], role["role_name"], role["role_ivoid"]) for role in roles] == [
        ("contact", "Help desk", None),
        ("publisher", "Example Observatory", "ivo://obs.example/org"),
        ("creator", "Dube, A.", "ivo://obs.example/people/dube"),
        ("creator", "Müller-Åström, Ö.", None),
        ("contributor", "Second Centre", "ivo://second.example/org"),
    ]
    assert roles[2]["logo"] == "https://obs.example/dube.png"
    (contact,) = (role for role in rows("org", "res_role") if role["base_role"] == "contact")
    assert (contact["street_address"], contact["telephone"]) == ("1 Summit Road, Example Mountain", "+99 123 456")


def test_subjects_keep_their_case() -> None:
    assert [row["res_subject"] for row in rows("several", "res_subject")] == ["supernovae", "Light curves"]


def test_dates_are_whole_instants_and_their_roles_present_terms() -> None:
    assert rows("plates", "res_date") == [
        {"date_value": "2015-06-01T12:00:00", "value_role": "created"},
        {"date_value": "2021-07-08T00:00:00", "value_role": "updated"},
    ]
    assert rows("tap", "res_date") == [{"date_value": "2020-02-02T00:00:00", "value_role": "collected"}]


def test_a_relationship_is_a_row_for_each_resource_and_old_terms_are_translated() -> None:
    assert rows("collection", "relationship") == [
        {"relationship_type": "isderivedfrom", "related_id": "ivo://obs.example/plates", "related_name": "Plates"},
        {"relationship_type": "isderivedfrom", "related_id": None, "related_name": "A book"},
    ]


def test_identifiers_of_resources_and_creators_are_together() -> None:
    found = [row["alt_identifier"] for row in rows("plates", "alt_identifier")]
    assert found == ["doi:10.5555/plates", "orcid:0000-0001-2345-6789"]


def test_validations_are_of_the_resource_or_of_a_capability() -> None:
    by = "ivo://second.example/org"
    assert rows("mirrored", "validation") == [
        {"validated_by": by, "val_level": 2, "cap_index": None},
        {"validated_by": by, "val_level": 3, "cap_index": 1},
    ]


def test_capabilities_are_counted_and_interfaces_through_the_whole_record() -> None:
    capabilities = rows("several", "capability")
    standard = "ivo://ivoa.net/std/"
    assert [(row["cap_index"], row["cap_type"], row["standard_id"]) for row in capabilities] == [
        (1, "cs:conesearch", f"{standard}conesearch"),
        (2, "cs:conesearch", f"{standard}conesearch"),
        (3, None, f"{standard}tap#aux"),
        (4, None, None),
    ]
    interfaces = rows("several", "interface")
    assert [(row["cap_index"], row["intf_index"]) for row in interfaces] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert interfaces[3]["intf_type"] == "vr:webbrowser"


def test_an_interface_keeps_the_case_of_its_addresses_only() -> None:
    (interface,) = rows("mirrored", "interface")
    assert interface["mirror_url"] == "https://second.example/cone/nearby?#https://third.example/Nearby?"
    (interface,) = rows("cone-quasars", "interface")
    assert (interface["query_type"], interface["result_type"], interface["url_use"]) == (
        "get#post",
        "text/xml+votable",
        "base",
    )


def test_only_interfaces_without_a_way_for_anybody_are_for_known_callers() -> None:
    assert [row["authenticated_only"] for row in rows("images2", "interface")] == [0, 1]
    method = '<securityMethod standardID="ivo://ivoa.net/sso#BasicAA"/>'
    for methods, expected in (("", 0), ("<securityMethod/>", 0), (method, 1), (f"<securityMethod/>{method}", 0)):
        body = f"<capability><interface><accessURL>/x</accessURL>{methods}</interface></capability>"
        assert of(body)["interface"][0]["authenticated_only"] == expected


def test_parameters_belong_to_their_interface() -> None:
    ra, _, sr = rows("cone-quasars", "intf_param")
    assert (ra["intf_index"], ra["name"], ra["unit"], ra["ucd"], ra["std"], ra["param_use"]) == (
        1,
        "ra",
        "deg",
        "pos.eq.ra",
        1,
        "required",
    )
    assert (sr["name"], sr["ucd"], sr["datatype"]) == ("sr", None, "real")


def test_tables_are_counted_through_the_whole_record() -> None:
    assert [(row["schema_index"], row["table_index"], row["table_name"]) for row in rows("tap", "res_table")] == [
        (1, 1, "ivoa.obscore"),
        (1, 2, "plates.main"),
    ]
    columns = rows("tap", "table_column")
    assert [row["table_index"] for row in columns] == [1, 1, 1, 2, 2, 2]
    assert columns[0]["utype"] == "obscore:dataid.observationid"
    assert (columns[0]["std"], columns[1]["std"], columns[1]["flag"]) == (1, None, "indexed")
    assert {row["type_system"] for row in columns} == {"vs:votabletype"}


def test_utypes_are_folded_and_names_of_tables_are_not() -> None:
    (table,) = rows("tap-planets", "res_table")
    assert table["table_utype"] == "ivo://vopdc.obspm/std/epncore#schema-2.0"
    body = "<tableset><schema><name>A</name><table><name>A.B</name></table></schema></tableset>"
    made = of(body)
    assert (made["res_schema"][0]["schema_name"], made["res_table"][0]["table_name"]) == ("a", "A.B")


def test_tables_of_old_records_have_no_schema() -> None:
    made = of("<table role='output'><name>t</name><column><name>RA</name></column></table>")
    assert made["res_table"][0]["schema_index"] is None
    assert made["res_table"][0]["table_type"] == "output"
    assert made["table_column"][0]["name"] == "ra"


def test_coverage_is_read() -> None:
    assert rows("plates", "stc_spatial") == [{"coverage": "3/1-40 100", "ref_system_name": None}]
    assert rows("plates", "stc_temporal") == [{"time_start": 11368.0, "time_end": 40587.5}]
    assert rows("plates", "stc_spectral") == [{"spectral_start": 2.5e-19, "spectral_end": 6e-19}]
    assert len(rows("cone-radio", "stc_temporal")) == 2


@pytest.mark.parametrize(
    ("element", "table"),
    [
        ("<spatial>no MOC</spatial>", "stc_spatial"),
        ("<spatial></spatial>", "stc_spatial"),
        ("<spatial frame='MARS_C'>0/1</spatial>", "stc_spatial"),
        ("<temporal>5</temporal>", "stc_temporal"),
        ("<temporal>5 6 7</temporal>", "stc_temporal"),
        ("<temporal>yesterday today</temporal>", "stc_temporal"),
        ("<spectral>nan 1</spectral>", "stc_spectral"),
    ],
)
def test_coverage_that_says_nothing_is_left_out(element: str, table: str) -> None:
    assert table not in of(f"<coverage>{element}</coverage>")


def test_intervals_are_put_the_right_way_round() -> None:
    assert of("<coverage><temporal> 60000\n50000 </temporal></coverage>")["stc_temporal"] == [
        {"time_start": 50000.0, "time_end": 60000.0}
    ]


def details(name: str) -> set[tuple[int | None, str, str]]:
    return {(row["cap_index"], row["detail_xpath"], row["detail_value"]) for row in rows(name, "res_detail")}


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("tap", (3, "/capability/dataModel/@ivo-id", "ivo://ivoa.net/std/ObsCore#core-1.1")),
        ("tap", (3, "/capability/dataModel", "ObsCore-1.1")),
        ("tap", (3, "/capability/language/version/@ivo-id", "ivo://ivoa.net/std/ADQL#v2.1")),
        ("tap", (3, "/capability/outputLimit/default/@unit", "row")),
        ("registry", (None, "/managedAuthority", "second.example")),
        ("registry", (None, "/full", "false")),
        ("registry", (1, "/capability/maxRecords", "100")),
        ("collection", (None, "/accessURL", "https://obs.example/files/thesis.zip")),
        ("collection", (None, "/format/@isMIMEType", "true")),
        ("collection", (None, "/instrument/@ivo-id", "ivo://obs.example/camera")),
        ("collection", (None, "/rights", "Second sentence.")),
        ("authority", (None, "/managingOrg", "Example Observatory")),
        ("images2", (1, "/capability/interface/securityMethod/@standardID", "ivo://ivoa.net/sso#BasicAA")),
        ("mirrored", (1, "/capability/interface/testQueryString", "RA=10&DEC=20&SR=1")),
        ("spectra", (1, "/capability/dataSource", "pointed")),
        ("images", (1, "/capability/testQuery/pos/long", "202.5")),
        ("standard", (None, "/endorsedVersion", "1.0")),
        ("standard", (None, "/schema/@namespace", "https://obs.example/xml/plates/v1")),
    ],
)
def test_details_are_found_by_their_paths(name: str, detail: tuple[int | None, str, str]) -> None:
    assert detail in details(name)


def test_addresses_of_interfaces_are_no_details() -> None:
    assert not any(xpath == "/accessURL" for _, xpath, _ in details("tap"))


def test_prefixes_are_those_that_everybody_uses() -> None:
    assert of("", attributes='xsi:type="a:CatalogService"')["resource"][0]["res_type"] == "vs:catalogservice"
    assert of("", attributes='xsi:type="old:DataCollection"')["resource"][0]["res_type"] == "vs:datacollection"
    assert of("", attributes='xsi:type="mine:Thing"')["resource"][0]["res_type"] == "mine:thing"
    assert of("", attributes='xsi:type="Bare"')["resource"][0]["res_type"] == "bare"


def test_blanks_are_single_and_nothing_is_null() -> None:
    (row,) = of("<title>\n  Two \u00a0 words\t</title><shortName>  </shortName>")["resource"]
    assert (row["res_title"], row["short_name"], row["res_description"]) == ("Two words", None, None)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05"),
        ("2020-01-02T03:04:05.678", "2020-01-02T03:04:05"),
        ("2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05"),
        ("2020-01-02", "2020-01-02T00:00:00"),
        ("0001-01-01T00:00:00+14:00", None),
        ("2020-02-30", None),
        ("20200102", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates_are_utc_or_null(written: str, read: str | None) -> None:
    assert of("", attributes=f'created="{written}"')["resource"][0]["created"] == read


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<capability/><capability><interface/></capability>",
        "<curation><creator/><contact/><publisher/><date/></curation>",
        "<content><relationship/><source/><subject/></content>",
        "<tableset><schema><table/><table><column/><column><dataType/></column></table></schema></tableset>",
        "<coverage><spatial><child>0/1</child></spatial><temporal/></coverage>",
        "<validationLevel>high</validationLevel><validationLevel>99</validationLevel>",
        "<!-- a comment --><?a processing instruction?><title>A<!-- b -->C<b/>D</title>",
        "<capability standardID=''><interface><param/><securityMethod standardID=' '/></interface></capability>",
    ],
)
def test_records_that_keep_to_no_schema_make_rows_all_the_same(body: str) -> None:
    assert len(of(body)["resource"]) == 1


def test_text_between_comments_is_one() -> None:
    assert of("<title>A<!-- b -->C<b>x</b>D</title>")["resource"][0]["res_title"] == "ACD"
