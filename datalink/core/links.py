"""The list of links: its columns, and the rows for what a lake knows of one DID (DataLink 1.1 s3.2).

A file has exactly one ``#this`` row. Several would mean several files that form one dataset, and clients would fetch
them all; so ``#this`` is a stable address that redirects to the best replica at the time of access, and every replica
has a row of its own with a term of ours, which clients that do not know it skip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

from datalink.core.faults import Fault
from datalink.core.nearest import Nearness
from datalink.core.terms import MEMBER, REPLICA, Term
from penstock.auth.principal import Principal
from penstock.dali.formats import DATALINK_TYPE
from penstock.lake.port import Did, Entry, Medium, Replica
from penstock.votable.model import Field

STANDARD_ID = "ivo://ivoa.net/std/DataLink#links-1.1"
THIS = "#this"
_PRODUCT_TYPES = frozenset({"cube", "image", "sed", "spectrum", "timeseries", "visibility"})
_NEVER_IN_A_PATH = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One row; the members are the columns, in their order (DataLink 1.1 s3.2)."""

    id: str
    access_url: str | None = None
    service_def: str | None = None
    error_message: str | None = None
    description: str | None = None
    semantics: str = THIS
    content_type: str | None = None
    content_length: int | None = None
    content_qualifier: str | None = None
    local_semantics: str | None = None
    link_auth: str | None = None
    link_authorized: bool | None = None
    site: str | None = None
    checksum: str | None = None


def _text(name: str, ucd: str | None, description: str, *, xml_id: str | None = None) -> Field:
    return Field(name=name, datatype="char", arraysize="*", ucd=ucd, description=description, id=xml_id)


