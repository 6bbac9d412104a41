from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalink.core import archive
from penstock.lake.port import Did


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["C"]), min_size=1), st.binary(max_size=2000))))
def test_the_size_of_an_archive_is_known_before_it_is_made(files: list[tuple[str, bytes]]) -> None:
    headers = [archive.header_of(name, len(content), 1_700_000_000) for name, content in files]
    body = b"".join(
        header + content + archive.padding(len(content)) for header, (_, content) in zip(headers, files, strict=True)
    )
    whole = body + archive.end(len(body))
    sizes = [(header, len(content)) for header, (_, content) in zip(headers, files, strict=True)]
    assert archive.total_size(sizes) == len(whole)
    assert len(whole) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(whole)) as opened:
        assert len(opened.getmembers()) == len(files)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b.fits", "demo/a/b.fits"),
        ("../../etc/passwd", "demo/_/_/etc/passwd"),
        ("/etc//passwd", "demo/etc/passwd"),
        ("a/./b", "demo/a/./b"),
        ("x..y", "demo/x..y"),
    ],
)
def test_no_name_leads_out_of_the_folder_into_which_it_is_unpacked(name: str, path: str) -> None:
    assert archive.name_of(Did("demo", name)) == path
