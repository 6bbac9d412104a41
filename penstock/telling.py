"""What commands print: results for programs, and what people are told beside them."""

from __future__ import annotations

import sys
from typing import Any

import orjson
import typer


def print_json(value: Any) -> None:
    """Print one JSON value on one line, at once."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def tell(text: str) -> None:
    """Tell a person something that is no result."""
    typer.echo(text, err=True)
