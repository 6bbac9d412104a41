"""Callers with access tokens of real issuers, at a real server."""

from __future__ import annotations

import hmac
import json
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest
import requests
from joserfc.jwk import KeySet, generate_key

from tests.penstock.auth.builders import AUDIENCE, bearing, forged, part, signed
from tests.support.oidc import Client, oidc_provider
from tests.support.server import Server, serve

RSA = generate_key("RSA", 2048, {"kid": "rsa", "use": "sig"})
EC = generate_key("EC", "P-256", {"kid": "ec", "use": "sig"})
STRANGE = generate_key("RSA", 2048, {"kid": "rsa", "use": "sig"})
KEYS = KeySet([RSA, EC])
ALICE = Client("alice", groups=("/vo",))
BOB = Client("bob", alg="ES256")
ROOT = Client("root", groups=("/vo", "/vo/admins"))
CLIENTS = (ALICE, BOB, ROOT)
EMBARGOED = "sample:m13.fits"  # of which the sample has many copies; to be read by the group of Alice only
TIMEOUT_S = 60


@dataclass
class World:
    server: Server
    issuers: tuple[str, str, str]
    callers: dict[str, dict[str, str]]

    def ask(self, method: str, path: str, headers: dict[str, str], **more: Any) -> requests.Response:
        url = self.server.base + path
        return requests.request(method, url, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, **more)

    def create(self, who: str) -> str:
        answer = self.ask("POST", "/uws/jobs", self.callers[who], data={"JOBTYPE": "echo"})
        assert answer.status_code == 303
        return answer.headers["Location"].removeprefix(self.server.base)

    def run(self, who: str, path: str, given: list[tuple[str, str]]) -> tuple[str, str]:
        """Run a job to its end; return its path and phase."""
        answer = self.ask("POST", path, self.callers[who], data=[*given, ("PHASE", "RUN")])
        assert answer.status_code == 303, answer.text
        job = answer.headers["Location"].removeprefix(self.server.base)
        phase = ""
        until = monotonic() + 2 * TIMEOUT_S
        while phase not in ("COMPLETED", "ERROR"):
            assert monotonic() < until, phase
            phase = self.ask("GET", f"{job}/phase?WAIT=10", self.callers[who]).text
        return job, phase

    def claims(self, **more: object) -> dict[str, object]:
        now = int(time())
        return {"iss": self.issuers[0], "sub": "alice", "aud": AUDIENCE, "iat": now, "exp": now + 600} | more


@contextmanager
def opened(folder: Path) -> Iterator[World]:
    """Start two issuers, a server that trusts them and a third that nobody reaches, and end the first issuer."""
    with ExitStack() as stack, ExitStack() as first, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{taken.getsockname()[1]}"
        one = first.enter_context(oidc_provider(KEYS, CLIENTS))
        two = stack.enter_context(oidc_provider(KEYS, CLIENTS))
        issuers = (one.issuer, two.issuer, away)
        trusted = [
            {"url": url, "audiences": [AUDIENCE], "name": name, "admin_groups": ["/vo/admins"] if name == "one" else []}
            for url, name in zip(issuers, ("one", "two", "away"), strict=True)
        ]
        server = stack.enter_context(
            serve(
                folder,
                *("uws", "datalink", "soda", "basket"),
                PENSTOCK_AUTHENTICATOR="oidc",
                PENSTOCK_OIDC__ISSUERS=json.dumps(trusted),
                PENSTOCK_DATALINK__EARLY_ACCESS=json.dumps({"sample": ALICE.groups}),
            )
        )
        with sqlite3.connect(folder / "penstock.db") as db:
            db.execute("UPDATE lake__files SET public_from = '2999-01-01T00:00:00' WHERE did = ?", (EMBARGOED,))
        callers = {f"{client.id}@one": bearing(one.token(client, AUDIENCE)) for client in CLIENTS}
        callers |= {f"{client.id}@two": bearing(two.token(client, AUDIENCE)) for client in CLIENTS}
        world = World(server, issuers, {"": {}, **callers})
        for who in callers:
            assert world.ask("GET", "/uws/jobs", callers[who]).status_code == 200
        first.close()  # from here on its keys are those that are known
        yield world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with opened(tmp_path_factory.mktemp("identities")) as world:
        yield world


READ = ("", "/phase", "/owner", "/parameters", "/results", "/destruction", "/executionduration", "/quote")


def test_a_job_is_its_owners_and_the_administrators_of_the_same_issuer(world: World) -> None:
    job = world.create("alice@one")
    expected = {"alice@one": 200, "root@one": 200, "": 401} | dict.fromkeys(
        ("bob@one", "alice@two", "bob@two", "root@two"), 403
    )
    for who, status in expected.items():
        for resource in READ:
            answer = world.ask("GET", job + resource, world.callers[who])
            assert (answer.status_code, answer.headers.get("X-VO-Authenticated")) == (status, who or None)
        listed = world.ask("GET", "/uws/jobs", world.callers[who] | {"Accept": "application/json"}).json()["jobs"]
        assert (job.rpartition("/")[2] in [each["jobId"] for each in listed]) is (status == 200)
    for who in ("", "bob@one", "alice@two", "root@two"):
        assert world.ask("DELETE", job, world.callers[who]).status_code == expected[who]
    assert world.ask("GET", job + "/owner", world.callers["alice@one"]).text == "alice@one"
    assert world.ask("DELETE", job, world.callers["root@one"]).status_code == 303


