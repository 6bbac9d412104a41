"""All facilities as columns: who takes a request, and in which order they are to be asked for room.

What many facilities have in common (policies, groups, storage sites, cost tables) is judged once for all that share it.
The order is lexicographic: by the first criterion of the ranking, where that is about the same by the second,
and so on; what differs by less than a part in five hundred is about the same, and then the facility's place in the list
decides. So the order can be explained by what offers show.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from execplanner.core.facility import Capacity, Facility, Policy, Rate
from execplanner.core.locality import Locality, Transfer, transfer_key, transfer_to
from execplanner.core.policy import check_policy
from execplanner.core.request import GIB, KNOWN_COSTS, Ask
from execplanner.core.slots import FOREVER, Room, amounts_of, vector
from execplanner.core.stages import STAGES, Refusal, judge_one, may_use
from execplanner.core.times import to_ms
from penstock.auth.principal import Principal
from penstock.dali.errors import UsageError

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]
_UNLIMITED = np.iinfo(np.int64).max
_STEPS = 2**15 - 1
_BITS_OF_ONE = 0x3FF << 52
_FIRST = 16
_NO_TRANSFER = Transfer()


class Criterion(StrEnum):
    """What facilities are ranked by."""

    START = "start"
    BYTES = "bytes"
    COST = "cost"
    CARBON = "carbon"


DEFAULT_RANKING = tuple(Criterion)


def read_ranking(text: str | None) -> tuple[Criterion, ...]:
    """Read RANK: criteria by weight, as in ``cost,start``; those that are not named follow in their usual order.

    Raises
    ------
    UsageError
        One is not known.
    """
    named = [part.strip().lower() for part in (text or "").split(",") if part.strip()]
    known = {str(one): one for one in Criterion}
    for name in named:
        if name not in known:
            raise UsageError(f"RANK={name[:40]!r} is no criterion; there are {', '.join(known)}.")
    first = dict.fromkeys(known[name] for name in named)
    return (*first, *(one for one in DEFAULT_RANKING if one not in first))


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The outcome: which facilities take the request (`accepts`, by number `chosen`), and the transfer to each."""

    accepts: Mask
    chosen: Column
    stage: npt.NDArray[np.int8]
    transfer: Callable[[int], Transfer]
    bytes_to_move: Column
    seconds: Column
    cost: Column
    carbon: Column

    def order(self, starts: Column, ranking: Sequence[Criterion]) -> Iterator[int]:
        """Yield the facilities that take the request, the best first; `starts` are seconds from now."""
        columns = {
            Criterion.START: starts,
            Criterion.BYTES: self.bytes_to_move,
            Criterion.COST: self.cost,
            Criterion.CARBON: self.carbon,
        }
        chosen = self.chosen
        key = np.zeros(len(chosen), dtype=np.int64)
        for criterion in ranking:
            column = columns[criterion]
            if column.min() < column.max():  # else it decides nothing
                key = (key << 15) | _steps(column if len(chosen) == len(column) else column[chosen])
        if len(chosen) > 4 * _FIRST:
            # argpartition leaves equal keys in any order: the place in the list makes all keys different.
            border = np.partition(key, _FIRST)[_FIRST]
            [head] = np.nonzero(key <= border)
            head = head[np.argsort(key[head], kind="stable")]
            yield from (int(one) for one in chosen[head])
            [rest] = np.nonzero(key > border)
            chosen, key = chosen[rest], key[rest]
        yield from (int(one) for one in chosen[np.argsort(key, kind="stable")])


def _steps(values: Column) -> Column:
    """Return values as whole numbers of 15 bits, in steps that grow with the value.

    They are the first bits of 1 + value as IEEE 754 writes it: 6 of the exponent, 9 of the fraction.
    """
    bits = (np.maximum(values, 0.0) + 1.0).view(np.int64) - _BITS_OF_ONE
    steps: Column = np.minimum(bits >> 43, _STEPS)
    return steps


