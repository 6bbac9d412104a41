"""Executors that cannot be opened: who is told, and what goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from execplanner.executors.remote import RemoteOptions
from execplanner.executors.tes import TesExecutor
from execplanner.ports import Executor
from penstock.service import Resources
from penstock.settings import SettingsError
from tests.execplanner.hosting import record, request_for, serving, write_records
from tests.uws.waiting import eventually


def facility(name: str, plugin: str, **options: Any) -> dict[str, Any]:
    """Return the record of a facility that is not asked when it would start."""
    return record(name, executors={"main": {"plugin": plugin, "options": options, "estimates": False}})


async def broken(_options: Mapping[str, Any], _resources: Resources) -> Executor:
    raise TypeError("a fault of the plugin")


PLUGINS = {"tes": TesExecutor.open, "broken": broken}


async def test_facilities_that_cannot_run_are_told_at_the_start_and_keep_no_other_from_it(tmp_path: Path) -> None:
    wrong = [facility("one", "tes", urll="https://tes.example.org"), facility("two", "broken")]
    with capture_logs() as logs:
        async with serving(tmp_path, records=[*wrong, record("good")], plugins=PLUGINS) as site:
            one, two = (line for line in logs if line["event"] == "facilities_cannot_run")
            answer = await site.ask(request_for())
    assert (one["log_level"], one["facilities"], one["executor"]) == ("error", ["ivo://penstock.example/one"], "main")
    assert "the option url is missing; there is no option urll (options: url, " in one["reason"]
    assert "correct the record" in one["advice"]
    assert (two["facilities"], two["reason"]) == (["ivo://penstock.example/two"], "a fault of the plugin")
    assert (answer["result"], len(answer["offers"])) == ("YES", 1)


async def test_a_record_that_was_corrected_counts_at_once_and_one_that_became_wrong_is_told(tmp_path: Path) -> None:
    wrong = facility("one", "tes", url="ftp://tes.example.org")
    async with serving(tmp_path, records=[wrong], plugins=PLUGINS, reread_s=0.05) as site:

        async def offers() -> bool:
            return bool((await site.ask(request_for()))["result"] == "YES")

        async def refuses() -> bool:
            return not await offers()

        assert await refuses()
        write_records(tmp_path, [facility("one", "tes", url="https://tes.example.org")])
        await eventually(offers)
        with capture_logs() as logs:
            write_records(tmp_path, [wrong])
            await eventually(lambda: any(line["event"] == "facilities_cannot_run" for line in logs))
        assert await refuses()


def test_all_that_is_wrong_with_options_is_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"url is missing; the option timeout_s: .* greater than 0; .*no option x"):
        RemoteOptions.read({"timeout_s": 0, "x": 1})
