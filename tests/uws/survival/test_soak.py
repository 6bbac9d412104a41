"""Everything is killed at random while jobs run; ``python -m bench soak`` does it for longer."""

from __future__ import annotations

from pathlib import Path

from tests.uws.survival.soak import soak

JOBS = 60


async def test_no_job_is_lost_or_done_twice_whatever_is_killed(tmp_path: Path) -> None:
    figures = await soak(tmp_path, jobs=JOBS, seed=7, pause_s=2.5)
    assert sum(figures.phases.values()) == JOBS
    assert figures.killed
