"""A real JupyterHub with its proxy, and Jupyter for notebooks that run by themselves; all pinned."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from tests.support.npm import PATH, installed
from tests.support.processes import END_S, reap
from tests.support.redis import free_port
from tests.support.systems import missing

HERE = Path(__file__).parent
START_S = 90
INSTALL_S = 600
_CONFIGURATION = """\
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.Spawner.cmd = ["{venv}/bin/jupyterhub-singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.JupyterHub.allow_named_servers = True
c.JupyterHub.cleanup_servers = True
c.ConfigurableHTTPProxy.command = ["{node}", "{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.JupyterHub.services = [{{"name": "penstock", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [
    {{"name": "broker", "scopes": ["admin:users", "admin:servers", "access:servers"], "services": ["penstock"]}}
]
"""


@dataclass(frozen=True, kw_only=True)
class Hub:
    """Where it is, a file with the token of a service, and its process."""

    url: str
    token_file: Path
    pid: int


def virtual_environment() -> Path:
    """Return a virtual environment with Jupyter and JupyterHub, made once for each version of the requirements."""
    requirements = HERE / "requirements.txt"
    text = f"{sys.version_info[:2]}{requirements.read_text()}"
    target = (
        Path(tempfile.gettempdir()) / f"penstock-venv-{os.getuid()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    )
    done = target / "complete"
    if done.exists():
        return target
    # its scripts hold its path, so it cannot be made elsewhere and moved
    environment = [sys.executable, "-m", "venv", "--clear", str(target)]
    options = ["--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check"]
    for argv in (environment, [f"{target}/bin/pip", "install", *options, "-r", str(requirements)]):
        said = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if said.returncode:
            missing("JupyterHub", f"{' '.join(argv)}: {said.stderr.strip()[-300:]}")
    done.touch()
    return target


@pytest.fixture(scope="session")
def jupyter() -> Path:
    """A virtual environment with Jupyter and JupyterHub."""
    return virtual_environment()


@contextmanager
def jupyterhub(folder: Path, venv: Path) -> Iterator[Hub]:
    """Run a hub while the block lasts; anybody may log in."""
    proxy = installed(HERE, ("package.json", "package-lock.json")) / "node_modules/configurable-http-proxy"
    folder.mkdir()
    (folder / "homes").mkdir()
    token = secrets.token_hex(32)
    port = free_port()
    configuration = folder / "jupyterhub_config.py"
    configuration.write_text(
        _CONFIGURATION.format(
            port=port, hub_port=free_port(), proxy_port=free_port(), folder=folder, venv=venv, token=token,
            node=shutil.which("node", path=PATH), proxy=proxy / "bin/configurable-http-proxy",
        )
    )  # fmt: skip
    token_file = folder / "token"
    token_file.write_text(token)
    command = [str(venv / "bin" / "jupyterhub"), "--config", str(configuration)]
    environment = os.environ | {"PATH": f"{venv / 'bin'}{os.pathsep}{PATH}", "JUPYTER_CONFIG_DIR": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        hub = Hub(url=f"http://127.0.0.1:{port}", token_file=token_file, pid=process.pid)
        _wait(hub, process, folder / "log")
        yield hub
    finally:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(hub: Hub, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            if requests.get(f"{hub.url}/hub/api/", timeout=10).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        if time.monotonic() > end or process.poll() is not None:
            pytest.fail(f"JupyterHub does not start: {log.read_text()[-1000:]}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the hub, which ends its proxy and servers, and see that they are gone."""
    below = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        reap(process)
    finally:
        for left in psutil.wait_procs(below, timeout=END_S)[1]:
            left.kill()