ID_FIELD = "link_id"
FIELDS: tuple[Field, ...] = (
    _text("ID", "meta.id;meta.main", "The identifier as it was asked for", xml_id=ID_FIELD),
    _text("access_url", "meta.ref.url", "Where the link leads"),
    _text("service_def", "meta.ref", "XML ID of the descriptor of the service that the link leads to"),
    _text("error_message", "meta.code.error", "Why there is no link"),
    _text("description", "meta.note", "What the link leads to"),
    _text("semantics", "meta.code", "What the target is to the file: a term of a vocabulary"),
    _text("content_type", "meta.code.mime", "Media type of the target"),
    Field(
        name="content_length",
        datatype="long",
        unit="byte",
        ucd="phys.size;meta.file",
        description="Size of the target",
    ),
    _text("content_qualifier", None, "Kind of data product: a term of http://www.ivoa.net/rdf/product-type"),
    _text("local_semantics", "meta.id.assoc", "Groups like links of different files"),
    _text("link_auth", "meta.code", "Whether the link needs authentication: false, optional or true"),
    Field(
        name="link_authorized",
        datatype="boolean",
        ucd="meta.code",
        description="Whether the caller may use the link",
    ),
    _text("site", "meta.id", "Storage site of the replica"),
    _text("checksum", "meta.checksum", "Checksums of the content: algorithm:hexadecimal, separated by spaces"),
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The URLs of one deployment; `base` is that of the service, without a slash at its end."""

    base: str

    @property
    def links(self) -> str:
        """The links resource."""
        return f"{self.base}/links"

    def links_of(self, did: Did) -> str:
        """Return the address of the links of a DID."""
        return f"{self.links}?{urlencode({'ID': str(did)})}"

    def data(self, did: Did) -> str:
        """Return the stable address of a file, which redirects to its best replica."""
        return f"{self.base}/data/{_path(did)}"

    def replica(self, did: Did, replica: Replica) -> str | None:
        """Return where the bytes of a replica can be fetched; None where nowhere."""
        if replica.path is not None:
            return f"{self.base}/replicas/{quote(replica.site, safe='')}/{_path(did)}"
        return replica.url

    def term(self, term: Term) -> str:
        """Return the URI of a term of our own vocabulary."""
        return f"{self.base}/terms#{term.name}"


def _path(did: Did) -> str:
    """Return a DID as a path; slashes of a name that would be taken for relative steps are encoded."""
    unsafe = _NEVER_IN_A_PATH.intersection(did.name.split("/"))
    return f"{quote(did.scope, safe='')}/{quote(did.name, safe='' if unsafe else '/')}"


def embargoed(entry: Entry, now: datetime) -> bool:
    """Tell whether the file is not public yet."""
    return entry.public_from is not None and now < entry.public_from


def may_read(entry: Entry, caller: Principal, now: datetime) -> bool:
    """Tell whether the caller may have the bytes of the file."""
    return caller.admin or not embargoed(entry, now)


def over_http(replica: Replica) -> bool:
    """Tell whether a plain HTTP client can fetch the replica."""
    return replica.path is not None or urlsplit(replica.url or "").scheme in {"http", "https"}


def best(replicas: Iterable[Replica]) -> Replica | None:
    """Return the first replica that can be had over HTTP now, or None."""
    return next((replica for replica in replicas if replica.online and over_http(replica)), None)


def why_not(entry: Entry) -> tuple[Fault, str]:
    """Say why no replica of the file can be fetched over HTTP now."""
    if not entry.replicas:
        return Fault.NOT_FOUND, f"{entry.did} is known, but no site holds a replica of it"
    online = [replica for replica in entry.replicas if replica.online]
    if online:
        schemes = sorted({urlsplit(replica.url or "").scheme for replica in online})
        return Fault.FATAL, f"{entry.did} can only be had over {', '.join(schemes)}"
    if all(replica.medium is Medium.TAPE for replica in entry.replicas):
        return Fault.TRANSIENT, f"{entry.did} is on tape only, at {_sites(entry)}, and must be staged first"
    return Fault.TRANSIENT, f"no replica of {entry.did} can be read now; it is stored at {_sites(entry)}"


def _sites(entry: Entry) -> str:
    return ", ".join(sorted({replica.site for replica in entry.replicas}))


def failed(identifier: str, fault: Fault, text: str, *, semantics: str = THIS) -> Link:
    """Return a row that says why a link cannot be given; all other columns are null (DataLink 1.1 s3.2.4)."""
    return Link(id=identifier, error_message=fault.message(text), semantics=semantics)


def links_of_file(
    identifier: str, entry: Entry, *, addresses: Addresses, nearness: Nearness, caller: Principal, now: datetime
) -> tuple[Link, ...]:
    """Return the rows of one file: the file itself, then its replicas, nearest first.

    Parameters
    ----------
    identifier
        The ID as the caller wrote it.
    entry
        What the lake knows of the file.
    addresses, nearness
        Where things are, and what is near the caller.
    caller, now
        Who asks, and when: an embargoed file is listed, and said to be out of reach (DataLink 1.1 s3.2.12).
    """
    common = _common(identifier, entry, caller, now)
    replicas = nearness.order(entry.replicas)
    if best(replicas) is None:
        this = failed(identifier, *why_not(entry))
    else:
        this = replace(common, access_url=addresses.data(entry.did), description=_describe(entry))
    return (this, *(_replica_row(common, entry.did, replica, addresses) for replica in replicas))


def _common(identifier: str, entry: Entry, caller: Principal, now: datetime) -> Link:
    product_type = entry.metadata.get("dataproduct_type", "")
    return Link(
        id=identifier,
        content_type=entry.media_type,
        content_length=entry.size_bytes,
        content_qualifier=f"#{product_type}" if product_type in _PRODUCT_TYPES else None,
        link_auth="true" if embargoed(entry, now) else "false",
        link_authorized=may_read(entry, caller, now),
        checksum=checksums(entry),
    )


def _describe(entry: Entry) -> str:
    sites = len({replica.site for replica in entry.replicas})
    return f"{entry.did}, from the best of {sites} sites" if sites > 1 else str(entry.did)


def _replica_row(common: Link, did: Did, replica: Replica, addresses: Addresses) -> Link:
    semantics = addresses.term(REPLICA)
    url = addresses.replica(did, replica)
    if not replica.online or url is None:
        reason = "on tape, to be staged first" if replica.medium is Medium.TAPE else "not readable now"
        text = f"the replica of {did} at {replica.site} is {reason}"
        return failed(common.id, Fault.TRANSIENT, text, semantics=semantics)
    protocol = "" if over_http(replica) else f", over {urlsplit(url).scheme}"
    return replace(
        common,
        access_url=url,
        semantics=semantics,
        description=f"Replica at {replica.site}{protocol}",
        local_semantics=f"replica/{replica.site}",
        site=replica.site,
    )


def checksums(entry: Entry) -> str | None:
    """Return the checksums of a file: ``adler32:03da0195 md5:...``; None where none is known."""
    known = (("adler32", entry.adler32), ("md5", entry.md5))
    return " ".join(f"{algorithm}:{value}" for algorithm, value in known if value) or None


def links_of_collection(
    identifier: str, did: Did, members: Sequence[Did], *, addresses: Addresses, complete: bool
) -> Iterator[Link]:
    """Yield the rows of a dataset or container: for each member, where its own links are (DataLink 1.1 s3.2.7)."""
    semantics = addresses.term(MEMBER)
    for member in members:
        yield Link(
            id=identifier,
            access_url=addresses.links_of(member),
            description=f"Links of {member}, a member of {did}",
            semantics=semantics,
            content_type=DATALINK_TYPE,
            link_auth="false",
            link_authorized=True,
        )
    if not complete:
        text = f"{did} has more than the {len(members)} members that are listed"
        yield failed(identifier, Fault.DEFAULT, text, semantics=semantics)
    elif not members:
        yield failed(identifier, Fault.NOT_FOUND, f"{did} has no members", semantics=semantics)
