from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from penstock.dali.errors import UsageError
from penstock.dali.shapes import Circle
from penstock.dali.values import Interval
from tests.uws.job_types.context import part, run
from uws.job_types import About, BlockingContext, job_type
from uws.job_types.installed import flaws_of
from uws.ports import JobContext, Limits, ParameterSpec, ResultSpec


@job_type("stack", version="2.1", limits=Limits(max_upload_bytes=1000), roles=frozenset({"staff"}))
def stack(
    images: Annotated[list[Path], About("What to stack", media_types=("image/fits",))],
    sigma: Annotated[float, About("Clipping", unit="sigma", ucd="stat.stdev", minimum=0, maximum=10)] = 3.0,
    method: Literal["mean", "median"] = "mean",
    weights: list[float] | None = None,
    since: datetime | None = None,
    verbose: bool = False,
) -> dict[str, Any]:
    """Stack images.

    And clip what stands out.
    """
    return {
        "bytes": [len(image.read_bytes()) for image in images],
        "sigma": sigma,
        "method": method,
        "weights": weights,
        "since": since and since.isoformat(),
        "verbose": verbose,
    }


def test_the_signature_and_docstring_describe_the_type() -> None:
    assert (stack.name, stack.version, stack.title) == ("stack", "2.1", "Stack images")
    assert stack.description == "And clip what stands out."
    assert (stack.limits.max_upload_bytes, stack.roles) == (1000, {"staff"})
    assert stack.results == (ResultSpec(id="result", media_types=("application/json",)),)
    assert stack.parameters[:3] == (
        ParameterSpec(
            name="images",
            type="file",
            description="What to stack",
            required=True,
            multiple=True,
            media_types=("image/fits",),
        ),
        ParameterSpec(
            name="sigma",
            type="real",
            description="Clipping",
            unit="sigma",
            ucd="stat.stdev",
            minimum=0,
            maximum=10,
            default="3.0",
        ),
        ParameterSpec(name="method", options=("mean", "median"), default="mean"),
    )
    assert [(spec.type, spec.multiple, spec.default) for spec in stack.parameters[3:]] == [
        ("real", True, None),
        ("timestamp", False, None),
        ("boolean", False, "false"),
    ]
    assert not any(spec.required for spec in stack.parameters[1:])
    assert not [*flaws_of(stack)]


async def test_a_function_gets_what_the_client_gave_as_what_its_annotations_say() -> None:
    given = [("SIGMA", "2"), ("weights", "1"), ("weights", "2.5"), ("since", "2026-01-02"), ("verbose", "T")]
    context = await run(stack, *given, parts=[part("images", b"12"), part("IMAGES", b"345")])
    assert context.results["result"] == (
        "application/json",
        b'{"bytes":[2,3],"sigma":2.0,"method":"mean","weights":[1.0,2.5],"since":"2026-01-02T00:00:00+00:00","verbose":true}',
    )


async def test_a_file_may_come_as_text_or_by_the_name_of_a_part() -> None:
    context = await run(stack, ("images", "text"), ("images", "param:p"), parts=[part("p", b"part of the form")])
    assert b'"bytes":[4,16]' in context.results["result"][1]


@job_type("narrate", version="1", results=(ResultSpec(id="story", media_types=("text/html",)),))
def narrate(context: BlockingContext, region: Circle, band: Interval) -> str:
    """Tell a story."""
    context.progress(0.5, f"{threading.current_thread() is threading.main_thread()}")
    with context.result("extra", "text/plain") as result:
        result.write(b"one, ")
        result.write(b"two")
    return f"{region.radius_deg} {band.upper}"


async def test_a_plain_function_runs_in_a_thread_and_has_the_context() -> None:
    context = await run(narrate, ("region", "10 20 0.5"), ("band", "1 +Inf"))
    assert context.results == {"extra": ("text/plain", b"one, two"), "story": ("text/html", b"0.5 inf")}
    assert context.said == [(0.5, "False")]


@job_type("wait", version="1")
async def wait(context: JobContext, text: str = "x") -> bytes:
    """Wait."""
    await asyncio.sleep(0)
    await context.progress(1.0)
    return text.encode()


async def test_an_async_function_runs_in_the_loop() -> None:
    context = await run(wait)
    assert context.results == {"result": ("application/octet-stream", b"x")}
    assert context.said == [(1.0, None)]


@job_type("copy", version="1", results=(ResultSpec(id="copy", media_types=("image/fits",)),))
def copy(source: Path) -> Path:
    """Copy a file."""
    return source


async def test_a_path_is_returned_as_its_content() -> None:
    context = await run(copy, parts=[part("source", b"x" * 3_000_000)])
    assert context.results["copy"] == ("image/fits", b"x" * 3_000_000)


@job_type("quiet", version="1")
def quiet(context: BlockingContext) -> None:
    """Return nothing."""
    with pytest.raises(ZeroDivisionError), context.result("broken", "text/plain"):
        raise ZeroDivisionError
    raise UsageError("It was asked for nothing.")


async def test_what_a_function_raises_is_the_error_of_the_job_and_a_broken_result_is_none() -> None:
    assert quiet.results == ()
    with pytest.raises(UsageError, match="asked for nothing"):
        await run(quiet)


async def test_a_function_that_raises_what_no_future_takes_fails_too() -> None:
    @job_type("empty", version="1")
    def empty() -> str:
        """Take the first of nothing."""
        return next(iter(()))

    async with asyncio.timeout(60):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await run(empty)


async def test_nobody_waits_for_a_function_whose_attempt_is_cut_off() -> None:
    entered, gate = threading.Event(), threading.Event()

    @job_type("stuck", version="1")
    def stuck() -> None:
        """Stick."""
        entered.set()
        gate.wait(60)

    running = asyncio.create_task(run(stuck))
    await asyncio.to_thread(entered.wait, 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gate.set()


def unusual(x: dict[str, int]) -> None: ...
def several(x: int | str) -> None: ...
def variadic(*x: int) -> None: ...
def structured(x: list[int] = [], y: object = object()) -> None: ...  # noqa: B006


@pytest.mark.parametrize("function", [unusual, several, variadic, structured])
def test_a_signature_that_says_nothing_to_clients_is_refused(function: Any) -> None:
    with pytest.raises(TypeError):
        job_type("x", version="1")(function)


def test_times_stand_in_defaults() -> None:
    def since(t: datetime = datetime(2026, 1, 2, tzinfo=UTC)) -> None: ...

    made = job_type("since", version="1")(since)
    assert made.parameters[0].default == "2026-01-02T00:00:00.000Z"
    assert made.title == "since"
