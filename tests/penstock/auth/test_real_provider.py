"""A real OpenID Connect provider, whose tokens and keys none of our code wrote."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import KeySet, generate_key

from penstock.auth.keys import PAUSE
from penstock.auth.opening import open_authenticator
from penstock.auth.principal import Authenticator
from penstock.clock import utc_now
from penstock.dali.errors import AuthenticationRequired
from penstock.settings import load_settings
from tests.penstock.auth.builders import AUDIENCE, Clock, bearing
from tests.support.oidc import Client, Provider, oidc_provider

ALICE = Client("alice", groups=("/vo", "/vo/admins"))
BOB = Client("bob", groups=("/vo",), alg="ES256")
CAROL = Client("carol", alg="PS256")
DAVE = Client("dave", alg="EdDSA")
CLIENTS = (ALICE, BOB, CAROL, DAVE)


def some_keys(generation: int) -> KeySet:
    return KeySet(
        [
            generate_key("RSA", 2048, {"kid": f"rsa-{generation}", "use": "sig"}),
            generate_key("EC", "P-256", {"kid": f"ec-{generation}", "use": "sig"}),
            generate_key("OKP", "Ed25519", {"kid": f"ed-{generation}", "use": "sig"}),
        ]
    )


async def opened(provider: Provider, clock: Clock, stack: AsyncExitStack) -> Authenticator:
    issuer = {"url": provider.issuer, "audiences": [AUDIENCE], "name": "vo", "admin_groups": ["/vo/admins"]}
    return await open_authenticator(
        load_settings({}, authenticator="oidc", oidc={"issuers": [issuer]}), clock, stack
    )  # fmt: skip


async def a_token_for(provider: Provider, client: Client, audience: str = AUDIENCE) -> dict[str, str]:
    return bearing(await asyncio.to_thread(provider.token, client, audience))


@pytest.mark.requirement("U-150")
async def test_tokens_of_a_real_provider_tell_who_sent_them() -> None:
    clock = Clock(utc_now())
    with oidc_provider(some_keys(1), CLIENTS) as provider:
        async with AsyncExitStack() as stack:
            authenticator = await opened(provider, clock, stack)
            callers = {
                client.id: await authenticator.authenticate(await a_token_for(provider, client)) for client in CLIENTS
            }
            with pytest.raises(AuthenticationRequired, match="another service"):
                await authenticator.authenticate(await a_token_for(provider, ALICE, "https://other.example.org"))
    assert [caller.subject for caller in callers.values()] == [f"{client.id}@vo" for client in CLIENTS]
    assert callers["alice"].groups == {"/vo", "/vo/admins"}
    assert [name for name, caller in callers.items() if caller.admin] == ["alice"]


async def test_keys_that_a_real_provider_rotates_are_found() -> None:
    clock = Clock(utc_now())
    async with AsyncExitStack() as stack:
        with oidc_provider(some_keys(1), CLIENTS) as provider:
            authenticator = await opened(provider, clock, stack)
            old = await a_token_for(provider, ALICE)
            await authenticator.authenticate(old)
        port = urlsplit(provider.issuer).port
        assert port
        assert (await authenticator.authenticate(old)).subject == "alice@vo"
        with oidc_provider(some_keys(2), CLIENTS, port=port) as again:
            clock.forward(PAUSE)
            assert (await authenticator.authenticate(await a_token_for(again, ALICE))).subject == "alice@vo"
            with pytest.raises(AuthenticationRequired, match="not signed"):
                await authenticator.authenticate(old)
