"""Which replicas of a file can be had, in which way, and why none can."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from datalink.core.faults import Fault
from penstock.lake.port import Entry, Medium, Replica

_PLAIN = frozenset({"http", "https"})
_STREAMED = _PLAIN | {"dav", "davs"}


class Delivery(StrEnum):
    """How ``#this`` gives the bytes of a file."""

    PROXY = "proxy"
    REDIRECT = "redirect"


def scheme_of(replica: Replica) -> str:
    """Return the scheme of a replica's URL in lower case; that of a file of this host is ``file``."""
    return (replica.url or "").partition(":")[0].lower() or "file"


def over_http(replica: Replica) -> bool:
    """Tell whether a plain HTTP client can fetch the replica: from its site, or from here if it lies here."""
    return replica.path is not None or scheme_of(replica) in _PLAIN


def can_be_streamed(replica: Replica) -> bool:
    """Tell whether this service can read the replica for a client: WebDAV is HTTP by another name."""
    return replica.path is not None or scheme_of(replica) in _STREAMED


def is_usable(replica: Replica, delivery: Delivery) -> bool:
    """Tell whether ``#this`` can lead to a replica now."""
    fits = can_be_streamed if delivery is Delivery.PROXY else over_http
    return replica.online and fits(replica)


def usable(replicas: Iterable[Replica], delivery: Delivery) -> tuple[Replica, ...]:
    """Return the replicas that ``#this`` can lead to now, in the order given."""
    return tuple(replica for replica in replicas if is_usable(replica, delivery))


def why_not(entry: Entry) -> tuple[Fault, str]:
    """Say why no replica of the file can be fetched now."""
    if not entry.replicas:
        return Fault.NOT_FOUND, f"{entry.did} is known, but no site holds a replica of it"
    online = [replica for replica in entry.replicas if replica.online]
    if online:
        schemes = sorted({scheme_of(replica) for replica in online})
        return Fault.FATAL, f"{entry.did} can only be had over {', '.join(schemes)}"
    if all(replica.medium is Medium.TAPE for replica in entry.replicas):
        return Fault.TRANSIENT, f"{entry.did} is on tape only, at {_sites(entry)}, and must be staged first"
    return Fault.TRANSIENT, f"no replica of {entry.did} can be read now; it is stored at {_sites(entry)}"


def _sites(entry: Entry) -> str:
    return ", ".join(sorted({replica.site for replica in entry.replicas}))


def checksums(entry: Entry) -> str | None:
    """Return the checksums of a file: ``adler32:03da0195 md5:...``; None where none is known."""
    adler32 = f"adler32:{entry.adler32}" if entry.adler32 else ""
    md5 = f"md5:{entry.md5}" if entry.md5 else ""
    return f"{adler32} {md5}".strip() or None
