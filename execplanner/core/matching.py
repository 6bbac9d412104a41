"""Whether a facility takes a task, and if not, why.

The stages are those of the note, in its order (note s2.5): the kind of task first, and nothing else is looked at where
that is unknown; then what is special about the task; then its size; then its time. No stage reserves anything.

What the facility does not understand it cannot promise: an unknown resource is a NO. Members that ask for nothing
known are passed over, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from execplanner.core.facility import Capacity, Facility, Kind
from execplanner.core.kinds import read_kind
from execplanner.core.quantity import format_duration, format_size
from execplanner.core.question import Question, Tree, Wish


class Stage(StrEnum):
    """Where a task was turned away."""

    KIND = "kind"
    TASKINFO = "taskinfo"
    SIZE = "size"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why not: the stage, a pointer to what was asked, and a sentence."""

    stage: Stage
    pointer: str
    text: str

    @property
    def http_code(self) -> int:
        """The status that the note wants beside every reason (note s6)."""
        return 404 if self.stage is Stage.KIND else 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """YES where there are no reasons; `offered` are the wishes within what the facility has."""

    reasons: tuple[Reason, ...] = ()
    offered: Mapping[str, Wish] | None = None
    ignored: tuple[str, ...] = ()

    @property
    def accepts(self) -> bool:
        """Whether the facility takes the task."""
        return not self.reasons


def judge(question: Question, facility: Facility) -> Verdict:
    """Tell whether the facility takes the task."""
    kind = facility.kinds.get(question.tasktype) or facility.kinds.get(read_kind(question.tasktype, "executable"))
    if kind is None:
        known = ", ".join(sorted(facility.kinds)) or "nothing"
        text = f"{facility.title} does not run {question.tasktype[:80]!r}; it runs {known}."
        return Verdict(reasons=(Reason(stage=Stage.KIND, pointer="/tasktype", text=text),))
    limits = limits_of(facility.limits)
    reasons = (*_taskinfo(question.taskinfo, kind), *_unknown(question), *_sizes(question, limits))
    ignored = (
        *(pointer for pointer in question.unknown if not pointer.startswith("/resources/")),
        *(f"/taskinfo/{name}" for name in question.taskinfo if name != "languages"),
    )
    offered = {name: _offer(question.resources.get(name, Wish()), limit) for name, limit in limits.items()}
    return Verdict(reasons=reasons, offered=offered, ignored=ignored)


def limits_of(capacity: Capacity) -> dict[str, float | None]:
    """Return the most of each resource by the name that a question gives it; None is without limit."""
    return {
        "cores": capacity.cores,
        "memory": capacity.memory_bytes,
        "store": capacity.store_bytes,
        "startup": capacity.startup_s,
        "duration": capacity.duration_s,
    }


def spell(name: str, value: float) -> str | int:
    """Write the amount of a resource as a question writes it."""
    if name == "cores":
        return int(value)
    return format_size(int(value)) if name in {"memory", "store"} else format_duration(value)


def _taskinfo(taskinfo: Mapping[str, Tree], kind: Kind) -> Iterator[Reason]:
    if "languages" not in taskinfo:
        return
    asked = taskinfo["languages"]
    known = {language.lower() for language in kind.languages}
    for language in asked if isinstance(asked, list) else [asked]:
        if not isinstance(language, str) or language.lower() not in known:
            offered = ", ".join(kind.languages) or "none by name"
            text = f"The language {str(language)[:40]!r} is not supported; languages are: {offered}."
            yield Reason(stage=Stage.TASKINFO, pointer="/taskinfo/languages", text=text)


def _unknown(question: Question) -> Iterator[Reason]:
    for pointer in question.unknown:
        if pointer.startswith("/resources/"):
            text = f"The resource {pointer.removeprefix('/resources/')[:40]!r} is not known here."
            yield Reason(stage=Stage.SIZE, pointer=pointer[:80], text=text)


def _sizes(question: Question, limits: Mapping[str, float | None]) -> Iterator[Reason]:
    for name, wish in question.resources.items():
        stage = Stage.TIME if name in {"startup", "duration"} else Stage.SIZE
        low, high, limit = wish.minimum, wish.maximum, limits[name]
        if low is not None and high is not None and low > high:
            yield Reason(stage=stage, pointer=f"/resources/min{name}", text=f"min{name} is more than max{name}.")
        elif name == "startup" and limit is not None and high is not None and high < limit:
            text = f"A task starts after {spell(name, limit)}, not within {spell(name, high)}."
            yield Reason(stage=stage, pointer="/resources/maxstartup", text=text)
        elif name != "startup" and limit is not None and low is not None and low > limit:
            text = f"{spell(name, low)} of {name} is more than there is: {spell(name, limit)}."
            yield Reason(stage=stage, pointer=f"/resources/min{name}", text=text)


def _offer(wish: Wish, limit: float | None) -> Wish:
    known = [value for value in (wish.maximum, limit) if value is not None]
    return Wish(minimum=wish.minimum, maximum=min(known) if known else None)
