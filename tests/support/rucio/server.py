"""Rucio with all its parts while a block lasts."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.support.postgres import fresh_database
from tests.support.processes import reap
from tests.support.redis import free_port
from tests.support.rucio import sample
from tests.support.rucio.environment import require_rucio
from tests.support.systems import require_command

HERE = Path(__file__).parent
START_S = 180

_CONFIG = """\
[common]
logdir = {home}/log
loglevel = WARNING
[client]
rucio_host = {url}
auth_host = {url}
auth_type = userpass
username = {user}
password = {password}
account = {account}
{server}"""
_SERVER = """\
[database]
default = {database}
pool_size = 10
max_overflow = 10
[bootstrap]
userpass_identity = {user}
userpass_pwd = {password}
userpass_email = root@example.org
[alembic]
cfg = {home}/etc/alembic.ini
[policy]
permission = generic
schema = generic
lfn2pfn_algorithm_default = hash
[cache]
url = 127.0.0.1:{memcached}
[conveyor]
scheme = http,https,davs
transfertool = webdav
[oidc]
idpsecrets = {home}/etc/idpsecrets.json
admin_issuer = tests
expected_audience = {audience}
"""
AUDIENCE = "https://rucio.example.org"
"""What tokens of an issuer must be for; Rucio's own choice, ``rucio``, is no URI, which RFC 8707 asks of issuers."""

_ALEMBIC = """\
[alembic]
script_location = rucio.db.sqla:migrate_repo
sqlalchemy.url = {database}
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARN
handlers = console
qualname =
[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = generic
[formatter_generic]
format = %(levelname)s [%(name)s] %(message)s
"""
_STORAGE = """\
host: 127.0.0.1
port: {port}
server: cheroot
provider_mapping:
{shares}
simple_dc: {{user_mapping: {{"*": true}}}}
http_authenticator: {{accept_basic: true, accept_digest: false, default_to_digest: false}}
verbose: 1
logging: {{enable: false}}
"""


