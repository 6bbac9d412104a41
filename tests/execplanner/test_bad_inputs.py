"""Every kind of bad input, and what is answered: an error that says where, or NO with a reason and a pointer.

The kinds have numbers, which the ids of their cases begin with::

     1 cannot be parsed          9 above every facility      17 metacharacters
     2 no object, unknown field 10 duration                  18 costs
     3 media type, size         11 start                     19 identifiers in paths
     4 no executable            12 names of resources        20 changes
     5 no kind                  13 storage below its data    21 the same request again
     6 unknown kind             14 images, ports             22 too many offers
     7 abstract kind            15 environment               23 the older question
     8 numbers                  16 locations                 24 other brokers

Those of 21 and 22 are in test_broker, that of 24 in test_federation.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.execplanner import upstream
from tests.execplanner.hosting import NOTEBOOK, K, Site, compute, record, request_for, serving
from tests.support.systems import SHARED

POLICY = {"allow": ["ghcr.io/*"], "registries": ["ghcr.io"], "digest_required": True}
STRICT = record(
    "strict",
    kinds={"docker-container": {"policy": POLICY}, "jupyter-notebook": {}},
    costs={"monetary": {"core_hour": 1.0}},
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, records=[STRICT], file_roots=(Path("/srv/open"),)) as running:
        yield running


async def posted(site: Site, body: bytes, media_type: str | None, path: str = "/requests") -> tuple[int, Any]:
    headers = {"Content-Type": media_type} if media_type else {}
    sent = site.client.post(
        f"/execplanner{path}", data=body, headers=headers, allow_redirects=False, skip_auto_headers=["Content-Type"]
    )
    async with sent as response:
        assert ("Accept-Post" in response.headers) == (response.status == 415)
        return response.status, await response.json(content_type=None)


def cases(table: Mapping[int, Sequence[Any]]) -> list[Any]:
    """Return the cases of a table, with ids that begin with the number of their kind of input."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), id=f"{row:02}-{number}")
        for row, those in table.items()
        for number, case in enumerate(those, 1)
    ]


BOMB = b"a: &a [x, x]\nb: &b [*a, *a]\nexecutable: *b"
DEEP = b"<offers-request>" + b"<executable>" * 100 + b"</executable>" * 100 + b"</offers-request>"
ENTITY = b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><offers-request>&e;</offers-request>"


