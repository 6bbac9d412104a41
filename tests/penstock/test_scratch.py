from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.dali.errors import ServiceUnavailable
from penstock.scratch import scratch


def directories(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def test_a_directory_lasts_as_long_as_the_block(tmp_path: Path) -> None:
    with scratch(tmp_path / "s") as one, scratch(tmp_path / "s") as other:
        (one / "file").write_text("x")
        assert sorted(directories(tmp_path / "s")) == sorted([one, other])
    assert not directories(tmp_path / "s")


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from penstock.scratch import scratch\n"
        "with scratch(Path(sys.argv[1])) as home:\n"
        "    (home / 'big').write_text('x'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    assert len(directories(tmp_path)) == 1
    with scratch(tmp_path) as own:
        assert directories(tmp_path) == [own]


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_what_was_made_unreadable_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "others").mkdir(mode=0o500)
    with scratch(tmp_path / "s") as home:
        (home / "link").symlink_to(tmp_path / "others")
        (home / "a" / "b").mkdir(parents=True)
        (home / "a" / "b" / "file").write_text("x")
        for name in ("a/b", "a"):
            (home / name).chmod(0)
    assert not directories(tmp_path / "s")
    assert (tmp_path / "others").stat().st_mode & 0o777 == 0o500


def test_a_place_that_cannot_be_used_makes_the_error_transient(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_text("")
    for place in ("link", "file/x"):
        with pytest.raises(ServiceUnavailable), scratch(tmp_path / place):
            pass
