"""How many of the faults that a service can have does the suite notice? `python -m tests.conformance.mutants`.

The cases of the checks are faults that were thought of with a check in mind. These are not: every resource of the good
service gets every fault of a kind that programs really have, and the whole suite of its standard looks. A mutant that
still keeps the standard is not in the table.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from aiohttp import web
from aiohttp.test_utils import TestServer

from conformance.client import Limits
from conformance.model import Standard, Verdict
from conformance.runner import Options, open_trial
from tests.conformance.faults import (
    Change,
    Fault,
    Handler,
    _answer,
    _rebuilt,
    asked,
    body,
    header,
    instead,
    replaced,
    service,
    status,
)

AT_ONCE = 48
JOB = "/jobs/[^/?]+"
READ = JOB + r"(\?.*)?"
ELEMENTS = ("jobId", "phase", "ownerId", "startTime", "endTime", "executionDuration", "destruction")
TIMES = ("creationTime", "destruction")
CHILDREN = ("phase", "executionduration", "destruction", "quote", "owner", "parameters", "results")
VERBS = ("Identify", "ListMetadataFormats", "ListSets", "ListIdentifiers", "ListRecords", "GetRecord")


@dataclass(frozen=True)
class Mutant:
    """A fault of a service that is judged by one standard."""

    name: str
    standard: Standard
    fault: Fault


def truncated() -> Change:
    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler)
        content = bytes(response.body or b"")
        return _rebuilt(response, body=content[: len(content) // 2])

    return change


def upper() -> Change:
    """Spell the names of elements in capitals."""

    async def change(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler)
        content = re.sub(rb"</?[\w:]+", lambda match: match[0].upper(), bytes(response.body or b""))
        return _rebuilt(response, body=content)

    return change


DOCUMENTS = {
    "is missing": status(404),
    "breaks": status(500),
    "says that it was created": status(201),
    "says that it is HTML": header("Content-Type", "text/html"),
    "says that it is anything": header("Content-Type", "application/octet-stream"),
    "is cut": truncated(),
    "is in capitals": upper(),
    "is a page": body("<html><body>Welcome</body></html>", media="text/html"),
}
TABLES = {name: change for name, change in DOCUMENTS.items() if name != "is in capitals"}  # VOTable is in capitals
TEXTS = {
    "is missing": status(404),
    "breaks": status(500),
    "says that it is HTML": header("Content-Type", "text/html"),
    "is a page": body("<html/>", media="text/html"),
    "is nonsense": body("nonsense"),
}
ACTIONS = {
    "breaks": status(500),
    "is done and says 200": status(200),
    "is done and leads nowhere": header("Location", None),
    "is done and leads elsewhere": instead("{origin}/elsewhere"),
    "is not allowed": body("", 405),
}


def each(where: str, standard: Standard, path: str, kinds: dict[str, Change], method: str = "GET") -> Iterator[Mutant]:
    for name, change in kinds.items():
        yield Mutant(f"{method} {where} {name}", standard, Fault(path, change, method))


def resources() -> Iterable[Mutant]:
    """Faults of the resources of a job list."""
    one = Standard.UWS
    for where, path in {"list": r"/jobs(\?.*)?", "job": READ}.items():
        yield from each(where, one, path, DOCUMENTS)
    for name in ("parameters", "results"):
        yield from each(name, one, f"{JOB}/{name}", DOCUMENTS)
    for name in ("phase", "executionduration", "destruction", "quote"):
        yield from each(name, one, f"{JOB}/{name}", TEXTS)
    yield from each("list", one, "/jobs", ACTIONS, "POST")
    yield from each("job", one, JOB, ACTIONS, "DELETE")
    yield from each("job", one, JOB, ACTIONS, "POST")
    for name in ("phase", "executionduration", "destruction"):
        yield from each(name, one, f"{JOB}/{name}", ACTIONS, "POST")
        yield Mutant(f"POST {name} does nothing", one, Fault(f"{JOB}/{name}", body("", 303), "POST"))
    for name in CHILDREN:
        yield Mutant(f"{name} can be deleted", one, Fault(f"{JOB}/{name}", body("", 303), "DELETE"))
    yield Mutant("parameters can be changed at any time", one, Fault(f"{JOB}/parameters", body("", 303), "POST"))
    yield Mutant("result is missing", one, Fault(f"{JOB}/results/result", status(404)))
    yield Mutant("error is always there", one, Fault(f"{JOB}/error", body("no error")))


def jobs() -> Iterable[Mutant]:
    """Faults of the documents of jobs and of the list."""
    one = Standard.UWS
    for name in ELEMENTS:
        element = rf"<uws:{name}[^>]*?(/>|>[^<]*</uws:{name}>)"
        yield Mutant(f"job lacks {name}", one, Fault(READ, replaced(element, ""), "GET"))
        yield Mutant(f"{name} is empty", one, Fault(READ, replaced(element, f"<uws:{name}></uws:{name}>"), "GET"))
        yield Mutant(f"{name} is there twice", one, Fault(READ, replaced(f"({element})", r"\1\1"), "GET"))
    for name in TIMES:
        for what, pattern, to in (
            ("has no Z", "Z(</uws:{})", r"\1"),
            ("has a blank for T", r"T([\d:.]+Z</uws:{})", r" \1"),
            ("has an offset", "Z(</uws:{})", r"+00:00\1"),
        ):
            yield Mutant(f"{name} {what}", one, Fault(READ, replaced(pattern.format(name), to), "GET"))
    for name, change in {
        "has no version": replaced(' version="1.1"', ""),
        "is of another namespace": replaced("UWS/v1.0", "UWS/v2.0"),
        "nils the phase": replaced("<uws:phase>[^<]*<", '<uws:phase xsi:nil="true"><'),
        "has its elements in another order": replaced(r"(<uws:phase>.*?</uws:phase>)(<uws:quote.*?/>)", r"\2\1"),
        "ignores WAIT": asked(WAIT=None),
        "answers to WAIT that nothing changed": replaced("ABORTED", "PENDING"),
        "has results without an id": replaced('<uws:result id="result"', "<uws:result"),
        "has results without a place": replaced(r' xlink:href="[^"]*"', ""),
    }.items():
        yield Mutant(f"job {name}", one, Fault(READ, change, "GET"))
    for name in ("PHASE", "LAST", "AFTER"):
        yield Mutant(f"list ignores {name}", one, Fault(r"/jobs\?.*", asked(**{name: None}), "GET"))
    for name, change in {
        "is in another order": replaced("(<uws:jobref.*?</uws:jobref>)(<uws:jobref.*?</uws:jobref>)", r"\2\1"),
        "has jobs without a phase": replaced("<uws:phase>.*?</uws:phase>", ""),
        "is empty": replaced("<uws:jobref.*</uws:jobref>", ""),
        "has no version": replaced(' version="1.1"', ""),
    }.items():
        yield Mutant(f"list {name}", one, Fault(r"/jobs(\?.*)?", change, "GET"))


def tap() -> Iterable[Mutant]:
    vosi, one = Standard.VOSI, Standard.TAP
    for name in ("capabilities", "availability", "tables"):
        yield from each(name, vosi, rf"/tap/{name}(\?.*)?", DOCUMENTS)
    yield from each("sync", one, r"/tap/sync\?.*", TABLES)
    yield from each("sync", one, r"/tap/sync", TABLES, "POST")
    yield from each("examples", one, "/tap/examples", {name: DOCUMENTS[name] for name in ("breaks", "is cut")})
    yield from each("async", one, "/tap/async", ACTIONS, "POST")
    for name in ("MAXREC", "RESPONSEFORMAT", "LANG", "QUERY"):
        yield Mutant(f"sync ignores {name}", one, Fault("/tap/sync.*", asked(**{name: None})))
    for name, change in {
        "has no QUERY_STATUS": replaced('<INFO name="QUERY_STATUS" value="OK"/>', ""),
        "says OK of an error": replaced('value="ERROR"', 'value="OK"'),
        "never says OVERFLOW": replaced('<INFO name="QUERY_STATUS" value="OVERFLOW"/>', ""),
        "always says OVERFLOW": replaced("</TABLE>", '</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>'),
        "has no fields": replaced("<FIELD[^>]*>", ""),
        "has no rows": replaced("<TR>.*</TR>", ""),
        "has every row twice": replaced("(<TR>.*?</TR>)", r"\1\1"),
        "has two tables": replaced("(<TABLE>.*</TABLE>)", r"\1\1"),
        "is no RESOURCE of results": replaced(' type="results"', ""),
        "has fields of an unknown type": replaced('datatype="char"', 'datatype="string"'),
    }.items():
        yield Mutant(f"result {name}", one, Fault("/tap/(sync|async/.*/result).*", change))


def others() -> Iterable[Mutant]:
    yield from each("links", Standard.DATALINK, "/links.*", TABLES)
    yield from each("links", Standard.DATALINK, "/links", TABLES, "POST")
    for verb in VERBS:
        kinds = {name: DOCUMENTS[name] for name in ("breaks", "is cut", "is in capitals", "says that it is HTML")}
        yield from each(verb, Standard.OAI, rf"/oai\?.*verb={verb}\b.*", kinds)
    yield from each("registry", Standard.OAI, "/oai", {"is not allowed": body("", 405)}, "POST")
    for standard, path in {
        Standard.SIA: "/sia/query.*",
        Standard.SCS: "/scs/query.*",
        Standard.PLANNER: "/planner/.*",
    }.items():
        kinds = {name: DOCUMENTS[name] for name in ("is missing", "breaks", "is cut", "is a page")}
        yield from each(str(standard), standard, path, kinds)
    yield from each("cutout", Standard.SODA, "/soda/sync.*=12.34.*", {"breaks": status(500), "is empty": body("")})


def broker() -> Iterable[Mutant]:
    one, documents = Standard.BROKER, {name: DOCUMENTS[name] for name in DOCUMENTS if name != "is in capitals"}
    for where in ("offersets", "sessions"):
        yield from each(f"broker's {where}", one, f"/broker/{where}/.*", documents)
    yield from each("broker's requests", one, "/broker/requests", ACTIONS, "POST")
    changed = {name: ACTIONS[name] for name in ("breaks", "is not allowed")}
    yield from each("broker's sessions", one, "/broker/sessions/.*", changed, "POST")
    yield Mutant("updates do nothing", one, Fault("/broker/sessions/.*", body("{}", 200, "application/json"), "POST"))
    for name in ("kind", "meta", "uuid", "url", "phase", "expires", "schedule", "options", "compute", "result"):
        yield Mutant(f"offers lack {name}", one, Fault("/broker/.*", replaced(f'"{name}": ', '"other": ')))
    for name, change in {
        "are offered to be accepted only": replaced(', "REJECTED"', ""),
        "have one uuid": replaced('"uuid": "[^"]*"', '"uuid": "5e0e5c2a-0000-4000-8000-000000000000"'),
        "never expire": replaced(r'"expires": "\d+', '"expires": "0001'),
        "say when they expire without zone": replaced(r'("expires": "[^"]*)Z', r"\1"),
        "last a minute": replaced('"duration": "[^"]*"', '"duration": "PT1M"'),
        "start at any time": replaced(r'"start": "\d+', '"start": "2011'),
        "are twice as large": replaced('"max": 1', '"max": 2'),
        "are too small": replaced('"min": 1', '"min": 0'),
    }.items():
        yield Mutant(f"offers {name}", one, Fault("/broker/offersets/.*", change))


MUTANTS = (*resources(), *jobs(), *tap(), *others(), *broker())


async def notices(mutant: Mutant, profile: Options, place: str) -> str:
    """Return the check that notices a mutant first; empty if none does."""
    async with TestServer(service(mutant.fault)) as server:
        options = replace(profile, standard=mutant.standard, only=(f"{mutant.standard}.*",))
        async with open_trial(str(server.make_url(place)), options) as trial:
            for check, subject in trial.plan:
                finding = await trial.run(check, subject)
                if finding.verdict in {Verdict.FAIL, Verdict.WARNING}:
                    return check.id
    return ""


async def score(mutants: Iterable[Mutant] = MUTANTS) -> dict[str, str]:
    """Return for each mutant, by its name, the check that notices it first; empty if none does."""
    from tests.conformance.test_checks import CREDENTIALS, PLACES, PROFILE

    options = Options(profile=PROFILE, credentials=CREDENTIALS, limits=Limits(timeout_s=5, per_second=2000))
    places = asyncio.Semaphore(AT_ONCE)

    async def one(mutant: Mutant) -> tuple[str, str]:
        async with places:
            return mutant.name, await notices(mutant, options, PLACES[mutant.standard])

    return dict(await asyncio.gather(*map(one, mutants)))


if __name__ == "__main__":
    found = asyncio.run(score())
    for name, check in found.items():
        print(f"{check or 'NOT NOTICED':34} {name}")
    print(f"{sum(map(bool, found.values()))} of {len(found)} mutants are noticed")
