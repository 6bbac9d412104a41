"""What ``penstock plan`` does."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import typer
import yaml
from rich.console import Console
from rich.table import Table

from execplanner.core.plan import Plan, Wishes, plan_codemeta, plan_location
from execplanner.executors.http import Api
from execplanner.executors.options import Endpoint
from penstock.dali.errors import ServiceError, UsageError
from penstock.outbound import FetchError, Outbound

_MOST_BYTES = 2**20
_REFUSED = 1
_ACCEPT = '{"kind": "uri:enum-value-update", "path": "/phase", "value": "ACCEPTED"}'


def make_plan(source: str, wishes: Wishes, *, send: str | None, token_file: Path | None, as_json: bool) -> None:
    """Print the request for a piece of software, or what a broker answers to it."""
    try:
        plan = _planned(source, wishes)
        for note in plan.notes:
            typer.echo(f"note: {note}", err=True)
        if send is None:
            _print(plan.request, as_json=as_json)
            return
        answer = asyncio.run(_asked(send, token_file, plan.request))
    except ServiceError as error:
        typer.echo(f"penstock plan: {error.message}", err=True)
        raise typer.Exit(2 if isinstance(error, UsageError) else _REFUSED) from error
    if as_json:
        _print(answer, as_json=True)
    else:
        _show(answer)
    if answer.get("result") != "YES":
        raise typer.Exit(_REFUSED)


def _planned(source: str, wishes: Wishes) -> Plan:
    path = Path(source)
    if path.is_file():
        if path.suffix in (".ipynb", ".py"):
            raise UsageError(f"{source} is on this machine only: give a URL from which it can be fetched.")
        return plan_codemeta(_object(path.read_bytes(), source), wishes)
    if source.partition("?")[0].endswith(".json"):
        return plan_codemeta(_object(asyncio.run(_fetched(source)), source), wishes)
    return plan_location(source, wishes)


async def _fetched(url: str) -> bytes:
    if "://" not in url:
        raise UsageError(f"There is no file {url}.")
    content = io.BytesIO()
    try:
        await Outbound(allow_private=True).save(url, content, max_bytes=_MOST_BYTES)
    except FetchError as error:
        raise UsageError(f"{error}.") from error
    return content.getvalue()


def _object(content: bytes, source: str) -> Mapping[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{source} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise UsageError(f"{source} is no description of software: a JSON object is expected.")
    return document


async def _asked(broker: str, token_file: Path | None, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the broker answers to a request."""
    api = Api(Endpoint.read({"url": broker, "token_file": token_file}))
    answer = await api.call("POST", "/requests", json=request, headers={"Prefer": "return=representation"})
    if not isinstance(answer, dict):
        raise UsageError(f"{broker} is no Execution Broker: its answer has no offers.")
    return answer


def _print(document: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2))
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


def _show(answer: Mapping[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    offers = answer.get("offers") or []
    if offers:
        table = Table(box=None)
        for title in ("", "start", "duration", "cores", "memory GiB", "expires"):
            table.add_column(title, no_wrap=True)
        for number, offer in enumerate(offers, 1):
            table.add_row(str(number), *_row(offer))
        console.print(table)
        for number, offer in enumerate(offers, 1):  # no column: a URL must stay whole, however narrow the terminal
            console.print(f"{number}: {(offer.get('meta') or {}).get('url', '')}", markup=False)
        console.print(f"To accept one, POST {_ACCEPT} to its session.", markup=False)
    else:
        console.print("No offers.")
    for message in (answer.get("meta") or {}).get("messages") or ():
        console.print(f"{message.get('level', 'INFO')}: {message.get('message', '')}", markup=False)


def _row(offer: Mapping[str, Any]) -> tuple[str, ...]:
    available = (offer.get("schedule") or {}).get("available") or {}
    compute = offer.get("compute") or {}
    start = str(available.get("start") or "").partition("/")[0]
    amounts = (_amount(compute.get(name)) for name in ("cores", "memory"))
    texts = (start, available.get("duration"), *amounts, offer.get("expires"))
    return tuple("" if each is None else str(each) for each in texts)


def _amount(limits: Mapping[str, Any] | None) -> Any:
    return (limits or {}).get("min") or (limits or {}).get("max")
