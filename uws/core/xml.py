"""UWS documents in XML, written and read (UWS 1.1 s2.2.2 and its schema).

The prefixes ``uws:`` and ``xlink:`` are literal: clients in use look for the prefixed names. Elements stand in the
order of the schema; those that a job must have are always there, nil where nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from penstock.dali.errors import UsageError
from uws.core.document import ABSENT, JobDocument, JobList, JobRef, Nillable, ParameterItem, ResultItem
from uws.core.job import ErrorSummary, Phase
from uws.core.jobinfo import fill_info, read_info

UWS = "http://www.ivoa.net/xml/UWS/v1.0"
XLINK = "http://www.w3.org/1999/xlink"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
CUSTOM = "urn:uwscustom"
_NSMAP = {"uws": UWS, "xlink": XLINK, "xsi": XSI}
_HREF = f"{{{XLINK}}}href"
_NIL = f"{{{XSI}}}nil"
_LINE_END = {"\r": "&#13;"}  # a parser would read a bare one as another character
_BOOLEANS = {None: None, True: "true", False: "false"}


def job_to_xml(job: JobDocument) -> bytes:
    """Write a job document (UWS 1.1 s2.2.2.2)."""
    root = copy(_CUSTOM_JOB if any(result.custom for result in job.results) else _JOB)
    _set(root, "version", job.version)
    values = (
        job.job_id,
        _present(job.run_id),
        job.owner_id,
        job.phase.value,
        job.quote,
        _present(job.creation_time),
        job.start_time,
        job.end_time,
        str(job.execution_duration),
        job.destruction,
    )
    for element, value in zip(list(root), values, strict=True):
        _fill(element, value)
    if job.parameters is not None:
        _fill_parameters(etree.SubElement(root, _uws("parameters")), job.parameters)
    _fill_results(etree.SubElement(root, _uws("results")), job.results)
    if job.error is not None:
        _add_error(root, job.error)
    if job.info is not None:
        fill_info(etree.SubElement(root, _uws("jobInfo")), job.info)
    return _serialise(root)


def jobs_to_xml(jobs: JobList) -> bytes:
    """Write a job list (UWS 1.1 s2.2.2.1)."""
    opening, closing = jobs_frame(jobs.version)
    return opening + refs_to_xml(jobs.jobs) + closing


def jobs_frame(version: str | None) -> tuple[bytes, bytes]:
    """Return what stands before and after the entries of a job list."""
    root = etree.Element(_uws("jobs"), nsmap=_NSMAP)
    _set(root, "version", version)
    root.text = ""
    document = _serialise(root)
    closing = document[document.rindex(b"</") :]
    return document.removesuffix(closing), closing


def refs_to_xml(refs: Iterable[JobRef]) -> bytes:
    """Write entries of a job list: as text, like the rows of a table, because there may be any number of them."""
    return "".join(map(_ref_to_text, refs)).encode()


def results_to_xml(results: Iterable[ResultItem]) -> bytes:
    """Write a results list (UWS 1.1 s2.2.2.3); its root has no version attribute."""
    root = etree.Element(_uws("results"), nsmap=_NSMAP)
    _fill_results(root, results)
    return _serialise(root)


def parameters_to_xml(parameters: Iterable[ParameterItem]) -> bytes:
    """Write a parameters list (UWS 1.1 s2.2.2.4); its root has no version attribute."""
    root = etree.Element(_uws("parameters"), nsmap=_NSMAP)
    _fill_parameters(root, parameters)
    return _serialise(root)


def job_from_xml(document: bytes) -> JobDocument:
    """Read a job document.

    Raises
    ------
    UsageError
        It is not a job document of UWS 1.
    """
    root = _root(document, "job")
    info, parameters, error = (root.find(_uws(name)) for name in ("jobInfo", "parameters", "errorSummary"))
    return JobDocument(
        version=root.get("version"),
        job_id=_required(root, "jobId"),
        run_id=_read(root, "runId"),
        owner_id=_known(_read_nillable(root, "ownerId")),
        phase=_phase(root),
        quote=_read_nillable(root, "quote"),
        creation_time=_read(root, "creationTime"),
        start_time=_known(_read_nillable(root, "startTime")),
        end_time=_known(_read_nillable(root, "endTime")),
        execution_duration=_integer(_required(root, "executionDuration")),
        destruction=_known(_read_nillable(root, "destruction")),
        parameters=None if parameters is None else tuple(map(_read_parameter, parameters.iter(_uws("parameter")))),
        results=tuple(map(_read_result, root.iterfind(f"{_uws('results')}/{_uws('result')}"))),
        error=None if error is None else _read_error(error),
        info=None if info is None else read_info(info),
    )


def jobs_from_xml(document: bytes) -> JobList:
    """Read a job list.

    Raises
    ------
    UsageError
        It is not a job list of UWS 1.
    """
    root = _root(document, "jobs")
    return JobList(version=root.get("version"), jobs=tuple(map(_read_ref, root.iterfind(_uws("jobref")))))


def _uws(name: str) -> str:
    return f"{{{UWS}}}{name}"


def _set(element: etree._Element, name: str, value: str | None) -> None:
    if value is not None:
        element.set(name, value)


def _ref_to_text(ref: JobRef) -> str:
    href = "" if ref.href is None else f" xlink:href={_quoted(ref.href)}"
    owner = "" if ref.owner_id is ABSENT else _tagged("ownerId", ref.owner_id) or '<uws:ownerId xsi:nil="true"/>'
    return (
        f"<uws:jobref id={_quoted(ref.job_id)}{href}>"
        f"<uws:phase>{ref.phase.value}</uws:phase>{_tagged('runId', ref.run_id)}{owner}"
        f"{_tagged('creationTime', ref.creation_time)}</uws:jobref>"
    )


def _tagged(name: str, text: str | None) -> str:
    return "" if text is None else f"<uws:{name}>{escape(text, _LINE_END)}</uws:{name}>"


def _quoted(text: str) -> str:
    return quoteattr(text, _LINE_END)


def _skeleton(name: str, names: Iterable[str], nsmap: Mapping[str, str] = _NSMAP) -> etree._Element:
    """Return an element with empty children, to be copied: that is quicker than to make each of them."""
    root = etree.Element(_uws(name), nsmap=nsmap)
    for each in names:
        etree.SubElement(root, _uws(each))
    return root


def _fill(element: etree._Element, value: Nillable) -> None:
    """Give an element of a skeleton its text, make it nil, or take it out."""
    if value is None:
        element.set(_NIL, "true")
    elif value is not ABSENT:
        element.text = value
    elif (parent := element.getparent()) is not None:
        parent.remove(element)


def _present(value: str | None) -> Nillable:
    return ABSENT if value is None else value


def _fill_parameters(element: etree._Element, parameters: Iterable[ParameterItem]) -> None:
    for parameter in parameters:
        child = etree.SubElement(element, _uws("parameter"), id=parameter.id)
        _set(child, "byReference", _BOOLEANS[parameter.by_reference])
        _set(child, "isPost", _BOOLEANS[parameter.is_post])
        child.text = parameter.value


def _fill_results(element: etree._Element, results: Iterable[ResultItem]) -> None:
    for result in results:
        child = etree.SubElement(element, _uws("result"), id=result.id)
        _set(child, _HREF, result.href)
        _set(child, "size", None if result.size is None else str(result.size))
        _set(child, "mime-type", result.media_type)
        for name, value in result.custom.items():
            child.set(f"{{{CUSTOM}}}{name}", value)


def _add_error(root: etree._Element, error: ErrorSummary) -> None:
    element = etree.SubElement(root, _uws("errorSummary"), type=error.type)
    _set(element, "hasDetail", _BOOLEANS[error.has_detail])
    etree.SubElement(element, _uws("message")).text = error.message


def _serialise(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


_VALUES = (
    "jobId", "runId", "ownerId", "phase", "quote", "creationTime", "startTime", "endTime", "executionDuration",
    "destruction",
)  # fmt: skip
_JOB = _skeleton("job", _VALUES)
_CUSTOM_JOB = _skeleton("job", _VALUES, _NSMAP | {"uwsc": CUSTOM})


def _root(document: bytes, name: str) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        raise UsageError(f"The document is not well-formed XML: {error}") from error
    if root.tag != _uws(name):
        raise UsageError(f"The document is a {root.tag}, not a uws:{name}.")
    return root


def _read(parent: etree._Element, name: str) -> str | None:
    element = parent.find(_uws(name))
    return None if element is None else element.text or ""


def _required(parent: etree._Element, name: str) -> str:
    text = _read(parent, name)
    if text is None:
        raise UsageError(f"The document has no {name}.")
    return text


def _read_nillable(parent: etree._Element, name: str) -> Nillable:
    element = parent.find(_uws(name))
    if element is None:
        return ABSENT
    return None if element.get(_NIL) in {"true", "1"} else element.text or ""


def _known(text: Nillable) -> str | None:
    return None if text is ABSENT else text


def _phase(parent: etree._Element) -> Phase:
    text = _required(parent, "phase")
    try:
        return Phase(text.strip())
    except ValueError as error:
        raise UsageError(f"{text[:40]!r} is not a phase of UWS.") from error


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{text[:40]!r} is not an integer.") from error


def _read_boolean(text: str | None) -> bool | None:
    return None if text is None else text.strip() in {"true", "1"}


def _read_parameter(element: etree._Element) -> ParameterItem:
    return ParameterItem(
        id=element.get("id", ""),
        value=element.text or "",
        by_reference=_read_boolean(element.get("byReference")),
        is_post=_read_boolean(element.get("isPost")),
    )


def _read_result(element: etree._Element) -> ResultItem:
    size = element.get("size")
    attributes = {etree.QName(str(name)): str(value) for name, value in element.attrib.items()}
    return ResultItem(
        id=element.get("id", ""),
        href=element.get(_HREF),
        size=None if size is None else _integer(size),
        media_type=element.get("mime-type"),
        custom={name.localname: value for name, value in attributes.items() if name.namespace == CUSTOM},
    )


def _read_error(element: etree._Element) -> ErrorSummary:
    return ErrorSummary(
        type="transient" if element.get("type") == "transient" else "fatal",
        has_detail=_read_boolean(element.get("hasDetail")) or False,
        message=_read(element, "message") or "",
    )


def _read_ref(element: etree._Element) -> JobRef:
    return JobRef(
        job_id=element.get("id", ""),
        href=element.get(_HREF),
        phase=_phase(element),
        run_id=_read(element, "runId"),
        owner_id=_read_nillable(element, "ownerId"),
        creation_time=_read(element, "creationTime"),
    )
