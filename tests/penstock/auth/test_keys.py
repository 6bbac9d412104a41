from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import pytest

from penstock.auth.discovery import IssuerAway
from penstock.auth.keys import MAX_AGE, PAUSE, TTL, IssuerKeys
from penstock.auth.token import PublicKey
from penstock.dali.errors import ServiceUnavailable
from tests.penstock.auth.builders import ED25519, P256, RSA, Clock

MOMENT = timedelta(seconds=1)


class Source:
    """Publishes keys, counts fetches, can be away and can be held."""

    def __init__(self, *keys: PublicKey) -> None:
        self.keys: Sequence[PublicKey] = keys
        self.away = False
        self.fetches = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self) -> Sequence[PublicKey]:
        self.fetches += 1
        await self.open.wait()
        if self.away:
            raise IssuerAway("it does not answer")
        return self.keys


def kept(source: Source) -> tuple[IssuerKeys, Clock]:
    clock = Clock()
    return IssuerKeys("https://iam.example.org", source, clock), clock


async def test_keys_are_fetched_once_and_kept() -> None:
    source = Source(RSA, P256)
    keys, clock = kept(source)
    assert source.fetches == 0
    for _ in range(3):
        assert await keys.find("p256") == [P256]
        clock.forward(TTL / 4)
    assert source.fetches == 1


async def test_a_token_without_key_id_may_be_of_any_key() -> None:
    keys, _ = kept(Source(RSA, P256))
    assert list(await keys.find(None)) == [RSA, P256]


async def test_keys_are_fetched_again_after_their_time() -> None:
    source = Source(RSA)
    keys, clock = kept(source)
    await keys.find("rsa-1")
    source.keys = (P256,)
    clock.forward(TTL)
    assert list(await keys.find("rsa-1")) == []
    assert source.fetches == 2


async def test_an_unknown_key_id_fetches_the_keys_again() -> None:
    source = Source(RSA)
    keys, clock = kept(source)
    await keys.find("rsa-1")
    source.keys = (RSA, P256)
    clock.forward(PAUSE)
    assert list(await keys.find("p256")) == [P256]


async def test_nobody_can_make_us_ask_more_often_than_the_pause() -> None:
    source = Source(RSA)
    keys, clock = kept(source)
    for number in range(100):
        assert list(await keys.find(f"nosuch-{number}")) == []
    assert source.fetches == 1
    clock.forward(PAUSE)
    for number in range(100):
        await keys.find(f"../{number}")
    assert source.fetches == 2


async def test_old_keys_serve_while_the_issuer_is_away_but_not_for_ever() -> None:
    source = Source(RSA)
    keys, clock = kept(source)
    await keys.find("rsa-1")
    source.away = True
    clock.forward(MAX_AGE - MOMENT)
    assert list(await keys.find("rsa-1")) == [RSA]
    assert list(await keys.find("nosuch")) == []
    clock.forward(PAUSE)
    with pytest.raises(ServiceUnavailable):
        await keys.find("rsa-1")


async def test_without_keys_an_issuer_that_is_away_is_a_503_that_says_when_to_come_back() -> None:
    source = Source(RSA)
    source.away = True
    keys, clock = kept(source)
    for waited in (timedelta(0), PAUSE / 3):
        clock.forward(waited)
        with pytest.raises(ServiceUnavailable) as caught:
            await keys.find("rsa-1")
        assert caught.value.retry_after_s == (PAUSE - waited).total_seconds()
    assert source.fetches == 1
    source.away = False
    clock.forward(PAUSE)
    assert list(await keys.find("rsa-1")) == [RSA]


async def test_all_who_wait_share_one_fetch() -> None:
    source = Source(RSA, ED25519)
    source.open.clear()
    keys, _ = kept(source)
    waiting = [asyncio.create_task(keys.find(kid)) for kid in ("rsa-1", "ed25519", None) * 5]
    await asyncio.sleep(0)
    source.open.set()
    assert [len(found) for found in await asyncio.gather(*waiting)] == [1, 1, 2] * 5
    assert source.fetches == 1


async def test_a_caller_who_leaves_takes_the_fetch_from_nobody() -> None:
    source = Source(RSA)
    source.open.clear()
    keys, _ = kept(source)
    leaves, stays = (asyncio.create_task(keys.find("rsa-1")) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    with suppress(asyncio.CancelledError):
        await leaves
    source.open.set()
    assert list(await stays) == [RSA]
    assert source.fetches == 1


async def test_closing_ends_a_fetch_that_hangs() -> None:
    source = Source(RSA)
    source.open.clear()
    keys, _ = kept(source)
    waiting = asyncio.create_task(keys.find("rsa-1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await keys.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await keys.close()
