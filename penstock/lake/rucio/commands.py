"""``penstock lake harvest`` and ``penstock lake attach``: what an operator does with Rucio's files."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from penstock.clock import utc_now
from penstock.context import database, load
from penstock.dali.errors import NotFound, ServiceError, ServiceUnavailable, UsageError
from penstock.lake.names import as_text, collection_name
from penstock.lake.rucio.attach import Attacher, Attachment
from penstock.lake.rucio.attach import Report as AttachReport
from penstock.lake.rucio.client import Refusal, open_client
from penstock.lake.rucio.harvest import Harvest, Report, Source
from penstock.lake.rucio.lake import RucioLake, mapping_of, rucio_settings
from penstock.lake.rucio.shelf import Shelf
from penstock.lake.store import LakeStore
from penstock.settings import Settings, SettingsError

SOME_LEFT_OUT = 3  # the exit code of a command that could not take every file

_Data = Annotated[Path | None, typer.Option("--data", help="Directory of everything that must persist")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a pass for programs")]
_Mapping = Annotated[
    str | None, typer.Option(help="How metadata become ObsCore: obscore, ska, cta, lofar, or a TOML file")
]


def harvest_command(
    scopes: Annotated[list[str], typer.Argument(help="Scopes of Rucio")],
    mapping: _Mapping = None,
    full: Annotated[bool, typer.Option("--full", help="Ask about files that seem unchanged, too")] = False,
    every: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Go on for ever, with a pass this often")
    ] = None,
    data: _Data = None,
    as_json: _Json = False,
) -> None:
    """Bring the files of Rucio's scopes into lake.files, lake.replicas and ivoa.obscore.

    The first pass over a scope asks about every file, later ones about those that are new or changed; `--full` asks
    about all again, which finds changed metadata and replicas. What was killed goes on where it stopped. Files whose
    metadata lack what ObsCore demands stand in lake.rejected, with the reason; the command exits with 3 then.
    """
    settings = load(data_dir=data)
    reports = asyncio.run(_harvest(settings, scopes, mapping=mapping, full=full, every_s=every, as_json=as_json))
    raise typer.Exit(SOME_LEFT_OUT if any(report.rejected for report in reports) else 0)


async def _harvest(  # the options of the command
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
                _tell(f"{error.message} The next pass goes on.")
            await asyncio.sleep(every_s)
    return []


async def _harvest_once(
    settings: Settings, scopes: Sequence[str], *, mapping: str | None, full: bool, as_json: bool
) -> list[Report]:
    reports = []
    async with _opened(settings, mapping) as (source, shelf):
        for scope in scopes:
            began = time.monotonic()
            report = await _harvest_scope(source, shelf, scope, full=full)
            reports.append(report)
            _print_harvest(report, time.monotonic() - began, as_json=as_json)
    return reports


async def _harvest_scope(source: Source, shelf: Shelf, scope: str, *, full: bool) -> Report:
    with _bar(scope) as bar:
        task = bar.add_task("", total=None)
        harvest = Harvest(source, shelf, lambda done, listed: bar.update(task, completed=done, total=listed))
        try:
            return await harvest.run(scope, full=full)
        except NotFound as error:
            raise SettingsError(error.message) from error
        except Refusal as error:
            raise SettingsError(f"Rucio refuses: {error.kind}: {error.text}") from error


@asynccontextmanager
async def _opened(settings: Settings, mapping: str | None) -> AsyncIterator[tuple[Source, Shelf]]:
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
        yield source, Shelf(store)


def _print_harvest(report: Report, seconds: float, *, as_json: bool) -> None:
    if as_json:
        _print_json(asdict(report) | {"seconds": round(seconds, 3)})
        return
    counts = {name: value for name, value in asdict(report).items() if name != "scope"}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    typer.echo(f"{report.scope}: {shown} in {seconds:.1f} s ({report.written / max(seconds, 1e-9):.0f} files/s)")
    if report.rejected or report.flawed:
        _tell("SELECT * FROM lake.rejected tells why files are rejected or flawed")


def attach_command(  # noqa: PLR0913  # the options of the command
    place: Annotated[str, typer.Argument(metavar="URL|PATH", help="A WebDAV folder, or a directory of this host")],
    site: Annotated[str, typer.Option(help="Rucio's storage element whose files they are")],
    scope: Annotated[str, typer.Option(help="Scope of their identifiers; it is made if it is missing")],
    url: Annotated[
        str | None, typer.Option(help="Where clients find PATH: the URL at the storage element that stands for it")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read files that seem unchanged, too")] = False,
    data: _Data = None,
    as_json: _Json = False,
) -> None:
    """Register the FITS files of an existing storage in Rucio and in ObsCore, where they are.

    Every file is read once for its checksums and headers; no byte is moved or written. Run it again to go on, or to
    note what is new. The storage element must be one whose paths are not computed from names (deterministic=False).
    Exits with 3 if some files were left out.
    """
    try:
        collection_name(scope)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if "://" not in place and url is None:
        raise typer.BadParameter("a PATH needs --url: where clients find its files")
    settings = load(data_dir=data)
    job = Attachment(place=place, site=site, scope=scope, url=(url or place).rstrip("/"), verify=verify)
    report = asyncio.run(_attach(settings, job))
    if as_json:
        skipped = [{"file": as_text(name), "reason": reason} for name, reason in report.skipped]
        _print_json(asdict(report) | {"skipped": skipped})
    else:
        for name, reason in report.skipped:
            _tell(f"skipped {as_text(name)}: {reason}")
        typer.echo(f"{report.attached} attached, {report.unchanged} unchanged, {len(report.skipped)} skipped")
    raise typer.Exit(SOME_LEFT_OUT if report.skipped else 0)


async def _attach(settings: Settings, job: Attachment) -> AttachReport:
    own = rucio_settings(settings)
    async with _opened(settings, "obscore") as (source, shelf):
        with _bar(job.scope) as bar:
            task = bar.add_task("", total=None)
            attacher = Attacher(source, shelf, lambda done, found: bar.update(task, completed=done, total=found))
            try:
                return await attacher.run(job, account=own.account)
            except (UsageError, ServiceUnavailable) as error:
                raise SettingsError(_sentence(error)) from error
            except Refusal as error:
                raise SettingsError(f"Rucio refuses: {error.kind}: {error.text}") from error


def _sentence(error: ServiceError) -> str:
    return f"{error.message} What was done is kept." if isinstance(error, ServiceUnavailable) else error.message


def _bar(name: str) -> Progress:
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeElapsedColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def _print_json(value: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
