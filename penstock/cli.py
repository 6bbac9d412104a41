"""The command ``penstock``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from penstock.context import complete_settings_type, database, load
from penstock.host import bind, chosen_services, serve
from penstock.lake.cli import lake_app
from penstock.log import configure_logging
from penstock.plugins import Group, PluginError, Registry
from penstock.processes import serve_in_processes
from penstock.settings import CONFIG_VARIABLE, DEFAULT_CONFIG, SettingsError, config_file, list_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Lead a data lake out to the Virtual Observatory.",
)
db_app = typer.Typer(no_args_is_help=True, help="The database.")
app.add_typer(db_app, name="db")
app.add_typer(lake_app, name="lake")
_ENTRANCES = {  # where a client of a service begins, if not at its path
    "/tap": ("TAP", ""),
    "/uws": ("jobs", "/jobs"),
    "/datalink": ("DataLink", "/links"),
    "/registry": ("registry", "/oai"),
}


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
    settings = load(port=port, host=host, data_dir=data, processes=processes)
    configure_logging(settings)
    chosen_services(names or ())  # a misspelt name is told before a port is taken
    listener = bind(settings.host, settings.port)
    if settings.processes == 1:
        _run(serve(settings, names or (), listener=listener, announce=_announce))
        return

    def serve_one(serving: Callable[[], None], first: bool) -> None:  # noqa: FBT001  # of `Serve`
        def announce(base: str, paths: Sequence[str]) -> None:
            if first:
                _announce(base, paths)
            serving()

        with _wrong_settings_told():
            _run(serve(settings, names or (), listener=listener, announce=announce))

    sys.exit(serve_in_processes(settings.processes, serve_one))


def _announce(base: str, paths: Sequence[str]) -> None:
    out = Console(highlight=False, soft_wrap=True)
    known = [path for path in _ENTRANCES if path in paths]
    entrances = [(path, *_ENTRANCES[path]) for path in known]
    entrances += [(path, path.strip("/"), "") for path in paths if path not in _ENTRANCES]
    shown = ", ".join(f"{name} {base}{path}{rest}" for path, name, rest in entrances)
    out.print(f"Penstock serves at {base}/ ({shown})", markup=False)
    if "/tap" in paths:
        _print_queries(out, base)
    sys.stdout.flush()


def _print_queries(out: Console, base: str) -> None:
    out.print("Try:", style="bold")
    query = "SELECT TOP 5 target_name, s_ra, s_dec FROM ivoa.obscore"
    out.print(f'  python -c \'import pyvo; print(pyvo.dal.TAPService("{base}/tap").search("{query}"))\'', markup=False)
    out.print(f"  stilts tapquery tapurl={base}/tap adql='{query}'", markup=False)
    out.print(f"  curl '{base}/tap/sync' -d LANG=ADQL -d FORMAT=csv -d 'QUERY={query}'", markup=False)


@app.command("settings")
def settings_command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per setting")] = False,
) -> None:
    """List every setting, its environment variable, its value and its meaning."""
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

    async def upgrade() -> None:
        async with database(load(data_dir=data)):
            pass

    _run(upgrade())
    typer.echo("The database is up to date.")


def _run(coroutine: object) -> None:
    try:
        import uvloop
    except ImportError:  # not on every platform
        asyncio.run(coroutine)  # type: ignore[arg-type]
    else:
        uvloop.run(coroutine)  # type: ignore[arg-type]


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
