"""How a service tells its callers to authenticate: challenges of RFC 9110, RFC 6750 and IVOA SSO.

The draft of SSO 3 lets any answer carry challenges and gives the anonymous ``GET`` or ``HEAD`` of VOSI
``/capabilities`` a meaning: 200 without a challenge, nobody can authenticate; 200 with challenges, those who want to
can; 401 with challenges, everybody must. The schemes:

============================  =========================================================================
``Bearer``                    a token is taken; where to get one is not said (RFC 6750 s3)
``ivoa_bearer``               a token is taken; `access_url` gives one in the way that `standard_id` names
============================  =========================================================================

Each challenge is a header line of its own, because clients of the VO do not split a list (SSO 3, challenges).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SSO = "ivo://ivoa.net/sso"
OAUTH = f"{SSO}#OAuth"
OPENID = f"{SSO}#OpenID"
AUTHENTICATED_HEADER = "X-VO-Authenticated"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One value of WWW-Authenticate (RFC 9110 s11.6.1)."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.scheme} {', '.join(f'{name}={_quoted(value)}' for name, value in self.parameters)}".rstrip()


def bearer(realm: str) -> Challenge:
    """Return the challenge for a bearer token (RFC 6750 s3)."""
    return Challenge("Bearer", (("realm", realm),))


def ivoa_bearer(standard_id: str, access_url: str) -> Challenge:
    """Return the challenge that also says where, and in which way, a bearer token is to be had."""
    return Challenge("ivoa_bearer", (("standard_id", standard_id), ("access_url", access_url)))


def after_invalid_token(challenge: Challenge) -> Challenge:
    """Return the challenge as it answers a token that is not valid (RFC 6750 s3.1)."""
    if challenge.scheme != "Bearer":
        return challenge
    return replace(challenge, parameters=(*challenge.parameters, ("error", "invalid_token")))


def _quoted(value: str) -> str:
    """Return a quoted-string (RFC 9110 s5.6.4)."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
