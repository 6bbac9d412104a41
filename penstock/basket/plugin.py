"""The baskets as the host knows them."""

from __future__ import annotations

from penstock.basket.settings import BasketSettings
from penstock.plugins import later
from penstock.service import Service

PATH = "/basket"

service = Service(
    name="basket",
    path=PATH,
    open=later("penstock.basket.app:open_service"),
    describe=later("penstock.basket.app:describe"),
    settings=BasketSettings,
    migrations="penstock.basket.migrations",
    schema="basket",
)
