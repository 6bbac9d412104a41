"""``penstock lake harvest`` and ``penstock lake attach``: what an operator does with Rucio's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.lake.names import collection_name

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
    from penstock.lake.rucio import operating

    whole = operating.harvest(scopes, mapping=mapping, full=full, every=every, data=data, as_json=as_json)
    raise typer.Exit(0 if whole else SOME_LEFT_OUT)


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
    from penstock.lake.rucio import operating
    from penstock.lake.rucio.attach import Attachment

    job = Attachment(place=place, site=site, scope=scope, url=(url or place).rstrip("/"), verify=verify)
    raise typer.Exit(0 if operating.attach(job, data=data, as_json=as_json) else SOME_LEFT_OUT)
