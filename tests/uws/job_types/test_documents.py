"""The examples of the documents make job types that work."""

from __future__ import annotations

from tests.docs.test_examples import blocks
from tests.support.systems import ROOT
from tests.uws.job_types.context import part, run
from uws.job_types.installed import flaws_of
from uws.ports import JobType


async def test_the_examples_are_job_types_without_flaws() -> None:
    made: dict[str, object] = {}
    for code in blocks(ROOT / "docs/job-types.md", "python"):
        exec(compile(code, "job-types.md", "exec"), made)
    found = {each.name: each for each in made.values() if isinstance(each, JobType)}
    assert set(found) == {"example.stack", "example.sort"}
    assert not [flaw for each in found.values() for flaw in flaws_of(each)]
    context = await run(found["example.stack"], parts=[part("images", b"12345")])
    assert context.results["result"] == ("application/octet-stream", b"the stacked image")
    assert context.said == [(1.0, "5 bytes, mean within 3.0 sigma")]
