"""A real OpenID Connect provider: the npm package oidc-provider, pinned, in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
from joserfc.jwk import KeySet

from tests.support.npm import installed, require_node

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", "provider.mjs")


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

    def token(self, client: Client, audience: str, scope: str = "") -> str:
        """Return an access token for the audience; scopes are separated by blanks."""
        answer = requests.post(
            f"{self.issuer}/token",
            data={"grant_type": "client_credentials", "resource": audience, "scope": scope},
            auth=(client.id, client.secret),
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@contextmanager
def oidc_provider(keys: KeySet, clients: Sequence[Client], *, port: int = 0) -> Iterator[Provider]:
    """Start a provider that signs with `keys`, and stop it at the end; skip the test where it cannot be had."""
    folder = installed(HERE, FILES)
    configuration = {"port": port, "jwks": keys.as_dict(private=True), "clients": [asdict(one) for one in clients]}
    process = subprocess.Popen(
        [require_node()[0], "provider.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
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
