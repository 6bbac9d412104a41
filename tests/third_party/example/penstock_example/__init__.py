"""Three types of job, one of each kind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from uws.job_types import About, BlockingContext, Output, Sandbox, command_line, job_type
from uws.ports import JobContext, Limits, ParameterSpec, ResultSpec


@job_type("example.stack", version="1.0", limits=Limits(max_upload_bytes=10_000_000))
def stack(
    context: BlockingContext,
    spectra: Annotated[list[Path], About("Spectra, each a column of numbers", media_types=("text/plain",))],
    sigma: Annotated[float, About("Leave out what is so far from the mean", unit="sigma", minimum=0)] = 3.0,
    combine: Literal["mean", "median"] = "mean",
) -> dict[str, Any]:
    """Stack spectra.

    Combines spectra of the same length, point by point.
    """
    columns = []
    for number, path in enumerate(spectra, 1):
        columns.append(np.loadtxt(path, ndmin=1))
        context.progress(number / len(spectra), f"{number} of {len(spectra)} spectra")
    points = np.ma.masked_invalid(np.stack(columns))
    far = np.abs(points - points.mean(axis=0)) > sigma * points.std(axis=0) + 1e-12
    combined = getattr(np.ma, combine)(np.ma.masked_where(far, points), axis=0)
    return {"combined": combined.filled(np.nan).tolist(), "used": (~far).sum(axis=0).tolist()}


@job_type(
    "example.countdown",
    version="1.0",
    results=(ResultSpec(id="log", media_types=("text/plain",), description="What was counted"),),
)
async def countdown(
    context: JobContext, start: Annotated[int, About("Where to begin", minimum=1, maximum=1000)] = 3
) -> str:
    """Count down."""
    counted = []
    for number in range(start, 0, -1):
        await context.progress(1 - number / start, f"{number} to go")
        await asyncio.sleep(0.01)
        counted.append(str(number))
    return " ".join(counted)


SORT = command_line(
    "example.sort",
    version="1.0",
    title="Sort a table",
    description="Sorts the lines of a table by number.",
    argv=("sort", "--numeric-sort", "--output=sorted.txt", ("--key={KEY}",), "{TABLE}"),
    parameters=(
        ParameterSpec(name="TABLE", type="file", description="The table", required=True, media_types=("text/plain",)),
        ParameterSpec(name="KEY", type="integer", description="The column to sort by", minimum=1),
    ),
    outputs=(Output("sorted.txt", ResultSpec(id="sorted", media_types=("text/plain",))),),
    sandbox=Sandbox(memory_bytes=512 * 2**20, cpu_s=60),
)
