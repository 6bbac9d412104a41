"""Every way in which a token can be wrong, and that nothing else comes of it than a refusal."""

from __future__ import annotations

import hmac
import json
import string
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import generate_key

from penstock.auth.principal import Principal
from penstock.auth.token import (
    ALGORITHMS,
    LEEWAY_S,
    MAX_TOKEN_CHARS,
    UnverifiedToken,
    bearer_token,
    parse_token,
    principal_of_claims,
    verify_token,
)
from penstock.dali.errors import AuthenticationRequired
from penstock.settings import Issuer
from tests.penstock.auth.builders import (
    ALL_KEYS,
    AUDIENCE,
    ED25519,
    NOW,
    NOW_S,
    OTHER_RSA,
    P256,
    RSA,
    URL,
    a_token,
    an_issuer,
    forged,
    part,
    signed,
    some_claims,
)


def judge(text: str, *, keys: Any = ALL_KEYS, issuer: Issuer | None = None) -> Principal:
    issuer = issuer or an_issuer()
    return principal_of_claims(verify_token(parse_token(text), keys, issuer=issuer, now=NOW), issuer)


@pytest.mark.parametrize("alg", sorted(ALGORITHMS))
def test_every_algorithm_of_the_list_verifies(alg: str) -> None:
    assert judge(a_token(alg=alg)).subject == "alice@iam.example.org"


def test_no_algorithm_of_the_list_is_one_that_a_verifier_could_forge() -> None:
    assert not {name for name in ALGORITHMS if name == "none" or name.startswith("HS")}


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": "application/at+JWT"},
        {"unknown": {"a": 1}},
        {"jku": "https://evil.example.org/keys"},
        {"x5u": "https://evil.example.org/cert"},
        {"jwk": OTHER_RSA.as_dict(private=False)},
        {"x5c": ["MIIB"]},
    ],
)
def test_headers_that_need_not_be_understood_are_ignored(header: dict[str, Any]) -> None:
    assert not judge(a_token(header=header)).anonymous


@pytest.mark.parametrize("leave_out", ["typ", "kid"])
def test_type_and_key_id_may_be_absent(leave_out: str) -> None:
    assert not judge(a_token(leave_out=leave_out)).anonymous


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [AUDIENCE, "https://other.example.org"]},
        {"nbf": None, "iat": None},
        {"nbf": NOW_S + LEEWAY_S, "iat": NOW_S + LEEWAY_S},
        {"exp": NOW_S - LEEWAY_S + 1},
        {"exp": NOW_S + 0.5},
        {"exp": 10**30},
    ],
)
def test_claims_at_the_edge_are_accepted(claims: dict[str, Any]) -> None:
    assert not judge(a_token(**claims)).anonymous


CLAIM_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": NOW_S - LEEWAY_S}, "expired"),
    "never expires": ({"exp": None}, "claim"),
    "expiry is text": ({"exp": str(NOW_S + 600)}, "claim"),
    "expiry is a list": ({"exp": [NOW_S + 600]}, "claim"),
    "expiry is true": ({"exp": True}, "claim"),
    "not yet": ({"nbf": NOW_S + LEEWAY_S + 1}, "not valid yet"),
    "issued in the future": ({"iat": NOW_S + LEEWAY_S + 1}, "not valid yet"),
    "begin is text": ({"nbf": "now"}, "not valid yet"),
    "another audience": ({"aud": "https://other.example.org"}, "another service"),
    "no audience": ({"aud": None}, "another service"),
    "empty audience": ({"aud": []}, "another service"),
    "audience is an object": ({"aud": {AUDIENCE: 1}}, "another service"),
    "audience holds an object": ({"aud": [AUDIENCE, {}]}, "another service"),
    "audience is a prefix": ({"aud": AUDIENCE[:-1]}, "another service"),
    "another issuer": ({"iss": "https://iam.example.org"}, "claim"),
    "no subject": ({"sub": None}, "claim"),
    "empty subject": ({"sub": ""}, "claim"),
    "subject is a number": ({"sub": 7}, "claim"),
    "subject with a line break": ({"sub": "alice\r\nX-Admin: 1"}, "printable"),
    "subject with a space": ({"sub": "alice b"}, "printable"),
    "subject beyond ASCII": ({"sub": "alicé"}, "printable"),
    "subject too long": ({"sub": "a" * 256}, "printable"),
}


