"""What the commands of ``penstock lake`` do (`penstock.lake.cli`)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from penstock.context import load, on_database
from penstock.db import async_url
from penstock.lake.names import as_text, collection_name
from penstock.lake.port import Site
from penstock.lake.rows import SUFFIXES
from penstock.lake.sample import COLLECTION, ensure_sample
from penstock.lake.scan import Report, Scan
from penstock.lake.store import LakeStore
from penstock.lake.tree import Tree
from penstock.settings import Settings, SettingsError
from penstock.telling import print_json, progress_bar, tell

T = TypeVar("T")


def add(path: Path, place: Site, *, collection: str | None, verify: bool, data: Path | None, as_json: bool) -> bool:
    """Register the FITS files of a directory tree, and return whether all were taken."""
    tree = Tree(path=path, collection=collection or _name_of(path))
    began = time.monotonic()
    settings = _settings(data)
    report = _with_store(
        settings, lambda store: _add(settings, store, Scan(store=store, tree=tree, site=place, verify=verify))
    )
    if as_json:
        skipped = [{"path": as_text(str(item.path)), "reason": item.reason} for item in report.skipped]
        doubts = [{"path": as_text(str(path)), "doubt": doubt} for path, doubt in report.doubts]
        print_json(asdict(report) | {"skipped": skipped, "doubts": doubts})
    else:
        _print_report(report, time.monotonic() - began)
    if not (report.added or report.updated or report.unchanged or report.skipped):
        tell(f"no FITS file at {as_text(str(path))}: none is called {', '.join(f'*{suffix}' for suffix in SUFFIXES)}")
    return not report.skipped


def _name_of(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    try:
        return collection_name(folder.name)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; name it with --collection") from error


async def _add(settings: Settings, store: LakeStore, scan: Scan) -> Report:
    try:
        if settings.lake == "local" and await ensure_sample(settings, store):
            tell(f"the lake is new and was given the sample; `penstock lake remove {COLLECTION}` forgets it")
    except OSError as error:
        raise SettingsError(f"the sample cannot be written: {error}") from error
    return await _run(scan)


async def _run(scan: Scan) -> Report:
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("files"), TimeRemainingColumn())
    with progress_bar(*columns) as bar:
        task = bar.add_task("", total=None)
        scan.progress = lambda done, total: bar.update(task, completed=done, total=total)
        return await scan.run()


def _print_report(report: Report, seconds: float) -> None:
    for item in report.skipped:
        tell(f"skipped {as_text(str(item.path))}: {item.reason}")
    for path, doubt in report.doubts:
        tell(f"{as_text(str(path))}: {doubt}")
    counts = {name: getattr(report, name) for name in ("added", "updated", "unchanged", "vanished")}
    counts["skipped"] = len(report.skipped)
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    typer.echo(f"{shown} in {seconds:.1f} s")


def show_sites(data: Path | None, *, as_json: bool) -> None:
    """List the storage sites."""
    sites = _with_store(_settings(data, existing=True), lambda store: store.sites())
    if as_json:
        print_json([asdict(site) for site in sites])
        return
    table = Table("site", "title", "latitude", "longitude", "medium")
    for site in sites:
        table.add_row(site.name, site.title, _degrees(site.latitude_deg), _degrees(site.longitude_deg), site.medium)
    Console().print(table)


def show_holdings(data: Path | None, *, as_json: bool) -> None:
    """List the collections and what each site has of them."""
    holdings = _with_store(_settings(data, existing=True), lambda store: store.holdings())
    if as_json:
        print_json([asdict(holding) for holding in holdings])
        return
    table = Table("collection", "site", "files", "readable", "MB")
    for holding in holdings:
        size = f"{holding.size_bytes / 1e6:.1f}"
        table.add_row(holding.collection, holding.site, str(holding.files), str(holding.available), size)
    Console().print(table)


def remove(collection: str, data: Path | None) -> bool:
    """Forget a collection, and return whether there was one."""
    removed = _with_store(_settings(data, existing=True), lambda store: store.remove(collection))
    typer.echo(f"{removed} files of {collection} forgotten")
    return bool(removed)


def _settings(data: Path | None, *, existing: bool = False) -> Settings:
    """Read the settings and tell which lake they mean; one that must be `existing` is not made."""
    settings = load(data_dir=data)
    folder = settings.data_dir.absolute()
    try:
        url = async_url(settings.database)
    except ValueError as error:
        raise SettingsError(f"setting database_url: {error}") from error
    shown = f", database {url.render_as_string(hide_password=True)}" if settings.database_url else ""
    if existing and url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise SettingsError(f"no lake at {folder}{shown}: give --data, or run `penstock serve` first")
    tell(f"data directory {folder}{shown}")
    return settings


def _with_store(settings: Settings, use: Callable[[LakeStore], Awaitable[T]]) -> T:
    return on_database(settings, lambda db: use(LakeStore(db, settings.authority)))


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}°"
