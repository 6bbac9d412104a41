"""Columns and the judgement of one facility must agree; the order is that of the ranking."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from execplanner.core.columns import Criterion, FacilityTable, read_ranking
from execplanner.core.facility import Capacity, ExecutorChoice, Facility, Kind, Policy, Rate
from execplanner.core.locality import Locality, Located, transfer_to
from execplanner.core.request import Ask, Defaults, read_ask
from execplanner.core.stages import STAGES, judge_one
from penstock.auth.principal import ANONYMOUS, Principal
from penstock.dali.errors import UsageError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOCALITY = Locality(
    data=(
        Located(pointer="/data/0", size_bytes=10**9, online=frozenset({"a"})),
        Located(pointer="/data/1", size_bytes=2 * 10**9, online=frozenset({"b"}), tape=frozenset({"c"})),
    )
)
FAST = "urn:fast"


def facility(number: int, parts: Mapping[str, Any]) -> Facility:
    return Facility(id=f"ivo://x/{number}", title=str(number), interfaces=(), **parts)


optional_small = st.one_of(st.none(), st.integers(1, 8))
policies = st.sampled_from(
    [Policy(), Policy(digest_required=True), Policy(registries=("ghcr.io",)), Policy(deny=("*evil*",))]
)
facilities = st.fixed_dictionaries(
    {
        "kinds": st.dictionaries(
            st.sampled_from(["docker-container", "jupyter-notebook"]), st.builds(Kind, policy=policies), max_size=2
        ),
        "executors": st.sampled_from([{}, {"main": ExecutorChoice(plugin="x")}]),
        "capacity": st.builds(
            Capacity,
            cores=optional_small,
            memory_bytes=st.one_of(st.none(), st.integers(1, 8).map(lambda n: n * 2**30)),
            gpus=st.integers(0, 2),
            gpu_models=st.sampled_from([(), ("A100",)]),
            duration_s=st.one_of(st.none(), st.sampled_from([60.0, 7200.0])),
        ),
        "groups": st.sampled_from([frozenset(), frozenset({"g"}), frozenset({"h"})]),
        "storage_sites": st.sampled_from([(), ("a",), ("b", "a"), ("c",)]),
        "costs": st.sampled_from([{}, {"monetary": Rate(fixed=5.0)}, {"monetary": Rate(core_hour=1.0, gib_moved=9.0)}]),
        "metrics": st.sampled_from([{}, {FAST: (1.0, 2.0)}, {FAST: (None, 20.0)}]),
    }
)


def ask(**document: Any) -> Ask:
    container = {"kind": "docker-container", "image": {"locations": ["ghcr.io/good/one"]}}
    return read_ask({"executable": container, **document}, NOW, Defaults())


ASKS = [
    ask(),
    ask(executable={"kind": "jupyter-notebook", "location": "https://x.org/a"}),
    ask(executable={"kind": "docker-container", "image": {"locations": ["evil/one"]}}),
    ask(compute={"kind": "simple-compute-resource", "cores": {"min": 4}, "memory": {"min": 3}}),
    ask(compute={"kind": "gpu-compute-resource", "gpus": {"min": 1, "models": ["A100"]}}),
    ask(schedule={"requested": {"duration": "PT3H"}}),
    ask(costs=[{"kind": "simple-minmax-float-cost", "type": "urn:ivoa:calycopis:cost:monetary", "max": 4.0}]),
    ask(metrics=[{"kind": "simple-minmax-float-metric", "type": FAST, "min": 10.0}]),
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(facilities, min_size=1, max_size=12), st.sampled_from(ASKS), st.sampled_from(["g", "", "admin"]))
def test_columns_say_what_is_said_of_each(found: list[dict[str, Any]], asked: Ask, group: str) -> None:
    caller = Principal(subject="x", groups=frozenset({group}), admin=group == "admin") if group else ANONYMOUS
    table = FacilityTable([facility(number, parts) for number, parts in enumerate(found)])
    match = table.match(asked, caller, LOCALITY)
    for number, one in enumerate(table.facilities):
        refusal = judge_one(asked, one, caller, transfer_to(one, LOCALITY))
        place = int(match.stage[number])
        assert (STAGES[place] if place >= 0 else None) == (refusal.stage if refusal else None)
    told = table.refusals(asked, caller, match, 100)
    assert len(told) == int((~match.accepts).sum())
    assert all(refusal.messages for _, refusal in told)
    assert [STAGES.index(one.stage) for _, one in told] == sorted(
        (STAGES.index(one.stage) for _, one in told), reverse=True
    )


def table_of(count: int, **parts: Any) -> FacilityTable:
    given_parts = {"kinds": {"docker-container": Kind()}, "executors": {"main": ExecutorChoice(plugin="x")}} | parts
    return FacilityTable([facility(number, given_parts) for number in range(count)])


@pytest.mark.parametrize("count", [1, 16, 17, 65, 300])
@pytest.mark.parametrize("ties", [True, False])
def test_the_order_is_that_of_the_ranking_and_of_the_list_among_equals(count: int, ties: bool) -> None:
    table = table_of(count)
    match = table.match(ASKS[0], ANONYMOUS, Locality())
    starts = np.zeros(count) if ties else np.array([(number * 7919) % 1009 * 60.0 for number in range(count)])
    order = list(match.order(starts, read_ranking(None)))
    assert sorted(order) == list(range(count))
    keys = [round(np.log1p(starts[number]) * 500) for number in order]
    assert all(first <= second + 1 for first, second in itertools.pairwise(keys))
    if ties:
        assert order == list(range(count))


def test_what_is_near_the_data_comes_first_when_bytes_count() -> None:
    parts = {"kinds": {"docker-container": Kind()}, "executors": {"main": ExecutorChoice(plugin="x")}}
    sites = [(), ("a",), ("a", "b")]
    table = FacilityTable([facility(number, {**parts, "storage_sites": one}) for number, one in enumerate(sites)])
    match = table.match(ASKS[0], ANONYMOUS, LOCALITY)
    assert list(match.order(match.seconds, read_ranking("bytes"))) == [2, 1, 0]
    assert [int(one) for one in match.bytes_to_move] == [3 * 10**9, 2 * 10**9, 0]
    assert match.transfer(2).seconds == 0


def test_a_ranking_is_read() -> None:
    assert read_ranking("cost, START")[:2] == (Criterion.COST, Criterion.START)
    assert set(read_ranking(None)) == set(Criterion)
    with pytest.raises(UsageError, match="beauty"):
        read_ranking("beauty")
