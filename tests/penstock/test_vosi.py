from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lxml import etree
from vo_models.vosi.availability import Availability as OracleAvailability
from vo_models.vosi.capabilities import VOSICapabilities
from vo_models.vosi.tables import VOSITableSet

from penstock.regext import (
    Capability,
    DataLimits,
    Harvest,
    InputParam,
    Interface,
    Language,
    LanguageFeatures,
    OutputFormat,
    TableAccess,
    TimeLimits,
    capability_element,
)
from penstock.tables import Column, ForeignKey, Schema, Table
from penstock.vosi import (
    Availability,
    availability_document,
    capabilities_document,
    find_table,
    table_document,
    tableset_document,
    vosi_capabilities,
)
from tests.support.official import findings
from xsd.validation import validate

BASE = "https://penstock.example/tap"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
TAPREGEXT = "ivo://ivoa.net/std/TAPRegExt"
SSO = "ivo://ivoa.net/sso"

TAP = Capability(
    standard_id="ivo://ivoa.net/std/TAP",
    description="Queries over <everything> & more.",
    interfaces=(
        Interface(
            access_url=BASE,
            use="base",
            role="std",
            version="1.1",
            security_methods=(None, f"{SSO}#BasicAA", f"{SSO}#OAuth"),
        ),
    ),
    extension=TableAccess(
        data_models=(("ObsCore-1.1", "ivo://ivoa.net/std/ObsCore#core-1.1"),),
        languages=(
            Language(
                name="ADQL",
                versions=(("2.0", "ivo://ivoa.net/std/ADQL#v2.0"), ("2.1", None)),
                description="The query language",
                features=(
                    LanguageFeatures(
                        type=f"{TAPREGEXT}#features-udf",
                        features=(("ivo_hasword(haystack VARCHAR, needle VARCHAR) -> INTEGER", "Finds words"),),
                    ),
                    LanguageFeatures(type=f"{TAPREGEXT}#features-adqlgeo", features=(("POINT", None),)),
                ),
            ),
        ),
        output_formats=(
            OutputFormat(
                mime="application/x-votable+xml",
                aliases=("votable", "votable/td"),
                ivo_id=f"{TAPREGEXT}#output-votable-td",
            ),
            OutputFormat(mime="text/csv"),
        ),
        upload_methods=(f"{TAPREGEXT}#upload-inline", f"{TAPREGEXT}#upload-http"),
        retention_period=TimeLimits(default_s=86400, hard_s=864000),
        execution_duration=TimeLimits(default_s=60),
        output_limit=DataLimits(unit="row", default=10_000, hard=1_000_000),
        upload_limit=DataLimits(unit="byte", hard=10_000_000),
    ),
)
LINKS = Capability(
    standard_id="ivo://ivoa.net/std/DataLink#links-1.1",
    interfaces=(
        Interface(
            access_url=f"{BASE}/links",
            use="base",
            role="std",
            version="1.1",
            query_types=("GET", "POST"),
            result_type="application/x-votable+xml;content=datalink",
            params=(
                InputParam(name="ID", description="Publisher DID", ucd="meta.id;meta.main", use="required"),
                InputParam(name="POS", datatype="real", arraysize="*", unit="deg", std=False),
            ),
            test_query="ID=ivo://example/a?b",
        ),
    ),
)
EXAMPLES = Capability(
    standard_id="ivo://ivoa.net/std/DALI#examples",
    interfaces=(Interface(type="vr:WebBrowser", access_url=f"{BASE}/examples", use="full"),),
)
HARVEST = Capability(
    standard_id="ivo://ivoa.net/std/Registry",
    interfaces=(Interface(type="vg:OAIHTTP", access_url=f"{BASE}/oai", role="std", version="1.0"),),
    extension=Harvest(max_records=100),
)
CUSTOM = Capability(standard_id=None, interfaces=())
ALL = (*vosi_capabilities(BASE, tables=True), TAP, LINKS, EXAMPLES, HARVEST, CUSTOM)

