"""The use-cases put together, for every service that asks the lake what DataLink knows of a file."""

from __future__ import annotations

from datalink.facts import Facts
from datalink.observations import ObsCoreTable
from datalink.service import LinkService
from datalink.settings import DataLinkSettings
from penstock.service import Resources


def link_service(resources: Resources) -> LinkService:
    """Return the use-cases over the lake of the process."""
    settings = resources.settings.section(DataLinkSettings)
    facts = facts_of(resources)
    sign_in = bool(resources.authenticator.challenges)
    return LinkService(facts, settings, resources.settings.authority, sign_in=sign_in)


def facts_of(resources: Resources) -> Facts:
    """Return what the lake of the process and ObsCore know of files."""
    settings = resources.settings.section(DataLinkSettings)
    return Facts(resources.lake, ObsCoreTable(resources.db), settings.remember_s)