@pytest.mark.parametrize(("claims", "says"), CLAIM_FAULTS.values(), ids=CLAIM_FAULTS.keys())
def test_a_well_signed_token_with_wrong_claims_is_refused(claims: dict[str, Any], says: str) -> None:
    with pytest.raises(AuthenticationRequired, match=says):
        judge(a_token(**claims))


def with_shared_secret(secret: bytes) -> str:
    text = f"{part({'alg': 'HS256', 'kid': 'rsa-1'})}.{part(some_claims())}"
    return f"{text}.{part(hmac.digest(secret, text.encode(), 'sha256'))}"


VALID = a_token()
HEAD, BODY, SIGNATURE = VALID.split(".")
DEEP = b'{"alg":"RS256","a":' + b"[" * 1100 + b"]" * 1100 + b"}"
ALMOST_TOO_DEEP = b'{"alg":"RS256","a":' + b"[" * 1000 + b"]" * 1000 + b"}"
RS256 = {"alg": "RS256", "kid": "rsa-1"}

FORM_FAULTS: dict[str, str] = {
    "empty": "",
    "one part": HEAD,
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{VALID}.{SIGNATURE}",
    "five parts, encrypted": f"{VALID}.{SIGNATURE}.{SIGNATURE}",
    "no signature": f"{HEAD}.{BODY}.",
    "algorithm none": a_token(alg="none", key=RSA),
    "padded": f"{VALID}=",
    "line break": f"{VALID}\n",
    "not base64url": f"{HEAD}.{BODY}.+/+/",
    "impossible length": f"{HEAD}.{BODY}.A",
    "huge": f"{HEAD}.{'A' * MAX_TOKEN_CHARS}.{SIGNATURE}",
    "beyond ASCII": "é.é.é",
    "header is no JSON": forged(b"{", some_claims()),
    "header is a list": forged(["alg"], some_claims()),
    "header is text": forged("alg", some_claims()),
    "header is a number": forged(1, some_claims()),
    "header is not UTF-8": forged(b'{"alg":"\xff"}', some_claims()),
    "header is nested beyond measure": forged(DEEP, some_claims()),
    "header is nested": forged(ALMOST_TOO_DEEP, some_claims()),
    "claims are a list": forged(RS256, [URL]),
    "claims are null": forged(RS256, None),
    "claims are nested beyond measure": forged(RS256, DEEP),
    "claims hold NaN": forged(RS256, b'{"iss":"https://iam.example.org/","exp":NaN}'),
    "claims without issuer": forged(RS256, {"sub": "alice"}),
    "issuer is a list": forged(RS256, {"iss": [URL]}),
    "issuer is an object": forged(RS256, {"iss": {}}),
    "key id is a number": forged({"alg": "RS256", "kid": 1}, some_claims()),
    "key id is an object": forged({"alg": "RS256", "kid": {}}, some_claims()),
    "critical header": a_token(header={"crit": ["exp"], "exp": 1}),
    "payload that says it is not encoded": a_token(header={"b64": False, "crit": ["b64"]}),
    "critical header that every verifier knows": a_token(header={"crit": ["typ"]}),
    "rightly signed but huge": a_token(padding="A" * MAX_TOKEN_CHARS),
    "type is another": a_token(header={"typ": "logout+jwt"}),
    "type is a list": forged({"alg": "RS256", "typ": ["JWT"]}, some_claims()),
    "header of a wrong type": forged({"alg": "RS256", "jku": 1, "x5c": "no"}, some_claims()),
}
ALGORITHM_FAULTS: dict[str, str] = {
    "no algorithm": forged({"kid": "rsa-1"}, some_claims()),
    "None": forged({"alg": "None"}, some_claims()),
    "none with a signature": forged({"alg": "none", "kid": "rsa-1"}, some_claims()),
    "algorithm is a list": forged({"alg": ["RS256"]}, some_claims()),
    "algorithm is an object": forged({"alg": {}}, some_claims()),
    "the public key as a shared secret": with_shared_secret(RSA.as_pem(private=False)),
    "the last of two algorithms": forged(b'{"alg":"RS256","alg":"none"}', some_claims()),
}
SIGNATURE_FAULTS: dict[str, str] = {
    "another key of the same id": a_token(key=OTHER_RSA),
    "its own key in jwk": a_token(
        key=OTHER_RSA, header={"jwk": OTHER_RSA.as_dict(private=False)}
    ),
    "changed claims": f"{HEAD}.{part(some_claims(sub='mallory'))}.{SIGNATURE}",
    "changed header": f"{part(RS256 | {'a': 1})}.{BODY}.{SIGNATURE}",
    "signature of another token": f"{HEAD}.{BODY}.{a_token(sub='bob').split('.')[2]}",
    "short signature": f"{HEAD}.{BODY}.AAAA",
    "long signature": f"{HEAD}.{BODY}.{'A' * 4000}",
    "curve signature of zeros": forged({"alg": "ES256", "kid": "p256"}, some_claims(), bytes(64)),
    "signature for another curve": forged({"alg": "ES512", "kid": "p256"}, some_claims(), bytes(132)),
    "kind of key and algorithm differ": forged({"alg": "RS256", "kid": "p256"}, some_claims()),
    "path as key id": forged({"alg": "RS256", "kid": "../../../etc/passwd"}, some_claims()),
}  # fmt: skip


