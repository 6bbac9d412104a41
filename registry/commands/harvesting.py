"""Harvesting by hand, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from penstock.clock import utc_now
from penstock.db import Database
from penstock.settings import Settings
from registry import compose
from registry.commands.frame import (
    SOME_LEFT,
    AsJson,
    Data,
    app,
    fail,
    print_json,
    settings_of,
    tell,
    with_database,
)
from registry.ports import Tally
from registry.service.harvesting import HarvestFailed, Report
from registry.service.harvesting import Progress as Listener
from registry.settings import RegistrySettings

_NOTES_SHOWN = 10


@app.command("harvest")
def harvest_command(  # the options of the command
    url: Annotated[str | None, typer.Argument(help="OAI-PMH address; else all that the settings name")] = None,
    set_name: Annotated[str | None, typer.Option("--set", help='The set to ask for; "" for all records')] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything, and delete what is gone")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Addresses of private networks and of this machine, too")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take what is new of another registry's records, or of all that the settings name.

    One that was interrupted goes on. Exits with 3 if records were quarantined, with 1 if a registry could not be read.
    """
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


def _harvest(  # one harvest has as many sides
    settings: Settings, url: str, set_name: str, *, full: bool, private: bool, listener: Listener
) -> Report:
    async def harvest(db: Database) -> Report:
        async with compose.fetcher(settings, utc_now, allow_private=private or None) as fetch:
            harvester = compose.harvester(settings, fetch, compose.source_store(db), utc_now)
            return await harvester.harvest(url, set_name=set_name, full=full, progress=listener)

    return with_database(settings, harvest)


@contextmanager
def _progress_bar() -> Iterator[Listener]:
    columns = (TextColumn("harvesting"), BarColumn(), MofNCompleteColumn(), TextColumn("records"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
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


@app.command("sources")
def sources_command(data: Data = None, as_json: AsJson = False) -> None:
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


@app.command("quarantine")
def quarantine_command(
    url: Annotated[str | None, typer.Argument(help="Of one registry only")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the records that were harvested and not taken, and why; --json has what there was of them."""
    settings = settings_of(data, existing=True)
    found = with_database(settings, lambda db: compose.source_store(db).quarantined(url))
    if as_json:
        for one in found:
            print_json(asdict(one))
        return
    for one in found:
        typer.echo(f"{one.ivoid or '(no identifier)'} of {one.source}, {one.seen}: {one.reason}")


@app.command("forget")
def forget_command(url: Annotated[str, typer.Argument(help="The registry")], data: Data = None) -> None:
    """Forget a registry and all records that were harvested from it."""
    settings = settings_of(data, existing=True)
    count = with_database(settings, lambda db: compose.source_store(db).forget(url))
    typer.echo(f"{count} records of {url} forgotten")