@dataclass(kw_only=True)
class Rucio:
    """A running Rucio."""

    folder: Path
    bin: Path
    url: str
    storage: str
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def store(self) -> Path:
        """Where the bytes of the sites are."""
        return self.folder / "store"

    def settings(self, **more: object) -> dict[str, object]:
        """Return Penstock's settings for it, as the service's account."""
        account, user, password = sample.SERVICE
        given = {"url": self.url, "account": account, "username": user, "password": password, "public_scopes": ["*"]}
        return given | more

    def token(self, who: tuple[str, str, str]) -> str:
        """Return a token of an account."""
        account, user, password = who
        headers = {"X-Rucio-Account": account, "X-Rucio-Username": user, "X-Rucio-Password": password}
        answer = requests.get(f"{self.url}/auth/userpass", headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.headers["X-Rucio-Auth-Token"]

    def trust(self, issuer: str, subject: str, account: str) -> None:
        """Let the tokens of a subject of an OpenID provider be an account; there can be one provider only.

        Rucio reads the file when it first meets such a token, so that the provider need not run before it.
        """
        client = {"client_id": "rucio", "client_secret": "not-a-secret", "redirect_uris": []}
        secrets = {"tests": {"issuer": issuer, "SCIM": client, **client}}
        (self.folder / "server" / "etc" / "idpsecrets.json").write_text(json.dumps(secrets))
        identity = {"identity": f"SUB={subject}, ISS={issuer}", "authtype": "OIDC", "email": f"{account}@example.org"}
        token = {"X-Rucio-Auth-Token": self.token(sample.ROOT)}
        answer = requests.post(f"{self.url}/accounts/{account}/identities", json=identity, headers=token, timeout=60)
        answer.raise_for_status()

    @contextmanager
    def failing(self, text: str) -> Iterator[None]:
        """Let transfers to URLs with a text in them fail while the block lasts."""
        (self.folder / "fail").write_text(text)
        try:
            yield
        finally:
            (self.folder / "fail").unlink()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no byte move while the block lasts."""
        (self.folder / "hold").touch()
        try:
            yield
        finally:
            (self.folder / "hold").unlink()

    def run(self, *command: str) -> str:
        """Run a command of Rucio's environment as root's client, and return what it prints."""
        environment = os.environ | {"RUCIO_HOME": str(self.folder / "client"), "HOME": str(self.folder)}
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            env=environment,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _start(self, name: str, *command: str) -> None:
        environment = os.environ | {"RUCIO_HOME": str(self.folder / "server"), "HOME": str(self.folder)}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                # It dies with the tests, however they end.
                ["setpriv", "--pdeathsig", "KILL", str(self.bin / command[0]), *command[1:]],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)

    def start(self, database: str) -> None:
        """Make the database and the files, and start everything."""
        account, user, password = sample.ROOT
        values = {"url": self.url, "account": account, "user": user, "password": password, "database": database}
        cache = require_command("memcached", "apt install memcached")  # Rucio is slow without
        memcached = free_port()
        self._start("memcached", cache, "-u", getpass.getuser(), "-l", "127.0.0.1", "-p", str(memcached), "-m", "64")
        for side in ("server", "client"):
            home = self.folder / side
            (home / "etc").mkdir(parents=True)
            (home / "log").mkdir()
            # A client that finds a database in its configuration takes itself for a server.
            server = (
                _SERVER.format(home=home, memcached=memcached, audience=AUDIENCE, **values) if side == "server" else ""
            )
            (home / "etc" / "rucio.cfg").write_text(_CONFIG.format(home=home, server=server, **values))
        (self.folder / "server" / "etc" / "alembic.ini").write_text(_ALEMBIC.format(**values))
        self._start_storage()
        port = str(urlsplit(self.storage).port)
        self._start("fill", "python", str(HERE / "fill.py"), str(self.store), port)
        fill = self._processes[-1]
        assert fill.wait(timeout=START_S) == 0, (self.folder / "fill.log").read_text()
        address = urlsplit(self.url).netloc
        options = ("-b", address, "-w", "2", "--threads", "4", "--no-control-socket", "--graceful-timeout", "1")
        self._start("server", "gunicorn", *options, "rucio.web.rest.flaskapi.v1.main:application")
        self._start("daemons", "python", str(HERE / "daemons.py"), str(self.folder))
        self._await(f"{self.url}/ping", "server")
        self._await(self.storage, "storage")

    def _start_storage(self) -> None:
        shares = []
        for spec in (*sample.RSES, sample.ARCHIVE):
            place = self.store / spec.share
            (place / "rucio").mkdir(parents=True)
            shares.append(f'  "/{spec.share}": {{root: "{place}", readonly: false}}')
        config = self.folder / "wsgidav.yaml"
        config.write_text(_STORAGE.format(port=urlsplit(self.storage).port, shares="\n".join(shares)))
        self._start("storage", "wsgidav", "-c", str(config))

    def _await(self, url: str, name: str) -> None:
        end = time.monotonic() + START_S
        while True:
            with suppress(requests.ConnectionError):
                requests.get(url, timeout=START_S)
                return
            assert time.monotonic() < end, (self.folder / f"{name}.log").read_text()
            assert self._processes[-1].poll() is None, (self.folder / f"{name}.log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """End everything at once: nothing that it holds is kept."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            reap(process)
        self._processes.clear()


@contextmanager
def running_rucio() -> Iterator[Rucio]:
    """Run Rucio while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-rucio-"))
    rucio = Rucio(
        folder=folder,
        bin=require_rucio(),
        url=f"http://127.0.0.1:{free_port()}",
        storage=f"http://127.0.0.1:{free_port()}",
    )
    try:
        rucio.start(_sqlalchemy_url(fresh_database()))
        yield rucio
    finally:
        rucio.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _sqlalchemy_url(url: str) -> str:
    """Return the URL of a database for Rucio, whose configuration reads % as the beginning of something else."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1).replace("%", "%%")
