"""What Rucio's rows mean: pure functions from its JSON to the records of the port."""

from __future__ import annotations

import mimetypes
import os.path
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from penstock.lake.port import (
    Did,
    DidType,
    Entry,
    Medium,
    Member,
    Quota,
    Replica,
    ReplicaState,
    Site,
    Staging,
    StagingState,
)
from penstock.lake.rows import FITS_TYPE, SUFFIXES

JsonRow = Mapping[str, Any]

_READABLE = "availability_read"
_OVER_HTTPS = {"davs": "https", "dav": "http"}  # WebDAV is HTTP: clients that know only that can read it
_GONE = frozenset({"BEING_DELETED", "BAD"})
_COLUMNS = frozenset(
    {
        *("access_cnt", "accessed_at", "account", "adler32", "availability", "bytes", "campaign", "closed_at"),
        *("complete", "constituent", "created_at", "datatype", "deleted_at", "did_type", "eol_at", "events"),
        *("expired_at", "guid", "hidden", "is_archive", "is_new", "is_open", "length", "lumiblocknr", "md5"),
        *("monotonic", "name", "obsolete", "panda_id", "phys_group", "prod_step", "project", "provenance"),
        *("purge_replicas", "run_number", "scope", "stream_name", "suppressed", "task_id", "transient"),
        *("updated_at", "version"),
    }
)
_STAGING = {
    "INJECT": StagingState.WAITING,
    "WAITING_APPROVAL": StagingState.WAITING,
    "REPLICATING": StagingState.REPLICATING,
    "OK": StagingState.OK,
    "STUCK": StagingState.STUCK,
    "SUSPENDED": StagingState.STUCK,
}


def instant(text: str | None) -> datetime | None:
    """Read a time as Rucio writes it, ``Mon, 30 Nov 2026 04:10:45 UTC`` or ISO 8601; None if it is neither."""
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text.replace(" UTC", " +0000"))
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def json_did(did: Did) -> dict[str, str]:
    """Return a DID as Rucio takes it in bodies."""
    return {"scope": did.scope, "name": did.name}


def did_path(did: Did) -> str:
    """Return a DID as Rucio takes it in paths: names may begin with a slash, and hold any character."""
    return f"{quote(did.scope, safe='')}/{quote(did.name, safe='/')}"


def did_of(row: JsonRow) -> Did:
    """Return the DID that a row is about."""
    return Did(str(row["scope"]), str(row["name"]))


