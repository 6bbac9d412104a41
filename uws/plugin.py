"""UWS as the host knows it."""

from __future__ import annotations

from penstock.plugins import later
from penstock.service import Service
from uws.settings import UwsSettings

service = Service(
    name="uws",
    path="/uws",
    open=later("uws.app:open_service"),
    describe=later("uws.app:describe"),
    settings=UwsSettings,
    migrations="uws.migrations",
    schema="uws",
)