SCHEMAS = (
    Schema(
        name="ivoa",
        description="Standard tables",
        tables=(
            Table(
                name="obscore",
                description="What was observed",
                utype="ivo://ivoa.net/std/ObsCore#core-1.1",
                table_type="view",
                columns=(
                    Column(name="obs_id", datatype="char", arraysize="*", indexed=True, principal=True, std=True),
                    Column(name="s_ra", datatype="double", unit="deg", ucd="pos.eq.ra", utype="a.b", description="RA"),
                    Column(name="s_region", datatype="double", arraysize="2x*", xtype="polygon"),
                    Column(name="size", datatype="long"),
                    Column(name='odd "name"', datatype="boolean"),
                ),
                foreign_keys=(
                    ForeignKey(
                        target_table="lake.files",
                        pairs=(("obs_id", "did"), ("size", "size")),
                        description="File",
                        utype="x",
                    ),
                ),
            ),
        ),
    ),
    Schema(name="lake", tables=(Table(name="Files", columns=()), Table(name="table", columns=()))),
)


def parsed(document: bytes) -> etree._Element:
    assert findings(document, record=False) == []
    assert validate(document) == []
    return etree.fromstring(document)


@pytest.mark.requirement("VO-02")
def test_capabilities_of_every_kind_are_valid() -> None:
    root = parsed(capabilities_document(ALL))
    assert root.tag == "{http://www.ivoa.net/xml/VOSICapabilities/v1.0}capabilities"
    assert [child.get("standardID") for child in root] == [capability.standard_id for capability in ALL]


def test_tapregext_says_all_that_was_given_and_an_independent_reader_agrees() -> None:
    read = VOSICapabilities.from_xml(capabilities_document([TAP]))
    (capability,) = read.capability
    extension = TAP.extension
    assert isinstance(extension, TableAccess)
    assert capability.type == "tr:TableAccess"
    assert [(f.mime, tuple(f.alias or ())) for f in capability.output_format] == [
        (f.mime, f.aliases) for f in extension.output_formats
    ]
    assert capability.language[0].language_features[0].feature[0].form.startswith("ivo_hasword(")
    assert [m.ivo_id for m in capability.upload_method] == list(extension.upload_methods)
    assert capability.output_limit.default.value == 10_000
    assert capability.output_limit.hard.unit == "row"
    assert capability.execution_duration.hard is None


@pytest.mark.requirement("VO-02")
def test_types_and_use_stand_where_the_standards_want_them() -> None:
    root = parsed(capabilities_document(ALL))
    interfaces = {c.get("standardID"): c.find("interface") for c in root}
    tap = interfaces["ivo://ivoa.net/std/TAP"]
    assert (tap.get(XSI_TYPE), tap.get("role"), tap.get("version")) == ("vs:ParamHTTP", "std", "1.1")
    assert (tap.find("accessURL").get("use"), tap.findtext("accessURL")) == ("base", BASE)
    assert [m.get("standardID") for m in tap.iterfind("securityMethod")] == [None, f"{SSO}#BasicAA", f"{SSO}#OAuth"]
    for name in ("capabilities", "availability", "tables", "tables-1.1"):
        access = interfaces[f"ivo://ivoa.net/std/VOSI#{name}"].find("accessURL")
        assert (access.get("use"), access.text) == ("full", f"{BASE}/{name.removesuffix('-1.1')}")
    params = interfaces["ivo://ivoa.net/std/DataLink#links-1.1"].findall("param")
    assert [(p.findtext("name"), p.get("use"), p.get("std")) for p in params] == [
        ("ID", "required", "true"),
        ("POS", "optional", "false"),
    ]


def test_a_capability_stands_in_a_registry_record_too() -> None:
    record = etree.fromstring(
        '<ri:Resource xmlns:ri="http://www.ivoa.net/xml/RegistryInterface/v1.0"'
        ' xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="vr:Service" status="active"'
        ' created="2026-01-01T00:00:00Z" updated="2026-01-01T00:00:00Z"><title>T</title>'
        "<identifier>ivo://penstock.example/tap</identifier><curation><publisher>P</publisher><contact><name>N</name>"
        "</contact></curation><content><subject>s</subject><description>D</description>"
        "<referenceURL>https://penstock.example/</referenceURL></content></ri:Resource>"
    )
    record.append(capability_element(LINKS))
    record.append(capability_element(HARVEST))
    document = etree.tostring(record)
    assert findings(document, record=True) == []
    assert document.count(b'xmlns:vs="') == 1


