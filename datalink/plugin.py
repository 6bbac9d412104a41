"""DataLink, SODA and HiPS as the host knows them."""

from __future__ import annotations

from datalink.settings import DataLinkSettings, HipsSettings, SodaSettings
from penstock.plugins import later
from penstock.service import Service

PATH = "/datalink"
SODA_PATH = "/datalink/soda"
HIPS_PATH = "/hips"

datalink = Service(
    name="datalink",
    path=PATH,
    open=later("datalink.app:open_datalink"),
    describe=later("datalink.app:describe"),
    settings=DataLinkSettings,
)
soda = Service(
    name="soda",
    path=SODA_PATH,
    open=later("datalink.soda_app:open_service"),
    describe=later("datalink.soda_app:describe"),
    settings=SodaSettings,
)
hips = Service(
    name="hips",
    path=HIPS_PATH,
    open=later("datalink.hips_app:open_service"),
    describe=later("datalink.hips_app:describe"),
    settings=HipsSettings,
)
