"""Rucio's REST interface: signing in, asking, and reading its streams of JSON lines as they come.

Whatever Rucio answers that is not what was asked for is told by the class of its exception, never by its text: that may
hold a traceback, a thousand identifiers, or a token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from ssl import SSLContext, create_default_context
from typing import Any
from urllib.parse import unquote

import aiohttp
import orjson
import structlog

from penstock.clock import Clock
from penstock.dali.errors import AuthenticationRequired, ServiceUnavailable
from penstock.lake.rucio.rows import instant
from penstock.lake.rucio.settings import RucioSettings
from penstock.outbound import whole_body

CHUNK = 1000
"""How many DIDs Rucio takes in one call."""

_TOKEN = "X-Rucio-Auth-Token"  # noqa: S105  # the name of a header
_MARGIN = timedelta(minutes=1)
_RETRY_AFTER_S = 10
_KEEP_ALIVE_S = 1.0  # Rucio's web server closes connections that were idle for two seconds, without asking
_LONGEST_LINE = 64 * 2**20
_LONGEST_REFUSAL = 2**16
log = structlog.get_logger(__name__)


class Refusal(Exception):
    """Rucio understood and refused; `kind` is the class of its exception, `text` its message in one short line."""

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.text = text


class UnknownCaller(AuthenticationRequired):
    """Rucio does not know the caller by the token, or not any more."""


class Busy(ServiceUnavailable):
    """Rucio's database could not do it now: its daemons lock what they work on, and nobody waits for them."""


