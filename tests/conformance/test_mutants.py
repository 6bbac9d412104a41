"""The suite notices nearly every fault of a table of faults that were not made for its checks."""

from __future__ import annotations

from tests.conformance.mutants import MUTANTS, score

GOAL = 0.95


async def test_nearly_every_mutant_is_noticed() -> None:
    found = await score()
    survivors = [name for name, check in found.items() if not check]
    assert len(survivors) <= (1 - GOAL) * len(MUTANTS), survivors


def test_the_table_is_large_and_names_each_fault_once() -> None:
    assert len(MUTANTS) >= 200
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
