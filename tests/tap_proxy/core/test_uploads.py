from __future__ import annotations

import pytest

from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters, Part
from penstock.votable.model import Field
from tap_proxy.core.uploads import read_orders, upload_schema

PARTS = [Part(name=name, content=b"", size_bytes=0) for name in ("one", "Two")]
N = Field(name="n", datatype="int")


def orders(*uploads: str) -> list[tuple[str, str]]:
    found = read_orders(Parameters([("UPLOAD", upload) for upload in uploads], PARTS))
    return [(order.name, order.source if isinstance(order.source, str) else order.source.name) for order in found]


@pytest.mark.parametrize(
    ("uploads", "read"),
    [
        ((), []),
        (("",), []),
        (("a,param:one",), [("a", "one")]),
        (("a,param:ONE", "b,param:two"), [("a", "one"), ("b", "Two")]),
        (("a,param:one;b,param:Two",), [("a", "one"), ("b", "Two")]),
        (("a,http://x.example/t?q=1;2&r=3,4",), [("a", "http://x.example/t?q=1;2&r=3,4")]),
        (("a,https://x.example/1;b,HTTP://x.example/2",), [("a", "https://x.example/1"), ("b", "HTTP://x.example/2")]),
    ],
)
def test_uploads_add_up(uploads: tuple[str, ...], read: list[tuple[str, str]]) -> None:
    assert orders(*uploads) == read


@pytest.mark.parametrize(
    ("uploads", "said"),
    [
        (("a",), "name,uri"),
        (("a,",), "name,uri"),
        ((",param:one",), "name,uri"),
        (("1a,param:one",), "name,uri"),
        (("s.a,param:one",), "name,uri"),
        (("a;DROP TABLE x,param:one",), "name,uri"),
        (("ä,param:one",), "name,uri"),
        (("a,param:none",), "no part"),
        (("a,file:///etc/passwd",), "http: and https:"),
        (("a,vos://x",), "http: and https:"),
        (("a,param:one", "A,param:two"), "same table twice"),
    ],
)
def test_a_wrong_upload_is_refused(uploads: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        orders(*uploads)


@pytest.mark.parametrize("fields", [(), (N, Field(name="N", datatype="double")), (Field(name=" ", datatype="int"),)])
def test_columns_that_no_query_could_name_are_refused(fields: tuple[Field, ...]) -> None:
    with pytest.raises(UsageError, match="uploaded table 't'"):
        upload_schema(iter([("t", fields)]))
