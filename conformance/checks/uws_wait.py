"""UWS 1.1: WAIT on a job blocks until something happens, and not longer."""

from __future__ import annotations

import asyncio

from conformance.bench import Bench
from conformance.documents import child_text, xml
from conformance.model import Level, require
from conformance.registry import check

SOON_S = 4.0


@check("uws.wait-blocks", "2.2.1.2", Level.SHOULD)
async def wait_blocks(bench: Bench) -> None:
    """WAIT=2 on a job in which nothing happens blocks for two seconds (UWS 1.1 s2.2.1.2)."""
    async with bench.job() as job:
        reply = await bench.get(job.url, {"WAIT": "2"}, extra_s=2)
        xml(reply, "job")
        require(reply.seconds > 1.8, f"WAIT=2 was answered after {reply.seconds:.1f} s")


@check("uws.wait-ends", "2.2.1.2")
async def wait_ends(bench: Bench) -> None:
    """WAIT is answered when the seconds are over, and WAIT=0 at once (UWS 1.1 s2.2.1.2)."""
    async with bench.job() as job:
        for seconds in (0, 1):
            reply = await bench.get(job.url, {"WAIT": str(seconds)}, extra_s=seconds)
            xml(reply, "job")
            require(reply.seconds < seconds + SOON_S, f"WAIT={seconds} was answered after {reply.seconds:.1f} s")


@check("uws.wait-phase-change", "2.2.1.2")
async def wait_phase_change(bench: Bench) -> None:
    """WAIT is answered when the phase changes, with the new phase (UWS 1.1 s2.2.1.2)."""
    async with bench.job() as job:
        waiting = asyncio.create_task(bench.get(job.url, {"WAIT": "15"}, extra_s=15))
        await asyncio.sleep(0.5)
        await job.abort()
        reply = await waiting
        require(reply.seconds < 0.5 + SOON_S, f"the job was aborted, WAIT=15 was answered after {reply.seconds:.1f} s")
        phase = child_text(xml(reply, "job"), "phase")
        require(phase == "ABORTED", f"the answer to WAIT says {phase}, the job is ABORTED")


@check("uws.wait-not-active", "2.2.1.2")
async def wait_not_active(bench: Bench) -> None:
    """WAIT on a job that is over does not block (UWS 1.1 s2.2.1.2)."""
    async with bench.job() as job:
        await job.abort()
        reply = await bench.get(job.url, {"WAIT": "10"}, extra_s=10)
        require(reply.seconds < SOON_S, f"WAIT=10 on an aborted job was answered after {reply.seconds:.1f} s")


@check("uws.wait-other-phase", "2.2.1.2")
async def wait_other_phase(bench: Bench) -> None:
    """WAIT with a PHASE in which the job is not does not block (UWS 1.1 s2.2.1.2)."""
    async with bench.job() as job:
        reply = await bench.get(job.url, {"WAIT": "10", "PHASE": "QUEUED"}, extra_s=10)
        require(reply.seconds < SOON_S, f"WAIT=10&PHASE=QUEUED on a PENDING job took {reply.seconds:.1f} s")


@check("uws.wait-same-phase", "2.2.1.2", Level.SHOULD)
async def wait_same_phase(bench: Bench) -> None:
    """WAIT with the PHASE in which the job is blocks (UWS 1.1 s2.2.1.2)."""
    async with bench.job() as job:
        reply = await bench.get(job.url, {"WAIT": "2", "PHASE": "PENDING"}, extra_s=2)
        require(reply.seconds > 1.8, f"WAIT=2&PHASE=PENDING on a PENDING job took {reply.seconds:.1f} s")


@check("uws.wait-only-on-job", "2.2.1.2")
async def wait_only_on_job(bench: Bench) -> None:
    """WAIT is for the job itself: other resources do not block (UWS 1.1 s2.2.1.2)."""
    async with bench.job() as job:
        reply = await bench.get(job.child("phase"), {"WAIT": "10"}, extra_s=10)
        require(reply.seconds < SOON_S, f"WAIT=10 on /phase was answered after {reply.seconds:.1f} s")
