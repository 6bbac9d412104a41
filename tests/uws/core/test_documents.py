from __future__ import annotations

from functools import cache

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from penstock.dali.errors import UsageError
from tests.support.systems import require_shared
from tests.uws.builders import make_job
from uws.core import json, xml
from uws.core.document import ABSENT, JobDocument, JobList, JobRef, ParameterItem, ResultItem
from uws.core.job import ErrorSummary, Phase
from uws.core.text import is_xml_text
from uws.representations.describe import job_document, job_list

URL = "https://penstock.example/uws/jobs/x"
TEXT = st.text(st.characters(codec="utf-8"), max_size=20).filter(is_xml_text)
NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
LOCAL = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
INFO_ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=10)
)
INFO = st.dictionaries(
    NAMES,
    st.recursive(
        INFO_ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
    ),
    max_size=4,
).filter(lambda info: set(info) != {"$xml"})
MAYBE = st.none() | TEXT
NILLABLE = MAYBE | st.just(ABSENT)
PARAMETERS = st.builds(
    ParameterItem,
    id=TEXT,
    value=TEXT,
    by_reference=st.none() | st.booleans(),
    is_post=st.none() | st.booleans(),
)
RESULTS = st.builds(
    ResultItem,
    id=TEXT,
    href=MAYBE,
    size=st.none() | st.integers(0, 2**63 - 1),
    media_type=MAYBE,
    custom=st.dictionaries(LOCAL, TEXT, max_size=3),
)
JOBS = st.builds(
    JobDocument,
    job_id=TEXT,
    phase=st.sampled_from(Phase),
    owner_id=MAYBE,
    run_id=MAYBE,
    quote=NILLABLE,
    creation_time=MAYBE,
    start_time=MAYBE,
    end_time=MAYBE,
    execution_duration=st.integers(0, 2**31 - 1),
    destruction=MAYBE,
    parameters=st.none() | st.lists(PARAMETERS, max_size=3).map(tuple),
    results=st.lists(RESULTS, max_size=3).map(tuple),
    error=st.none()
    | st.builds(ErrorSummary, type=st.sampled_from(["transient", "fatal"]), message=TEXT, has_detail=st.booleans()),
    info=st.none() | INFO,
    version=st.sampled_from([None, "1.1"]),
)
LISTS = st.builds(
    JobList,
    jobs=st.lists(
        st.builds(
            JobRef,
            job_id=TEXT,
            phase=st.sampled_from(Phase),
            run_id=MAYBE,
            owner_id=NILLABLE,
            creation_time=MAYBE,
            href=MAYBE,
        ),
        max_size=4,
    ).map(tuple),
)


