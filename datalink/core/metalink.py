"""All places of a file in one document (RFC 5854), and in headers of an answer (RFC 6249)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

from datalink.core.links import Addresses
from datalink.core.replicas import over_http
from penstock.dali.media import parse_accept, quality
from penstock.lake.port import Did, Entry, Replica

METALINK_TYPE = "application/metalink4+xml"
_NAMESPACE = "urn:ietf:params:xml:ns:metalink"
_LOWEST_PRIORITY = 999_999


def prefers_metalink(accept: str | None, media_type: str) -> bool:
    """Tell whether a client names the document, and the type of the file with no greater weight."""
    ranges = parse_accept(accept)
    wish = quality(ranges, METALINK_TYPE)
    return wish > 0 and wish >= quality(ranges, media_type)


def metalink_document(entry: Entry, replicas: Sequence[Replica], addresses: Addresses) -> bytes:
    """Write the document: the replicas, the best first, and last the address that picks one itself.

    Checksums have the names that lakes use; readers pass over those that they do not know (RFC 5854 s4.2.4).
    """
    root = etree.Element(f"{{{_NAMESPACE}}}metalink", nsmap={None: _NAMESPACE})  # type: ignore[dict-item]  # the stubs know no default namespace
    file = _child(root, "file", name=filename(entry.did))
    _child(file, "identity").text = str(entry.did)
    if entry.size_bytes is not None:
        _child(file, "size").text = str(entry.size_bytes)
    for algorithm, value in (("md5", entry.md5), ("adler32", entry.adler32)):
        if value:
            _child(file, "hash", type=algorithm).text = value
    for number, url in enumerate(_places(entry.did, replicas, addresses), start=1):
        _child(file, "url", priority=str(number)).text = url
    _child(file, "url", priority=str(_LOWEST_PRIORITY)).text = addresses.data(entry.did)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def link_headers(did: Did, replicas: Sequence[Replica], addresses: Addresses) -> Iterator[str]:
    """Yield the values of Link: the document, then each replica, the best first (RFC 6249 s3, s5)."""
    yield f'<{addresses.metalink(did)}>; rel=describedby; type="{METALINK_TYPE}"'
    for number, url in enumerate(_places(did, replicas, addresses), start=1):
        yield f"<{url}>; rel=duplicate; pri={number}"


def filename(did: Did) -> str:
    """Return the name under which a file is saved: never a path (RFC 5854 s4.1.2.1)."""
    name = did.name.rpartition("/")[2]
    return name if name not in {"", ".", ".."} else "file"


def _places(did: Did, replicas: Sequence[Replica], addresses: Addresses) -> Iterator[str]:
    for replica in replicas:
        url = addresses.replica(did, replica)
        if url is not None and over_http(replica) and url.isascii() and url.isprintable() and ">" not in url:
            yield url


def _child(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{_NAMESPACE}}}{tag}")
    for name, value in attributes.items():
        element.set(name, value)
    return element
