"""``penstock lake``: what an operator does with the lake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from penstock.lake.names import collection_name, site_name
from penstock.lake.rucio.commands import attach_command, harvest_command

SOME_SKIPPED = 3  # the exit code of a scan that left files out

lake_app = typer.Typer(no_args_is_help=True, help="The data lake of this host.")

_Data = Annotated[Path | None, typer.Option("--data", help="Directory of everything that must persist")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object for programs")]


lake_app.command("harvest")(harvest_command)
lake_app.command("attach")(attach_command)


def _checked(rule: Callable[[str], str]) -> Callable[[str | None], str | None]:
    def check(value: str | None) -> str | None:
        try:
            return None if value is None else rule(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return check


@lake_app.command("add")
def add_command(  # noqa: PLR0913  # the options of the command
    path: Annotated[Path, typer.Argument(exists=True, resolve_path=True, help="A directory tree, or one FITS file")],
    site: Annotated[
        str, typer.Option(callback=_checked(site_name), help="Name of the site that the files are at")
    ] = "local",
    latitude: Annotated[float | None, typer.Option(min=-90, max=90, help="Of the site, degrees north")] = None,
    longitude: Annotated[float | None, typer.Option(min=-180, max=360, help="Of the site, degrees east")] = None,
    collection: Annotated[
        str | None,
        typer.Option(callback=_checked(collection_name), help="Name of the collection; else the directory's"),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read files that seem unchanged, too")] = False,
    data: _Data = None,
    as_json: _Json = False,
) -> None:
    """Register the FITS files of a directory tree, where they are; again, to note what has changed since.

    Exits with 3 if some files were left out. A lake that is new is given the sample collection, too.
    """
    if (latitude is None) != (longitude is None):
        raise typer.BadParameter("--latitude and --longitude are given together")
    from penstock.lake import operating
    from penstock.lake.port import Site

    place = Site(name=site, latitude_deg=latitude, longitude_deg=longitude)
    whole = operating.add(path, place, collection=collection, verify=verify, data=data, as_json=as_json)
    raise typer.Exit(0 if whole else SOME_SKIPPED)


@lake_app.command("sites")
def sites_command(data: _Data = None, as_json: _Json = False) -> None:
    """List the storage sites."""
    from penstock.lake import operating

    operating.show_sites(data, as_json=as_json)


@lake_app.command("ls")
def list_command(data: _Data = None, as_json: _Json = False) -> None:
    """List the collections and what each site has of them."""
    from penstock.lake import operating

    operating.show_holdings(data, as_json=as_json)


@lake_app.command("remove")
def remove_command(
    collection: Annotated[str, typer.Argument(help="Name of the collection")], data: _Data = None
) -> None:
    """Forget a collection; its files stay where they are."""
    from penstock.lake import operating

    raise typer.Exit(0 if operating.remove(collection, data) else 1)
