"""The registry as the host knows it."""

from __future__ import annotations

from penstock.plugins import later
from penstock.service import Service
from registry.settings import RegistrySettings

PATH = "/registry"

service = Service(
    name="registry",
    path=PATH,
    open=later("registry.app:open_registry"),
    describe=later("registry.app:describe"),
    settings=RegistrySettings,
    migrations="registry.migrations",
    schema="registry",
)
