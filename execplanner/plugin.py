"""The Execution Planner as the host knows it."""

from __future__ import annotations

from execplanner.settings import ExecPlannerSettings
from penstock.plugins import later
from penstock.service import Service

PATH = "/execplanner"

service = Service(
    name="execplanner",
    path=PATH,
    open=later("execplanner.app:open_planner"),
    describe=later("execplanner.app:describe"),
    settings=ExecPlannerSettings,
    migrations="execplanner.migrations",
    schema="execplanner",
)