@pytest.mark.requirement("U-150")
def test_who_is_unknown_is_told_every_way_to_be_known(world: World) -> None:
    job = world.create("alice@one")
    for path, status in ((job, 401), ("/uws/capabilities", 200)):
        answer = world.ask("GET", path, {})
        assert answer.status_code == status
        told = answer.raw.headers.getlist("WWW-Authenticate")
        assert told[0].startswith("Bearer realm=")
        assert [line.rpartition('access_url="')[2].rstrip('"') for line in told[1:]] == list(world.issuers)


def test_an_embargo_holds_in_jobs_for_all_but_its_groups(world: World) -> None:
    cut, stage = [("ID", EMBARGOED), ("PIXELS", "1 20 1 20")], [("JOBTYPE", "lake.stage"), ("ID", EMBARGOED)]
    job, phase = world.run("alice@one", "/datalink/soda/async", cut)
    inside = world.ask("GET", f"{job}/results/cutout-1", world.callers["alice@one"])
    assert (phase, inside.content[:6]) == ("COMPLETED", b"SIMPLE")
    assert world.ask("GET", f"{job}/results/cutout-1", world.callers["bob@one"]).status_code == 403
    job, phase = world.run("bob@one", "/datalink/soda/async", cut)
    error = world.ask("GET", f"{job}/error", world.callers["bob@one"]).text
    assert (phase, error.partition(":")[0]) == ("ERROR", "AuthorizationError")

    for who, status in (("alice@one", 200), ("bob@one", 403), ("", 401)):
        if who:
            _, phase = world.run(who, "/uws/jobs", [*stage, ("SITE", "scratch"), ("LIFETIME", "3600")])
            assert phase == "COMPLETED"  # a copy may be made for them: it is not theirs to read
        for path in ("data/sample/m13.fits", "replicas/scratch/sample/m13.fits", "metalink/sample/m13.fits"):
            assert world.ask("GET", f"/datalink/{path}", world.callers[who]).status_code == status, (who, path)


def test_a_basket_is_its_owners_in_jobs_too(world: World) -> None:
    item = {"reference": "sample:m13_rice.fits"}
    assert world.ask("POST", "/basket/mine", world.callers["alice@one"], json=item).status_code == 201
    for who in ("bob@one", "alice@two", ""):
        for method, more in (("GET", {}), ("DELETE", {})):
            assert world.ask(method, "/basket/mine", world.callers[who], **more).status_code == 404
    given = [("ID", "basket:mine"), ("PIXELS", "1 5 1 5")]
    job, phase = world.run("alice@one", "/datalink/soda/async", given)
    assert phase == "COMPLETED", world.ask("GET", f"{job}/error", world.callers["alice@one"]).text
    job, phase = world.run("bob@one", "/datalink/soda/async", given)
    error = world.ask("GET", f"{job}/error", world.callers["bob@one"]).text
    assert (phase, "m13_rice" in error) == ("ERROR", False)


def hs256(world: World) -> str:
    """Return a token signed with the public key as if it were a secret between us."""
    text = f"{part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'rsa'})}.{part(world.claims())}"
    return f"{text}.{part(hmac.digest(RSA.as_pem(private=False), text.encode(), 'sha256'))}"


def rs256(key: Any, claims: dict[str, object]) -> str:
    return signed({"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}, _bytes(claims), alg="RS256", key=key)


def _bytes(claims: dict[str, object]) -> bytes:
    return json.dumps(claims).encode()


def test_a_token_of_our_making_is_believed_where_the_key_is_the_issuers(world: World) -> None:
    answer = world.ask("GET", "/uws/jobs", bearing(rs256(RSA, world.claims())))
    assert (answer.status_code, answer.headers["X-VO-Authenticated"]) == (200, "alice@one")


BAD_TOKENS: dict[str, Callable[[World], str]] = {
    "garbage": lambda world: "garbage",
    "dots": lambda world: "a.b.c",
    "nothing": lambda world: "",
    "long": lambda world: "x" * 6000,
    "expired": lambda world: rs256(RSA, world.claims(exp=int(time()) - 3600)),
    "early": lambda world: rs256(RSA, world.claims(nbf=int(time()) + 3600)),
    "audience": lambda world: rs256(RSA, world.claims(aud="https://other.example.org")),
    "issuer": lambda world: rs256(RSA, world.claims(iss="https://other.example.org")),
    "nobody": lambda world: rs256(RSA, world.claims(sub=None)),
    "key": lambda world: rs256(STRANGE, world.claims()),
    "none": lambda world: forged({"alg": "none", "kid": "rsa"}, world.claims(), b""),
    "signature": lambda world: forged({"alg": "RS256", "kid": "rsa"}, world.claims()),
    "hs256": hs256,
}


@pytest.mark.parametrize("token", BAD_TOKENS)
@pytest.mark.parametrize("path", ["/uws/jobs", "/uws/capabilities"])
def test_a_token_that_is_not_valid_is_401_and_said_to_be(world: World, token: str, path: str) -> None:
    answer = world.ask("GET", path, bearing(BAD_TOKENS[token](world)))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.raw.headers.getlist("WWW-Authenticate")[0]
    assert "X-VO-Authenticated" not in answer.headers


def test_an_issuer_that_is_away_is_503_until_its_keys_are_known(world: World) -> None:
    answer = world.ask("GET", "/uws/jobs", bearing(rs256(RSA, world.claims(iss=world.issuers[2]))))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Traceback" not in world.server.output
    assert not any(part in world.server.output for part in (RSA.as_dict(private=True)["d"], "Bearer ey"))
