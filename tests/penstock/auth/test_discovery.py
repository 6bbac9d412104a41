from __future__ import annotations

from typing import Any

import orjson
import pytest
from joserfc.jwk import OctKey, generate_key

from penstock.auth.discovery import MAX_DOCUMENT_BYTES, MAX_KEYS, IssuerAway, fetch_keys, new_session, read_keys
from tests.penstock.auth.builders import ALL_KEYS, P256, RSA, FakeIssuer, fake_issuer


async def fetched(issuer: FakeIssuer) -> list[str | None]:
    async with new_session() as session:
        return [key.kid for key in await fetch_keys(session, issuer.url)]


async def test_the_keys_are_those_that_the_configuration_points_to() -> None:
    async with fake_issuer() as issuer:
        assert await fetched(issuer) == [key.kid for key in ALL_KEYS]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"configuration": {"issuer": "https://other.example.org"}}, "another issuer"),
        ({"configuration": {"issuer": None}}, "another issuer"),
        ({"configuration": {"jwks_uri": None}}, "jwks_uri"),
        ({"configuration": {"jwks_uri": ["https://iam.example.org/jwks"]}}, "jwks_uri"),
        ({"configuration": {"jwks_uri": "http://iam.example.org/jwks"}}, "jwks_uri"),
        ({"configuration": {"jwks_uri": "file:///etc/passwd"}}, "jwks_uri"),
        ({"moved": True}, "answers 302"),
        ({"status": 404}, "answers 404"),
        ({"status": 500}, "answers 500"),
        ({"body": b""}, "cannot be read"),
        ({"body": b"<html>"}, "cannot be read"),
        ({"body": b"[" * 100_000}, "cannot be read"),
        ({"body": b"[]"}, "no JSON object"),
        ({"body": b"{}"}, "JWK Set"),
        ({"body": b'{"keys": {}}'}, "JWK Set"),
        ({"body": b" " * (MAX_DOCUMENT_BYTES + 1) + b"{}"}, "more than"),
    ],
)
async def test_an_issuer_that_publishes_something_else_counts_as_away(fault: dict[str, Any], says: str) -> None:
    async with fake_issuer() as issuer:
        for name, value in fault.items():
            setattr(issuer, name, value)
        with pytest.raises(IssuerAway, match=says):
            await fetched(issuer)


async def test_an_issuer_that_does_not_listen_is_away() -> None:
    async with fake_issuer() as issuer:
        pass
    with pytest.raises(IssuerAway, match="cannot be read"):
        await fetched(issuer)


GOOD = P256.as_dict(private=False)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "key",
        {},
        {"kty": "XYZ"},
        {"kty": ["RSA"]},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "RSA", "n": "A" * 342, "e": "AQAB"},
        {"kty": "RSA", "n": "!" * 342, "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "nosuch", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        RSA.as_dict(private=False) | {"use": "enc"},
        RSA.as_dict(private=False) | {"use": ["sig"]},
        RSA.as_dict(private=False) | {"kid": 7},
        OctKey.generate_key(256).as_dict(private=True),
    ],
)
def test_a_key_that_cannot_verify_is_passed_over(bad: object) -> None:
    assert [key.kid for key in read_keys({"keys": [bad, GOOD, bad]})] == ["p256"]


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_short_rsa_key_is_passed_over() -> None:
    assert read_keys({"keys": [generate_key("RSA", 1024).as_dict(private=False)]}) == ()


def test_a_set_without_end_is_cut() -> None:
    assert len(read_keys(orjson.loads(orjson.dumps({"keys": [GOOD] * 1000})))) == MAX_KEYS
