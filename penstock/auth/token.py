"""Access tokens: what makes one valid.

A token is a JWT in the compact form of JWS (RFC 7519, RFC 9068, WLCG common JWT profiles 1.0), which anybody may have
written. It is read in three steps, and nothing is believed before the second:

1. `parse_token`: it has the form, an algorithm of the list, no header that we would have to understand, and names
   the issuer whose keys are needed. ``jku``, ``x5u``, ``jwk`` and ``x5c``, by which a token brings its own key, are
   ignored (RFC 8725 s3.10); ``kid`` is compared with the keys of the issuer and used for nothing else.
2. `verify_token`: a key of that issuer signed it; it is of that issuer, for this service, and of this time.
3. `principal_of_claims`: who that is.

Only algorithms with a public key are in the list: with ``none`` or a shared secret, who can verify can also forge
(RFC 8725 s3.1, s3.2). A failure never repeats what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

import orjson
from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from penstock.auth.principal import Principal
from penstock.dali.errors import AuthenticationRequired
from penstock.settings import Issuer

PublicKey = RSAKey | ECKey | OKPKey
LEEWAY_S = 60
MAX_TOKEN_CHARS = 16 * 1024
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES = frozenset({"", "jwt", "at+jwt"})  # not what an issuer signs for another end (RFC 8725 s3.11, RFC 9068 s2.1)
_SUBJECT = re.compile(r"[!-~]{1,255}")  # OpenID Connect Core 1.0 s2
_CLAIM_FAULTS = {
    "aud": "The token is meant for another service: ask its issuer for one with the audience of this service.",
    "nbf": "The token is not valid yet.",
    "iat": "The token is not valid yet.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """A token that has the form of one; nothing in it is to be believed."""

    issuer: str
    key_id: str | None
    text: str = field(repr=False)  # a secret comes into no log (SSO 3, tokens)
    claims: dict[str, Any] = field(repr=False)


def bearer_token(authorization: str) -> str:
    """Return the token in the value of an Authorization header (RFC 6750 s2.1).

    Raises
    ------
    AuthenticationRequired
        It holds no bearer token.
    """
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise AuthenticationRequired("Authenticate with a bearer token: other schemes are not understood here.")
    return token.strip()


def parse_token(text: str) -> UnverifiedToken:
    """Take a token apart.

    Raises
    ------
    AuthenticationRequired
        It is not one that could ever be valid.
    """
    if len(text) > MAX_TOKEN_CHARS or not _COMPACT.fullmatch(text):
        _refuse_form()
    header, claims = (_json_object(part) for part in text.split(".")[:2])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise AuthenticationRequired("The token is signed with an algorithm that is not trusted here.")
    if "crit" in header or "b64" in header or not _is_access_token(header.get("typ", "")):
        _refuse_form()
    issuer, key_id = claims.get("iss"), header.get("kid")
    if not isinstance(issuer, str) or not isinstance(key_id, str | None):
        _refuse_form()
    return UnverifiedToken(issuer=issuer, key_id=key_id, text=text, claims=claims)


def verify_token(
    token: UnverifiedToken, keys: Sequence[PublicKey], *, issuer: Issuer, now: datetime
) -> Mapping[str, Any]:
    """Return the claims of the token, which are to be believed from here on.

    Parameters
    ----------
    token
        What the caller sent.
    keys
        Keys of the issuer that may have signed it.
    issuer
        What is expected of its tokens.
    now
        Against which its times are held, with `LEEWAY_S` seconds for clocks that differ.

    Raises
    ------
    AuthenticationRequired
        No key of the issuer signed it, or its claims do not fit.
    """
    if not any(_is_signed_by(token.text, key) for key in keys):
        raise AuthenticationRequired("The token is not signed by its issuer.")
    rules = JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY_S,
        iss={"essential": True, "value": issuer.url},
        aud={"essential": True, "values": list(issuer.audiences)},
        exp={"essential": True},
        sub={"essential": True},
    )
    try:
        rules.validate(token.claims)
    except ExpiredTokenError:
        raise AuthenticationRequired("The token has expired: get a new one.") from None
    except ClaimError as error:
        fault = _CLAIM_FAULTS.get(error.claim, "The token lacks a claim or has a wrong one: see iss, sub, aud and exp.")
        raise AuthenticationRequired(fault) from None
    return token.claims


def principal_of_claims(claims: Mapping[str, Any], issuer: Issuer) -> Principal:
    """Return the caller that verified claims speak of; the subject is ``sub@name``, with the issuer's name.

    Raises
    ------
    AuthenticationRequired
        `sub` is not what OpenID Connect allows.
    """
    subject = claims["sub"]
    if not _SUBJECT.fullmatch(subject):
        raise AuthenticationRequired("The token names a subject that is not printable ASCII.")
    groups = _groups(claims, issuer.groups_claims)
    return Principal(
        subject=f"{subject}@{issuer.name}", groups=groups, admin=not groups.isdisjoint(issuer.admin_groups)
    )


def _groups(claims: Mapping[str, Any], names: Sequence[str]) -> frozenset[str]:
    value = next((found for name in names if (found := _claim(claims, name)) is not None), ())
    values = [value] if isinstance(value, str) else value
    return frozenset(one for one in values if isinstance(one, str)) if isinstance(values, list) else frozenset()


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, which may itself hold dots, else by the path that the name spells."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


class _Asymmetric(JWSRegistry):
    """The algorithms of the list, without a warning that EdDSA is now called Ed25519: that is the issuer's affair."""

    max_header_length = MAX_TOKEN_CHARS

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


_REGISTRY = _Asymmetric(strict_check_header=False)  # unknown headers must be ignored (RFC 7515 s4)


def _is_signed_by(text: str, key: PublicKey) -> bool:
    try:
        jws.deserialize_compact(text, key, registry=_REGISTRY)
    except (JoseError, ValueError, RecursionError):
        return False
    return True


def _json_object(part: str) -> dict[str, Any]:
    try:
        value = orjson.loads(urlsafe_b64decode(part.encode()))
    except ValueError:
        _refuse_form()
    if not isinstance(value, dict):
        _refuse_form()
    return value


def _is_access_token(kind: object) -> bool:
    return isinstance(kind, str) and kind.lower().removeprefix("application/") in _TYPES


def _refuse_form() -> NoReturn:
    raise AuthenticationRequired("The token is not an access token in the form of a signed JWT.") from None
