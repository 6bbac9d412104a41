"""Job types as JSON, JSON Schema and VOTable."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from astropy.io.votable import parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from lxml import etree

import xsd
from uws.core.job import JobParameter
from uws.job_types.installed import flaws_of
from uws.orders import JobOrder
from uws.ports import JobContext, JobType, Limits, ParameterSpec, ParameterType, ResultSpec
from uws.representations.job_type_json import JOB_TYPE_SCHEMA, job_type_to_json, parameters_schema
from uws.representations.job_type_votable import job_types_to_votable
from uws.service.limits import limited
from uws.service.policy import Policy
from uws.service.validation import Rejected
from uws.service.validation import validate as validate_parameters
from uws.worker.jobtypes import ECHO, FAIL, SLEEP

NS = {"v": "http://www.ivoa.net/xml/VOTable/v1.3"}
TYPES: tuple[ParameterType, ...] = (
    "boolean", "integer", "real", "string", "timestamp", "uri", "interval", "circle", "polygon", "file",
)  # fmt: skip


async def nothing(context: JobContext) -> None: ...


def make(*parameters: ParameterSpec, name: str = "t", **more: Any) -> JobType:
    return JobType(name=name, version="1", title="T", description="é\x01", run=nothing, parameters=parameters, **more)


EVERYTHING = make(
    *(ParameterSpec(name=kind, type=kind) for kind in TYPES),
    *(ParameterSpec(name=f"many_{kind}", type=kind, multiple=True, required=True) for kind in TYPES),
    ParameterSpec(name="i", type="integer", default="3", minimum=1, maximum=5, unit="s", ucd="time.duration"),
    ParameterSpec(name="o", options=("a", "b"), default="b", description="one of", utype="u:t"),
    ParameterSpec(name="n", type="integer", options=("1", "2")),
    ParameterSpec(name="c", type="circle", default="1 2 3"),
    ParameterSpec(name="f", type="file", media_types=("image/fits", "text/csv")),
    results=(ResultSpec(id="x"), ResultSpec(id="y", multiple=True, required=False, media_types=("a/b", "c/d"))),
    limits=Limits(default_duration_s=5, max_duration_s=10, max_lifetime=timedelta(days=1), max_upload_bytes=7),
    roles=frozenset({"b", "a"}),
    docs="https://penstock.example/docs",
)
ALL = [
    ECHO,
    SLEEP,
    FAIL,
    EVERYTHING,
    make(name="9"),
    make(ParameterSpec(name="a"), name="loose", validate_at_creation=False),
]


@pytest.mark.parametrize("job_type", ALL, ids=lambda each: each.name)
def test_every_type_fits_the_schema_of_types_and_carries_schemas(job_type: JobType) -> None:
    assert not [*flaws_of(job_type)]
    described = job_type_to_json(job_type, limited(Policy(), job_type))
    Draft202012Validator.check_schema(JOB_TYPE_SCHEMA)
    Draft202012Validator(JOB_TYPE_SCHEMA).validate(described)
    Draft202012Validator.check_schema(described["schema"])
    for parameter in described["parameters"]:
        Draft202012Validator.check_schema(parameter["schema"])


def test_a_type_says_everything_that_is_known_of_it() -> None:
    described = job_type_to_json(EVERYTHING, limited(Policy(max_duration_s=20), EVERYTHING))
    assert (described["docs"], described["roles"]) == ("https://penstock.example/docs", ["a", "b"])
    assert described["limits"] == {
        "executionDuration": {"default": 5, "maximum": 10},
        "lifetime": {"default": 2592000, "maximum": 86400},
        "uploadBytes": {"maximum": 7},
    }
    one = {each["name"]: each for each in described["parameters"]}
    assert one["i"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 5,
        "default": 3,
        "x-unit": "s",
        "x-ucd": "time.duration",
    }
    assert one["n"]["schema"]["enum"] == [1, 2]
    assert one["circle"]["xtype"] == one["circle"]["schema"]["x-xtype"] == "circle"
    assert one["f"]["mimeTypes"] == ["image/fits", "text/csv"]
    assert one["many_real"]["schema"] == {"type": "array", "items": {"type": "number"}, "minItems": 1}


PARAMETERS = make(
    ParameterSpec(name="b", type="boolean"),
    ParameterSpec(name="i", type="integer", minimum=-5, maximum=5),
    ParameterSpec(name="r", type="real", minimum=0, required=True),
    ParameterSpec(name="s"),
    ParameterSpec(name="o", options=("x", "y"), multiple=True),
    ParameterSpec(name="many", type="real", multiple=True, required=True),
    ParameterSpec(name="d", type="integer", required=True, default="3"),
    ParameterSpec(name="any", type="integer"),
    ParameterSpec(name="word", hyphen_first=False),
    *(ParameterSpec(name=kind, type=kind) for kind in ("interval", "circle", "polygon")),
)
SCHEMA = Draft202012Validator(parameters_schema(PARAMETERS))
TEXTS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=3)
VALUES = st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | TEXTS | st.sampled_from(["x", "y", "1", "true"])
OBJECTS = st.dictionaries(
    st.sampled_from(["b", "i", "r", "s", "o", "many", "d", "z", "any", "word"]), VALUES | st.lists(VALUES, max_size=3)
)


@settings(max_examples=300, deadline=None)
@given(OBJECTS, st.booleans())
def test_what_fits_the_schema_is_taken(given_values: dict[str, Any], likely: bool) -> None:
    if likely:
        given_values = {"r": 1.5, "many": [1]} | given_values
    if SCHEMA.is_valid(given_values):
        validate_parameters(PARAMETERS, parameters_of(given_values))


def parameters_of(values: dict[str, Any]) -> list[JobParameter]:
    pairs = JobOrder.model_validate({"parameters": values}).pairs()
    return [JobParameter(id=name, value=value) for name, value in pairs]


NUMBERS = ["1", "-1", "+.5", "2.", "1e0", "-1.5E-3", "0"]
ENDS = st.sampled_from([("-Inf", "1"), ("-5", "+inf"), ("1", "1")])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=11), ENDS, st.sampled_from([" ", "\t", "  \n"]))
def test_numbers_in_a_text_fit_the_schema_if_they_are_as_many_as_needed(
    numbers: list[str], ends: tuple[str, str], space: str
) -> None:
    text = space.join(numbers)
    given_values: dict[str, Any] = {"r": 1, "many": [1], "interval": space.join(ends)}
    assert SCHEMA.is_valid(given_values | {"circle": text}) == (len(numbers) == 3)
    assert SCHEMA.is_valid(given_values | {"polygon": text}) == (len(numbers) in (6, 8, 10))
    if len(numbers) in (6, 8, 10):
        validate_parameters(PARAMETERS, parameters_of(given_values | {"polygon": text}))


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**19, 1e19, 9.3e18])
def test_integers_of_the_schema_are_of_64_bits(number: float) -> None:
    values = {"r": 1, "many": [1], "any": number}
    fits = -(2**63) <= number < 2**63
    assert SCHEMA.is_valid(values) == fits
    if fits:
        validate_parameters(PARAMETERS, parameters_of(values))


@pytest.mark.parametrize(
    "change",
    [
        {"b": "maybe"},
        {"i": 6},
        {"i": 1.5},
        {"r": -1},
        {"o": ["z"]},
        {"many": []},
        {"z": 1},
        {"s": ["a", "b"]},
        {"any": 2**63},
        {"any": -(2**63) - 1},
        {"word": "-x"},
        {"interval": "1"},
        {"interval": "a b"},
        {"interval": "nan 1"},
        {"circle": "1 2"},
        {"circle": "inf 2 3"},
        {"polygon": "1 2 3 4 5 6 7"},
        {"polygon": ""},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    values = {"r": 1, "many": [1]} | change
    assert not SCHEMA.is_valid(values)
    with pytest.raises(Rejected):
        validate_parameters(PARAMETERS, parameters_of(values))


def test_the_votable_is_valid() -> None:
    document = job_types_to_votable([(each, limited(Policy(), each)) for each in ALL])
    report = io.StringIO()
    assert validate(io.BytesIO(document), output=report), report.getvalue()
    assert not list(xsd.validate(document))


def test_the_votable_has_the_groups_of_opus() -> None:
    root = etree.fromstring(job_types_to_votable([(EVERYTHING, limited(Policy(), EVERYTHING))]))
    (resource,) = root.xpath("v:RESOURCE[@utype='voprov:ActivityDescription'][@type='meta']", namespaces=NS)
    assert (resource.get("name"), resource.get("ID")) == ("t", "t")
    assert [group.get("name") for group in resource.findall("v:GROUP", NS)] == ["InputParams", "Used", "Generated"]
    inputs, used, generated = resource.findall("v:GROUP", NS)
    (i,) = inputs.xpath("v:PARAM[@name='i']", namespaces=NS)
    assert dict(i.attrib) == {
        "name": "i",
        "datatype": "long",
        "unit": "s",
        "ucd": "time.duration",
        "value": "3",
        "type": "no_query",
    }
    assert [(each.tag.rpartition("}")[2], each.get("value")) for each in i.find("v:VALUES", NS)] == [
        ("MIN", "1"),
        ("MAX", "5"),
    ]
    assert [option.get("value") for option in inputs.xpath("v:PARAM[@name='o']//v:OPTION", namespaces=NS)] == ["a", "b"]
    assert [group.get("name") for group in used] == ["file", "many_file", "f"]
    multiplicities = used.xpath("v:GROUP/v:PARAM[@name='multiplicity']/@value", namespaces=NS)
    assert multiplicities == ["0..1", "1..*", "0..1"]
    assert generated.xpath("v:GROUP/v:PARAM[@name='multiplicity']/@value", namespaces=NS) == ["1", "*"]
    duration = resource.xpath("v:PARAM[@utype='uws:Job.executionDuration']/@value", namespaces=NS)
    assert duration == ["5"]


def test_a_type_whose_name_is_no_xml_id_has_none() -> None:
    document = job_types_to_votable([(make(name="9"), Policy())])
    assert parse(io.BytesIO(document)).resources[0].ID is None
