"""The key of the tokens by which workers without a database are known (see `uws.core.tokens`)."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from penstock.settings import Settings, SettingsError
from uws.core.tokens import attempt_token
from uws.ports import Dispatch
from uws.settings import UwsSettings

SHORTEST_SECRET = 32


def attempt_tokens(settings: Settings) -> Callable[[Dispatch], str]:
    """Return what makes the tokens of attempts."""
    secret = worker_secret(settings)
    return lambda dispatch: attempt_token(secret, dispatch.job_id, dispatch.attempt)


def worker_secret(settings: Settings) -> bytes:
    """Return the key of the tokens of attempts; without a setting it is made once, in the data directory.

    Raises
    ------
    SettingsError
        The one that is given can be guessed, or none can be kept.
    """
    given = settings.section(UwsSettings).worker_secret
    if given is None:
        return _own_secret(settings.data_dir / "worker-secret")
    secret = given.get_secret_value().encode()
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(f"setting uws.worker_secret: give {SHORTEST_SECRET} characters or more that are random")
    return secret


def _own_secret(path: Path) -> bytes:
    try:
        if not path.exists():
            _make_secret(path)
        secret = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"the key of worker tokens cannot be kept: {error}") from error
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(f"{path} holds no key of worker tokens; remove it, and another is made")
    return secret


def _make_secret(path: Path) -> None:
    """Write a secret whole or not at all, even where several processes do it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".worker-secret-") as file:  # nobody else may read it
        file.write(secrets.token_hex(SHORTEST_SECRET).encode())
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
