"""What the service and the command both put together."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from penstock.clock import Clock
from penstock.db import Database
from penstock.service import Service
from penstock.settings import Settings, SettingsError
from registry.core.curation import CurationError, CurationFile, read_curation
from registry.fetching import HttpFetch
from registry.ports import Fetch
from registry.regtap_store import write_many
from registry.service.editing import Editor
from registry.service.harvesting import Harvester, Limits
from registry.service.making import Described
from registry.service.oai import PublishingRegistry, Repository
from registry.settings import RegistrySettings
from registry.store import RecordStore, SourceStore


def curation_of(settings: Settings) -> CurationFile:
    """Return what the curation file says; nothing, if the settings name none.

    Raises
    ------
    SettingsError
        It cannot be read, or is wrong.
    """
    path: Path | None = settings.section(RegistrySettings).curation
    if path is None:
        return CurationFile()
    try:
        return read_curation(path.read_text(encoding="utf-8"))
    except CurationError as error:
        raise SettingsError(f"registry.curation {path}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"registry.curation {path} cannot be read: {error}") from error


def record_store(db: Database) -> RecordStore:
    """Return the records of a database."""
    return RecordStore(db, write_many)


def source_store(db: Database) -> SourceStore:
    """Return what was harvested into a database."""
    return SourceStore(db, write_many)


def publishing(settings: Settings, store: RecordStore, curation: CurationFile) -> PublishingRegistry:
    """Return the publishing registry of a deployment."""
    section = settings.section(RegistrySettings)
    contact = next((one.email for one in curation.curation(settings.authority).contacts if one.email), None)
    about = Repository(
        authority=settings.authority,
        title=curation.title,
        admin_email=contact or f"postmaster@{settings.authority}",
        fixed_url=settings.base_url or "",
        page_size=section.page_size,
        token_lifetime_s=section.token_lifetime_s,
    )
    return PublishingRegistry(store, about)


def described(settings: Settings, services: Iterable[Service]) -> list[Described]:
    """Return what services say of themselves at their paths: the URL of the host is not known before it is asked."""
    return [Described(name=one.name, path=one.path, description=one.describe(settings, one.path)) for one in services]


def editor(settings: Settings, store: RecordStore, clock: Clock) -> Editor:
    """Return what changes records by hand."""
    return Editor(store, settings.authority, clock)


def fetcher(
    settings: Settings, clock: Clock, *, allow_private: bool | None = None
) -> AbstractAsyncContextManager[Fetch]:
    """Return what fetches answers of other registries; a context."""
    section = settings.section(RegistrySettings)
    allowed = section.allow_private if allow_private is None else allow_private
    return HttpFetch(clock=clock, timeout_s=section.harvest_timeout_s, allow_private=allowed)


def harvester(settings: Settings, fetch: Fetch, store: SourceStore, clock: Clock) -> Harvester:
    """Return what harvests into a store."""
    section = settings.section(RegistrySettings)
    limits = Limits(answer_bytes=section.harvest_answer_bytes)
    return Harvester(fetch=fetch, store=store, authority=settings.authority, clock=clock, limits=limits)
