from __future__ import annotations

import pytest

from penstock.auth.challenges import OPENID, Challenge, after_invalid_token, bearer, ivoa_bearer
from penstock.auth.principal import ANONYMOUS, Principal, refusal
from penstock.dali.errors import AuthenticationRequired, Forbidden


@pytest.mark.requirement("SS-02")
@pytest.mark.parametrize(
    ("challenge", "value"),
    [
        (Challenge("Bearer"), "Bearer"),
        (bearer("penstock.example"), 'Bearer realm="penstock.example"'),
        (bearer('a "b" \\'), 'Bearer realm="a \\"b\\" \\\\"'),
        (
            ivoa_bearer(OPENID, "https://iam.example.org/"),
            'ivoa_bearer standard_id="ivo://ivoa.net/sso#OpenID", access_url="https://iam.example.org/"',
        ),
        (after_invalid_token(bearer("x")), 'Bearer realm="x", error="invalid_token"'),
    ],
)
def test_a_challenge_is_a_value_of_www_authenticate(challenge: Challenge, value: str) -> None:
    assert str(challenge) == value


def test_only_bearer_says_that_the_token_was_invalid() -> None:
    challenge = ivoa_bearer(OPENID, "https://iam.example.org/")
    assert after_invalid_token(challenge) == challenge


def test_the_anonymous_may_still_say_who_they_are() -> None:
    assert isinstance(refusal(ANONYMOUS, "no"), AuthenticationRequired)
    assert isinstance(refusal(Principal(subject="alice@iam.example.org"), "no"), Forbidden)
