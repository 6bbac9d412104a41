"""Keys, tokens good and bad, and an issuer in the test's own process."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc.jwk import KeySet, generate_key
from joserfc.jws import JWSRegistry

from penstock.settings import Issuer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
URL = "https://iam.example.org/"
AUDIENCE = "https://penstock.example"

RSA = generate_key("RSA", 2048, {"kid": "rsa-1"})
OTHER_RSA = generate_key("RSA", 2048, {"kid": "rsa-1"})
P256 = generate_key("EC", "P-256", {"kid": "p256"})
P384 = generate_key("EC", "P-384", {"kid": "p384"})
P521 = generate_key("EC", "P-521", {"kid": "p521"})
ED25519 = generate_key("OKP", "Ed25519", {"kid": "ed25519"})
ALL_KEYS = (RSA, P256, P384, P521, ED25519)
KEY_OF = {"ES256": P256, "ES384": P384, "ES512": P521, "EdDSA": ED25519, "Ed25519": ED25519}


@dataclass
class Clock:
    """A clock that tests move."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


def an_issuer(**more: Any) -> Issuer:
    return Issuer(**({"url": URL, "audiences": (AUDIENCE,)} | more))


def some_claims(**more: Any) -> dict[str, Any]:
    """Return valid claims; a value of None leaves one out."""
    claims = {
        "iss": URL,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": NOW_S - 10,
        "nbf": NOW_S - 10,
        "exp": NOW_S + 600,
        "wlcg.ver": "1.0",
        "wlcg.groups": ["/vo", "/vo/admins"],
    } | more
    return {name: value for name, value in claims.items() if value is not None}


def a_token(
    *, alg: str = "RS256", key: Any = None, header: dict[str, Any] | None = None, leave_out: str = "", **claims: Any
) -> str:
    """Return a token with `some_claims`, signed as `alg` demands."""
    key = key or KEY_OF.get(alg, RSA)
    full = {"alg": alg, "typ": "at+jwt", "kid": key.kid} | (header or {})
    full.pop(leave_out, None)
    return signed(full, json.dumps(some_claims(**claims)).encode(), alg=alg, key=key)


def signed(header: object, payload: bytes, *, alg: str, key: Any) -> str:
    """Return a token of any content, rightly signed."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(JWSRegistry.algorithms[alg].sign(text.encode(), key))}"


def part(value: object) -> str:
    """Return a value as a part of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: object, claims: object, signature: bytes = b"x" * 256) -> str:
    return f"{part(header)}.{part(claims)}.{part(signature)}"


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class FakeIssuer:
    """Publishes a configuration and keys, counts who asks, and misbehaves when told to."""

    keys: KeySet = field(default_factory=lambda: KeySet(list(ALL_KEYS)))
    url: str = ""
    asked: int = 0
    status: int = 200
    body: bytes | None = None
    configuration: dict[str, object] = field(default_factory=dict)
    moved: bool = False
    gate: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def configured(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.reached.set()
        if self.moved and not request.query:
            raise web.HTTPFound("?moved")
        if self.gate is not None:
            await self.gate.wait()
        return web.json_response(
            {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"} | self.configuration, status=self.status
        )

    async def jwks(self, _request: web.Request) -> web.Response:
        if self.body is not None:
            return web.Response(body=self.body, content_type="application/json")
        return web.json_response(self.keys.as_dict(private=False))


@asynccontextmanager
async def fake_issuer() -> AsyncIterator[FakeIssuer]:
    issuer = FakeIssuer()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.configured)
    app.router.add_get("/jwks", issuer.jwks)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("")).rstrip("/")
        yield issuer
