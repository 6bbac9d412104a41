"""OAI-PMH 2.0: the errors, each with its code in a valid answer of status 200."""

from __future__ import annotations

from conformance.bench import Bench, Pairs
from conformance.checks.oai import OAI, asked
from conformance.client import Reply
from conformance.documents import valid
from conformance.model import require
from conformance.registry import check

LIST = ("verb", "ListRecords")
PREFIX = ("metadataPrefix", "ivo_vor")


async def _error(bench: Bench, query: Pairs, code: str) -> Reply:
    reply = await bench.get(bench.url, query)
    root = valid(reply, "OAI-PMH")
    found = [one.get("code", "") for one in root.iterfind(f"{OAI}error")]
    require(code in found, f"{query} is answered by {', '.join(found) or 'no error'} instead of {code}")
    return reply


@check("oai.bad-verb", "3.6")
async def bad_verb(bench: Bench) -> None:
    """A verb that is missing, unknown, of the wrong case, or repeated is badVerb (OAI-PMH 2.0 s3.6)."""
    for query in ((), (("verb", "Nonsense"),), (("verb", "identify"),), (("verb", "Identify"), ("verb", "Identify"))):
        await _error(bench, query, "badVerb")


@check("oai.bad-verb-request", "3.2")
async def bad_verb_request(bench: Bench) -> None:
    """The request is repeated without its arguments where it was bad, and with them elsewhere (OAI-PMH 2.0 s3.2)."""
    root = valid(await bench.get(bench.url, {"verb": "Nonsense"}), "OAI-PMH")
    element = root.find(f"{OAI}request")
    require(element is not None and not element.attrib, "the request of a badVerb repeats its arguments")
    good = (await asked(bench, verb="Identify")).find(f"{OAI}request")
    require(good is not None and good.get("verb") == "Identify", 'the request of Identify lacks verb="Identify"')


@check("oai.bad-argument", "3.6")
async def bad_argument(bench: Bench) -> None:
    """An argument that is missing, not known, repeated or with a bad value is badArgument (OAI-PMH 2.0 s3.6)."""
    for query in (
        (LIST,),
        (("verb", "GetRecord"), PREFIX),
        (("verb", "Identify"), ("nonsense", "1")),
        (LIST, PREFIX, PREFIX),
        (LIST, PREFIX, ("from", "yesterday")),
        (LIST, PREFIX, ("from", "2020-01-02"), ("until", "2020-01-01")),
        (LIST, PREFIX, ("from", "2020-01-01"), ("until", "2020-01-02T00:00:00Z")),
        (LIST, PREFIX, ("from", "2020")),
    ):
        await _error(bench, query, "badArgument")


@check("oai.unknown-format", "3.6")
async def unknown_format(bench: Bench) -> None:
    """A format that the registry does not have is cannotDisseminateFormat (OAI-PMH 2.0 s3.6)."""
    await _error(bench, (LIST, ("metadataPrefix", "no_such_format")), "cannotDisseminateFormat")


@check("oai.unknown-identifier", "3.6")
async def unknown_identifier(bench: Bench) -> None:
    """An identifier that the registry does not have is idDoesNotExist (OAI-PMH 2.0 s3.6)."""
    unknown = ("identifier", "ivo://example.org/no/such/record")
    await _error(bench, (("verb", "GetRecord"), PREFIX, unknown), "idDoesNotExist")
    await _error(bench, (("verb", "ListMetadataFormats"), unknown), "idDoesNotExist")


@check("oai.bad-token", "3.6")
async def bad_token(bench: Bench) -> None:
    """A resumption token that is not one of the registry's is badResumptionToken (OAI-PMH 2.0 s3.6)."""
    for verb in ("ListRecords", "ListIdentifiers"):
        await _error(bench, (("verb", verb), ("resumptionToken", "no-such-token")), "badResumptionToken")


@check("oai.token-exclusive", "3.5")
async def token_exclusive(bench: Bench) -> None:
    """A resumption token together with other arguments is an error (OAI-PMH 2.0 s3.5)."""
    reply = await bench.get(bench.url, (LIST, PREFIX, ("resumptionToken", "no-such-token")))
    found = {one.get("code", "") for one in valid(reply, "OAI-PMH").iterfind(f"{OAI}error")}
    known = found & {"badArgument", "badResumptionToken"}
    require(known, f"a token with metadataPrefix is answered by {', '.join(found) or 'no error'}")


@check("oai.no-records", "3.6")
async def no_records(bench: Bench) -> None:
    """A selection without records is noRecordsMatch (OAI-PMH 2.0 s3.6)."""
    await _error(bench, (LIST, PREFIX, ("until", "1990-01-01")), "noRecordsMatch")
    await _error(bench, (LIST, PREFIX, ("from", "2990-01-01")), "noRecordsMatch")
    await _error(bench, (LIST, PREFIX, ("set", "no_such_set")), "noRecordsMatch")