def site_of(row: JsonRow, attributes: JsonRow) -> Site:
    """Return a site; Rucio keeps attributes as text, coordinates too."""
    told = {key: _text(value) for key, value in attributes.items() if value is not None and key != row["rse"]}
    told[_READABLE] = _text(row.get(_READABLE, True))
    tape = row.get("rse_type") == "TAPE" or told.get("istape", "").lower() == "true"
    return Site(
        name=row["rse"],
        title=told.get("site") or row.get("city"),
        latitude_deg=_degrees(told.get("latitude", row.get("latitude")), 90),
        longitude_deg=_degrees(told.get("longitude", row.get("longitude")), 360),
        medium=Medium.TAPE if tape else Medium.DISK,
        attributes=told,
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _degrees(value: object, limit: float) -> float | None:
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if abs(found) <= limit else None


def member_of(row: JsonRow) -> Member:
    """Return a member of a dataset or container."""
    return Member(did=did_of(row), type=DidType(row.get("type") or "FILE"), size_bytes=row.get("bytes"))


class ReplicaReader:
    """Makes replicas of what Rucio says of a file.

    Parameters
    ----------
    schemes
        Protocols that are shown, the best first.
    paths
        Where this host has sites mounted, by the beginning of URLs.
    sites
        All sites by name.
    """

    def __init__(self, schemes: Sequence[str], paths: Mapping[str, Path], sites: Mapping[str, Site]) -> None:
        self._ranks = {scheme: rank for rank, scheme in enumerate(schemes)}
        self._paths = paths
        self._sites = sites

    def replicas(self, row: JsonRow) -> tuple[Replica, ...]:
        """Return the replicas by site, a site's best protocol first; those that are going away are left out."""
        states: JsonRow = row.get("states") or {}
        found: dict[tuple[str, str], Replica] = {}
        for pfn, about in (row.get("pfns") or {}).items():
            name, state = about["rse"], states.get(about["rse"], "AVAILABLE")
            if state not in _GONE:
                replica = self._replica(pfn, about, name, state)
                found.setdefault((name, replica.url or ""), replica)
        held = {site for site, _ in found}
        for name, state in states.items():  # sites that have none of the protocols
            if name not in held and state not in _GONE:
                found[name, ""] = self._without_url(name, state)
        return tuple(sorted(found.values(), key=self._key))

    def _replica(self, pfn: str, about: JsonRow, name: str, state: str) -> Replica:
        site = self._sites.get(name)
        scheme, colon, rest = pfn.partition(":")
        return Replica(
            site=name,
            url=_OVER_HTTPS.get(scheme, scheme) + colon + rest,
            path=None if about.get("domain") == "zip" else self._path(pfn),
            state=_state(state, site),
            medium=Medium.TAPE if about.get("type") == "TAPE" else site.medium if site else Medium.DISK,
            archived=about.get("domain") == "zip",
        )

    def _without_url(self, name: str, state: str) -> Replica:
        site = self._sites.get(name)
        return Replica(site=name, state=_state(state, site), medium=site.medium if site else Medium.DISK)

    def _key(self, replica: Replica) -> tuple[str, int, str]:
        url = replica.url or ""
        return replica.site, self._ranks.get(urlsplit(url).scheme, len(self._ranks)), url

    def _path(self, pfn: str) -> Path | None:
        """Return where this host has a replica, never outside of the folder that is mounted."""
        for beginning, folder in self._paths.items():
            if pfn.startswith(beginning):
                relative = unquote(pfn[len(beginning) :]).lstrip("/")
                if "\0" in relative:
                    return None
                path = Path(os.path.normpath(folder / relative))
                return path if path.is_relative_to(folder) else None
        return None


def _state(state: str, site: Site | None) -> ReplicaState:
    readable = site is None or site.attributes.get(_READABLE) != "false"
    return ReplicaState.AVAILABLE if state == "AVAILABLE" and readable else ReplicaState.UNAVAILABLE


def file_entry(row: JsonRow, replicas: tuple[Replica, ...], metadata: JsonRow, public_from: datetime | None) -> Entry:
    """Return a file of its row in a list of replicas and its metadata."""
    did = did_of(row)
    media_type = metadata.get("media_type") or metadata.get("access_format")
    return Entry(
        did=did,
        size_bytes=row.get("bytes"),
        adler32=checksum(row.get("adler32")),
        md5=checksum(row.get("md5")),
        media_type=str(media_type or guessed_type(did.name)),
        public_from=public_from,
        replicas=replicas,
        metadata=plain(metadata),
    )


def checksum(value: object) -> str | None:
    """Return a checksum as the port has it."""
    return str(value).lower() if value else None


def plain(metadata: JsonRow) -> dict[str, str]:
    """Return metadata as text; what is not known is left out."""
    return {key: _text(value) for key, value in metadata.items() if value is not None}


def guessed_type(name: str) -> str:
    """Return the media type that a name suggests."""
    if name.lower().endswith(SUFFIXES):
        return FITS_TYPE
    return mimetypes.guess_type(name, strict=False)[0] or "application/octet-stream"


def user_metadata(row: JsonRow) -> dict[str, Any]:
    """Return what users said of a DID, of a row that holds its columns, too."""
    return {key: value for key, value in row.items() if key not in _COLUMNS}


def staging_of(rule: JsonRow) -> Staging:
    """Return how far a rule is."""
    done, stuck = int(rule["locks_ok_cnt"]), int(rule["locks_stuck_cnt"])
    error = rule.get("error")
    return Staging(
        state=_STAGING.get(rule["state"], StagingState.WAITING),
        done=done,
        total=done + stuck + int(rule["locks_replicating_cnt"]),
        stuck=stuck,
        reason=" ".join(str(error).split())[:300] if error else None,
        expires=instant(rule.get("expires_at")),
    )


def quota_of(row: JsonRow) -> Quota:
    """Return what an account has at a site."""
    limit = row.get("bytes_limit")
    finite = isinstance(limit, int | float) and 0 <= limit < 2**63
    return Quota(site=row["rse"], used_bytes=int(row["bytes"]), limit_bytes=int(limit) if finite else None)  # type: ignore[arg-type]  # a number, if finite
