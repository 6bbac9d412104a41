"""IVOA SSO 3 (draft): how a service says that it takes tokens, and what it does with them.

The anonymous answer to VOSI `/capabilities` tells: 200 without a challenge, nobody can authenticate; 200 with
challenges, those who want to can; 401 with challenges, everybody must. An answer to somebody whom the service knows
carries `X-VO-Authenticated`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from conformance.bench import Bench
from conformance.client import Reply, Request
from conformance.credentials import Identity
from conformance.documents import parsed, valid
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

AUTHENTICATED: Final = "X-VO-Authenticated"
INVALID: Final = "no-token-of-anybody"
METHODS: Final = frozenset(
    f"ivo://ivoa.net/sso#{name}".lower()
    for name in ("BasicAA", "tls-with-password", "tls-with-certificate", "cookie", "OAuth", "saml2.0", "OpenID")
)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  a token of HTTP's grammar (RFC 9110 s5.6.2)
_PARAMETER = rf'({_TOKEN})\s*=\s*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")'
_CHALLENGE = re.compile(rf"({_TOKEN})(?: +((?:{_PARAMETER})(?:\s*,\s*{_PARAMETER})*|[A-Za-z0-9._~+/-]+=*))?")


def challenges(reply: Reply) -> list[tuple[str, dict[str, str]]]:
    """Return the scheme, in lower case, and the parameters of each challenge of an answer."""
    found = []
    for line in reply.headers.getall("WWW-Authenticate", []):
        match = _CHALLENGE.fullmatch(line.strip())
        require(match, f"this is not one challenge: {line[:200]!r}", "Send each challenge in a header line of its own.")
        scheme, _, rest = line.strip().partition(" ")
        found.append((scheme.lower(), {one[1].lower(): one[2] or one[3] for one in re.finditer(_PARAMETER, rest)}))
    return found


async def capabilities(bench: Bench, identity: Identity = Identity.NOBODY, *, token: str = "") -> Reply:
    """Ask for the capabilities on behalf of somebody, or with a token that is nobody's."""
    place = f"{bench.url.rstrip('/')}/capabilities"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    reply = await bench.get(place, headers=headers, identity=identity)
    require(reply.status in {200, 401, 403}, f"{place} answered {reply.status}")
    return reply


async def challenged(bench: Bench) -> list[tuple[str, dict[str, str]]]:
    """Return the challenges of the capabilities of a service that can know people."""
    found = challenges(await capabilities(bench))
    if not found:
        raise NotApplicable("the service does not say that anybody can authenticate")
    return found


async def takes_tokens(bench: Bench) -> None:
    """Skip the check unless the challenges ask for bearer tokens."""
    if not {"bearer", "ivoa_bearer"} & {scheme for scheme, _ in await challenged(bench)}:
        raise NotApplicable("the service does not ask for bearer tokens")


@check("auth.capabilities-tell", "2.2", Level.SHOULD)
async def capabilities_tell(bench: Bench) -> None:
    """Capabilities that name ways to authenticate, or know a caller, come with challenges (SSO 3 s2.2)."""
    reply = await capabilities(bench)
    named = reply.status == 200 and any(
        one.get("standardID") for one in parsed(reply).iter("{*}securityMethod", "securityMethod")
    )
    known = bench.has(Identity.OWN) and AUTHENTICATED in (await capabilities(bench, Identity.OWN)).headers
    if not named and not known and reply.status == 200:
        raise NotApplicable("the service does not say that anybody can authenticate")
    require(challenges(reply), f"the anonymous answer, {reply.status}, has no WWW-Authenticate")


@check("auth.challenges-readable", "2.1", Level.SHOULD)
async def challenges_readable(bench: Bench) -> None:
    """Every challenge is a header line of its own and can be read (SSO 3 s2.1; RFC 9110 s11.6.1)."""
    await challenged(bench)


@check("auth.challenge-parameters", "2.1", Level.SHOULD)
async def challenge_parameters(bench: Bench) -> None:
    """A challenge of the IVOA says in which way, and at which URL, a credential is to be had (SSO 3 s2.1)."""
    found = [one for one in await challenged(bench) if one[0].startswith("ivoa_")]
    if not found:
        raise NotApplicable("no challenge is of the IVOA")
    for scheme, said in found:
        way, place = said.get("standard_id", ""), said.get("access_url", "")
        require(way.lower() in METHODS, f"{scheme} has the standard_id {way!r}")
        require(urlsplit(place).scheme and urlsplit(place).netloc, f"{scheme} has the access_url {place!r}")