@pytest.mark.parametrize("text", FORM_FAULTS.values(), ids=FORM_FAULTS.keys())
def test_what_has_not_the_form_of_a_token_is_refused(text: str) -> None:
    with pytest.raises(AuthenticationRequired):
        judge(text)


@pytest.mark.parametrize("text", ALGORITHM_FAULTS.values(), ids=ALGORITHM_FAULTS.keys())
def test_an_algorithm_outside_the_list_is_refused_before_any_key_is_looked_for(text: str) -> None:
    with pytest.raises(AuthenticationRequired, match="algorithm"):
        parse_token(text)


@pytest.mark.parametrize("text", SIGNATURE_FAULTS.values(), ids=SIGNATURE_FAULTS.keys())
def test_what_the_issuer_did_not_sign_is_refused(text: str) -> None:
    with pytest.raises(AuthenticationRequired, match="not signed"):
        judge(text)


def test_a_key_for_another_algorithm_or_use_verifies_nothing() -> None:
    for parameters in ({"alg": "PS256"}, {"use": "enc"}, {"key_ops": ["encrypt"]}):
        key = type(RSA).import_key(RSA.as_dict(private=False) | parameters)
        with pytest.raises(AuthenticationRequired, match="not signed"):
            judge(a_token(), keys=[key])


@pytest.mark.parametrize("text", [FORM_FAULTS["algorithm none"], *ALGORITHM_FAULTS.values()])
def test_verification_trusts_no_algorithm_outside_the_list_either(text: str) -> None:
    token = UnverifiedToken(issuer=URL, key_id=None, text=text, claims=some_claims())
    with pytest.raises(AuthenticationRequired, match="not signed"):
        verify_token(token, ALL_KEYS, issuer=an_issuer(), now=NOW)


def test_without_keys_nothing_is_signed() -> None:
    with pytest.raises(AuthenticationRequired, match="not signed"):
        judge(a_token(), keys=[])


def test_what_signs_for_one_issuer_does_not_for_another() -> None:
    with pytest.raises(AuthenticationRequired, match="claim"):
        judge(a_token(), issuer=an_issuer(url="https://other.example.org"))


@pytest.mark.requirement("SS-06")
@pytest.mark.parametrize("text", [*FORM_FAULTS.values(), *SIGNATURE_FAULTS.values()])
def test_a_refusal_repeats_nothing_of_the_token(text: str) -> None:
    with pytest.raises(AuthenticationRequired) as caught:
        judge(text)
    assert not any(piece in caught.value.message for piece in text.split(".") if len(piece) > 3)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_parsed_token_does_not_show_what_it_holds() -> None:
    shown = repr(parse_token(VALID))
    assert SIGNATURE not in shown
    assert "alice" not in shown