class FacilityTable:
    """The facilities of a deployment.

    Parameters
    ----------
    facilities
        In the order that decides between equals.
    """

    def __init__(self, facilities: Sequence[Facility]) -> None:
        self.facilities = tuple(facilities)
        self.limits = limits = _limits(self.facilities)
        self.index = {one.id: number for number, one in enumerate(self.facilities)}
        self._cores = _column(one.cores for one in limits)
        self._memory = _column(one.memory_bytes for one in limits)
        self._store = _column(one.store_bytes for one in limits)
        self._gpus = _column(one.gpus for one in limits)
        self._duration = np.array([np.inf if one.duration_s is None else one.duration_s for one in limits])
        self.startup = np.array([one.startup_s for one in limits], dtype=np.float64)
        self._models = _Shared([one.gpu_models for one in limits])
        self._groups = _Shared([one.groups for one in self.facilities])
        self._ways = _Shared([transfer_key(one) for one in self.facilities])
        self._costs = _Shared(_sorted_items([one.costs for one in self.facilities]))
        self._metrics = _Shared(_sorted_items([one.metrics for one in self.facilities]))
        self._rates = {name: self._rates_of(name) for name in KNOWN_COSTS}
        self._rooms: dict[int, Room] = {}
        self._kinds = {name: self._of_kind(name) for name in {k for one in self.facilities for k in one.kinds}}
        self._least = _least(self._cores), _least(self._memory), _least(self._gpus), _least(self._store)
        self._shortest = _least(self._duration)

    def room(self, number: int) -> Room:
        """Return what there is of a facility in all."""
        if number not in self._rooms:
            self._rooms[number] = room_of(self.facilities[number])
        return self._rooms[number]

    def _of_kind(self, name: str) -> _Runners:
        runs = np.array(
            [n for n, one in enumerate(self.facilities) if one.executor_for(name) is not None], dtype=np.int64
        )
        others = np.ones(len(self.facilities), dtype=np.bool_)
        others[runs] = False
        policies = _Shared([self.facilities[n].kinds[name].policy for n in runs])
        return _Runners(runs=runs, others=others if others.any() else None, policies=policies)

    def _rates_of(self, name: str) -> Column:
        """Return the rates of a type of cost: a row for each cost table, the columns in the order of `Rate`."""
        rates = [self.facilities[first].costs.get(name, Rate()) for first in self._costs.firsts]
        rows = [(one.fixed, one.core_hour, one.gpu_hour, one.gib_hour, one.gib_moved) for one in rates]
        return np.array(rows, dtype=np.float64).reshape(len(rows), 5)

    def match(self, ask: Ask, caller: Principal, locality: Locality) -> Match:
        """Tell who takes a request."""
        if locality.data:
            transfers = [transfer_to(self.facilities[first], locality) for first in self._ways.firsts]
        else:
            transfers = [_NO_TRANSFER] * len(self._ways.firsts)
        stage = np.full(len(self.facilities), -1, dtype=np.int8)
        seconds = self._ways.spread([one.seconds for one in transfers])
        moved = self._ways.spread([float(one.bytes_to_move) for one in transfers])
        costs = self._quotes(ask, moved)
        for number, turned in enumerate(self._turned(ask, caller, transfers, costs)):
            if turned is not None:
                stage[turned & (stage < 0)] = number
        accepts = stage < 0
        return Match(
            accepts=accepts,
            chosen=np.flatnonzero(accepts),
            stage=stage,
            transfer=lambda n: transfers[self._ways.of[n]],
            bytes_to_move=moved,
            seconds=seconds,
            cost=costs["monetary"],
            carbon=costs["carbon"],
        )

    def _turned(
        self, ask: Ask, caller: Principal, transfers: Sequence[Transfer], costs: Mapping[str, Column]
    ) -> Iterator[Mask | None]:
        """Yield for each stage who turns the request away there, None where nobody does."""
        kind = self._kinds.get(ask.kind)
        yield np.ones(len(self.facilities), dtype=np.bool_) if kind is None else kind.others
        yield None if kind is None else self._against_policy(ask, kind)
        yield self._groups.told([not may_use(self.facilities[first], caller) for first in self._groups.firsts])
        yield self._too_small(ask)
        yield self._ways.told([bool(one.reasons) for one in transfers])
        yield ask.duration_s > self._duration if ask.duration_s > self._shortest else None
        yield self._too_dear(ask, costs) if ask.cost_limits or ask.metric_needs else None

    def _against_policy(self, ask: Ask, kind: _Runners) -> Mask | None:
        executable = ask.document["executable"]
        verdicts = []
        for value in kind.policies.values:
            assert isinstance(value, Policy)  # noqa: S101  # what was put in
            verdicts.append(any(check_policy(value, executable)))
        told = kind.policies.told(verdicts)
        if told is None:
            return None
        refused = np.zeros(len(self.facilities), dtype=np.bool_)
        refused[kind.runs] = told
        return refused

    def _too_small(self, ask: Ask) -> Mask | None:
        small = None
        need = vector(ask.need)
        if any(a > least for a, least in zip(need, self._least, strict=True)):
            columns = (self._cores, self._memory, self._gpus, self._store)
            small = np.logical_or.reduce([column < a for a, column in zip(need, columns, strict=True)])
        if ask.gpu_models and ask.need.gpus:
            wanted = set(ask.gpu_models)
            lacking = self._models.told(
                [not wanted.intersection(self.facilities[first].capacity.gpu_models) for first in self._models.firsts]
            )
            if lacking is not None:
                small = lacking if small is None else small | lacking
        return small

    def _too_dear(self, ask: Ask, costs: Mapping[str, Column]) -> Mask:
        dear = np.zeros(len(self.facilities), dtype=np.bool_)
        for name, limit in ask.cost_limits.items():
            dear |= costs[name] > limit
        for name, least in ask.metric_needs.items():
            best = [self.facilities[first].metrics.get(name, (None, None))[1] for first in self._metrics.firsts]
            dear |= self._metrics.spread([one is not None and one < least for one in best], np.bool_)
        return dear

    def _quotes(self, ask: Ask, moved: Column) -> dict[str, Column]:
        """Return the costs of the known types, by facility."""
        hours, need = ask.duration_s / 3600, ask.need
        units = np.array([1.0, hours * need.cores, hours * need.gpus, hours * need.memory_bytes / GIB])
        found = {}
        for name, rates in self._rates.items():
            column = self._costs.spread((rates[:, :4] @ units).tolist())
            if rates[:, 4].any():
                column = column + self._costs.spread(rates[:, 4].tolist()) * moved / GIB
            found[name] = column
        return found

    def refusals(self, ask: Ask, caller: Principal, match: Match, most: int) -> list[tuple[Facility, Refusal]]:
        """Return why facilities do not take a request: first those that came nearest, at most so many."""
        [turned] = np.nonzero(match.stage >= 0)
        nearest = turned[np.argsort(-match.stage[turned], kind="stable")][:most]
        found = []
        for number in nearest:
            facility = self.facilities[number]
            refusal = judge_one(ask, facility, caller, match.transfer(int(number)))
            found.append((facility, refusal or Refusal(stage=STAGES[match.stage[number]], messages=())))
        return found


