"""What commands print: results for programs, and what people are told beside them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import orjson
import typer

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


def print_json(value: Any) -> None:
    """Print one JSON value on one line, at once."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def tell(text: str) -> None:
    """Tell a person something that is no result."""
    typer.echo(text, err=True)


def progress_bar(*columns: ProgressColumn) -> Progress:
    """Return a bar on standard error that goes when it is done; where nobody looks none is shown."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
