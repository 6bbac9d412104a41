"""The key of the tokens of attempts."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from penstock.settings import SettingsError
from tests.uws.hosting import make_settings
from uws.core.tokens import attempt_token
from uws.ports import Dispatch
from uws.worker_secret import attempt_tokens, worker_secret


def test_a_key_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "new")
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: worker_secret(settings), range(50)))
    assert len(secrets) == 1
    assert len(secrets.pop()) == 64
    [path] = (tmp_path / "new").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert worker_secret(make_settings(tmp_path / "other")) != worker_secret(settings)


def test_a_key_that_is_set_wins_and_is_not_shown(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, worker_secret=SecretStr("k" * 32))
    assert worker_secret(settings) == b"k" * 32
    assert "kkk" not in settings.model_dump_json() + repr(settings)
    assert list(tmp_path.iterdir()) == []
    tokens = attempt_tokens(settings)
    assert tokens(Dispatch(job_id="job", attempt=3)) == attempt_token(b"k" * 32, "job", 3)


def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="32 characters"):
        worker_secret(make_settings(tmp_path, worker_secret=SecretStr("short")))


@pytest.mark.parametrize("content", ["", "short"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "worker-secret").write_text(content)
    with pytest.raises(SettingsError, match="remove it"):
        worker_secret(make_settings(tmp_path))


def test_a_key_that_cannot_be_kept_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be kept"):
        worker_secret(make_settings(tmp_path / "file"))