def room_of(facility: Facility) -> Room:
    """Return what there is of a facility in all; without a limit it is without end."""
    there = facility.capacity
    closed = tuple((to_ms(one.start), to_ms(one.end)) for one in facility.closed)
    values = (there.cores, there.memory_bytes, there.gpus, there.store_bytes)
    return Room(capacity=amounts_of([FOREVER if value is None else value for value in values]), closed=closed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runners:
    """Which facilities run a kind, and which do not (None: all do), and the policies of those that do."""

    runs: Column
    others: Mask | None
    policies: _Shared


class _Shared:
    """Values that many facilities have in common: `of` says which value each has, `firsts` who has it first."""

    def __init__(self, values: Sequence[Hashable]) -> None:
        numbers: dict[Hashable, int] = {}
        self.firsts: list[int] = []
        of = np.zeros(len(values), dtype=np.int64)
        for place, value in enumerate(values):
            if value not in numbers:
                numbers[value] = len(numbers)
                self.firsts.append(place)
            of[place] = numbers[value]
        self.of = of
        self.values: list[Hashable] = list(numbers)

    def told(self, verdicts: list[bool]) -> Mask | None:
        """Return a mask from what was found for each value, None where it is false for all."""
        return self.spread(verdicts, np.bool_) if any(verdicts) else None

    def spread(self, values: list[Any], dtype: Any = np.float64) -> Column:
        """Return a column from what was found for each value."""
        if not values or values.count(values[0]) == len(values):
            return np.full(len(self.of), values[0] if values else 0, dtype=dtype)
        found: Column = np.take(np.array(values, dtype=dtype), self.of)
        return found


def _limits(facilities: Sequence[Facility]) -> list[Capacity]:
    """Return the limits of facilities; those that share their capacity share them, too."""
    known: dict[tuple[int, int], Capacity] = {}
    found = []
    for one in facilities:
        key = id(one.capacity), id(one.most)
        if key not in known:
            known[key] = one.limits
        found.append(known[key])
    return found


def _sorted_items(tables: Sequence[Mapping[str, Any]]) -> list[Hashable]:
    """Return the items of tables in order; those that are one object are sorted once."""
    known: dict[int, Hashable] = {}
    for table in tables:
        if id(table) not in known:
            known[id(table)] = tuple(sorted(table.items()))
    return [known[id(table)] for table in tables]


def _column(values: Iterator[int | None]) -> Column:
    return np.array([_UNLIMITED if value is None else value for value in values], dtype=np.int64)


def _least(column: Column) -> float:
    return float(column.min()) if len(column) else 0.0
