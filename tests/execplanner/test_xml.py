"""What is written as XML is valid by our schema, and is read again as what it was."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from execplanner.core.documents import read_given
from execplanner.core.model import REQUEST
from execplanner.core.shapes import spell_kinds
from execplanner.core.xml import read_xml, write_xml
from penstock.dali.errors import UsageError
from tests.execplanner import schema_file
from tests.execplanner.hosting import K, compute, record, request_for, serving

FULL = request_for(
    executable={
        "kind": f"{K}/executable/docker-container.yaml",
        "meta": {"name": "a < b & c"},
        "image": {"locations": ["ghcr.io/a/b:1", "docker.io/a/b:1"], "platform": {"os": "linux"}},
        "privileged": False,
        "command": ["run", "--fast", "\u20ac"],
        "environment": {"A": "1", "B C": "<x>"},
        "network": {"ports": [{"access": True, "internal": {"port": 80}, "protocol": "HTTP"}]},
    },
    compute={
        **compute({"min": 1, "max": 4}),
        "volumes": [
            {"kind": f"{K}/volume/simple-volume-mount.yaml", "path": "/d", "resource": "s", "mode": "READONLY"}
        ],
    },
    storage=[{"kind": f"{K}/storage/simple-storage-resource.yaml", "meta": {"name": "s"}, "size": {"min": 2}}],
    data=[
        {"kind": f"{K}/data/simple-data-resource.yaml", "location": "https://x.example.org/a"},
        {"kind": f"{K}/data/skao-data-resource.yaml", "skao": {"namespace": "n", "objectname": "o", "datasize": 5}},
    ],
    schedule={"requested": {"duration": "PT1H"}},
    costs=[{"kind": f"{K}/costs/simple-minmax-float-cost.yaml", "type": "urn:x", "max": 1.5}],
)


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(schema_file.FILE)))


def findings(body: bytes) -> list[str]:
    return [] if schema().validate(etree.fromstring(body)) else [str(one) for one in schema().error_log]


def test_the_schema_is_that_of_the_shapes() -> None:
    assert schema_file.FILE.read_bytes() == schema_file.schema(), "python -m tests.execplanner.schema_file"


def test_a_request_in_xml_is_valid_and_the_same_as_in_json() -> None:
    body = write_xml("offers-request", FULL)
    assert findings(body) == []
    assert read_given(body, "application/xml", "offers-request") == read_given(
        json.dumps(FULL).encode(), "application/json", "offers-request"
    )


def test_kinds_are_spelt_again_as_they_were() -> None:
    given = read_given(json.dumps(FULL).encode(), "application/json", "offers-request")
    assert spell_kinds(REQUEST, given.document) == FULL


async def test_offers_and_sessions_in_xml_are_valid(tmp_path: Path) -> None:
    costs: dict[str, Any] = {"monetary": {"core_hour": 1}}
    async with serving(tmp_path, records=[record("one", costs=costs, metrics={"urn:m": {"min": 1}})]) as site:
        for asked in (FULL, request_for(compute=compute(99))):
            document = await site.ask(asked)
            place = f"/execplanner/offersets/{document['meta']['uuid']}"
            async with site.client.get(place, headers={"Accept": "application/xml"}) as response:
                assert findings(await response.read()) == []
        session = (await site.ask())["offers"][0]["meta"]["uuid"]
        await site.set_phase(session, "ACCEPTED")
        async with site.client.get(f"/execplanner/sessions/{session}?RESPONSEFORMAT=xml") as response:
            body = await response.read()
        assert findings(body) == []
        assert etree.fromstring(body).tag == "execution"


def test_an_update_is_read_from_xml() -> None:
    body = b"<update kind='uri:enum-value-update'><path>phase</path><value>ACCEPTED</value></update>"
    assert findings(body) == []
    given = read_given(body, "text/xml", "update")
    assert given.document == {"kind": "enum-value-update", "path": "phase", "value": "ACCEPTED"}


@pytest.mark.parametrize(
    "body",
    [
        b"<offers-request><compute/><compute/></offers-request>",
        b"<offers-request><schedule><requested><duration><x/></duration></requested></schedule></offers-request>",
        b"\xff\xfe<offers-request/>",
        b"",
    ],
)
def test_other_xml_is_refused(body: bytes) -> None:
    with pytest.raises(UsageError):
        read_xml(body, "offers-request")
