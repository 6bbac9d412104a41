"""What ``penstock lake harvest`` and ``penstock lake attach`` do (`penstock.lake.rucio.commands`)."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from penstock.clock import utc_now
from penstock.context import database, load
from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.lake.names import as_text
from penstock.lake.rucio.attach import Attacher, Attachment
from penstock.lake.rucio.attach import Report as AttachReport
from penstock.lake.rucio.client import Refusal, open_client
from penstock.lake.rucio.harvest import Harvest, Report, Source
from penstock.lake.rucio.lake import RucioLake, mapping_of, rucio_settings
from penstock.lake.rucio.shelf import Shelf
from penstock.lake.store import LakeStore
from penstock.settings import Settings, SettingsError
from penstock.telling import print_json, progress_bar, tell


def harvest(
    scopes: Sequence[str], *, mapping: str | None, full: bool, every: float | None, data: Path | None, as_json: bool
) -> bool:
    """Take over the files of scopes, and return whether all were fit for ObsCore."""
    settings = load(data_dir=data)
    reports = asyncio.run(_harvest(settings, scopes, mapping=mapping, full=full, every_s=every, as_json=as_json))
    return not any(report.rejected for report in reports)


async def _harvest(
    settings: Settings, scopes: Sequence[str], *, mapping: str | None, full: bool, every_s: float | None, as_json: bool
) -> list[Report]:
    if every_s is None:
        try:
            return await _harvest_once(settings, scopes, mapping=mapping, full=full, as_json=as_json)
        except ServiceUnavailable as error:
            raise SettingsError(f"{error.message} What was done is kept; run the command again to go on.") from error
    running = asyncio.current_task()
    assert running is not None  # noqa: S101  # this is one
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):  # whatever was written is whole, and the next start goes on from there
        while True:
            try:
                await _harvest_once(settings, scopes, mapping=mapping, full=full, as_json=as_json)
            except ServiceUnavailable as error:
                tell(f"{error.message} The next pass goes on.")
            await asyncio.sleep(every_s)
    return []


async def _harvest_once(
    settings: Settings, scopes: Sequence[str], *, mapping: str | None, full: bool, as_json: bool
) -> list[Report]:
    reports = []
    async with _opened(settings, mapping) as (source, shelf):
        for scope in scopes:
            began = time.monotonic()
            with _bar(scope) as told:
                report = await Harvest(source, shelf, told).run(scope, full=full)
            reports.append(report)
            _print_harvest(report, time.monotonic() - began, as_json=as_json)
    return reports


@asynccontextmanager
async def _opened(settings: Settings, mapping: str | None) -> AsyncIterator[tuple[Source, Shelf]]:
    """Give what both commands work with; what Rucio or they refuse leaves as a `SettingsError`."""
    own = rucio_settings(settings)
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(database(settings))
        store = LakeStore(db, settings.authority)
        await store.publish_under(settings.authority)
        client = await open_client(own, utc_now, stack)
        rules = mapping_of(mapping or own.mapping)
        sites = await RucioLake(client, own, store, rules).sites()
        source = Source(
            client=client,
            mapping=rules,
            settings=own,
            sites={site.name: site for site in sites},
            authority=settings.authority,
            clock=utc_now,
        )
        try:
            yield source, Shelf(store)
        except UsageError as error:
            raise SettingsError(error.message) from error
        except Refusal as error:
            raise SettingsError(f"Rucio refuses: {error.kind}: {error.text}") from error


def _print_harvest(report: Report, seconds: float, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report) | {"seconds": round(seconds, 3)})
        return
    counts = {name: value for name, value in asdict(report).items() if name != "scope"}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    typer.echo(f"{report.scope}: {shown} in {seconds:.1f} s ({report.written / max(seconds, 1e-9):.0f} files/s)")
    if report.rejected or report.flawed:
        tell("SELECT * FROM lake.rejected tells why files are rejected or flawed")


def attach(job: Attachment, *, data: Path | None, as_json: bool) -> bool:
    """Register the files of an existing storage, and return whether all were taken."""
    settings = load(data_dir=data)
    report = asyncio.run(_attach(settings, job))
    if as_json:
        skipped = [{"file": as_text(name), "reason": reason} for name, reason in report.skipped]
        doubts = [{"file": as_text(name), "doubt": doubt} for name, doubt in report.doubts]
        print_json(asdict(report) | {"skipped": skipped, "doubts": doubts})
    else:
        for name, reason in report.skipped:
            tell(f"skipped {as_text(name)}: {reason}")
        for name, doubt in report.doubts:
            tell(f"{as_text(name)}: {doubt}")
        typer.echo(f"{report.attached} attached, {report.unchanged} unchanged, {len(report.skipped)} skipped")
    return not report.skipped


async def _attach(settings: Settings, job: Attachment) -> AttachReport:
    try:
        async with _opened(settings, "obscore") as (source, shelf):
            with _bar(job.scope) as told:
                return await Attacher(source, shelf, told).run(job, account=source.settings.account)
    except ServiceUnavailable as error:
        raise SettingsError(f"{error.message} What was done is kept.") from error


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeElapsedColumn())
    with progress_bar(*columns) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, found: bar.update(task, completed=done, total=found)