@pytest.mark.parametrize(
    ("claims", "names", "groups"),
    [
        ({}, ("wlcg.groups", "groups"), {"/vo", "/vo/admins"}),
        ({"wlcg.groups": None, "groups": ["a"]}, ("wlcg.groups", "groups"), {"a"}),
        ({"groups": ["a"]}, ("wlcg.groups", "groups"), {"/vo", "/vo/admins"}),
        ({"wlcg.groups": None, "wlcg": {"groups": ["a"]}}, ("wlcg.groups",), {"a"}),
        ({"https://vo.example.org/groups": ["a"]}, ("https://vo.example.org/groups",), {"a"}),
        ({"realm_access": {"roles": ["a", "b"]}}, ("realm_access.roles",), {"a", "b"}),
        ({"realm_access": ["roles"]}, ("realm_access.roles",), set()),
        ({"groups": "a"}, ("groups",), {"a"}),
        ({"groups": ["a", 1, None, ["b"]]}, ("groups",), {"a"}),
        ({"groups": {"a": 1}}, ("groups",), set()),
        ({"groups": 5}, ("groups",), set()),
        ({}, (), set()),
    ],
)
def test_groups_come_from_the_first_claim_that_is_there(
    claims: dict[str, Any], names: tuple[str, ...], groups: set[str]
) -> None:
    assert judge(a_token(**claims), issuer=an_issuer(groups_claims=names)).groups == groups


def test_members_of_an_admin_group_are_administrators() -> None:
    assert judge(a_token(), issuer=an_issuer(admin_groups=("/ops", "/vo/admins"))).admin
    assert not judge(a_token(), issuer=an_issuer(admin_groups=("/vo/admin",))).admin
    assert not judge(a_token()).admin


def test_equal_subjects_of_two_issuers_are_two_callers() -> None:
    first, second = an_issuer(name="a.example.org"), an_issuer(name="b.example.org")
    assert judge(a_token(), issuer=first).subject != judge(a_token(), issuer=second).subject


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "BEARER   abc  ", "  Bearer abc"])
def test_the_scheme_is_bearer_in_any_case(value: str) -> None:
    assert bearer_token(value) == "abc"


@pytest.mark.parametrize("value", ["", "abc", "Basic YTpi", "Bearerabc", "Token abc"])
def test_other_schemes_are_refused(value: str) -> None:
    with pytest.raises(AuthenticationRequired, match="bearer token"):
        bearer_token(value)


def test_a_token_is_judged_at_the_time_given() -> None:
    token = parse_token(a_token())
    with pytest.raises(AuthenticationRequired, match="expired"):
        verify_token(token, ALL_KEYS, issuer=an_issuer(), now=NOW + timedelta(hours=1))


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(AuthenticationRequired):
        judge(text)


@settings(deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_in_the_form_of_a_token_are_refused(header: bytes, claims: bytes, signature: bytes) -> None:
    with pytest.raises(AuthenticationRequired):
        judge(forged(header, claims, signature))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from(sorted(ALGORITHMS)) | JSON},
    optional=dict.fromkeys(("kid", "typ", "cty", "jku", "jwk", "x5u", "x5c", "x5t", "crit", "b64", "zip"), JSON),
)


@settings(deadline=None)
@given(HEADERS, st.binary(max_size=140))
def test_any_header_without_the_issuer_s_signature_is_refused(header: dict[str, Any], signature: bytes) -> None:
    with pytest.raises(AuthenticationRequired):
        judge(forged(header, some_claims(), signature))


NAMES = st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "groups", "wlcg.groups", "value", "wlcg"])


@settings(deadline=None)
@given(st.dictionaries(NAMES | st.text(max_size=8), JSON, max_size=4))
def test_any_claims_that_the_issuer_signed_give_its_own_subject_or_a_refusal(changes: dict[str, Any]) -> None:
    claims = some_claims() | changes
    payload = json.dumps(claims).encode()
    text = signed({"alg": "Ed25519", "kid": "ed25519"}, payload, alg="Ed25519", key=ED25519)
    try:
        caller = judge(text)
    except AuthenticationRequired:
        return
    assert caller.subject == f"{claims['sub']}@iam.example.org"
    assert set(caller.subject) <= set(string.printable) - set(string.whitespace)


def test_an_elliptic_key_that_claims_to_be_for_another_curve_verifies_nothing() -> None:
    impostor = generate_key("EC", "P-384", {"kid": P256.kid})
    with pytest.raises(AuthenticationRequired, match="not signed"):
        judge(a_token(alg="ES256"), keys=[impostor])
