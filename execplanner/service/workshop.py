"""The executors of the facilities, opened when they are first needed, and what they expect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import structlog

from execplanner.core.facility import ExecutorChoice, Facility
from execplanner.core.request import Ask
from execplanner.ports import Estimate, Executor, ExecutorOpener, Work
from penstock.auth.principal import Principal
from penstock.dali.errors import ServiceUnavailable
from penstock.plugins import Group, Registry
from penstock.service import Resources

_KEPT = timedelta(seconds=15)
_MOST_KEPT = 2000
_MOST_NAMED = 5
_PATIENCE_S = 5.0
_NOBODY = "00000000-0000-7000-8000-000000000000"
log = structlog.get_logger(__name__)
FindOpener = Callable[[str], ExecutorOpener]


def installed_opener(name: str) -> ExecutorOpener:
    """Return the plugin of a name.

    Raises
    ------
    PluginError
        There is none.
    """
    opener: ExecutorOpener = Registry(Group.FACILITIES, object).get(name)  # type: ignore[assignment]  # what the group holds
    return opener


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What a facility told at a time, of a start not before `earliest`."""

    time: datetime
    earliest: datetime
    estimate: Estimate


class Workshop:
    """Executors by plugin and options.

    Parameters
    ----------
    resources
        What they are opened with.
    find
        Finds a plugin by its name.
    """

    def __init__(self, resources: Resources, find: FindOpener = installed_opener) -> None:
        self._resources = resources
        self._find = find
        self._open: dict[str, Executor] = {}
        self._closed: set[str] = set()
        self._lock = asyncio.Lock()
        self._estimates: dict[tuple[object, ...], _Kept] = {}

    async def check(self, facilities: Sequence[Facility]) -> None:
        """Open the executors of facilities, and log which facilities cannot run sessions, why, and what to do.

        Such a facility makes no offers, and is tried again with each request; the others are not touched by it.
        """
        users: dict[str, tuple[str, ExecutorChoice, list[str]]] = {}
        for facility in facilities:
            for name, choice in facility.executors.items():
                users.setdefault(_key(choice), (name, choice, []))[2].append(facility.id)
        for name, choice, names in users.values():
            if (wrong := await self._wrong(choice)) is not None:
                log.error(
                    "facilities_cannot_run",
                    facilities=names[:_MOST_NAMED],
                    more=max(0, len(names) - _MOST_NAMED),
                    executor=name,
                    plugin=choice.plugin,
                    reason=wrong,
                    advice="correct the record, which is read again; until then no session is offered there",
                )

    async def _wrong(self, choice: ExecutorChoice) -> str | None:
        try:
            await self.executor(choice)
        except ServiceUnavailable as error:
            if isinstance(error.__cause__, TimeoutError):
                return "it does not open in time"
            return str(error.__cause__) or type(error.__cause__).__name__
        return None

    async def executor(self, choice: ExecutorChoice) -> Executor:
        """Return an executor.

        Raises
        ------
        ServiceUnavailable
            It cannot be opened.
        """
        key = _key(choice)
        async with self._lock:
            if key not in self._open:
                try:
                    async with asyncio.timeout(_PATIENCE_S):
                        self._open[key] = await self._find(choice.plugin)(choice.options, self._resources)
                except Exception as error:  # whatever a plugin raises, other facilities go on
                    self._closed.add(key)
                    log.warning("executor_not_opened", plugin=choice.plugin, reason=str(error))
                    raise ServiceUnavailable(f"The executor {choice.plugin!r} cannot be used.") from error
                self._closed.discard(key)
        return self._open[key]

    def known(self, facility: Facility, ask: Ask, earliest: datetime) -> Estimate | None:
        """Return when a facility would start a session, None if it must be asked; what it told is kept for seconds."""
        choice = facility.executor_for(ask.kind)
        if choice is None or not (choice.estimates or self._is_closed(choice)):
            return Estimate(start=earliest)
        kept = self._estimates.get(_question(choice, facility, ask))
        if kept is None or self._resources.clock() - kept.time >= _KEPT or kept.earliest > earliest:
            return None
        return replace(kept.estimate, start=max(kept.estimate.start, earliest))

    async def estimate(self, facility: Facility, ask: Ask, earliest: datetime, caller: Principal) -> Estimate:
        """Ask a facility when it would start a session, unless that is known.

        Raises
        ------
        ServiceError
            The facility does not answer in time, or does not take the work.
        """
        known, choice = self.known(facility, ask, earliest), facility.executor_for(ask.kind)
        if known is not None or choice is None:
            return known or Estimate(start=earliest)
        now = self._resources.clock()
        executor = await self.executor(choice)
        if not choice.estimates:
            return Estimate(start=earliest)
        work = _work_of(ask, caller, self._resources.settings.data_dir)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                found = await executor.estimate(work, earliest=earliest)
        except TimeoutError as error:
            raise ServiceUnavailable("The facility does not answer.") from error
        if len(self._estimates) >= _MOST_KEPT:
            self._estimates.clear()
        self._estimates[_question(choice, facility, ask)] = _Kept(time=now, earliest=earliest, estimate=found)
        return found

    def _is_closed(self, choice: ExecutorChoice) -> bool:
        return bool(self._closed) and _key(choice) in self._closed

    async def tidy(self, choice: ExecutorChoice, handle: str) -> None:
        """Stop a work and remove what is left of it.

        Raises
        ------
        ServiceError
            The facility does not answer.
        """
        executor = await self.executor(choice)
        await executor.cancel(handle)
        await executor.release(handle)


def _work_of(ask: Ask, caller: Principal, folder: Path) -> Work:
    """Return the work of a request, of the least that it needs, as that of nobody's session."""
    return Work(
        session_id=_NOBODY,
        kind=ask.kind,
        executable=ask.document["executable"],
        cores=ask.need.cores,
        memory_bytes=ask.need.memory_bytes,
        gpus=ask.need.gpus,
        duration_s=ask.duration_s,
        folder=folder,
        owner=caller,
        name=ask.name,
    )


def _question(choice: ExecutorChoice, facility: Facility, ask: Ask) -> tuple[object, ...]:
    """Return what tells questions for estimates from each other."""
    return _key(choice), facility.id, ask.kind, ask.need, ask.duration_s, _what(ask)


def _key(choice: ExecutorChoice) -> str:
    return choice.plugin + orjson.dumps(_plain(choice.options), option=orjson.OPT_SORT_KEYS).decode()


def _plain(value: Any) -> Any:
    return {str(name): value[name] for name in value}


def _what(ask: Ask) -> bytes:
    return orjson.dumps(ask.document["executable"], option=orjson.OPT_SORT_KEYS)
