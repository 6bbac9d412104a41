"""A job list as a stream: it may be of any length (UWS 1.1 s2.1.1), and memory holds a page of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import orjson

from uws.core import json, xml
from uws.core.document import VERSION, JobRef
from uws.core.job import JobSummary
from uws.representations.describe import job_list

Pages = AsyncIterator[tuple[Sequence[JobSummary], bool]]
"""Jobs, some at a time, each time with whether they are the last."""


async def xml_list(pages: Pages, url: str) -> AsyncIterator[bytes]:
    """Yield the list whose URL is `url` in XML, a chunk for each page."""
    opening, closing = xml.jobs_frame(VERSION)
    async for chunk in _chunks(pages, url, xml.refs_to_xml, (opening, b"", closing)):
        yield chunk


async def json_list(pages: Pages, url: str) -> AsyncIterator[bytes]:
    """Yield the list in JSON, a chunk for each page."""
    opening = b'{"version":' + orjson.dumps(VERSION) + b',"jobs":['
    closing = b'],"_links":' + orjson.dumps({"self": url}) + b"}"
    async for chunk in _chunks(pages, url, _json_refs, (opening, b",", closing)):
        yield chunk


async def _chunks(
    pages: Pages, url: str, write: Callable[[Sequence[JobRef]], bytes], frame: tuple[bytes, bytes, bytes]
) -> AsyncIterator[bytes]:
    opening, between, closing = frame
    before = opening
    async for jobs, last in pages:
        refs = write(job_list(jobs, url).jobs)
        yield before + refs + closing if last else before + refs
        before = between


def _json_refs(refs: Sequence[JobRef]) -> bytes:
    return orjson.dumps(list(map(json.ref_to_json, refs)))[1:-1]
