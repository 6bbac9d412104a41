"""The combined host with identities: whoever mounts a service gets the middleware with it."""

from __future__ import annotations

from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from penstock.clock import utc_now
from penstock.context import load
from penstock.host import open_host
from tests.penstock.auth.builders import AUDIENCE, a_token, bearing, fake_issuer


async def test_services_know_their_callers_and_health_asks_nobody(tmp_path: Path) -> None:
    now_s = int(utc_now().timestamp())
    async with fake_issuer() as issuer:
        settings = load(
            data_dir=tmp_path,
            authenticator="oidc",
            oidc={"issuers": [{"url": issuer.url, "audiences": [AUDIENCE], "name": "vo"}]},
        )
        good = bearing(a_token(iss=issuer.url, iat=now_s, nbf=now_s, exp=now_s + 60))
        expired = bearing(a_token(iss=issuer.url, iat=now_s - 7200, nbf=now_s - 7200, exp=now_s - 3600))
        async with open_host(settings, ["datalink"]) as app, TestClient(TestServer(app)) as client:
            known = await client.get("/datalink/capabilities", headers=good)
            assert (known.status, known.headers["X-VO-Authenticated"]) == (200, "alice@vo")
            anonymous = await client.head("/datalink/capabilities")
            assert [value.split()[0] for value in anonymous.headers.getall("WWW-Authenticate")] == [
                "Bearer",
                "ivoa_bearer",
            ]
            refused = await client.get("/datalink/links?ID=demo:x", headers=expired)
            assert (refused.status, refused.content_type) == (401, "application/x-votable+xml")
            assert "expired" in await refused.text()
            assert (await client.get("/health", headers=expired)).status == 200
