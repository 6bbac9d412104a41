"""What the commands of ``penstock tap`` do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from penstock.clock import utc_now
from penstock.context import load, migrations, on_database, published_schemas
from penstock.dali.errors import ServiceError
from penstock.db import Database
from penstock.identifiers import qualified_name
from penstock.settings import Settings
from penstock.telling import print_json, progress_bar
from tap_proxy.core.own_tables import OwnTable, index_columns
from tap_proxy.core.uploads import TAP_UPLOAD
from tap_proxy.own.adding import Adding, Order
from tap_proxy.own.store import OwnTables
from tap_proxy.settings import TapSettings

T = TypeVar("T")
_SYSTEM = frozenset({"pg_catalog", "information_schema", "pg_toast"})


def add(order: Order, data: Path | None, *, as_json: bool) -> None:
    """Publish a table to everybody."""
    settings = load(data_dir=data)
    shown = TextColumn("{task.description} {task.fields[rows]:,} rows")
    columns = (shown, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with progress_bar(*columns) as bar:
        task = bar.add_task("reading", total=1.0, rows=0)

        def tell(rows: int, done: float) -> None:
            # A large table is indexed as long as it is read, and its bar stands still meanwhile.
            bar.update(task, completed=done, rows=rows, description="reading" if done < 1 else "indexing")

        async def added(db: Database) -> OwnTable:
            reserved = _reserved(settings)
            return await Adding(db, reserved=reserved, clock=utc_now, progress=tell).add(order)

        own = _with_database(settings, added)
    if as_json:
        print_json(_document(own))
    else:
        typer.echo(f"{_name(own)}: {own.rows:,} rows, {len(own.table.columns)} columns from {own.origin}")
        indexes = ", ".join(" and ".join(names) for names in index_columns(own.table))
        typer.echo(f"indexed: {indexes}" if indexes else "no index; name columns with --index")


def show_tables(data: Path | None, *, as_json: bool) -> None:
    """List the tables that were added."""
    tables = _with_database(load(data_dir=data), lambda db: OwnTables(db).all())
    if as_json:
        print_json([_document(own) for own in tables])
        return
    shown = Table("table", "rows", "columns", "added", "from")
    for own in tables:
        shown.add_row(_name(own), f"{own.rows:,}", str(len(own.table.columns)), f"{own.added:%Y-%m-%d}", own.origin)
    Console().print(shown)


def remove(name: str, data: Path | None) -> None:
    """Publish an added table no more."""
    schema, _, table = name.rpartition(".")
    own = _with_database(load(data_dir=data), lambda db: OwnTables(db).remove(schema, table))
    typer.echo(f"{_name(own)} is published no more" + (", and is still there" if own.in_place else ""))


def _reserved(settings: Settings) -> frozenset[str]:
    """Return the schemas that others fill: services, published tables, other archives, the engine itself."""
    names = {schema.name for schema in published_schemas()} | set(migrations()) | _SYSTEM
    return frozenset(name.lower() for name in names | {TAP_UPLOAD, *settings.section(TapSettings).upstreams})


def _with_database(settings: Settings, use: Callable[[Database], Awaitable[T]]) -> T:
    try:
        return on_database(settings, use)
    except ServiceError as error:
        typer.echo(f"penstock: {error.message}", err=True)
        raise typer.Exit(1) from error


def _name(own: OwnTable) -> str:
    return qualified_name(own.schema, own.table.name)


def _document(own: OwnTable) -> dict[str, Any]:
    return {
        "table": _name(own),
        "rows": own.rows,
        "columns": [column.name for column in own.table.columns],
        "indexes": [list(names) for names in index_columns(own.table)],
        "added": own.added.isoformat(),
        "origin": own.origin,
        "in_place": own.in_place,
    }
