"""The options of executors in the documents are those that the executors take."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from execplanner.facilities import RecordReader
from penstock.plugins import Group, Registry
from penstock.service import Resources
from penstock.settings import load_settings
from tests.support.systems import ROOT

SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def options() -> dict[str, dict[str, Any]]:
    """Return the first block of YAML in the section of each executor."""
    sections = dict(SECTION.findall((ROOT / "docs/executors.md").read_text()))
    names = Registry(Group.FACILITIES, object).names()
    return {name: yaml.safe_load(BLOCK.findall(sections[name])[0]) for name in names}


@pytest.mark.parametrize(("name", "given"), options().items())
def test_the_documented_options_open_the_executor(name: str, given: dict[str, Any]) -> None:
    require_opened(name, given)


def test_the_documented_record_of_a_facility_is_read_and_its_executors_open() -> None:
    text = (ROOT / "docs/execution-planner.md").read_text()
    facility = RecordReader().read(next(one for one in BLOCK.findall(text) if "executors:" in one).encode(), "the page")
    assert facility.executors
    for choice in facility.executors.values():
        require_opened(choice.plugin, choice.options)


def require_opened(name: str, options: Mapping[str, Any]) -> None:
    opener = cast(Any, Registry(Group.FACILITIES, object).get(name))
    shared = cast(Resources, SimpleNamespace(settings=load_settings({})))  # all that executors of ours use of it
    assert asyncio.run(opener(options, shared)) is not None
