from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import replace

import pytest

from datalink.core.digests import Checked, contradiction, digest_headers
from tests.datalink.builders import a_file

CONTENT = b"some bytes"
ENTRY = a_file(content=CONTENT)
MD5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
ADLER = f"{zlib.adler32(CONTENT):08x}"


def test_checksums_are_told_in_both_headers() -> None:
    adler = base64.b64encode(bytes.fromhex(ADLER)).decode()
    assert digest_headers(ENTRY) == {
        "Digest": f"adler32={ADLER},md5={MD5}",
        "Repr-Digest": f"adler=:{adler}:, md5=:{MD5}:",
    }
    assert digest_headers(replace(ENTRY, adler32=None, md5=None)) == {}


@pytest.mark.parametrize(
    ("header", "algorithm"),
    [
        ("", None),
        (f"adler32={ADLER}", None),
        (f"ADLER32={ADLER.upper()}", None),
        (f"adler32={ADLER.lstrip('0')}", None),
        (f"md5={MD5}", None),
        (f"md5={hashlib.md5(CONTENT).hexdigest()}", None),
        ("sha-256=abc", None),
        ("junk", None),
        ("adler32=00000001", "adler32"),
        ("md5=AAAA", "md5"),
        (f"adler32={ADLER},md5=AAAA", "md5"),
    ],
)
def test_a_storage_that_knows_another_content_is_noticed(header: str, algorithm: str | None) -> None:
    assert contradiction(ENTRY, header) == algorithm


def test_nothing_contradicts_a_file_without_checksums() -> None:
    assert contradiction(replace(ENTRY, adler32=None, md5=None), "adler32=00000001,md5=AAAA") is None


@pytest.mark.parametrize("entry", [ENTRY, replace(ENTRY, adler32=None)])
def test_bytes_are_checked_piece_by_piece(entry) -> None:
    right, wrong = Checked(entry), Checked(entry)
    for piece in (CONTENT[:3], b"", CONTENT[3:]):
        right.take(piece)
    wrong.take(CONTENT[:-1] + b"?")
    assert right.right()
    assert not wrong.right()


def test_without_a_checksum_anything_is_right() -> None:
    checked = Checked(replace(ENTRY, adler32=None, md5=None))
    checked.take(b"anything")
    assert checked.right()
