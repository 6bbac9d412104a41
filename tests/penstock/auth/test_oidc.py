"""The authenticator over HTTP, with an issuer in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from joserfc.jwk import KeySet, generate_key
from multidict import CIMultiDict

from penstock.auth.keys import PAUSE, TTL
from penstock.auth.oidc import plugin
from penstock.auth.opening import AUTHENTICATORS, open_authenticator, security_methods
from penstock.auth.principal import ANONYMOUS, AnonymousOnly, Authenticator
from penstock.clock import utc_now
from penstock.dali.errors import AuthenticationRequired, ServiceUnavailable
from penstock.plugins import PluginError
from penstock.settings import SettingsError, load_settings
from tests.penstock.auth.builders import AUDIENCE, P256, RSA, Clock, FakeIssuer, a_token, bearing, fake_issuer


@asynccontextmanager
async def authenticating(*issuers: FakeIssuer, clock: Clock | None = None) -> AsyncIterator[Authenticator]:
    configured = [
        {"url": issuer.url, "audiences": [AUDIENCE], "name": f"i{number}", "admin_groups": ["/vo/admins"]}
        for number, issuer in enumerate(issuers)
    ]
    settings = load_settings({}, authenticator="oidc", oidc={"issuers": configured})
    async with AsyncExitStack() as stack:
        yield await open_authenticator(settings, clock or Clock(), stack)


async def test_who_sends_no_token_is_anonymous_and_no_issuer_is_asked() -> None:
    async with fake_issuer() as issuer, authenticating(issuer) as authenticator:
        assert await authenticator.authenticate({}) == ANONYMOUS
        assert issuer.asked == 0


async def test_the_header_s_name_has_no_case() -> None:
    async with fake_issuer() as issuer, authenticating(issuer) as authenticator:
        headers = CIMultiDict({"AUTHORIZATION": f"bearer {a_token(iss=issuer.url)}"})
        assert not (await authenticator.authenticate(headers)).anonymous


async def test_a_caller_s_token_is_kept_for_systems_that_act_for_them_and_never_shown() -> None:
    async with fake_issuer() as issuer, authenticating(issuer) as authenticator:
        token = a_token(iss=issuer.url)
        caller = await authenticator.authenticate(bearing(token))
        assert caller.token == token
        assert token not in repr(caller)


async def test_each_issuer_has_its_own_users_and_keys() -> None:
    async with (
        fake_issuer() as first,
        fake_issuer() as second,
        authenticating(first, second) as authenticator,
    ):
        second.keys = KeySet([P256])
        callers = [
            await authenticator.authenticate(bearing(a_token(alg=alg, iss=issuer.url)))
            for issuer, alg in ((first, "RS256"), (second, "ES256"))
        ]
        assert [caller.subject for caller in callers] == ["alice@i0", "alice@i1"]
        assert callers[0].groups == {"/vo", "/vo/admins"}
        assert callers[0].admin
        with pytest.raises(AuthenticationRequired):
            await authenticator.authenticate(bearing(a_token(alg="RS256", iss=second.url)))


async def test_a_token_of_a_stranger_is_refused_and_nobody_is_asked() -> None:
    async with fake_issuer() as issuer, fake_issuer() as stranger, authenticating(issuer) as authenticator:
        with pytest.raises(AuthenticationRequired, match="not trusted"):
            await authenticator.authenticate(bearing(a_token(iss=stranger.url)))
        assert (issuer.asked, stranger.asked) == (0, 0)


async def test_a_token_cannot_bring_its_own_keys() -> None:
    async with fake_issuer() as issuer, fake_issuer() as evil, authenticating(issuer) as authenticator:
        key = generate_key("RSA", 2048, {"kid": "rsa-1"})
        evil.keys = KeySet([key])
        header = {"jku": f"{evil.url}/jwks", "x5u": f"{evil.url}/jwks", "jwk": key.as_dict(private=False)}
        with pytest.raises(AuthenticationRequired, match="not signed"):
            await authenticator.authenticate(bearing(a_token(key=key, header=header, iss=issuer.url)))
        assert evil.asked == 0


async def test_rotated_keys_are_found() -> None:
    clock = Clock()
    async with fake_issuer() as issuer, authenticating(issuer, clock=clock) as authenticator:
        await authenticator.authenticate(bearing(a_token(iss=issuer.url)))
        fresh = generate_key("RSA", 2048, {"kid": "rsa-2"})
        issuer.keys = KeySet([fresh])
        clock.forward(PAUSE)
        await authenticator.authenticate(bearing(a_token(key=fresh, iss=issuer.url)))
        with pytest.raises(AuthenticationRequired):
            await authenticator.authenticate(bearing(a_token(iss=issuer.url)))


async def test_an_issuer_that_goes_away_is_missed_only_by_those_who_need_it() -> None:
    clock = Clock()
    async with fake_issuer() as here, fake_issuer() as away, authenticating(here, away, clock=clock) as authenticator:
        away.status = 500
        with pytest.raises(ServiceUnavailable) as caught:
            await authenticator.authenticate(bearing(a_token(iss=away.url)))
        assert caught.value.retry_after_s
        await authenticator.authenticate(bearing(a_token(iss=here.url)))
        here.status = 500
        clock.forward(TTL / 2)
        await authenticator.authenticate(bearing(a_token(iss=here.url)))
        assert await authenticator.authenticate({}) == ANONYMOUS


async def test_an_issuer_that_hangs_is_not_waited_for_at_the_end() -> None:
    async with fake_issuer() as issuer:
        issuer.gate = asyncio.Event()
        async with authenticating(issuer) as authenticator:
            waiting = asyncio.create_task(authenticator.authenticate(bearing(a_token(iss=issuer.url))))
            async with asyncio.timeout(10):
                await issuer.reached.wait()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        issuer.gate.set()


ISSUER = FakeIssuer(url="https://iam.example.org")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_whatever_is_sent_is_refused(text: str) -> None:
    async def send() -> None:
        async with authenticating(ISSUER) as authenticator:
            for value in (text, f"Bearer {text}"):
                with pytest.raises(AuthenticationRequired):
                    await authenticator.authenticate({"Authorization": value})

    asyncio.run(send())


async def test_challenges_name_every_issuer() -> None:
    async with fake_issuer() as first, fake_issuer() as second, authenticating(first, second) as authenticator:
        assert [str(challenge) for challenge in authenticator.challenges] == [
            'Bearer realm="penstock.example"',
            f'ivoa_bearer standard_id="ivo://ivoa.net/sso#OpenID", access_url="{first.url}"',
            f'ivoa_bearer standard_id="ivo://ivoa.net/sso#OpenID", access_url="{second.url}"',
        ]
        assert authenticator.security_methods == plugin.security_methods == ("ivo://ivoa.net/sso#OAuth",)


async def test_by_default_everybody_is_anonymous() -> None:
    settings = load_settings({})
    async with AsyncExitStack() as stack:
        authenticator = await open_authenticator(settings, utc_now, stack)
    assert isinstance(authenticator, AnonymousOnly)
    assert await authenticator.authenticate(bearing(a_token(key=RSA))) == ANONYMOUS
    assert security_methods(settings) == ()


@pytest.mark.requirement("SS-05")
def test_a_capability_with_tokens_says_that_they_are_optional() -> None:
    assert security_methods(load_settings({}, authenticator="oidc")) == (None, "ivo://ivoa.net/sso#OAuth")


async def test_an_authenticator_without_issuers_is_a_wrong_setting() -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(SettingsError, match="PENSTOCK_OIDC__ISSUERS"):
            await open_authenticator(load_settings({}, authenticator="oidc"), utc_now, stack)


def test_an_unknown_authenticator_lists_the_known() -> None:
    with pytest.raises(PluginError, match="anonymous, oidc"):
        security_methods(load_settings({}, authenticator="nosuch"))
    assert AUTHENTICATORS.names() == ("anonymous", "oidc")
