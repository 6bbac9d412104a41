"""For every check of authentication a fault that it must notice, and what it must say."""

from __future__ import annotations

from tests.conformance.faults import Fault, body, calling, header, replaced, status, when

CAPABILITIES, LIST, JOB = "/tap/capabilities", "/jobs", "/jobs/[^/?]+"
CHALLENGE = "WWW-Authenticate"
INVALID, BOB, NOBODY = "Bearer no-token-of-anybody", "Bearer token-of-bob", ""


def at(path: str, change: object, method: str = "GET") -> Fault:
    return Fault(path, change, method)  # type: ignore[arg-type]


def says(challenge: str | None) -> Fault:
    return at(CAPABILITIES, header(CHALLENGE, challenge))


def to(caller: str, change: object, path: str = CAPABILITIES, method: str = "GET") -> Fault:
    return at(path, when(caller, change), method)  # type: ignore[arg-type]


IVOA = 'ivoa_bearer standard_id="ivo://ivoa.net/sso#{}", access_url="{}"'
CASES = [
    ("auth.capabilities-tell", says(None), "has no WWW-Authenticate"),
    ("auth.challenges-readable", says('Bearer realm="a", Basic realm="b"'), "is not one challenge"),
    ("auth.challenges-readable", says('Bearer realm="a'), "is not one challenge"),
    ("auth.challenge-parameters", says(IVOA.format("Magic", "https://a.example/")), "#Magic"),
    ("auth.challenge-parameters", says(IVOA.format("OAuth", "/token")), "the access_url '/token'"),
    ("auth.no-error-for-nobody", says('Bearer error="invalid_token"'), "error=invalid_token"),
    ("auth.head", at(CAPABILITIES, header(CHALLENGE, None), "HEAD"), "HEAD has the challenges"),
    ("auth.security-methods", at(CAPABILITIES, replaced("sso#OAuth", "sso#Magic")), "sso#Magic"),
    ("auth.nobody", at(CAPABILITIES, header("X-VO-Authenticated", "guest")), "the caller is 'guest'"),
    ("auth.invalid-token-nobody", to(INVALID, header("X-VO-Authenticated", "guest")), "the caller is 'guest'"),
    ("auth.invalid-token", to(INVALID, status(403)), "instead of 401"),
    ("auth.invalid-token", to(INVALID, header(CHALLENGE, "Bearer")), "error=None"),
    ("auth.unauthorized-challenge", to(INVALID, header(CHALLENGE, None)), "no WWW-Authenticate"),
    ("auth.authenticated", at(CAPABILITIES, header("X-VO-Authenticated", None)), "no X-VO-Authenticated"),
    ("auth.authenticated", to("Bearer token-of-alice", status(401)), "answered by 401"),
    ("uws.owner-text", at(f"{JOB}/owner", body("bob")), "/owner says 'bob'"),
    ("uws.owner", at(JOB, replaced("<uws:ownerId>alice</uws:ownerId>", '<uws:ownerId xsi:nil="true"/>')), "no owner"),
    ("uws.foreign-job", to(BOB, status(404), f"{JOB}.*"), "instead of 403"),
    ("uws.foreign-job", to(BOB, body("PENDING"), f"{JOB}/phase"), "answered by 200"),
    ("uws.foreign-control", to(BOB, body("", 303), f"{JOB}/phase", "POST"), "answered by 303"),
    ("uws.foreign-control", to(BOB, body("", 303), JOB, "DELETE"), "DELETE by somebody else"),
    ("uws.foreign-control", at(JOB, replaced(">PENDING<", ">ABORTED<")), "the job is ABORTED"),
    ("uws.foreign-list", to(BOB, calling("token-of-alice"), LIST), "somebody else sees"),
    ("uws.anonymous-on-owned", to(NOBODY, body("<job/>"), JOB), "answered by 200"),
    ("uws.anonymous-on-owned", to(NOBODY, header(CHALLENGE, None), JOB), "no WWW-Authenticate"),
]
