"""Tokens of attempts."""

from __future__ import annotations

import re

import pytest

from uws.core.tokens import attempt_token, is_attempt_token

SECRET = b"s" * 32


def test_a_token_is_the_same_every_time_and_hexadecimal() -> None:
    token = attempt_token(SECRET, "job", 1)
    assert token == attempt_token(SECRET, "job", 1)
    assert re.fullmatch("[0-9a-f]{64}", token)
    assert is_attempt_token(token, SECRET, job_id="job", attempt=1)


@pytest.mark.parametrize(
    ("secret", "job_id", "attempt"),
    [(b"t" * 32, "job", 1), (SECRET, "joc", 1), (SECRET, "job", 2), (SECRET, "job1", 1), (SECRET, "jo", 11)],
)
def test_a_token_is_good_for_nothing_else(secret: bytes, job_id: str, attempt: int) -> None:
    assert not is_attempt_token(attempt_token(SECRET, "job", 1), secret, job_id=job_id, attempt=attempt)


@pytest.mark.parametrize("token", ["", "x", "\u00e9" * 64, "\udcff", "0" * 10_000])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert not is_attempt_token(token, SECRET, job_id="job", attempt=1)
