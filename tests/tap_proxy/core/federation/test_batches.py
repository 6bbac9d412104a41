"""What is done to rows of other archives, whatever their types are."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tap_proxy.core.federation.batches import relinked

NAMES = ("obs_publisher_did", "access_url", "access_format")
PREFIXES = ("ivo://x/a", "ivo://x/b")


def columns(dids: list[object], urls: list[object]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(dids), pa.array(urls), pa.array(["image/fits"] * len(dids))], names=NAMES
    )


def test_access_urls_of_some_datasets_lead_to_datalink() -> None:
    found = relinked(
        columns(["ivo://x/b?1", "ivo://y", None], ["u1", "u2", None]), NAMES, PREFIXES, "http://here/links"
    )
    assert found.column(1).to_pylist() == ["http://here/links?ID=ivo%3A%2F%2Fx%2Fb%3F1", "u2", None]
    assert found.column(2).to_pylist() == [
        "application/x-votable+xml;content=datalink",
        "image/fits",
        "image/fits",
    ]


@pytest.mark.parametrize(("dids", "urls"), [([1, 2], ["u1", "u2"]), (["ivo://x/a", "ivo://y"], [1, 2])])
def test_columns_that_are_no_text_stay_as_they_are(dids: list[object], urls: list[object]) -> None:
    found = relinked(columns(dids, urls), NAMES, PREFIXES, "http://here/links")
    assert found.column(0).to_pylist() == dids
    assert found.column(1).to_pylist() == urls
