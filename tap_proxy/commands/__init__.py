"""``penstock tap``: tables that an operator adds to those that everybody may query."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Tables that the TAP service offers besides its own.")

_Data = Annotated[Path | None, typer.Option("--data", help="Directory of everything that must persist")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object for programs")]


@app.command("add")
def add_command(  # noqa: PLR0913  # the options of the command
    source: Annotated[
        str,
        typer.Argument(help="FITS, VOTable, Parquet, Arrow or CSV file; or URL of a database with #schema.table"),
    ],
    schema: Annotated[str | None, typer.Option(help="Schema to publish it in; else own")] = None,
    table: Annotated[str | None, typer.Option(help="Name to publish it under; else that of the file")] = None,
    description: Annotated[str | None, typer.Option(help="What a row of the table is")] = None,
    index: Annotated[list[str] | None, typer.Option(help="Column to index, may be repeated")] = None,
    hdu: Annotated[str | None, typer.Option(help="Extension of a FITS file, by name or number")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Column to leave out, may be repeated")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of the table of that name")] = False,
    data: _Data = None,
    as_json: _Json = False,
) -> None:
    """Publish a table to everybody: with units and UCDs, indexed by position and identifier, seen at once.

    A table of the database that Penstock itself uses is published where it is; every other one is copied.
    """
    from tap_proxy.commands import operating
    from tap_proxy.own.adding import Order

    order = Order(
        source=source,
        schema=schema,
        table=table,
        description=description,
        indexes=tuple(index or ()),
        hdu=hdu,
        without=tuple(without or ()),
        replace=replace,
    )
    operating.add(order, data, as_json=as_json)


@app.command("list")
def list_command(data: _Data = None, as_json: _Json = False) -> None:
    """List the tables that were added."""
    from tap_proxy.commands import operating

    operating.show_tables(data, as_json=as_json)


@app.command("remove")
def remove_command(
    name: Annotated[str, typer.Argument(help="Name of the table with its schema, as list shows it")],
    data: _Data = None,
) -> None:
    """Publish an added table no more and drop its rows; a table that is published in place keeps them."""
    from tap_proxy.commands import operating

    operating.remove(name, data)
