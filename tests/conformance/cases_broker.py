"""For every check of the Execution Broker a fault that it must notice, and what it must say."""

from __future__ import annotations

from tests.conformance.faults import Fault, body, calling, header, replaced, status

ASK, SETS, SESSIONS = "/broker/requests", "/broker/offersets/.*", "/broker/sessions/.*"


def at(path: str, change: object, method: str = "") -> Fault:
    return Fault(path, change, method)  # type: ignore[arg-type]


def told(old: str, new: str) -> Fault:
    """Say something else in every set of offers that is read."""
    return at(SETS, replaced(old, new))


def said(old: str, new: str) -> Fault:
    """Say something else of every session that is read or updated."""
    return at(SESSIONS, replaced(old, new))


def kept(phase: str) -> Fault:
    """Leave a session as it is, whatever is asked, and say that it is in a phase."""
    return at(SESSIONS, body(f'{{"phase": "{phase}"}}', media="application/json"), "POST")


CASES = [
    ("broker.request", at(ASK, status(201)), "answered by 201"),
    ("broker.request", at(ASK, header("Location", None)), "no Location"),
    ("broker.request", at(ASK, header("Location", "/elsewhere")), "not one of /offersets"),
    ("broker.redirect-body", at(ASK, body("", 303)), "sent as text/plain"),
    ("broker.redirect-body", at(ASK, replaced('"result"', '"answer"')), "is not the set"),
    ("broker.result", told('"YES"', '"MAYBE"'), "the result is 'MAYBE'"),
    ("broker.result", told('"YES"', '"NO"'), "by NO, and by 2 offers"),
    ("broker.result", told('"offers"', '"proposals"'), "there are no offers"),
    ("broker.result", at(SETS, body("[]", media="application/json")), "no JSON object"),
    ("broker.yaml-request", at(ASK, status(415)), "answered 415"),
    ("broker.json-answer", at(SETS, header("Content-Type", "text/html")), "sent as text/html"),
    ("broker.json-answer", at(SETS, body('{"result"', media="application/json")), "is no JSON"),
    ("broker.yaml-answer", at(SETS, status(406)), "answered 406"),
    ("broker.yaml-answer", at(SETS, header("Content-Type", "application/json")), "sent as application/json"),
    ("broker.yaml-answer", at(SETS, body("a: [", media="application/yaml")), "is no YAML"),
    ("broker.xml-answer", at(SETS, header("Content-Type", "application/json")), "answered by application/json"),
    ("broker.xml-answer", at(SETS, body("<a>", media="application/xml")), "not well-formed"),
    ("broker.unknown-kind", told('"NO"', '"YES"'), "answered by YES"),
    ("broker.reasons", told('"messages"', '"reasons"'), "says nothing"),
    ("broker.no-executable", told('"NO"', '"YES"'), "without an executable is answered by YES"),
    ("broker.no-executable", at(ASK, status(500)), "answered 500"),
    ("broker.too-much", told('"NO"', '"YES"'), "1000000000 cores is answered by YES"),
    ("broker.bad-start", told('"NO"', '"YES"'), "the start PT30M/2040"),
    ("broker.malformed", at(ASK, status(500)), "answered by 500"),
    ("broker.malformed", at(ASK, status(200)), "answered by 200"),
    ("broker.unsupported-type", at(ASK, status(400)), "by 400 instead of 415"),
    ("broker.offerset-valid", told('"urn:|"uri:', '"ur:'), "is not valid"),
    ("broker.offerset-valid", told('"phase"', '"state"'), "'phase' is a required property"),
    ("broker.offered", told('"OFFERED"', '"ACCEPTED"'), "new offer is ACCEPTED"),
    ("broker.offered", told('"expires"', '"until"'), "does not say when it expires"),
    ("broker.offered", told(r'"expires": "\d+', '"expires": "2020'), "has expired at 2020"),
    ("broker.uuids", told('"uuid": "[^"]*", "url": "([^"]*)/sessions', r'"url": "\1/sessions'), "no meta.uuid"),
    ("broker.uuids", told('"uuid": "[^"]*"', '"uuid": "1"'), "have one uuid: 1"),
    ("broker.minima", told('"min": 1', '"min": 0'), "at least 1 of cores were asked for, 0 offered"),
    ("broker.minima", told('"memory"', '"ram"'), "at least 1 of memory were asked for, None offered"),
    ("broker.maxima", told('"max": 1', '"max": 4'), "at most 1 of cores were asked for, 4 offered"),
    ("broker.duration", told('"PT2M"', '"PT1M"'), "two minutes were asked for, PT1M"),
    ("broker.duration", told('"PT2M"', '"2 minutes"'), "not an ISO 8601 duration"),
    ("broker.duration", told('"duration"', '"length"'), "does not say how long"),
    ("broker.start", told(r'"start": "\d+', '"start": "2040'), "2040.* is offered"),
    ("broker.start", told("Z/PT0S", "Z/PT7H"), "is offered"),
    ("broker.start", told('"available"', '"executing"'), "not one time slot"),
    ("broker.start", told('"available": ({[^}]*})', r'"available": [\1, \1]'), "not one time slot"),
    ("broker.offerset", told('"meta": {"uuid": "[^"]*"', '"meta": {"uuid": "1"'), "has the uuid '1'"),
    ("broker.offerset-url", told('"url": "[^"]*/offersets/[^"]*"', '"name": "a"'), "no meta.url"),
    ("broker.offerset-url", told('"url": "([^"]*)/offersets/[^"]*"', r'"url": "\1/offersets/1"'), "answered 404"),
    ("broker.offerset-unknown", at(SETS, status(200)), "answered by 200"),
    ("broker.session", said('"uuid": "[^"]*"', '"uuid": "1"'), "has the uuid '1'"),
    ("broker.session", at(SESSIONS, status(404)), "answered 404"),
    ("broker.session-url", told('"url": "[^"]*/sessions/[^"]*"', '"name": "a"'), "no meta.url"),
    ("broker.session-url", told('"url": "([^"]*)/sessions/[^"]*"', r'"url": "\1/sessions/1"'), "says that it is at"),
    ("broker.session-valid", said('"phase"', '"state"'), "'phase' is a required property"),
    ("broker.session-valid", said('"OFFERED"', '"PROPOSED"'), "'PROPOSED' is not one of"),
    ("broker.session-valid", said(r'"expires": "[^"]*"', '"expires": "tomorrow"'), "'tomorrow' does not match"),
    ("broker.session-yaml", at(SESSIONS, header("Content-Type", "text/plain")), "sent as text/plain"),
    ("broker.session-unknown", at(SESSIONS, status(200)), "answered by 200"),
    ("broker.options", told('"ACCEPTED", ', ""), "do not announce ACCEPTED"),
    ("broker.options", told('"options"', '"choices"'), "do not announce ACCEPTED, REJECTED"),
    ("broker.reject", at(SESSIONS, status(405), "POST"), "answered 405"),
    ("broker.reject", kept("OFFERED"), "is OFFERED after it was rejected"),
    ("broker.reject", kept("REJECTED"), "read again as OFFERED"),
    ("broker.reject-yaml", at(SESSIONS, status(415), "POST"), "answered 415"),
    ("broker.rejected-stays", at(SESSIONS, replaced('"REJECTED"', '"ACCEPTED"'), "GET"), "and is ACCEPTED"),
    ("broker.transition-refused", at(SESSIONS, status(200), "POST"), "answered by 200"),
    ("broker.transition-refused", at(SESSIONS, replaced('"REJECTED"', '"CANCELLED"'), "GET"), "CANCELLED afterwards"),
    ("broker.update-path", at(SESSIONS, status(200), "POST"), "does not exist is answered by 200"),
    ("broker.update-kind", at(SESSIONS, status(200), "POST"), "unknown kind is answered by 200"),
    ("broker.update-value", at(SESSIONS, status(200), "POST"), "the phase PERHAPS is answered by 200"),
    ("broker.update-malformed", at(SESSIONS, status(500), "POST"), "broken update is answered by 500"),
    ("broker.update-unknown", at(SESSIONS, status(400), "POST"), "answered by 400"),
    ("broker.others", at(SESSIONS, calling("token-of-alice"), "POST"), "somebody else is answered by 200"),
    ("broker.accept", at(SESSIONS, status(409), "POST"), "answered 409"),
    ("broker.accept", kept("OFFERED"), "is OFFERED after it was accepted"),
    ("broker.siblings", at(SESSIONS, replaced('"REJECTED"', '"OFFERED"'), "GET"), "another of the set is OFFERED"),
    ("broker.accepted-options", said('"CANCELLED"', '"REJECTED"'), "announces .'REJECTED'."),
    ("broker.cancel", at(SESSIONS, replaced('"CANCELLED"', '"RUNNING"'), "GET"), "read again as RUNNING"),
    ("broker.cancelled-stays", at(SESSIONS, replaced('"CANCELLED"', '"ACCEPTED"'), "GET"), "and is ACCEPTED"),
]