class RucioClient:
    """Speaks with one server.

    Parameters
    ----------
    settings
        Where it is, and who we are.
    session
        For the calls; see `open_client`.
    clock
        Tells when the service's token ends.
    """

    def __init__(self, settings: RucioSettings, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._settings = settings
        self.session = session
        self._clock = clock
        self._signing_in = asyncio.Lock()
        self._token = ""
        self._token_ends: datetime | None = None

    async def get(self, path: str, *, params: Mapping[str, str] | None = None, token: str | None = None) -> Any:
        """Return what a resource holds; see `rows` for what may be raised."""
        return await self._whole("GET", path, params=params, token=token)

    async def send(self, method: str, path: str, body: Any, *, token: str | None = None) -> Any:
        """Send JSON and return the JSON that is answered, None if none is; see `rows` for what may be raised."""
        return await self._whole(method, path, body=body, token=token)

    async def rows(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> AsyncIterator[Any]:
        """Yield the lines of a stream; what is asked must change nothing, for it may be asked twice.

        Parameters
        ----------
        method, path, body, params
            What to ask.
        token
            Of the caller; the service's own if None.

        Raises
        ------
        Refusal
            Rucio refuses.
        UnknownCaller
            It does not know the token.
        ServiceUnavailable
            It is away, too slow, or failed.
        """
        async with self._answer(method, path, body=body, params=params, token=token, endless=True) as answer:
            async for line in _lines(answer):
                yield orjson.loads(line)

    async def account(self, *, token: str | None = None) -> str:
        """Return the account that a token is of."""
        async with self._answer("GET", "/accounts/whoami", token=token, redirected=True) as answer:
            location = answer.headers.get("Location", "")  # a redirect to the account
        if not location:
            raise _unavailable("The data lake failed to answer.")
        return unquote(location.rstrip("/").rpartition("/")[2])

    async def server_time(self) -> datetime:
        """Return the time by Rucio's clock."""
        async with self._answer("GET", "/ping", signed=False) as answer:
            await answer.read()
            return parsedate_to_datetime(answer.headers["Date"])

    async def _whole(self, method: str, path: str, **more: Any) -> Any:
        async with self._answer(method, path, **more) as answer:
            data = await answer.read()
        if not data.strip():
            return None
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            return None  # as "Created"

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        signed: bool = True,
        redirected: bool = False,
        **more: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the answer; a token of ours that Rucio has forgotten is renewed once."""
        async with AsyncExitStack() as stack:
            own = signed and token is None
            with _outages_told():
                headers = {_TOKEN: token or await self._own_token()} if signed else {}
                answer = await self._begun(stack, method, path, headers, **more)
                if answer.status == 401 and own and (await _refusal(answer)).kind == "CannotAuthenticate":
                    headers = {_TOKEN: await self._own_token(instead_of=headers[_TOKEN])}
                    answer = await self._begun(stack, method, path, headers, **more)
                if answer.status >= (400 if redirected else 300):
                    raise await self._failure(answer, own=own)
            with _outages_told():
                yield answer

    async def _begun(
        self, stack: AsyncExitStack, method: str, path: str, headers: Mapping[str, str], **more: Any
    ) -> aiohttp.ClientResponse:
        """Return an answer that has begun; streams are asked for again where the connection ends before that.

        The server may close an idle connection at the moment when it is used; of GET, aiohttp takes care itself.
        """
        if more.get("endless"):
            with suppress(aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                return await stack.enter_async_context(self._request(method, path, headers, **more))
        return await stack.enter_async_context(self._request(method, path, headers, **more))

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        endless: bool = False,
    ) -> Any:
        limit_s = self._settings.timeout_s
        return self.session.request(
            method,
            f"{self._settings.url}{path}",
            params=params,
            data=None if body is None else orjson.dumps(body),
            # Rucio answers 406 where it is asked for application/json and would stream.
            headers={"Content-Type": "application/json", "Accept": "*/*", **headers},
            timeout=aiohttp.ClientTimeout(total=None if endless else limit_s, sock_connect=limit_s, sock_read=limit_s),
            allow_redirects=False,  # a token goes to the one server only
        )

    async def _failure(self, answer: aiohttp.ClientResponse, *, own: bool) -> Exception:
        refusal = await _refusal(answer)
        if refusal.kind == "CannotAuthenticate" and not own:
            return UnknownCaller("The data lake does not take the access token: it may have expired; get a new one.")
        if answer.status in (401, 403) and refusal.kind == "CannotAuthenticate":
            log.error("rucio does not let the service in", account=self._settings.account)
            return _unavailable("The data lake does not let this service in.")
        if answer.status == 404 and not refusal.kind:
            return Refusal("NoSuchResource")  # servers leave parts of the interface out
        if not 400 <= answer.status < 500 or answer.status == 429 or not refusal.kind:
            log.warning("rucio failed", status=answer.status, kind=refusal.kind, text=refusal.text)
            kind = Busy if refusal.kind == "DatabaseException" else ServiceUnavailable
            return kind("The data lake failed to answer.", retry_after_s=_RETRY_AFTER_S)
        return refusal

    async def _own_token(self, *, instead_of: str | None = None) -> str:
        """Return the service's token, a new one where it ends soon or is the one that is not good any more."""
        async with self._signing_in:
            if self._settings.token_file is not None:
                return (await asyncio.to_thread(self._settings.token_file.read_text)).strip()
            ends_soon = self._token_ends is not None and self._token_ends - _MARGIN < self._clock()
            if not self._token or ends_soon or self._token == instead_of:
                self._token, self._token_ends = await self._sign_in()
            return self._token

    async def _sign_in(self) -> tuple[str, datetime | None]:
        settings = self._settings
        headers = {
            "X-Rucio-Account": settings.account,
            "X-Rucio-Username": settings.username,
            "X-Rucio-Password": settings.password.get_secret_value(),
        }
        url = f"{settings.auth_url or settings.url}/auth/userpass"
        timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        async with self.session.get(url, headers=headers, timeout=timeout, allow_redirects=False) as answer:
            token = answer.headers.get(_TOKEN)
            if answer.status != 200 or not token:
                raise await self._failure(answer, own=True)
            ends = answer.headers.get("X-Rucio-Auth-Token-Expires")
            return token, instant(ends)


async def _refusal(answer: aiohttp.ClientResponse) -> Refusal:
    data = await whole_body(answer, _LONGEST_REFUSAL)
    try:
        body = orjson.loads(data or b"")
    except orjson.JSONDecodeError:
        body = {}
    told = body if isinstance(body, dict) else {}
    kind = str(told.get("ExceptionClass") or answer.headers.get("ExceptionClass") or "")
    text = str(told.get("ExceptionMessage") or answer.headers.get("ExceptionMessage") or "")
    return Refusal(kind[:80], " ".join(text.split())[:200])


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the lines of a body, which may be longer than a buffer; empty ones are left out."""
    rest: list[bytes] = []
    held = 0
    async for piece in answer.content.iter_any():
        *whole, last = piece.split(b"\n")
        for line in whole:
            if joined := b"".join((*rest, line)).strip():
                yield joined
            rest, held = [], 0
        rest.append(last)
        held += len(last)
        if held > _LONGEST_LINE:
            raise _unavailable("The data lake answered with a line without end.")
    if joined := b"".join(rest).strip():
        yield joined


@contextmanager
def _outages_told() -> Iterator[None]:
    """Tell what a network does as that the lake is away."""
    try:
        yield
    except TimeoutError as error:
        raise _unavailable("The data lake did not answer in time.") from error
    except (aiohttp.ClientError, OSError, orjson.JSONDecodeError) as error:
        log.warning("rucio is away", error=type(error).__name__)
        raise _unavailable("The data lake cannot be reached.") from error


def _unavailable(message: str) -> ServiceUnavailable:
    return ServiceUnavailable(message, retry_after_s=_RETRY_AFTER_S)


async def open_client(settings: RucioSettings, clock: Clock, stack: AsyncExitStack) -> RucioClient:
    """Return a client; its connections are closed with `stack`."""
    ssl: SSLContext | bool = True
    if settings.ca_file is not None:
        ssl = await asyncio.to_thread(lambda: create_default_context(cafile=str(settings.ca_file)))
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.connections, ssl=ssl, keepalive_timeout=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
    )
    return RucioClient(settings, session, clock)
