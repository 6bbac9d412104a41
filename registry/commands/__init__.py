"""``penstock registry``: what an operator does with the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The registry: publish records, and harvest those of others.")
_Data = Annotated[Path | None, typer.Option("--data", help="Directory of everything that must persist")]
_Json = Annotated[bool, typer.Option("--json", help="JSON for programs, one object a line")]
_Ivoid = Annotated[str, typer.Argument(help="Identifier of the record, ivo://authority/path")]


@app.command("init")
def init_command(
    path: Annotated[Path, typer.Argument(help="The file to write; - prints it")] = Path("curation.toml"),
) -> None:
    """Write an example of the file that curates records, with a comment on every key."""
    from registry.commands import records

    records.init(path)


@app.command("add")
def add_command(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files of one record each, or folders of *.xml")],
    data: _Data = None,
    as_json: _Json = False,
) -> None:
    """Write records, new or in place of those with the same identifiers. Exits with 3 if some were refused."""
    from registry.commands import records

    records.add(paths, data, as_json=as_json)


@app.command("validate")
def validate_command(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files of one record each, or folders of *.xml")],
    as_json: _Json = False,
) -> None:
    """Judge records by their schemas and by the rules of publishing registries. Exits with 1 if one has an error."""
    from registry.commands import records

    records.validate(paths, as_json=as_json)


@app.command("deprecate")
def deprecate_command(ivoid: _Ivoid, data: _Data = None) -> None:
    """Say that a resource is not there any more: its record stays, with the status inactive."""
    from registry.commands import records

    records.deprecate(ivoid, data)


@app.command("delete")
def delete_command(ivoid: _Ivoid, data: _Data = None) -> None:
    """Delete a record that was added by hand; harvesters are told so for good."""
    from registry.commands import records

    records.delete(ivoid, data)


@app.command("list")
def list_command(
    words: Annotated[list[str] | None, typer.Argument(help="Words of the title or the identifier")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="xsi:type, such as vs:CatalogService")] = None,
    origin: Annotated[
        str | None, typer.Option(help="deployment, lake, operator, or the URL of a registry that was harvested")
    ] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted ones, too")] = False,
    data: _Data = None,
    as_json: _Json = False,
) -> None:
    """List records of our own and of others."""
    from registry.commands import records
    from registry.ports import Filter

    wanted = Filter(words=tuple(words or ()), type=kind, origin=origin, deleted=deleted)
    records.list_records(wanted, data, as_json=as_json)


@app.command("show")
def show_command(ivoid: _Ivoid, data: _Data = None) -> None:
    """Print a record as XML."""
    from registry.commands import records

    records.show(ivoid, data)


@app.command("harvest")
def harvest_command(
    url: Annotated[str | None, typer.Argument(help="OAI-PMH address; else all that the settings name")] = None,
    set_name: Annotated[str | None, typer.Option("--set", help='The set to ask for; "" for all records')] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything, and delete what is gone")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Addresses of private networks and of this machine, too")
    ] = False,
    data: _Data = None,
    as_json: _Json = False,
) -> None:
    """Take what is new of another registry's records, or of all that the settings name.

    One that was interrupted goes on. Exits with 3 if records were quarantined, with 1 if a registry could not be read.
    """
    from registry.commands import harvesting

    harvesting.harvest(url, set_name, full=full, allow_private=allow_private, data=data, as_json=as_json)


@app.command("sources")
def sources_command(data: _Data = None, as_json: _Json = False) -> None:
    """List the registries that were harvested, and how the last time went."""
    from registry.commands import harvesting

    harvesting.sources(data, as_json=as_json)


@app.command("quarantine")
def quarantine_command(
    url: Annotated[str | None, typer.Argument(help="Of one registry only")] = None,
    data: _Data = None,
    as_json: _Json = False,
) -> None:
    """List the records that were harvested and not taken, and why; --json has what there was of them."""
    from registry.commands import harvesting

    harvesting.quarantine(url, data, as_json=as_json)


@app.command("forget")
def forget_command(url: Annotated[str, typer.Argument(help="The registry")], data: _Data = None) -> None:
    """Forget a registry and all records that were harvested from it."""
    from registry.commands import harvesting

    harvesting.forget(url, data)
