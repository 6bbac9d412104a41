from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from datalink.core.links import Addresses
from datalink.core.metalink import filename, link_headers, metalink_document, prefers_metalink
from penstock.lake.port import Did, Replica
from tests.datalink.builders import a_file

ADDRESSES = Addresses("https://x.org/datalink")
META = {"m": "urn:ietf:params:xml:ns:metalink"}
STRANGE = (
    Replica(site="root", url="root://a.org//x"),
    Replica(site="odd", url="https://a.org/x>; rel=evil"),
    Replica(site="lines", url="https://a.org/x\r\nSet-Cookie: a=b"),
)


def test_the_document_lists_places_by_priority() -> None:
    entry = a_file("a.fits", "paris", "perth", content=b"bytes")
    root = etree.fromstring(metalink_document(entry, (*entry.replicas, *STRANGE), ADDRESSES))
    urls = [(url.get("priority"), url.text) for url in root.iterfind(".//m:url", META)]
    assert urls == [
        ("1", "https://paris.example.org/a.fits"),
        ("2", "https://perth.example.org/a.fits"),
        ("999999", "https://x.org/datalink/data/demo/a.fits"),
    ]
    assert root.findtext(".//m:size", namespaces=META) == "5"
    assert {hashed.get("type"): hashed.text for hashed in root.iterfind(".//m:hash", META)} == {
        "md5": entry.md5,
        "adler32": entry.adler32,
    }


def test_a_file_of_which_little_is_known_has_a_document_too() -> None:
    bare = replace(a_file(), size_bytes=None, replicas=())
    assert etree.fromstring(metalink_document(bare, (), ADDRESSES)).findtext(".//m:identity", namespaces=META)


def test_no_url_can_break_out_of_its_header() -> None:
    values = list(link_headers(Did("demo", "a.fits"), STRANGE, ADDRESSES))
    assert values == [
        '<https://x.org/datalink/metalink/demo/a.fits>; rel=describedby; type="application/metalink4+xml"'
    ]


@pytest.mark.parametrize(
    ("accept", "prefers"),
    [
        (None, False),
        ("*/*", False),
        ("application/metalink4+xml", True),
        ("*/*, application/metalink4+xml", True),
        ("application/fits, application/metalink4+xml;q=0.5", False),
        ("application/fits;q=0.5, application/metalink4+xml", True),
        ("application/metalink4+xml;q=0", False),
        ("text/html, image/gif, image/jpeg, */*; q=0.2", False),
    ],
)
def test_only_who_names_the_document_gets_it(accept: str | None, prefers: bool) -> None:
    assert prefers_metalink(accept, "application/fits") is prefers


@pytest.mark.parametrize(("name", "saved"), [("a/b.fits", "b.fits"), ("a/", "file"), ("..", "file"), ("x/..", "file")])
def test_a_file_name_is_never_a_path(name: str, saved: str) -> None:
    assert filename(Did("demo", name)) == saved
