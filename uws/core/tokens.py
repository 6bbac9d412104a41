"""Tokens of attempts: what a worker shows that runs one and cannot reach the store.

A token is the HMAC-SHA256 of the job's id and the number of the attempt, so nothing need be kept to check it, and one
that leaks is worth nothing once its attempt is over. It travels in the broker's message and in `HEADER`; never in a
URL, which is logged, and not in Authorization, which tells who a caller is.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-Penstock-Attempt-Token"
_PURPOSE = b"penstock.uws.attempt"


def attempt_token(secret: bytes, job_id: str, attempt: int) -> str:
    """Return the token of an attempt: 64 hexadecimal digits."""
    message = b"\0".join((_PURPOSE, job_id.encode(), str(attempt).encode()))
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def is_attempt_token(token: str, secret: bytes, *, job_id: str, attempt: int) -> bool:
    """Tell in constant time whether `token` is the one of the attempt."""
    return hmac.compare_digest(token.encode(errors="replace"), attempt_token(secret, job_id, attempt).encode())
