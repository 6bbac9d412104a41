"""The command ``penstock``.

Modules of commands say what can be asked for, and load what does it when it is: so a command starts quickly, and so
does its help.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from penstock.errors import SettingsError
from penstock.lake.cli import lake_app
from penstock.plugins import Group, PluginError, Registry

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Lead a data lake out to the Virtual Observatory.",
)
db_app = typer.Typer(no_args_is_help=True, help="The database.")
app.add_typer(db_app, name="db")
app.add_typer(lake_app, name="lake")


def _show_version(wanted: bool) -> None:  # noqa: FBT001  # typer passes it so
    if wanted:
        typer.echo(f"penstock {version('penstock')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit")
    ] = False,
) -> None:
    pass


@app.command("serve")
def serve_command(
    names: Annotated[list[str] | None, typer.Argument(help="Services to start; all if none is named")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any free one")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of everything that must persist")] = None,
    processes: Annotated[int | None, typer.Option(help="Processes that serve, on as many cores")] = None,
) -> None:
    """Start services on one port: all of them, with a sample collection, if nothing is configured."""
    gc.disable()  # what is loaded stays; `penstock.host.serve` enables it when everything is open
    from penstock.context import load
    from penstock.serving import run_server

    settings = load(port=port, host=host, data_dir=data, processes=processes)
    sys.exit(run_server(settings, names or (), _wrong_settings_told))


@app.command("settings")
def settings_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per setting")] = False,
) -> None:
    """List every setting, its environment variable, its value and its meaning."""
    import orjson

    from penstock.context import complete_settings_type, load
    from penstock.settings import CONFIG_VARIABLE, DEFAULT_CONFIG, config_file, list_settings

    kind = complete_settings_type()
    values = load().model_dump(mode="json")
    rows = []
    for variable, field, name in list_settings(kind):
        section, _, member = name.rpartition(".")
        value = values[section][member] if section else values[member]
        shown = "***" if name.endswith("database_url") and value else value
        rows.append({"variable": variable, "toml": name, "value": shown, "description": field.description or ""})
    if as_json:
        sys.stdout.buffer.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
        return
    typer.echo(
        f"TOML file: {config_file() or 'none'} ({CONFIG_VARIABLE} names it; else {DEFAULT_CONFIG} if it is here)"
    )
    for row in rows:  # no table: a name must stay whole, however narrow the terminal
        value = "unset" if row["value"] is None else row["value"]
        typer.echo(f"{row['variable']} = {value}\n    {row['toml']}: {row['description']}")


@db_app.command("upgrade")
def upgrade_command(data: Annotated[Path | None, typer.Option(help="Data directory")] = None) -> None:
    """Bring the database to the newest revision; `serve` does the same at its start."""
    import asyncio

    from penstock.context import database, load

    async def upgrade() -> None:
        async with database(load(data_dir=data)):
            pass

    asyncio.run(upgrade())
    typer.echo("The database is up to date.")


def main() -> None:
    """Run the command, with those that services add; a wrong setting is one line on standard error and status 2."""
    with _wrong_settings_told():
        for name, command in Registry(Group.COMMANDS, typer.Typer).all().items():
            app.add_typer(command, name=name)
        app()


@contextmanager
def _wrong_settings_told() -> Iterator[None]:
    try:
        yield
    except (SettingsError, PluginError) as error:
        typer.echo(f"penstock: {error}", err=True)
        sys.exit(2)
