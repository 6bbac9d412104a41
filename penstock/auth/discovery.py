"""What an issuer publishes: its configuration and its keys (OpenID Connect Discovery 1.0 s4, RFC 7517)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, OctKey

from penstock.auth.addresses import is_protected
from penstock.auth.token import PublicKey
from penstock.outbound import whole_body

DEADLINE_S = 5.0
MAX_DOCUMENT_BYTES = 256 * 1024
MAX_KEYS = 64
_WELL_KNOWN = "/.well-known/openid-configuration"
_RSA_2048_CHARS = 342  # a modulus of 2048 bits in base64url; shorter keys must not be used (RFC 7518 s3.3)


class IssuerAway(Exception):
    """An issuer cannot be reached, or does not publish what it must; the message is for the operator."""


def new_session() -> aiohttp.ClientSession:
    """Return a session with a deadline that keeps no cookies; close it."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=DEADLINE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )


async def fetch_keys(session: aiohttp.ClientSession, issuer: str) -> tuple[PublicKey, ...]:
    """Return the keys with which the issuer signs.

    Raises
    ------
    IssuerAway
        They cannot be had.
    """
    configuration = await _fetch(session, issuer.rstrip("/") + _WELL_KNOWN)
    if configuration.get("issuer") != issuer:
        raise IssuerAway("its configuration names another issuer (OpenID Connect Discovery 1.0 s4.3)")
    address = configuration.get("jwks_uri")
    if not isinstance(address, str) or not is_protected(address):
        raise IssuerAway("its configuration has no jwks_uri that is https")
    return read_keys(await _fetch(session, address))


def read_keys(document: Mapping[str, Any]) -> tuple[PublicKey, ...]:
    """Return the keys of a JWK Set that can verify signatures; those of other kinds are passed over (RFC 7517 s5).

    Raises
    ------
    IssuerAway
        It is not a JWK Set.
    """
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise IssuerAway("its jwks_uri does not give a JWK Set")
    keys = (_public_key(jwk) for jwk in listed[:MAX_KEYS] if isinstance(jwk, dict))
    return tuple(key for key in keys if key is not None)


def _public_key(jwk: dict[str, Any]) -> PublicKey | None:
    if jwk.get("use", "sig") != "sig" or _is_weak(jwk):
        return None
    try:
        key = JWKRegistry.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None if isinstance(key, OctKey) else key


def _is_weak(jwk: Mapping[str, Any]) -> bool:
    return jwk.get("kty") == "RSA" and len(str(jwk.get("n", ""))) < _RSA_2048_CHARS


async def _fetch(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Return the JSON object at `url`; redirects are not followed, so that what was checked is what is read."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise IssuerAway(f"{url} answers {response.status}")
            value = orjson.loads(await _read(response))
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise IssuerAway(f"{url} cannot be read: {str(error) or type(error).__name__}") from error
    if not isinstance(value, dict):
        raise IssuerAway(f"{url} gives no JSON object")
    return value


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = await whole_body(response, MAX_DOCUMENT_BYTES)
    if body is None:
        raise IssuerAway(f"{response.url} gives more than {MAX_DOCUMENT_BYTES} bytes")
    return body
