"""The list of links: its columns, and the addresses that rows are made of (DataLink 1.1 s3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple
from urllib.parse import quote, urlencode

from datalink.core.faults import Fault
from datalink.core.terms import Term
from penstock.lake.port import Did, Replica
from penstock.votable.model import Field

STANDARD_ID = "ivo://ivoa.net/std/DataLink#links-1.1"
THIS = "#this"
_NEVER_IN_A_PATH = frozenset({"", ".", ".."})


class Link(NamedTuple):
    """One row; the members are the columns, in their order (DataLink 1.1 s3.2).

    A named tuple, since thousands are made in one request, which a frozen dataclass takes four times as long for.
    """

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

    def links_of(self, did: Did, *, page: int = 1) -> str:
        """Return the address of the links of a DID."""
        query = {"ID": str(did)} | ({"PAGE": str(page)} if page > 1 else {})
        return f"{self.links}?{urlencode(query)}"

    def data(self, did: Did) -> str:
        """Return the stable address of a file, which leads to its best replica at the time of access."""
        return f"{self.base}/data/{path_of(did)}"

    def metalink(self, did: Did) -> str:
        """Return the address of the Metalink document of a file."""
        return f"{self.base}/metalink/{path_of(did)}"

    def package(self, did: Did) -> str:
        """Return the address of all files of a dataset or container in one."""
        return f"{self.base}/package/{path_of(did)}"

    def replica(self, did: Did, replica: Replica) -> str | None:
        """Return where the bytes of a replica can be fetched; None where nowhere."""
        if replica.path is not None:
            return f"{self.base}/replicas/{_quoted(replica.site)}/{path_of(did)}"
        return replica.url

    def term(self, term: Term) -> str:
        """Return the URI of a term of our own vocabulary."""
        return f"{self.base}/terms#{term.name}"


_quoted = lru_cache(maxsize=1024)(partial(quote, safe=""))  # there are few sites and scopes


@lru_cache(maxsize=16)  # the rows of a file are made one after the other
def path_of(did: Did) -> str:
    """Return a DID as a path; slashes of a name that would be taken for relative steps are encoded."""
    unsafe = _NEVER_IN_A_PATH.intersection(did.name.split("/"))
    return f"{_quoted(did.scope)}/{quote(did.name, safe='' if unsafe else '/')}"


def failed(identifier: str, fault: Fault, text: str, *, semantics: str = THIS) -> Link:
    """Return a row that says why a link cannot be given; all other columns are null (DataLink 1.1 s3.2.4)."""
    return Link(id=identifier, error_message=fault.message(text), semantics=semantics)
