"""Harvesting by hand, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from penstock.clock import utc_now
from penstock.db import Database
from penstock.settings import Settings
from penstock.telling import print_json, progress_bar, tell
from registry import compose
from registry.commands.frame import SOME_LEFT, fail, settings_of, with_database
from registry.ports import Tally
from registry.service.harvesting import HarvestFailed, Report
from registry.service.harvesting import Progress as Listener
from registry.settings import RegistrySettings

_NOTES_SHOWN = 10


def harvest(
    url: str | None, set_name: str | None, *, full: bool, allow_private: bool, data: Path | None, as_json: bool
) -> None:
    """Take what is new of another registry's records, or of all that the settings name."""
    settings = settings_of(data)
    section = settings.section(RegistrySettings)
    urls = (url,) if url else section.harvest
    if not urls:
        raise fail("give the address of a registry, or name some in the setting registry.harvest")
    asked = section.harvest_set if set_name is None else set_name
    failed = quarantined = 0
    for one in urls:
        try:
            with _progress_bar() as listener:
                report = _harvest(settings, one, asked, full=full, private=allow_private, listener=listener)
        except HarvestFailed as error:
            failed += 1
            _show_failure(one, error, as_json=as_json)
            continue
        quarantined += report.tally.quarantined
        _show_report(report, as_json=as_json)
    raise typer.Exit(1 if failed else SOME_LEFT if quarantined else 0)


def _harvest(settings: Settings, url: str, set_name: str, *, full: bool, private: bool, listener: Listener) -> Report:
    async def harvest(db: Database) -> Report:
        async with compose.fetcher(settings, utc_now, allow_private=private or None) as fetch:
            harvester = compose.harvester(settings, fetch, compose.source_store(db), utc_now)
            return await harvester.harvest(url, set_name=set_name, full=full, progress=listener)

    return with_database(settings, harvest)


@contextmanager
def _progress_bar() -> Iterator[Listener]:
    columns = (TextColumn("harvesting"), BarColumn(), MofNCompleteColumn(), TextColumn("records"), TimeElapsedColumn())
    with progress_bar(*columns) as bar:
        task = bar.add_task("", total=None)
        yield lambda report: bar.update(task, completed=report.seen, total=report.size)


def _show_failure(url: str, why: HarvestFailed, *, as_json: bool) -> None:
    if as_json:
        print_json({"url": url, "complete": False, "error": str(why), "resumable": why.resumable})
        return
    tell(f"penstock registry: {url}: {why}")
    if why.resumable:
        tell("What came before is kept; the same command goes on from there.")


def _show_report(report: Report, *, as_json: bool) -> None:
    counts = asdict(report.tally)
    if as_json:
        notes = [{"about": about, "note": note} for about, note in report.notes]
        known = {"url": report.url, "name": report.name, "complete": True, "full": report.full, "pages": report.pages}
        print_json(known | {"resumed": report.resumed} | counts | {"notes": notes})
        return
    for about, note in report.notes[:_NOTES_SHOWN]:
        tell(f"note on {about}: {note}")
    if len(report.notes) > _NOTES_SHOWN:
        tell(f"and {len(report.notes) - _NOTES_SHOWN} more notes; --json has them")
    shown = ", ".join(f"{counts[name]} {name}" for name in Tally.__slots__ if counts[name]) or "nothing new"
    typer.echo(f"{report.name or report.url}: {shown}")
    if report.tally.quarantined:
        tell("`penstock registry quarantine` says why records were not taken")


def sources(data: Path | None, *, as_json: bool) -> None:
    """List the registries that were harvested, and how the last time went."""
    settings = settings_of(data, existing=True)
    sources = with_database(settings, lambda db: compose.source_store(db).sources())
    if as_json:
        for one in sources:
            print_json(asdict(one))
        return
    for one in sources:
        state = f"failed: {one.error}" if one.error else "interrupted" if one.token else "well"
        reach = f"complete to {one.watermark}" if one.watermark else "never complete"
        typer.echo(f"{one.url} set {one.set or '(all)'}, {reach}, last tried {one.attempted}: {state}")


def quarantine(url: str | None, data: Path | None, *, as_json: bool) -> None:
    """List the records that were harvested and not taken, and why; --json has what there was of them."""
    settings = settings_of(data, existing=True)
    found = with_database(settings, lambda db: compose.source_store(db).quarantined(url))
    if as_json:
        for one in found:
            print_json(asdict(one))
        return
    for one in found:
        typer.echo(f"{one.ivoid or '(no identifier)'} of {one.source}, {one.seen}: {one.reason}")


def forget(url: str, data: Path | None) -> None:
    """Forget a registry and all records that were harvested from it."""
    settings = settings_of(data, existing=True)
    count = with_database(settings, lambda db: compose.source_store(db).forget(url))
    typer.echo(f"{count} records of {url} forgotten")
