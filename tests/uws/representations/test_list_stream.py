"""Job lists in chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import orjson
import pytest

from tests.uws.builders import NOW
from uws.core import json, xml
from uws.core.job import JobSummary, Phase, new_job_id
from uws.representations.describe import job_list
from uws.representations.list_stream import json_list, xml_list

URL = "https://penstock.example/uws/jobs"
HOSTILE = "a&b<c>\"d'\r\n\te\u20ac"


def jobs(count: int) -> list[JobSummary]:
    """Return jobs whose run ids need escaping; of every second one the owner is known."""
    return [
        JobSummary(
            id=new_job_id(NOW, number.to_bytes(10)),
            type="echo",
            phase=Phase.ERROR,
            owner=HOSTILE.strip() if number % 2 else None,
            run_id=HOSTILE if number % 3 else None,
            creation_time=NOW,
        )
        for number in range(count)
    ]


async def paged(found: Sequence[JobSummary], size: int) -> AsyncIterator[tuple[Sequence[JobSummary], bool]]:
    for start in range(0, max(1, len(found)), size):
        yield found[start : start + size], start + size >= len(found)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8])
async def test_a_list_says_the_same_whole_and_in_pages(count: int) -> None:
    found = jobs(count)
    expected = job_list(found, URL)
    in_xml = [chunk async for chunk in xml_list(paged(found, 4), URL)]
    in_json = [chunk async for chunk in json_list(paged(found, 4), URL)]
    assert len(in_xml) == len(in_json) == max(1, -(-count // 4))
    assert xml.jobs_from_xml(b"".join(in_xml)) == expected
    assert b"".join(in_xml) == xml.jobs_to_xml(expected)
    assert orjson.loads(b"".join(in_json)) == {**json.jobs_to_json(expected), "_links": {"self": URL}}