@pytest.mark.requirement("VO-01")
@pytest.mark.parametrize(
    "availability",
    [
        Availability(available=True),
        Availability(
            available=False,
            up_since=datetime(2026, 1, 1, tzinfo=UTC),
            down_at=datetime(2026, 2, 1, 1, 2, 3, 4000, tzinfo=UTC),
            back_at=datetime(2026, 2, 2, tzinfo=UTC),
            notes=("The database & the broker are away.", "Come back <soon>."),
        ),
    ],
)
def test_availability_is_valid_and_reads_back(availability: Availability) -> None:
    document = availability_document(availability)
    parsed(document)
    read = OracleAvailability.from_xml(document)
    assert read.available is availability.available
    assert tuple(read.note or ()) == availability.notes
    assert (read.up_since is None) == (availability.up_since is None)


def test_the_tableset_says_all_that_is_known_of_a_table() -> None:
    root = parsed(tableset_document(SCHEMAS))
    assert root.tag == "{http://www.ivoa.net/xml/VOSITables/v1.0}tableset"
    table = root.find("schema/table")
    assert (table.get("type"), table.findtext("name")) == ("view", "ivoa.obscore")
    assert table.findtext("utype") == "ivo://ivoa.net/std/ObsCore#core-1.1"
    first, second, third, *_ = table.findall("column")
    assert first.get("std") == "true"
    assert [flag.text for flag in first.iterfind("flag")] == ["indexed", "principal"]
    assert [second.findtext(tag) for tag in ("unit", "ucd", "utype", "description")] == [
        "deg",
        "pos.eq.ra",
        "a.b",
        "RA",
    ]
    datatype = third.find("dataType")
    assert datatype.attrib == {XSI_TYPE: "vs:VOTableType", "arraysize": "2x*", "extendedType": "polygon"}
    key = table.find("foreignKey")
    assert key.findtext("targetTable") == "lake.files"
    pairs = [(p.findtext("fromColumn"), p.findtext("targetColumn")) for p in key.iterfind("fkColumn")]
    assert pairs == [("obs_id", "did"), ('"size"', '"size"')]


def test_names_are_ready_for_a_query() -> None:
    root = parsed(tableset_document(SCHEMAS))
    assert [name.text for name in root.iterfind("schema/table/name")] == ["ivoa.obscore", "lake.Files", 'lake."table"']
    assert [name.text for name in root.iterfind("schema/table/column/name")] == [
        "obs_id",
        "s_ra",
        "s_region",
        '"size"',
        '"odd ""name"""',
    ]


def test_the_minimum_leaves_out_columns_and_keys() -> None:
    root = parsed(tableset_document(SCHEMAS, "min"))
    assert root.findtext("schema/table/description") == "What was observed"
    assert root.find(".//column") is None
    assert root.find(".//foreignKey") is None


def test_an_independent_reader_understands_the_tableset() -> None:
    read = VOSITableSet.from_xml(tableset_document(SCHEMAS))
    assert [schema.schema_name for schema in read.tableset_schema] == ["ivoa", "lake"]
    (obscore,) = read.tableset_schema[0].table
    assert [column.column_name for column in obscore.column][:2] == ["obs_id", "s_ra"]


def test_one_table_is_a_document_of_its_own() -> None:
    found = find_table(SCHEMAS, "ivoa.obscore")
    assert found is not None
    root = parsed(table_document(*found))
    assert root.tag == "{http://www.ivoa.net/xml/VOSITables/v1.0}table"
    assert len(root.findall("column")) == 5


@pytest.mark.parametrize("name", ["lake.Files", "LAKE.files", 'lake."table"'])
def test_a_table_is_found_by_its_query_ready_name(name) -> None:
    assert find_table(SCHEMAS, name) is not None


@pytest.mark.parametrize("name", ["", "obscore", "lake.table", "ivoa.", "ivoa.obscore;", "a" * 10_000])
def test_what_is_no_table_is_not_found(name) -> None:
    assert find_table(SCHEMAS, name) is None
