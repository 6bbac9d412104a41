"""The command that the Execution Planner adds to ``penstock``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# the group that it is for typer would take what comes after the source for a command of its own
plan_app = typer.Typer(context_settings={"allow_interspersed_args": True}, subcommand_metavar="")


@plan_app.callback(invoke_without_command=True)
def plan_command(  # noqa: PLR0913  # options of a command
    source: Annotated[
        str,
        typer.Argument(
            help="codemeta.json (a file or a URL), the URL of a notebook (.ipynb) or program (.py), or a git repository"
        ),
    ],
    cores: Annotated[int | None, typer.Option(min=1, help="Cores at least")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory at least: 8G, 512Mi")] = None,
    duration: Annotated[str | None, typer.Option(help="For how long: 30m, 2h, PT2H")] = None,
    name: Annotated[str | None, typer.Option(help="What you call it")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Data that it reads: scope:name, ivo://... or a URL; seen in /data/1, the next in /data/2"),
    ] = None,
    send: Annotated[
        str | None,
        typer.Option(help="Ask this broker, and list its offers: https://vo.example.org/execplanner"),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file with a bearer token for the broker")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs, in place of YAML and tables")] = False,
) -> None:
    """Turn a notebook, program, repository or codemeta.json into an execution request, and ask a broker for offers.

    Prints the request. With --send prints the broker's offers; the exit status is 1 if there are none.
    """
    from execplanner.commands.asking import make_plan
    from execplanner.core.plan import Wishes

    wishes = Wishes(cores=cores, memory=memory, duration=duration, name=name, data=tuple(data or ()))
    make_plan(source, wishes, send=send, token_file=token_file, as_json=as_json)