@cache
def schema() -> etree.XMLSchema:
    """Return the schema of UWS."""
    require_shared("xsd", "UWS-v1.1.xsd")
    folder = require_shared("xsd")
    wrapper = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
      <xs:import namespace="http://www.w3.org/1999/xlink" schemaLocation="{folder}/xlink.xsd"/>
      <xs:import namespace="http://www.ivoa.net/xml/UWS/v1.0" schemaLocation="{folder}/UWS-v1.1.xsd"/></xs:schema>"""

    class Local(etree.Resolver):
        def resolve(self, url: str, pubid: object, context: object) -> object:
            name = url.rpartition("/")[2].replace("xlink.xsd", "xlink.xsd")
            return self.resolve_filename(str(folder / name), context)

    parser = etree.XMLParser()
    parser.resolvers.add(Local())
    return etree.XMLSchema(etree.fromstring(wrapper, parser))


@pytest.mark.requirement("U-101", "U-110")
@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_a_job_is_the_same_after_xml_and_json(job: JobDocument) -> None:
    document = xml.job_to_xml(job)
    read = xml.job_from_xml(document)
    assert read == job
    again = json.job_from_json(orjson.dumps(json.job_to_json(read)))
    assert again == job
    assert xml.job_to_xml(again) == document


@settings(max_examples=30, deadline=None)
@given(LISTS)
def test_a_list_is_the_same_after_xml_and_json(jobs: JobList) -> None:
    document = xml.jobs_to_xml(jobs)
    again = json.jobs_from_json(orjson.dumps(json.jobs_to_json(xml.jobs_from_xml(document))))
    assert again == jobs
    assert xml.jobs_to_xml(again) == document


@pytest.mark.requirement("U-002", "U-042", "U-090", "U-101", "U-110")
@pytest.mark.parametrize("phase", list(Phase))
def test_job_results_and_parameters_are_valid_in_every_phase(phase: Phase) -> None:
    document = job_document(make_job(phase), URL, None)
    assert document.parameters is not None
    for written in (
        xml.job_to_xml(document),
        xml.results_to_xml(document.results),
        xml.parameters_to_xml(document.parameters),
    ):
        schema().assertValid(etree.fromstring(written))


@pytest.mark.requirement("U-042", "U-070")
def test_a_job_list_is_valid_and_its_elements_are_prefixed_literally() -> None:
    written = xml.jobs_to_xml(job_list([make_job(phase) for phase in Phase], "https://penstock.example/uws/jobs"))
    schema().assertValid(etree.fromstring(written))
    assert b"<uws:jobref id=" in written
    assert b"xlink:href=" in written


@pytest.mark.requirement("U-040")
def test_the_version_is_on_the_roots_that_may_have_it() -> None:
    document = job_document(make_job(), URL, None)
    assert etree.fromstring(xml.job_to_xml(document)).get("version") == "1.1"
    assert etree.fromstring(xml.jobs_to_xml(JobList())).get("version") == "1.1"
    assert etree.fromstring(xml.results_to_xml(())).get("version") is None


@pytest.mark.requirement("U-093")
def test_foreign_job_info_is_kept_as_it_is() -> None:
    foreign = b"""<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"><uws:jobId>1</uws:jobId>
      <uws:phase>PENDING</uws:phase><uws:executionDuration>0</uws:executionDuration><uws:results/>
      <uws:jobInfo><a:x xmlns:a="urn:other" b="1">text<a:y/></a:x></uws:jobInfo></uws:job>"""
    job = xml.job_from_xml(foreign)
    assert job.info == {"$xml": ['<a:x xmlns:a="urn:other" b="1">text<a:y></a:y></a:x>']}
    assert xml.job_from_xml(xml.job_to_xml(json.job_from_json(orjson.dumps(json.job_to_json(job))))) == job


DEEP = 200
DEEP_FORMS = (('{"a":', "1", "}"), ('{"a":[', "", "]}"), ('{"a":[[', "1", "]]}"))


@pytest.mark.parametrize("form", DEEP_FORMS, ids=lambda form: form[0])
def test_a_job_info_that_is_nested_beyond_measure_is_refused(form: tuple[str, str, str]) -> None:
    opening, innermost, closing = form

    def nested(levels: int) -> bytes:
        times = levels // (opening.count("[") + 1)
        return b'{"jobId":"1","phase":"PENDING","ownerId":null,"startTime":null,"endTime":null,"destruction":null,' + (
            f'"executionDuration":0,"results":[],"jobInfo":{opening * times}{innermost}{closing * times}}}'.encode()
        )

    for levels in (DEEP + 10, 900):
        with pytest.raises(UsageError, match="levels deep"):
            json.job_from_json(nested(levels))
    job = json.job_from_json(nested(DEEP - 10))
    assert xml.job_from_xml(xml.job_to_xml(job)).info == job.info


@pytest.mark.parametrize("levels", [DEEP + 1, 240])
def test_a_job_info_in_xml_that_is_nested_beyond_measure_is_refused(levels: int) -> None:
    inner = '<a type="object">' * levels + "</a>" * levels
    document = f"""<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"><uws:jobId>1</uws:jobId>
      <uws:phase>PENDING</uws:phase><uws:executionDuration>0</uws:executionDuration><uws:results/>
      <uws:jobInfo>{inner}</uws:jobInfo></uws:job>"""
    with pytest.raises(UsageError, match="levels deep"):
        xml.job_from_xml(document.encode())


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not xml",
        b"<job/>",
        b'<uws:jobs xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"/>',
        b'<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"/>',
        b'<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"><uws:jobId>1</uws:jobId><uws:phase>DONE</uws:phase></uws:job>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    ],
)
def test_what_is_no_job_in_xml_is_refused(document: bytes) -> None:
    with pytest.raises(UsageError):
        xml.job_from_xml(document)


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"jobId": 1}', b'{"jobId": "1", "phase": "X", "executionDuration": 1}', b"\xff", b"{" * 9999],
)
def test_what_is_no_job_in_json_is_refused(document: bytes) -> None:
    with pytest.raises(UsageError):
        json.job_from_json(document)


def test_hints_are_no_part_of_a_job() -> None:
    data = json.job_to_json(job_document(make_job(), URL, None))
    assert json.job_from_json(orjson.dumps(data | {"_links": {}, "_actions": ["RUN"]})) == json.job_from_json(
        orjson.dumps(data)
    )


@pytest.mark.requirement("U-111")
@pytest.mark.parametrize("value", ["\x01", "a\ud800"[:1] + "\x0b", "\ufffe", "x" * 100_000])
def test_a_value_that_xml_cannot_carry_is_by_reference(value: str) -> None:
    from uws.core.job import JobParameter

    job = make_job(parameters=(JobParameter(id="a b", value=value), JobParameter(id="A B", value=value)))
    document = job_document(job, URL, None)
    assert document.parameters is not None
    first, second = document.parameters
    assert first.by_reference
    assert first.value == f"{URL}/parameters/a%20b"
    assert second.value.endswith("?item=2")
    xml.job_to_xml(document)


@pytest.mark.requirement("U-091")
def test_a_run_id_is_absent_or_a_text_and_never_nil() -> None:
    for run_id in (None, "", "r"):
        document = xml.job_to_xml(job_document(make_job(run_id=run_id), URL, None))
        assert [element.text or "" for element in etree.fromstring(document).findall("{*}runId")] == (
            [] if run_id is None else [run_id]
        )
        assert len(etree.fromstring(document).findall("{*}creationTime")) == 1
