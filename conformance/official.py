"""The official schemas, fetched once and kept: documents are judged by them too, where they are at hand.

Ours (package `xsd`) are written from the standards and give the same verdicts. Who doubts that fetches the official
files, which cannot be shipped: each is known by its URL and by the digest of what it was when ours was compared with
it. A file that is not that one is not used.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, cast

from lxml import etree

from conformance.client import Client, Limits, Request, Unreachable, open_session
from xsd import Edition, Finding, SchemaEntry, catalogue
from xsd.catalogue import entries
from xsd.validation import XS, bare, edition_of, prefixed

LIMITS: Final = Limits(timeout_s=60, body_bytes=5_000_000)


def cache_folder() -> Path:
    """Return where the official schemas are kept for this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock" / "schemas"


def validate(document: bytes, folder: Path | None = None) -> list[Finding]:
    """Judge a well-formed document by the official schemas; nothing is found where they are not all at hand."""
    root = bare(document)
    schema = _compiled(edition_of(root), folder or cache_folder())
    if schema is None or schema.validate(root):
        return []
    errors = cast("Iterable[etree._LogEntry]", schema.error_log)
    return [
        Finding(line=one.line, path=one.path or "/", message=f"{prefixed(one.message)} (by the official schema)")
        for one in errors
    ]


def is_genuine(entry: SchemaEntry, content: bytes) -> bool:
    """Say whether a file is the official one that an entry of the catalogue stands for."""
    return hashlib.sha256(content).hexdigest() == entry.official_sha256


@cache
def _compiled(edition: Edition, folder: Path) -> etree.XMLSchema | None:
    known = entries(edition)
    if not all(_is_kept(folder, entry) for entry in known):
        return None
    root = etree.Element(f"{{{XS}}}schema", targetNamespace="urn:penstock:official")
    for entry in known:
        place = _file(folder, entry).resolve().as_uri()
        etree.SubElement(root, f"{{{XS}}}import", namespace=entry.namespace, schemaLocation=place)
    return etree.XMLSchema(root)  # what they import by URL is not fetched, and is imported here


def _is_kept(folder: Path, entry: SchemaEntry) -> bool:
    file = _file(folder, entry)
    return file.is_file() and is_genuine(entry, file.read_bytes())


def _file(folder: Path, entry: SchemaEntry) -> Path:
    return folder / f"{entry.prefix}-{entry.version}.xsd"


def fetch(folder: Path, *, mirror: str = "", limits: Limits = LIMITS) -> list[tuple[SchemaEntry, str]]:
    """Fetch the official schemas of the catalogue into a folder, and say of each what is wrong; empty if nothing.

    Parameters
    ----------
    folder
        Where they are kept; what is there and genuine is not fetched again.
    mirror
        A URL under which the files are found by their names, instead of their official URLs.
    limits
        What fetching one may cost.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {entry.official_url: entry for entry in catalogue().values() if entry.official_sha256}
    missing = [url for url, entry in wanted.items() if not _is_kept(folder, entry)]
    places = {url: f"{mirror.rstrip('/')}/{url.rpartition('/')[2]}" if mirror else url for url in missing}
    answers = asyncio.run(_download(places, limits))
    return [(entry, _keep(_file(folder, entry), entry, answers.get(url))) for url, entry in wanted.items()]


async def _download(places: Mapping[str, str], limits: Limits) -> dict[str, bytes | str]:
    """Return what is at each place, or a sentence that says why there is nothing."""
    async with open_session() as session:
        client = Client(session, limits)
        return {url: await _content(client, place) for url, place in places.items()}


async def _content(client: Client, url: str) -> bytes | str:
    try:
        reply = await client.send(Request(method="GET", url=url, follow=True), lambda exchange: None)
    except Unreachable as error:
        return error.message
    return reply.body if reply.status == 200 else f"{url} answered {reply.status}"


def _keep(file: Path, entry: SchemaEntry, answer: bytes | str | None) -> str:
    """Keep a file that is genuine, or say what is wrong; without an answer it was there already."""
    match answer:
        case None:
            return ""
        case str():
            return answer
        case content if is_genuine(entry, content):
            part = file.with_suffix(".part")
            part.write_bytes(content)
            part.replace(file)
            return ""
        case _:
            return "what was sent is not the file that is known: its sha256 is another"


def main(arguments: Sequence[str]) -> int:
    """Run `penstock-conformance schemas fetch`; return 0 if every schema is there and genuine."""
    parser = argparse.ArgumentParser(prog="penstock-conformance schemas")
    commands = parser.add_subparsers(required=True)
    fetching = commands.add_parser("fetch", help="fetch the official schemas and verify them")
    fetching.add_argument("--folder", type=Path, default=cache_folder(), help="where to keep them (%(default)s)")
    fetching.add_argument("--mirror", default="", metavar="URL", help="where to find them by their names")
    given = parser.parse_args(arguments)
    try:
        results = fetch(given.folder, mirror=given.mirror)
    except OSError as error:
        sys.stderr.write(f"the schemas cannot be kept: {error}\n")
        return 2
    for entry, trouble in results:
        sys.stdout.write(f"{'FAIL' if trouble else 'OK':5} {entry.official_url}{f': {trouble}' if trouble else ''}\n")
    return 1 if any(trouble for _, trouble in results) else 0
