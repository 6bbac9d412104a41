"""TAP and the searches with parameters as the host knows them."""

from __future__ import annotations

from penstock.plugins import later
from penstock.service import Service
from tap_proxy.settings import TapSettings

PATH = "/tap"

tap = Service(
    name="tap",
    path=PATH,
    open=later("tap_proxy.app:open_service"),
    describe=later("tap_proxy.app:describe"),
    settings=TapSettings,
    migrations="tap_proxy.migrations",
    schema="tap_schema",
)
sia = Service(
    name="sia",
    path="/sia",
    open=later("tap_proxy.searches:SIA.open"),
    describe=later("tap_proxy.searches:SIA.describe"),
)
scs = Service(
    name="scs",
    path="/scs",
    open=later("tap_proxy.searches:SCS.open"),
    describe=later("tap_proxy.searches:SCS.describe"),
)
