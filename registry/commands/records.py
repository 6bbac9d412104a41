"""Records by hand: written, checked, found, deprecated, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import typer
from lxml import etree

from penstock.clock import utc_now
from penstock.dali.errors import ServiceError
from penstock.db import Database
from penstock.settings import Settings
from penstock.telling import print_json, tell
from registry import compose
from registry.commands.frame import FAILED, SOME_LEFT, fail, settings_of, with_database
from registry.core.curation import EXAMPLE
from registry.core.oai import format_stamp
from registry.core.rules import Level, RuleFinding, check_record
from registry.core.voresource import parse, rebase
from registry.ports import Filter, Summary
from registry.service.editing import InvalidRecord
from registry.settings import RegistrySettings

PAGE = 500


def init(path: Path) -> None:
    """Write an example of the file that curates records, with a comment on every key."""
    if str(path) == "-":
        typer.echo(EXAMPLE, nl=False)
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(EXAMPLE)
    except FileExistsError as error:
        raise fail(f"{path} is there already; name another file") from error
    except OSError as error:
        raise fail(f"{path} cannot be written: {error.strerror}") from error
    typer.echo(f"{path} written; name it with PENSTOCK_REGISTRY__CURATION={path.absolute()}")


def add(paths: list[Path], data: Path | None, *, as_json: bool) -> None:
    """Write records, new or in place of those with the same identifiers. Exits with 3 if some were refused."""
    settings = settings_of(data)
    files = list(_files(paths))
    if not files:
        raise fail(f"there is no *.xml in {', '.join(map(str, paths))}")

    async def add(db: Database) -> int:
        editor, refused = compose.editor(settings, compose.record_store(db), utc_now), 0
        for file in files:
            try:
                stored, new = await editor.put(_read(file, settings))
            except ServiceError as error:
                refused += 1
                findings = error.findings if isinstance(error, InvalidRecord) else []
                _show_refusal(file, error.message, findings, as_json=as_json)
                continue
            outcome = "added" if new else "updated"
            if as_json:
                print_json({"file": str(file), "ivoid": stored.ivoid, "outcome": outcome})
            else:
                typer.echo(f"{outcome} {stored.ivoid}")
        return refused

    refused = with_database(settings, add)
    raise typer.Exit(0 if not refused else FAILED if refused == len(files) else SOME_LEFT)


def _show_refusal(file: Path, message: str, findings: list[RuleFinding], *, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "outcome": "refused", "reason": message, "findings": [*map(asdict, findings)]})
        return
    for finding in findings:
        tell(_as_line(file, finding))
    if not findings:
        tell(f"{file}: {message}")


def validate(paths: list[Path], *, as_json: bool) -> None:
    """Judge records by their schemas and by the rules of publishing registries. Exits with 1 if one has an error."""
    settings = settings_of(None)
    wrong = 0
    for file in _files(paths):
        findings = check_record(_read(file, settings), authority=settings.authority, now=format_stamp(utc_now()))
        wrong += any(one.level is Level.ERROR for one in findings)
        if as_json:
            print_json({"file": str(file), "findings": [asdict(one) for one in findings]})
        for finding in () if as_json else findings:
            typer.echo(_as_line(file, finding))
        if not findings and not as_json:
            typer.echo(f"{file}: valid")
    raise typer.Exit(FAILED if wrong else 0)


def _as_line(file: Path, finding: RuleFinding) -> str:
    return f"{file}:{finding.line}: {finding.level}: {finding.message} ({finding.rule})"


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.xml")) if path.is_dir() else (path,)


def _read(file: Path, settings: Settings) -> bytes:
    limit = settings.section(RegistrySettings).max_record_bytes
    try:
        if file.stat().st_size > limit:
            raise fail(f"{file} has more than {limit} bytes (registry.max_record_bytes)")
        return file.read_bytes()
    except OSError as error:
        raise fail(f"{file} cannot be read: {error.strerror}") from error


def deprecate(ivoid: str, data: Path | None) -> None:
    """Say that a resource is not there any more: its record stays, with the status inactive."""
    settings = settings_of(data, existing=True)
    stored = with_database(
        settings, lambda db: compose.editor(settings, compose.record_store(db), utc_now).deprecate(ivoid)
    )
    typer.echo(f"{stored.ivoid} is inactive")


def delete(ivoid: str, data: Path | None) -> None:
    """Delete a record that was added by hand; harvesters are told so for good."""
    settings = settings_of(data, existing=True)
    stored = with_database(
        settings, lambda db: compose.editor(settings, compose.record_store(db), utc_now).delete(ivoid)
    )
    typer.echo(f"{stored.ivoid} is deleted")


def list_records(wanted: Filter, data: Path | None, *, as_json: bool) -> None:
    """List records of our own and of others."""
    settings = settings_of(data, existing=True)

    async def find(db: Database) -> list[Summary]:
        store, found, after = compose.record_store(db), list[Summary](), ""
        while page := await store.search(wanted, after, PAGE):
            found += page
            after = page[-1].ivoid.lower()
        return found

    found = with_database(settings, find)
    if as_json:
        for one in found:
            print_json(asdict(one))
        return
    for one in found:  # no table: an identifier must stay whole, however narrow the terminal
        state = " (deleted)" if one.deleted else f" ({one.status})" if one.status != "active" else ""
        typer.echo(f"{one.ivoid} {one.type} {one.updated[:10]} {one.origin} {one.title}{state}")


def show(ivoid: str, data: Path | None) -> None:
    """Print a record as XML."""
    settings = settings_of(data, existing=True)
    stored = with_database(settings, lambda db: compose.record_store(db).get(ivoid))
    if stored is None or stored.deleted:
        raise fail(f"there is no record {ivoid}; `penstock registry list` shows all")
    resource = parse(stored.xml)
    rebase(resource, settings.own_url)
    typer.echo(etree.tostring(resource, encoding="unicode", pretty_print=True), nl=False)
