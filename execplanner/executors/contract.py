"""What every executor must keep to, as tests: subclass `ExecutorContract` in the tests of yours.

::

    class TestMyExecutor(ExecutorContract):
        @pytest.fixture
        async def executor(self): ...
        @pytest.fixture
        def brief(self, tmp_path): ...    # a work that prints "hello" and ends well
        @pytest.fixture
        def endless(self, tmp_path): ...  # a work that runs until it is stopped
        @pytest.fixture
        def broken(self, tmp_path): ...   # a work that fails by itself
        def reopened(self, executor): ... # as another process would open it

Needs pytest with pytest-asyncio in automatic mode. The folders of works must exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from execplanner.ports import Executor, State, Step, Work
from penstock.dali.errors import UsageError

PATIENCE_S = 120
_LOOK_EVERY_S = 0.05


async def settled(executor: Executor, handle: str, holds: Callable[[State], bool]) -> State:
    """Poll until a state holds, and return it."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds(state := await executor.poll(handle)):
            await asyncio.sleep(_LOOK_EVERY_S)
    return state


def at_work(state: State) -> bool:
    """Tell whether the work runs or can be used; fails where it has ended."""
    assert not state.step.ended, state
    return state.step in (Step.RUNNING, Step.AVAILABLE)


class ExecutorContract:
    """The tests; `interactive` executors run nothing that ends by itself, some print nothing that can be had."""

    interactive: ClassVar[bool] = False
    prints: ClassVar[bool] = True

    def reopened(self, executor: Executor) -> Executor:
        """Return an executor of the same options that knows nothing of what this one has done."""
        raise NotImplementedError

    async def test_a_facility_that_is_well_has_no_problem(self, executor: Executor) -> None:
        assert await executor.probe() is None

    async def test_nothing_is_estimated_to_start_before_it_may(self, executor: Executor, endless: Work) -> None:
        earliest = datetime.now(UTC) + timedelta(minutes=10)
        estimate = await executor.estimate(endless, earliest=earliest)
        assert estimate.start.tzinfo is not None
        assert estimate.start >= earliest.replace(microsecond=0)
        assert estimate.preparing_s >= 0

    async def test_a_kind_that_does_not_run_here_is_refused(self, executor: Executor, endless: Work) -> None:
        strange = replace(endless, kind="no-such-kind")
        with pytest.raises(UsageError, match="no-such-kind"):
            await executor.prepare(strange)
        with pytest.raises(UsageError, match="no-such-kind"):
            await executor.start(strange)

    async def test_a_work_runs_to_its_end(self, executor: Executor, brief: Work) -> None:
        if self.interactive:
            pytest.skip("nothing ends by itself here")
        await executor.prepare(brief)
        await executor.prepare(brief)
        handle = await executor.start(brief)
        state = await settled(executor, handle, lambda state: state.step.ended)
        assert state.step is Step.COMPLETED, state
        assert state.exit_code in (0, None)
        if self.prints:
            assert (await executor.logs(handle, "stdout", offset=0, limit=1000)).startswith(b"hello")
            assert await executor.logs(handle, "stdout", offset=1, limit=3) == b"ell"
            assert await executor.logs(handle, "stdout", offset=10**6, limit=3) == b""
        await executor.cancel(handle)
        assert (await executor.poll(handle)).step is Step.COMPLETED
        await executor.release(handle)
        await executor.release(handle)

    async def test_a_work_that_fails_says_why(self, executor: Executor, broken: Work) -> None:
        if self.interactive:
            pytest.skip("nothing ends by itself here")
        await executor.prepare(broken)
        handle = await executor.start(broken)
        state = await settled(executor, handle, lambda state: state.step.ended)
        assert state.step is Step.FAILED
        assert state.message
        await executor.release(handle)

    async def test_a_second_start_finds_the_first(self, executor: Executor, endless: Work) -> None:
        await executor.prepare(endless)
        handle = await executor.start(endless)
        await settled(executor, handle, at_work)
        assert await self.reopened(executor).start(endless) == handle
        assert at_work(await executor.poll(handle))
        await executor.release(handle)

    async def test_what_was_not_started_yet_can_be_cancelled_by_its_handle_and_never_starts(
        self, executor: Executor, endless: Work
    ) -> None:
        await executor.prepare(endless)
        handle = executor.handle(endless)
        assert (await executor.poll(handle)).step is Step.WAITING
        await executor.cancel(handle)
        await executor.release(handle)
        assert await executor.start(endless) == handle
        assert (await executor.poll(handle)).step is Step.CANCELLED

    async def test_what_one_process_has_started_another_can_cancel(self, executor: Executor, endless: Work) -> None:
        await executor.prepare(endless)
        handle = await executor.start(endless)
        await settled(executor, handle, at_work)
        other = self.reopened(executor)
        await other.cancel(handle)
        await other.cancel(handle)
        state = await settled(executor, handle, lambda state: state.step.ended)
        assert state.step is Step.CANCELLED
        await other.release(handle)

    async def test_what_is_cancelled_does_not_start_again(self, executor: Executor, endless: Work) -> None:
        await executor.prepare(endless)
        handle = await executor.start(endless)
        await executor.cancel(handle)
        assert await executor.start(endless) == handle
        state = await settled(executor, handle, lambda state: state.step.ended)
        assert state.step is Step.CANCELLED
        await executor.release(handle)
