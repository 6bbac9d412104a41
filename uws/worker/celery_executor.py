"""Jobs on other hosts: an `Executor` that rings for workers through Celery (see `uws.worker.celery_queue`).

Workers claim what they start, report its end and stop what is aborted by themselves, so nothing comes back this way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from celery import Celery
from kombu.exceptions import KombuError

from penstock.dali.errors import ServiceUnavailable
from penstock.service import Resources
from uws.ports import AttemptEnded, Dispatch, JobReports
from uws.worker.celery_queue import PATIENCE_S, TASK, open_celery
from uws.worker_secret import attempt_tokens

T = TypeVar("T")
TokenOf = Callable[[Dispatch], str]
_AT_ONCE = 100
_PING_S = 1.0
_LOOK_AGAIN_S = 5.0
_RETRY_AFTER_S = 5


class CeleryExecutor:
    """An `Executor` whose attempts run wherever a worker takes them.

    Parameters
    ----------
    celery
        The way to the broker, which need not be there yet.
    token_of
        Gives what a worker outside the zone of trust shows (see `uws.core.tokens`).
    """

    def __init__(self, celery: Celery, token_of: TokenOf) -> None:
        self._celery = celery
        self._token_of = token_of
        self._closed = False
        self._looked_s = float("-inf")
        self._problem: str | None = None

    @classmethod
    async def open(cls, resources: Resources, _reports: JobReports, _ended: AttemptEnded) -> CeleryExecutor:
        """Open the executor, and let the host be ready only where a worker answers."""
        executor = cls(open_celery(resources.settings), attempt_tokens(resources.settings))
        resources.readiness.add("workers", executor.problem)
        return executor

    def capacity(self, *, light: bool = False) -> int:
        """Return how many more attempts it takes now: there is no end, so as many as are well handled at once."""
        return 0 if self._closed else _AT_ONCE

    async def waiting(self) -> int:
        """Return how many messages wait for a worker."""
        return await self._ask(self._depth)

    async def start(self, dispatch: Dispatch) -> None:
        """Tell workers of an attempt.

        Raises
        ------
        ServiceUnavailable
            The broker does not take the message.
        """
        await self._ask(lambda: self._publish(dispatch))

    async def stop(self, job_id: str) -> None:
        """Do nothing: the worker that runs the job hears of its change itself."""

    async def close(self) -> None:
        """Start nothing more; what runs goes on."""
        self._closed = True
        await asyncio.to_thread(self._celery.close)

    async def problem(self) -> str | None:
        """Say what is wrong if no worker answers; they are asked every few seconds at most."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s > _LOOK_AGAIN_S:
            self._problem = await self._look()
            self._looked_s = now_s
        return self._problem

    async def _look(self) -> str | None:
        try:
            answers = await self._ask(lambda: self._celery.control.ping(timeout=_PING_S, limit=1))
        except ServiceUnavailable as error:
            return error.message
        return None if answers else "No worker answers: jobs wait until there is one."

    async def _ask(self, do: Callable[[], T]) -> T:
        """Do something with the broker, in a thread, since it blocks."""
        try:
            return await asyncio.to_thread(do)
        except (KombuError, OSError) as error:
            raise ServiceUnavailable("The message broker does not answer.", retry_after_s=_RETRY_AFTER_S) from error

    def _publish(self, dispatch: Dispatch) -> None:
        job_id, attempt = dispatch.job_id, dispatch.attempt
        message = {"job_id": job_id, "attempt": attempt, "token": self._token_of(dispatch)}
        if dispatch.light:
            message["light"] = True
        self._celery.send_task(TASK, kwargs=message, task_id=f"{job_id}.{attempt}", confirm_timeout=PATIENCE_S)

    def _depth(self) -> int:
        queue = self._celery.conf.task_default_queue
        with self._celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
            try:
                depth: int = connection.channel().queue_declare(queue, passive=True).message_count
            except connection.channel_errors:
                return 0  # nobody has declared it yet
        return depth
