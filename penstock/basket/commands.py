"""The command ``penstock basket``: baskets on the host itself, without its services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from penstock.auth.principal import Principal
from penstock.dali.errors import ServiceError

if TYPE_CHECKING:
    from penstock.basket.service import Baskets

T = TypeVar("T")
FAILED = 1

app = typer.Typer(no_args_is_help=True, help="Baskets: references to files and results, for jobs and notebooks.")
Owner = Annotated[str | None, typer.Option(help="Whose baskets: a subject; those of anonymous callers if not given")]
Data = Annotated[Path | None, typer.Option("--data", help="Directory of everything that must persist")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs, one object a line")]
Name = Annotated[str, typer.Argument(help="The basket")]


@app.command("list")
def list_command(
    name: Annotated[str | None, typer.Argument(help="A basket, whose items are listed; all baskets if none")] = None,
    owner: Owner = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List an owner's baskets, or what is in one."""
    from penstock.basket.model import basket_json, item_json

    async def read(baskets: Baskets) -> list[dict[str, object]]:
        caller = Principal(subject=owner)
        if name is None:
            return [basket_json(basket) for basket in await baskets.all(caller)]
        return [item_json(item) async for item in baskets.items(caller, name)]

    for row in _with_baskets(data, read):
        _print(row, as_json=as_json)


@app.command("add")
def add_command(
    name: Name,
    references: Annotated[list[str], typer.Argument(help="scope:name, publisher DIDs or URLs")],
    label: Annotated[str | None, typer.Option(help="What to call them")] = None,
    owner: Owner = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Put references into a basket, which is made if it is not there."""
    from penstock.basket.model import item_json, read_item

    async def add(baskets: Baskets) -> list[dict[str, object]]:
        given = [{"reference": one} | ({"label": label} if label else {}) for one in references]
        items = await baskets.add(Principal(subject=owner), name, [read_item(one) for one in given])
        return [item_json(item) for item in items]

    for row in _with_baskets(data, add):
        _print(row, as_json=as_json)


@app.command("remove")
def remove_command(
    name: Name,
    items: Annotated[list[int] | None, typer.Argument(help="Ids of items; the whole basket if none")] = None,
    owner: Owner = None,
    data: Data = None,
) -> None:
    """Take items out of a basket, or remove it."""

    async def remove(baskets: Baskets) -> None:
        caller = Principal(subject=owner)
        for item in items or ():
            await baskets.remove(caller, name, item)
        if not items:
            await baskets.discard(caller, name)

    _with_baskets(data, remove)


def _with_baskets(data: Path | None, use: Callable[[Baskets], Awaitable[T]]) -> T:
    """Run `use` on the migrated database; an error of it is one line, and the exit code `FAILED`."""
    from penstock.basket.app import open_baskets
    from penstock.clock import utc_now
    from penstock.context import load, on_database

    settings = load(data_dir=data)

    try:
        return on_database(settings, lambda db: use(open_baskets(settings, db, utc_now)))
    except ServiceError as error:
        typer.echo(f"penstock basket: {error.message}", err=True)
        raise typer.Exit(FAILED) from error


def _print(row: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        from penstock.telling import print_json

        print_json(row)
    elif "reference" in row:
        typer.echo("  ".join(str(row[key]) for key in ("id", "kind", "reference", "label") if key in row))
    else:
        typer.echo(f"{row['name']}  {row['size']} items, changed {row['changed']}")