BODIES: dict[int, list[tuple[str | None, bytes, int]]] = {
    1: [
        ("application/json", b"{", 400),
        ("application/json", b'{"a": 1, "a": 2}', 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b'{"executable": NaN}', 400),
        ("application/json", b"\xff", 400),
        ("application/yaml", b"a: [", 400),
        ("application/yaml", b"a: 1\na: 2", 400),
        ("application/yaml", BOMB, 400),
        ("application/yaml", b"!!python/object:os.system x", 400),
        ("application/xml", b"<a>", 400),
        ("application/xml", ENTITY, 400),
        ("application/xml", b"<!DOCTYPE offers-request SYSTEM 'http://example.org/'><offers-request/>", 400),
        ("application/xml", b"<other/>", 400),
        ("application/xml", DEEP, 400),
    ],
    2: [
        ("application/json", b"[]", 400),
        ("application/json", b'"text"', 400),
    ],
    3: [
        ("application/json", b" " * 1_100_000, 413),
        ("image/png", b"\x89PNG", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
    ],
    4: [
        (None, b"executable: {kind: x}", 303),
        ("application/json", b"{}", 303),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("media_type", "body", "status"), cases(BODIES))
async def test_a_body_that_cannot_be_read_is_a_problem(
    site: Site, media_type: str | None, body: bytes, status: int
) -> None:
    found, document = await posted(site, body, media_type)
    assert found == status, document
    if status >= 400:
        assert document["status"] == status
        assert document["detail"]


MISTYPED: dict[int, list[tuple[dict[str, Any], str]]] = {
    5: [
        ({"executable": {"location": "https://x.org/a"}}, "/executable/kind"),
        ({"data": [{"location": "x"}]}, "/data/0/kind"),
    ],
    8: [
        ({"compute": compute(cores={"min": "4"})}, "/compute/cores/min"),
        ({"compute": compute(cores={"min": 1.5})}, "/compute/cores/min"),
        ({"compute": compute(cores={"min": True})}, "/compute/cores/min"),
        ({"compute": compute(memory={"max": 2**63})}, "/compute/memory/max"),
        ({"compute": compute(memory=[3])}, "/compute/memory"),
    ],
    10: [
        ({"schedule": {"requested": {"duration": ["PT1H"]}}}, "/schedule/requested/duration"),
    ],
    12: [
        ({"storage": {"kind": "x"}}, "/storage"),
    ],
    17: [
        ({"executable": {**NOTEBOOK, "meta": {"name": "\u0000"}}}, "/executable/meta/name"),
        ({"executable": {**NOTEBOOK, "location": "\ud800"}}, "/executable/location"),
    ],
}


@pytest.mark.parametrize(("change", "pointer"), cases(MISTYPED))
async def test_a_value_of_the_wrong_type_is_a_problem_with_a_pointer(
    site: Site, change: dict[str, Any], pointer: str
) -> None:
    status, problem = await posted(site, json.dumps(request_for(**change)).encode(), "application/json")
    assert status == 400, problem
    assert problem["errors"][0]["field"] == pointer


def container(**parts: Any) -> dict[str, Any]:
    digest = "sha256:" + "0" * 64
    image = {"locations": ["ghcr.io/ivoa/one:1"], "digest": digest, **parts.pop("image", {})}
    return {"executable": {"kind": f"{K}/executable/docker-container.yaml", "image": image, **parts}}


def data(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"data": [{"kind": f"{K}/data/simple-data-resource.yaml", **one} for one in given], **more}


def storage(name: str = "s", size: int = 1) -> dict[str, Any]:
    return {"kind": f"{K}/storage/simple-storage-resource.yaml", "meta": {"name": name}, "size": {"min": size}}


def volumes(*given: dict[str, Any]) -> dict[str, Any]:
    found = [{"kind": f"{K}/volume/simple-volume-mount.yaml", "resource": "s", **one} for one in given]
    return {"compute": compute(volumes=found), "storage": [storage()]}


def port(**parts: Any) -> dict[str, Any]:
    return container(network={"ports": [{"internal": {"port": 80}, **parts}]})


SKAO = {
    "kind": f"{K}/data/skao-data-resource.yaml",
    "storage": "s",
    "skao": {"namespace": "n", "objectname": "o", "datasize": 2 * 2**30, "replicas": [{"rsename": "A"}]},
}
PUBLIC = "https://data.example.org/a.fits"
A = f"{K}/executable/abstract-executable.yaml"
REFUSED: dict[int, list[tuple[dict[str, Any], str, str]]] = {
    4: [
        ({"executable": None}, "urn:executable-required", "/executable"),
        ({"executable": {**NOTEBOOK, "location": None}}, "urn:missing-required-value", "/executable/location"),
    ],
    6: [
        ({"executable": {"kind": f"{K}/executable/quantum.yaml"}}, "urn:not-supported", "/executable/kind"),
        ({"executable": {"kind": "https://example.org/kinds/mine"}}, "urn:not-supported", "/executable/kind"),
        ({"compute": {"kind": f"{K}/compute/abacus.yaml"}}, "urn:not-supported", "/compute/kind"),
        ({"data": [{"kind": f"{K}/data/stone-tablet.yaml"}]}, "urn:not-supported", "/data/0/kind"),
        ({"storage": [{"kind": f"{K}/storage/shoebox.yaml"}]}, "urn:not-supported", "/storage/0/kind"),
    ],
    7: [
        ({"executable": {"kind": A}}, "urn:missing-required-value", "/executable/kind"),
        ({"data": [{"kind": f"{K}/data/abstract-data-resource.yaml"}]}, "urn:missing-required-value", "/data/0/kind"),
    ],
    8: [
        ({"compute": compute(0)}, "urn:invalid-value", "/compute/cores/min"),
        ({"compute": compute(-1)}, "urn:invalid-value", "/compute/cores/min"),
        ({"compute": compute(cores={"min": 5, "max": 4})}, "urn:invalid-value", "/compute/cores"),
        ({"compute": compute(memory={"min": 2**62})}, "urn:invalid-value", "/compute/memory/min"),
    ],
    9: [
        ({"compute": compute(9)}, "urn:resource-limit", "/compute/cores/min"),
        ({"compute": compute(1, 33)}, "urn:resource-limit", "/compute/memory/min"),
        ({"storage": [storage(size=101)]}, "urn:resource-limit", "/storage"),
        ({"schedule": {"requested": {"duration": "PT9H"}}}, "urn:resource-limit", "/schedule/requested/duration"),
    ],
    10: [
        *[
            ({"schedule": {"requested": {"duration": text}}}, "urn:input-syntax-fail", "/schedule/requested/duration")
            for text in ("P1H", "one hour", "-PT1H", "PT0S", "P1Y", "P1M")
        ],
    ],
    11: [
        *[
            ({"schedule": {"requested": {"start": text}}}, "urn:input-syntax-fail", "/schedule/requested/start")
            for text in ("PT1H/2099-01-01T00:00:00Z", "R5/2099-01-01T00:00:00Z/PT1H", "2099-01-02/2099-01-01", "?")
        ],
        ({"schedule": {"requested": {"start": "2020-01-01T00:00:00Z"}}},
         "urn:invalid-value", "/schedule/requested/start"),
    ],
    12: [
        ({"storage": [storage("a"), storage("a")]}, "urn:duplicate-resource", "/storage/1/meta"),
        (data({"location": PUBLIC, "meta": {"name": "a", "uuid": "b"}}, {"location": PUBLIC, "meta": {"name": "b"}}),
         "urn:duplicate-resource", "/data/1/meta"),
        (data({"location": PUBLIC, "storage": "nowhere"}), "urn:resource-not-found", "/data/0/storage"),
        ({"storage": [{**storage(), "data": ["nothing"]}]}, "urn:resource-not-found", "/storage/0/data/0"),
        (volumes({"path": "/d", "resource": "nothing"}), "urn:resource-not-found", "/compute/volumes/0/resource"),
        (volumes({"path": "/d"}, {"path": "/d/"}), "urn:duplicate-resource", "/compute/volumes/1/path"),
        *[
            (volumes({"path": text}), "urn:invalid-value", "/compute/volumes/0/path")
            for text in ("d", "/d/../e", "/", "//", "/proc", "/proc/self", "/etc/ssl", "")
        ],
    ],
    13: [
        ({"data": [SKAO], "storage": [storage()]}, "urn:resource-limit", "/storage/0/size"),
    ],
    14: [
        (container(image={"locations": []}), "urn:missing-required-value", "/executable/image/locations"),
        (container(image={"digest": None}), "urn:missing-required-value", "/executable/image/digest"),
        (container(image={"digest": "sha256:12"}), "urn:invalid-value", "/executable/image/digest"),
        (container(image={"locations": ["ghcr.io/a/b@sha256:" + "1" * 64]}), "urn:image-digest-mismatch",
         "/executable/image/locations/0"),
        (container(image={"locations": ["docker.io/a/b:1"]}), "urn:not-supported", "/executable/image/locations"),
        (container(image={"locations": ["-v /:/host"]}), "urn:invalid-value", "/executable/image/locations/0"),
        (container(image={"platform": {"architecture": "s390x"}}), "urn:not-supported", "/executable/image/platform"),
        (container(privileged=True), "urn:not-supported", "/executable/privileged"),
        *[
            (port(internal={"port": number}), "urn:invalid-value", "/executable/network/ports/0/internal/port")
            for number in (0, -1, 65_536)
        ],
        (port(external={"port": 80}), "urn:not-supported", "/executable/network/ports/0/external"),
        (port(protocol="SMTP"), "urn:invalid-value", "/executable/network/ports/0/protocol"),
    ],
    15: [
        (container(environment={"A=B": "c"}), "urn:invalid-value", "/executable/environment"),
        (container(environment={"A": "x" * 70_000}), "urn:resource-limit", "/executable/environment"),
        (container(environment={f"A{n}": "x" for n in range(1001)}), "urn:resource-limit", "/executable/environment"),
    ],
    16: [
        *[
            (data({"location": text}), "urn:not-supported", "/data/0/location")
            for text in (
                "file:///etc/passwd", "file:///srv/open/../../etc/passwd", "file:///srv/open/%2e%2e/x", "http://127.0.0.1/",
                "http://[::1]/", "http://169.254.169.254/latest", "http://localhost/", "gopher://x.org/",
                "https://user:s3cret@x.org/",
            )
        ],
        ({"executable": {**NOTEBOOK, "location": "http://10.0.0.1/a.ipynb"}},
         "urn:not-supported", "/executable/location"),
    ],
    18: [
        ({"costs": [{"kind": f"{K}/costs/simple-minmax-float-cost.yaml", "type": "urn:ivoa:calycopis:cost:monetary",
                     "max": 0.001}]}, "urn:resource-limit", "/costs"),
    ],
}  # fmt: skip


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nothing(one) for name, one in value.items() if one is not None}
    return value


@pytest.mark.parametrize(("change", "kind", "pointer"), cases(REFUSED))
async def test_what_cannot_be_served_is_a_no_with_a_pointer(
    site: Site, change: dict[str, Any], kind: str, pointer: str
) -> None:
    document = await site.ask(_without_nothing({**request_for(), **change}))
    found = [(one["kind"], one["values"].get("path")) for one in document["meta"]["messages"]]
    assert (kind, pointer) in found
    assert (document["result"], document["offers"]) == ("NO", [])
    assert "s3cret" not in json.dumps(document)
    if SHARED.exists():
        assert upstream.findings(document, "OfferSetResponse") == []


ACCEPTED_WITH_WARNING: dict[int, list[tuple[dict[str, Any], str]]] = {
    2: [
        ({"surprise": 1}, "/surprise"),
    ],
    9: [
        ({"compute": compute(cores={"min": 1, "max": 1000})}, "/compute/cores/max"),
    ],
    11: [
        (
            {"schedule": {"requested": {"start": "2020-01-01T00:00:00Z/2099-01-01T00:00:00Z"}}},
            "/schedule/requested/start",
        ),
        ({"schedule": {"requested": {"start": "2020-01-01T00:00:00/P3000D"}}}, "/schedule/requested/start"),
    ],
    16: [
        (data({"location": PUBLIC}), "/data/0/location"),
    ],
    18: [
        ({"costs": [{"kind": "x:y", "type": "urn:boredom"}]}, "/costs/0/type"),
    ],
}


@pytest.mark.parametrize(("change", "pointer"), cases(ACCEPTED_WITH_WARNING))
async def test_what_can_be_understood_is_served_with_a_warning(
    site: Site, change: dict[str, Any], pointer: str
) -> None:
    document = await site.ask({**request_for(), **change})
    assert document["result"] == "YES", document
    assert pointer in [one["values"].get("path") for one in document["meta"]["messages"] if one["level"] == "WARN"]


async def test_metacharacters_are_only_text(site: Site) -> None:
    text = "'; DROP TABLE session; -- $(reboot) `id` \\ \" %s {0} ${path} </executable>"
    document = await site.ask(request_for(executable={**NOTEBOOK, "meta": {"name": text}}))
    assert document["offers"][0]["executable"]["meta"]["name"] == text
    for form in ("yaml", "xml"):
        async with site.client.get(
            f"/execplanner/offersets/{document['meta']['uuid']}?RESPONSEFORMAT={form}"
        ) as response:
            assert response.status == 200


async def test_nothing_acceptable_is_406(site: Site) -> None:
    status, _ = await site.json("POST", "/requests", json=request_for(), headers={"Accept": "image/png"})
    assert status == 406


@pytest.mark.parametrize("path", ["/sessions/", "/offersets/"])
@pytest.mark.parametrize(
    "name", cases({19: ["x", "01a22a79-3a1c-7e4a-9c53-40fc7e65ab5b", "%00", "..%2f..%2fetc", "A" * 500]})
)
async def test_an_identifier_of_nothing_is_404(site: Site, path: str, name: str) -> None:
    assert (await site.json("GET", path + name))[0] == 404


ENUM = "uri:enum-value-update"


UPDATES = [
    ({"path": "phase", "value": "ACCEPTED"}, 400),
    ({"kind": "uri:magic-update", "path": "phase", "value": "ACCEPTED"}, 400),
    ({"kind": ENUM, "value": "ACCEPTED"}, 400),
    ({"kind": ENUM, "path": "phase", "value": "RUNNING"}, 400),
    ({"kind": ENUM, "path": "phase"}, 400),
    ({"kind": ENUM, "path": "owner", "value": "me"}, 400),
    ({"kind": "uri:integer-value-update", "path": "compute/cores", "value": "many"}, 400),
    ({"kind": "uri:integer-value-update", "path": "compute/cores", "value": 0}, 400),
    ({"kind": "uri:integer-value-update", "path": "compute/cores", "value": 99}, 400),
    ({"kind": "uri:string-value-update", "path": "compute/cores", "value": "2"}, 400),
    ([], 400),
    ({"kind": ENUM, "path": "/phase", "value": "ACCEPTED"}, 200),
    ({"update": {"type": ENUM, "path": "phase", "value": "ACCEPTED"}}, 200),
    ({"offer": {"ident": "x", "status": "ACCEPTED"}}, 200),
]


@pytest.mark.parametrize(("update", "status"), cases({20: UPDATES}))
async def test_an_update_is_within_the_options_or_refused(site: Site, update: Any, status: int) -> None:
    session = (await site.ask())["offers"][0]["meta"]["uuid"]
    assert (await site.json("POST", f"/sessions/{session}", json=update))[0] == status


async def test_a_transition_that_does_not_fit_is_409_with_the_session(site: Site) -> None:
    session = (await site.ask())["offers"][0]["meta"]["uuid"]
    await site.set_phase(session, "REJECTED")
    for value in ("ACCEPTED", "CANCELLED"):
        status, problem = await site.set_phase(session, value)
        assert (status, problem["session"]["phase"]) == (409, "REJECTED")
    assert (await site.set_phase(session, "REJECTED"))[0] == 200


@pytest.mark.parametrize("form", ["json", "yaml", "xml"])
async def test_a_problem_comes_in_the_form_that_was_asked_for(site: Site, form: str) -> None:
    async with site.client.get("/execplanner/sessions/x", headers={"Accept": f"application/{form}"}) as response:
        assert response.status == 404
        expected = "application/yaml" if form == "yaml" else f"application/problem+{form}"
        assert response.content_type == expected
        assert "There is no session" in await response.text()


@pytest.mark.parametrize(
    "query", cases({2: ["MAXOFFERS=0", "MAXOFFERS=x", "RANK=beauty", "DIALECT=D9", "TIMEOUT=never"]})
)
async def test_a_wrong_wish_is_a_problem(site: Site, query: str) -> None:
    assert (await site.json("POST", f"/requests?{query}", json=request_for()))[0] == 400


async def expired(site: Site, _session: str) -> dict[str, str]:
    site.clock.ahead = timedelta(minutes=6)
    return {}


async def rejected(site: Site, session: str) -> dict[str, str]:
    assert (await site.set_phase(session, "REJECTED", headers=ADA))[0] == 200
    return {}


async def stale(_site: Site, _session: str) -> dict[str, str]:
    return {"If-Match": '"999"'}


async def somebody_else(_site: Site, _session: str) -> dict[str, str]:
    return {"X-Test-User": "bob"}


ADA = {"X-Test-User": "ada"}
TOO_LATE = {20: [(expired, 410), (rejected, 409), (stale, 412), (somebody_else, 403)]}


@pytest.mark.parametrize(("meanwhile", "expected"), cases(TOO_LATE))
async def test_an_offer_that_may_not_be_accepted_is_refused_with_the_reason_as_status(
    site: Site, meanwhile: Callable[[Site, str], Awaitable[dict[str, str]]], expected: int
) -> None:
    session = (await site.ask(headers=ADA))["offers"][0]["meta"]["uuid"]
    headers = {**ADA, **await meanwhile(site, session)}
    status, problem = await site.set_phase(session, "ACCEPTED", headers=headers)
    assert status == expected, problem


@pytest.mark.parametrize("phase", cases({19: ["EXPIRED"]}))
async def test_a_set_of_offers_is_shown_after_its_time(site: Site, phase: str) -> None:
    made = await site.ask()
    site.clock.ahead = timedelta(minutes=6)
    status, document = await site.json("GET", f"/offersets/{made['meta']['uuid']}")
    assert status == 200
    assert {one["phase"] for one in document["offers"]} == {phase}


QUESTIONS = {23: [("tasktype=no-such", 200), ("", 400), ("tasktype=jupyter-notebook&resources.minmemory=8Q", 400)]}


@pytest.mark.parametrize(("query", "expected"), cases(QUESTIONS))
async def test_the_older_question_is_answered_or_refused(site: Site, query: str, expected: int) -> None:
    status, document = await site.json("GET", f"/accepts?{query}")
    assert status == expected, document
    if status == 200:
        assert document["reponseword"] == "NO"
