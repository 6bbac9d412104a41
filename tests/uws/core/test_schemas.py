"""The published schemas fit what is written, and nothing else."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from lxml import etree

from penstock.dali.errors import UsageError
from tests.uws.builders import make_job
from tests.uws.core.test_documents import INFO, JOBS, LISTS, URL
from uws.core import json, xml
from uws.core.document import JobDocument, JobList
from uws.core.job import Phase
from uws.core.jobinfo import fill_info, read_info
from uws.representations.describe import job_document

JOB = Draft202012Validator(json.job_schema())
LIST = Draft202012Validator(json.jobs_schema())


@pytest.mark.parametrize("schema", [json.job_schema(), json.jobs_schema()])
def test_a_schema_is_one(schema: json.Json) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_every_job_fits_its_schema(job: JobDocument) -> None:
    JOB.validate(json.job_to_json(job))


@settings(max_examples=30, deadline=None)
@given(LISTS)
def test_every_list_fits_its_schema(jobs: JobList) -> None:
    LIST.validate(json.jobs_to_json(jobs))


@pytest.mark.parametrize("phase", list(Phase))
def test_a_job_in_every_phase_fits_with_its_hints(phase: Phase) -> None:
    data = json.job_to_json(job_document(make_job(phase), URL, None))
    JOB.validate(data | {"_links": {"self": URL}, "_actions": ["RUN"]})


WRONG = [
    {"jobId": 1},
    {"phase": "RUNNING"},
    {"executionDuration": "60"},
    {"executionDuration": True},
    {"startTime": 0},
    {"results": {"result": []}},
    {"results": [{"id": "a", "size": "1"}]},
    {"parameters": [{"id": "a"}]},
    {"parameters": [{"id": "a", "value": 1}]},
    {"errorSummary": {"type": "bad", "hasDetail": True, "message": ""}},
    {"jobInfo": []},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_what_the_schema_refuses_the_reader_refuses(change: dict[str, object]) -> None:
    data = json.job_to_json(job_document(make_job(), URL, None)) | change
    assert not JOB.is_valid(data)
    with pytest.raises(UsageError):
        json.job_from_json(orjson.dumps(data))


def test_an_unknown_member_does_not_fit_unless_it_is_a_hint() -> None:
    data = json.job_to_json(job_document(make_job(), URL, None))
    assert not JOB.is_valid(data | {"extra": 1})
    assert JOB.is_valid(data | {"_extra": 1})


def info(inner: str) -> etree._Element:
    return etree.fromstring(f"<jobInfo>{inner}</jobInfo>")


@pytest.mark.parametrize(
    "inner",
    [
        "<a>text</a>",
        '<a type="number">0.5</a><b type="object"><c/></b>',
        '<a array="true">1</a><a array="true" type="null"/>',
        '\n <a type="object">\n  <b> kept </b>\n </a>\n',
    ],
)
def test_what_can_be_said_as_members_is(inner: str) -> None:
    read = read_info(info(inner))
    assert "$xml" not in read
    again = etree.Element("jobInfo")
    fill_info(again, read)
    assert read_info(again) == read


@pytest.mark.parametrize(
    "inner",
    [
        '<a unit="s">1</a>',
        "<a>text<b/></a>",
        "<a>1</a><a>2</a>",
        '<a array="true">1</a><b/><a array="true">2</a>',
        '<a type="number">one</a>',
        '<a type="boolean">maybe</a>',
        '<a type="strange">x</a>',
        '<a xmlns="urn:x"/>',
        '<a type="object"><b xmlns="urn:x"/></a>',
        '<a type="number">1.0e0</a>',
        '<a type="number">NaN</a>',
        '<a type="number">123456789012345678901234567890</a>',
        '<a type="json">"\\ud800"</a>',
        "<_xd800_>1</_xd800_>",
    ],
)
def test_everything_else_is_kept_as_it_is(inner: str) -> None:
    read = read_info(info(inner))
    assert list(read) == ["$xml"]
    again = etree.Element("jobInfo")
    fill_info(again, read)
    assert [etree.tostring(each, method="c14n") for each in again] == [
        etree.tostring(each, method="c14n", exclusive=True, with_tail=False) for each in info(inner)
    ]


@settings(max_examples=60, deadline=None)
@given(INFO, st.sampled_from(Phase))
def test_every_job_info_survives_xml(members: dict[str, object], phase: Phase) -> None:
    job = JobDocument(job_id="1", phase=phase, info=members)
    assert xml.job_from_xml(xml.job_to_xml(job)).info == members


def test_job_info_has_no_namespace_that_a_validator_would_look_for() -> None:
    written = etree.fromstring(xml.job_to_xml(job_document(make_job(), URL, None)))
    (found,) = written.iter("{http://www.ivoa.net/xml/UWS/v1.0}jobInfo")
    assert [each.tag for each in found] == ["jobType", "attempt"]