@check("auth.no-error-for-nobody", "RFC 6750 s3.1", Level.SHOULD)
async def no_error_for_nobody(bench: Bench) -> None:
    """A caller who sent no token is not told of an error in it (RFC 6750 s3.1)."""
    for scheme, said in await challenged(bench):
        require("error" not in said, f"without a token, {scheme} says error={said.get('error')}")


@check("auth.head", "2.2", Level.SHOULD)
async def head(bench: Bench) -> None:
    """HEAD of the capabilities has the challenges that GET has (SSO 3 s2.2)."""
    wanted = await challenged(bench)
    place = f"{bench.url.rstrip('/')}/capabilities"
    reply = await bench.send(Request(method="HEAD", url=place, follow=True, identity=Identity.NOBODY))
    found = challenges(reply)
    require(found == wanted, f"HEAD has the challenges {[scheme for scheme, _ in found]}, GET others")


@check("auth.security-methods", "2.4", Level.SHOULD)
async def security_methods(bench: Bench) -> None:
    """The security methods of the capabilities are those of the standard (SSO 3 s2.4)."""
    reply = await capabilities(bench)
    if reply.status != 200:
        raise NotApplicable("the capabilities are not for everyone")
    said = [one.get("standardID", "") for one in parsed(reply).iter("{*}securityMethod", "securityMethod")]
    if not any(said):
        raise NotApplicable("no interface has a security method")
    wrong = [one for one in said if one and one.lower() not in METHODS]
    require(not wrong, f"security methods that are not of the standard: {', '.join(wrong)}")


@check("auth.nobody", "2.3")
async def nobody(bench: Bench) -> None:
    """Who sends no token is authenticated as nobody (SSO 3 s2.3)."""
    reply = await capabilities(bench)
    if reply.status == 200:
        valid(reply, "capabilities")
    said = reply.headers.get(AUTHENTICATED)
    require(said is None, f"without a token the caller is {said!r}")


@check("auth.invalid-token-nobody", "2.3")
async def invalid_token_nobody(bench: Bench) -> None:
    """Who sends a token that is not valid is authenticated as nobody (SSO 3 s2.3)."""
    reply = await capabilities(bench, token=INVALID)
    said = reply.headers.get(AUTHENTICATED)
    require(said is None, f"with a token that is not valid the caller is {said!r}")


@check("auth.invalid-token", "RFC 6750 s3.1", Level.SHOULD)
async def invalid_token(bench: Bench) -> None:
    """A token that is not valid is answered by 401 and error="invalid_token" (RFC 6750 s3.1)."""
    await takes_tokens(bench)
    reply = await capabilities(bench, token=INVALID)
    require(reply.status == 401, f"a token that is not valid is answered by {reply.status} instead of 401")
    told = {said.get("error") for scheme, said in challenges(reply) if scheme == "bearer"}
    require(not told or "invalid_token" in told, f"the challenge Bearer says error={', '.join(map(str, told))}")


@check("auth.unauthorized-challenge", "RFC 9110 s15.5.2")
async def unauthorized_challenge(bench: Bench) -> None:
    """An answer of status 401 says how to authenticate (RFC 9110 s15.5.2)."""
    tried = [await capabilities(bench, token=INVALID), await capabilities(bench)]
    refused = [reply for reply in tried if reply.status == 401]
    if not refused:
        raise NotApplicable("no answer has the status 401")
    require(all("WWW-Authenticate" in reply.headers for reply in refused), "a 401 has no WWW-Authenticate")


@check("auth.authenticated", "2.3", Level.SHOULD)
async def authenticated(bench: Bench) -> None:
    """Who sends a valid token gets an answer that says who that is (SSO 3 s2.3)."""
    if not bench.has(Identity.OWN):
        raise NotApplicable("there is no token: give one with --auth")
    reply = await capabilities(bench, Identity.OWN)
    require(reply.status == 200, f"the token is answered by {reply.status}")
    require(reply.headers.get(AUTHENTICATED), f"the answer to a valid token has no {AUTHENTICATED}")
