"""Execution Broker: what is asked for, and the answer YES or NO."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from conformance.bench import Bench
from conformance.brokering import (
    JSON,
    YAML,
    Offers,
    answered,
    ask,
    base,
    document,
    messages,
    posted,
    wanted,
    yaml_document,
)
from conformance.client import Reply
from conformance.documents import XML_TYPES, parsed, succeeded
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

UNKNOWN: Final = {"kind": "https://example.org/no-such-kind-of-executable", "location": "https://example.org/a"}
WRONG_STARTS: Final = ("PT30M/2040-01-01T00:00:00Z", "R5/2040-01-01T00:00:00Z/PT1H", "PT1H")


def _place(bench: Bench) -> str:
    return f"{base(bench)}/requests"


async def _first(bench: Bench, accept: str = JSON) -> Reply:
    """Ask for something that nobody runs, so that nothing is reserved; return the answer as it comes."""
    return await bench.send(posted(_place(bench), wanted(bench, executable=UNKNOWN), accept=accept))


async def _answer(bench: Bench, accept: str) -> Reply:
    """Ask for something that nobody runs in a form, and return the set of offers in that form."""
    reply = await _first(bench, accept)
    if reply.status == 303:
        reply = await bench.get(reply.location, headers={"Accept": accept})
    return succeeded(reply)


def _is_no(offers: Offers, what: str) -> None:
    require(offers.result == "NO", f"{what} is answered by {offers.result}")
    require(not offers.sessions, f"{what} is answered by NO, and by {len(offers.sessions)} offers")


async def _not_yes(bench: Bench, request: dict[str, Any], what: str) -> None:
    """Require that something is refused as wrong, or answered by NO."""
    reply = await bench.send(posted(_place(bench), request))
    if not 400 <= reply.status < 500:
        _is_no(await answered(bench, reply), what)


@check("broker.request", "ExecutionRequest")
async def request(bench: Bench) -> None:
    """A request is answered by 303 and where the offers are, or by 200 and the offers (openapi 1.0.7)."""
    reply = await _first(bench)
    require(reply.status in {200, 303}, f"a request is answered by {reply.status} instead of 303 or 200")
    if reply.status == 303:
        require(reply.location, "the 303 has no Location")
        require("/offersets/" in reply.location, f"the Location is {reply.location}, not one of /offersets")


@check("broker.redirect-body", "ExecutionRequest", Level.MAY)
async def redirect_body(bench: Bench) -> None:
    """The 303 has the set of offers as its body, which spares a request (openapi 1.0.7)."""
    reply = await _first(bench)
    if reply.status != 303:
        raise NotApplicable(f"a request is answered by {reply.status}")
    require(document(reply).get("result") in {"YES", "NO"}, "the body of the 303 is not the set of offers")


@check("broker.result", "WD 2025 s2.2.1")
async def result(bench: Bench) -> None:
    """The answer is YES and one or more offers, or NO and none (WD 2025 s2.2.1)."""
    offers = await ask(bench, wanted(bench))
    require(offers.result in {"YES", "NO"}, f"the result is {offers.result!r}")
    if offers.result == "NO":
        _is_no(offers, "the request")
    require(offers.result == "NO" or offers.sessions, "the result is YES, and there are no offers")


@check("broker.yaml-request", "WD 2025 s5.2.1")
async def yaml_request(bench: Bench) -> None:
    """A request may be YAML (WD 2025 s5.2.1)."""
    _is_no(await ask(bench, wanted(bench, executable=UNKNOWN), media=YAML), "an unknown kind, in YAML,")


@check("broker.json-answer", "WD 2025 s5.2.1")
async def json_answer(bench: Bench) -> None:
    """The set of offers is to be had as JSON (WD 2025 s5.2.1)."""
    document(await _answer(bench, JSON))


@check("broker.yaml-answer", "WD 2025 s5.2.1")
async def yaml_answer(bench: Bench) -> None:
    """The set of offers is to be had as YAML (WD 2025 s5.2.1)."""
    found = yaml_document(await _answer(bench, YAML))
    require(found.get("result") == "NO", f"the YAML has the result {found.get('result')!r}")


@check("broker.xml-answer", "OfferSetResponse", Level.MAY)
async def xml_answer(bench: Bench) -> None:
    """The set of offers is to be had as XML (openapi 1.0.7)."""
    reply = await _answer(bench, "application/xml")
    require(reply.media_type in XML_TYPES, f"Accept: application/xml is answered by {reply.media_type or 'nothing'}")
    parsed(reply)


@check("broker.unknown-kind", "WD 2025 s3.1", Level.SHOULD)
async def unknown_kind(bench: Bench) -> None:
    """A kind of executable that the broker does not know is answered by NO (WD 2025 s3.1)."""
    _is_no(await ask(bench, wanted(bench, executable=UNKNOWN)), "a kind of executable that nobody knows")


@check("broker.reasons", "WD 2025 s6.3.3", Level.SHOULD)
async def reasons(bench: Bench) -> None:
    """NO comes with a message that says why (WD 2025 s6.3.3)."""
    offers = await ask(bench, wanted(bench, executable=UNKNOWN))
    if offers.result != "NO":
        raise NotApplicable(f"the answer is {offers.result}")
    require(any(messages(offers.document)), "the answer is NO, and meta.messages says nothing")


@check("broker.no-executable", "WD 2025 s2.2.1", Level.SHOULD)
async def no_executable(bench: Bench) -> None:
    """A request without an executable is refused, or answered by NO (WD 2025 s2.2.1)."""
    nothing = {name: part for name, part in wanted(bench).items() if name != "executable"}
    await _not_yes(bench, nothing, "a request without an executable")


@check("broker.too-much", "WD 2025 s2.2.2")
async def too_much(bench: Bench) -> None:
    """What no platform has is not offered (WD 2025 s2.2.2)."""
    compute = deepcopy(wanted(bench)["compute"])
    await _not_yes(bench, wanted(bench, compute={**compute, "cores": {"min": 10**9}}), "a session of 1000000000 cores")


@check("broker.bad-start", "WD 2025 s3.3", Level.SHOULD)
async def bad_start(bench: Bench) -> None:
    """A start that ends after a duration, repeats, or is only a duration is not taken (WD 2025 s3.3)."""
    for start in WRONG_STARTS:
        schedule = {"requested": {"duration": "PT1M", "start": start}}
        await _not_yes(bench, wanted(bench, schedule=schedule), f"the start {start}")


@check("broker.malformed", "RFC 9110 s15.5.1", Level.SHOULD)
async def malformed(bench: Bench) -> None:
    """What is no document is refused (RFC 9110 s15.5.1)."""
    for media, text in ((JSON, '{"executable": '), (YAML, "executable: [")):
        reply = await bench.send(posted(_place(bench), text, media=media))
        require(400 <= reply.status < 500, f"a broken {media} is answered by {reply.status} instead of 400")


@check("broker.unsupported-type", "RFC 9110 s15.5.16", Level.SHOULD)
async def unsupported_type(bench: Bench) -> None:
    """A document of a type that the broker does not read is refused by 415 (RFC 9110 s15.5.16)."""
    reply = await bench.send(posted(_place(bench), "%PDF-1.4", media="application/pdf"))
    require(reply.status == 415, f"a PDF is answered by {reply.status} instead of 415")
