"""Job types for trying out a service: echo, sleep and fail."""

from __future__ import annotations

import asyncio

from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.dali.values import parse_bool, parse_float
from uws.ports import JobContext, JobType, ParameterSpec, ResultSpec

_TICK_S = 1.0
_TEXT = "text/plain; charset=UTF-8"


async def _echo(context: JobContext) -> None:
    async with context.result("echo", _TEXT) as result:
        await result.write((context.parameters.single("MESSAGE") or "").encode())


async def _sleep(context: JobContext) -> None:
    duration_s = parse_float("DURATION", context.parameters.single("DURATION") or "0")
    loop = asyncio.get_running_loop()
    end = loop.time() + duration_s
    while (left_s := end - loop.time()) > 0:
        await context.progress(1 - left_s / duration_s, f"{left_s:.0f} s to go")
        await asyncio.sleep(min(left_s, _TICK_S))


async def _fail(context: JobContext) -> None:
    message = context.parameters.single("MESSAGE") or "It was asked to fail."
    if parse_bool("TRANSIENT", context.parameters.single("TRANSIENT") or "false"):
        raise ServiceUnavailable(message)
    raise UsageError(message)


ECHO = JobType(
    name="echo",
    version="1.0",
    title="Echo",
    description="Writes its message into a result.",
    run=_echo,
    parameters=(ParameterSpec(name="MESSAGE", description="What to write", default=""),),
    results=(ResultSpec(id="echo", media_types=(_TEXT,), description="The message"),),
)
SLEEP = JobType(
    name="sleep",
    version="1.0",
    title="Sleep",
    description="Does nothing for a while and tells how far it is.",
    run=_sleep,
    parameters=(
        ParameterSpec(
            name="DURATION", type="real", description="How long", unit="s", default="1", minimum=0, maximum=86400
        ),
    ),
)
FAIL = JobType(
    name="fail",
    version="1.0",
    title="Fail",
    description="Ends in ERROR with the message that it is given.",
    run=_fail,
    parameters=(
        ParameterSpec(name="MESSAGE", description="What to say"),
        ParameterSpec(
            name="TRANSIENT", type="boolean", description="Whether to call the error transient", default="false"
        ),
    ),
)
