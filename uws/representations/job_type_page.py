"""Job types for people: what there is, and a form that creates a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from penstock.edge.pages import render_page
from uws.ports import JobType, ParameterSpec
from uws.service.policy import Policy

_INPUTS: Mapping[str, str] = {"integer": "number", "real": "number", "uri": "url", "file": "file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the form; `kind` is select, textarea or the type of an input."""

    spec: ParameterSpec
    kind: str
    label: str
    required: bool
    options: Sequence[str]


def job_types_page(job_types: Sequence[JobType], url: str) -> web.Response:
    """Return the page of all types; `url` is its own."""
    return render_page("job_types.html", title="Types of job", job_types=job_types, url=url)


def job_type_page(job_type: JobType, policy: Policy, url: str, *, jobs_url: str, allowed: bool) -> web.Response:
    """Return the page of a type; `url` is its own, `allowed` whether the reader may create jobs of it."""
    # The form answers with a redirect to the public address, which may not be the one that the browser knows us by.
    return render_page(
        "job_type.html",
        forms_lead_to="{0.scheme}://{0.netloc}".format(urlsplit(jobs_url)),
        title=job_type.title,
        job_type=job_type,
        facts=list(_facts(job_type, policy)),
        fields=[_field(spec) for spec in job_type.parameters],
        multipart=any(spec.type == "file" for spec in job_type.parameters),
        action=urlsplit(jobs_url).path,
        allowed=allowed,
        url=url,
    )


def _facts(job_type: JobType, policy: Policy) -> Iterator[tuple[str, str]]:
    yield "Name", job_type.name
    yield "Version", job_type.version
    if job_type.roles:
        yield "For members of", ", ".join(sorted(job_type.roles))
    yield "Execution duration", _limit(policy.duration_s(None), policy.max_duration_s)
    if job_type.limits.max_upload_bytes is not None:
        yield "Files", f"up to {job_type.limits.max_upload_bytes} bytes"


def _limit(default_s: int, longest_s: int) -> str:
    default = f"{default_s} s" if default_s else "unlimited"
    return f"{default}, at most {longest_s} s" if longest_s else default


def _field(spec: ParameterSpec) -> Field:
    options = spec.options or (("true", "false") if spec.type == "boolean" else ())
    kind = "select" if options else _INPUTS.get(spec.type, "textarea" if spec.type == "string" else "text")
    details = [spec.description, f"in {spec.unit}" if spec.unit else "", _bounds(spec)]
    return Field(
        spec=spec,
        kind=kind,
        label=", ".join(detail for detail in details if detail),
        required=spec.required and spec.default is None,
        options=options,
    )


def _bounds(spec: ParameterSpec) -> str:
    match spec.minimum, spec.maximum:
        case None, None:
            return ""
        case low, None:
            return f"at least {low:g}"
        case None, high:
            return f"at most {high:g}"
        case low, high:
            return f"from {low:g} to {high:g}"
