"""What a check works with: requests that are remembered as evidence, shared answers, jobs that are cleaned up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from yarl import URL

from conformance.client import NO_HEADERS, Client, Reply, Request, Unreachable
from conformance.credentials import Identity
from conformance.model import Exchange, NotApplicable, Subject, Violation
from conformance.profile import Profile

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(slots=True, kw_only=True)
class Shared:
    """What the checks of one run have in common; `undo` are the requests that take back what they made, by its URL."""

    client: Client
    answers: dict[str, tuple[Reply, tuple[Exchange, ...]]] = field(default_factory=dict)
    undo: dict[str, Request] = field(default_factory=dict)

    def made(self, job: str) -> None:
        """Remember the URL of a job that was made, to delete it in the end."""
        self.undo[job] = Request(method="DELETE", url=job)


@dataclass(slots=True, kw_only=True)
class Bench:
    """The place where one check tries one endpoint. `exchanges` is its evidence, in the order of the requests."""

    subject: Subject
    shared: Shared
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The endpoint that is judged."""
        return self.subject.url

    @property
    def profile(self) -> Profile:
        """How to make jobs and which identifiers exist."""
        return self.subject.profile

    async def send(self, request: Request) -> Reply:
        """Send any request."""
        return await self.shared.client.send(request, self.exchanges.append)

    def has(self, identity: Identity) -> bool:
        """Say whether there is a token of an identity."""
        return bool(self.shared.client.credentials.token(identity))

    async def get(
        self,
        url: str,
        query: Pairs = (),
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        extra_s: float = 0.0,
        identity: Identity = Identity.OWN,
    ) -> Reply:
        """GET a resource and follow its redirects; `extra_s` is added to the deadline where the answer may wait."""
        place = with_query(url, query)
        asked = Request(method="GET", url=place, headers=headers, follow=True, extra_s=extra_s, identity=identity)
        return await self.send(asked)

    async def known(self, url: str, query: Pairs = ()) -> Reply:
        """GET a resource once in a run: later checks get the first answer, and its evidence."""
        return await self.once(Request(method="GET", url=with_query(url, query), follow=True))

    async def once(self, request: Request) -> Reply:
        """Send a request once in a run: later checks get the first answer, and its evidence."""
        key = f"{request.method} {request.url} {request.content}"
        if key not in self.shared.answers:
            before = len(self.exchanges)
            reply = await self.send(request)
            self.shared.answers[key] = (reply, tuple(self.exchanges[before:]))
            return reply
        reply, evidence = self.shared.answers[key]
        self.exchanges.extend(evidence)
        return reply

    async def post(self, url: str, form: Pairs = (), *, identity: Identity = Identity.OWN) -> Reply:
        """POST a form; a redirect is not followed, it is the answer."""
        return await self.send(Request(method="POST", url=url, form=pairs(form), identity=identity))

    async def delete(self, url: str, *, identity: Identity = Identity.OWN) -> Reply:
        """DELETE a resource; a redirect is not followed, it is the answer."""
        return await self.send(Request(method="DELETE", url=url, identity=identity))

    @asynccontextmanager
    async def job(self, form: Pairs | None = None, *, at: str = "") -> AsyncIterator[Job]:
        """Create a job in the job list that is judged, or in the one `at`, and delete it afterwards.

        Without a form the profile says what to send; it must be a job that would succeed.
        """
        sent = pairs(self.profile.succeed if form is None else form)
        reply = await self.post(at or self.url, sent)
        if reply.status != 303 or not reply.location:
            raise NotApplicable(f"no job could be made: the job list answered {reply.status} to a creation")
        job = Job(bench=self, url=reply.location, form=sent)
        self.shared.made(job.url)
        try:
            yield job
        finally:
            await self._forget(job.url)

    async def _forget(self, url: str) -> None:
        """Delete a job that this run made; a job that cannot be deleted stays on the list and is tried at the end."""
        with suppress(Unreachable):
            reply = await self.shared.client.send(Request(method="DELETE", url=url), lambda exchange: None)
            if reply.status < 500:
                self.shared.undo.pop(url, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that a check made."""

    bench: Bench
    url: str
    form: tuple[tuple[str, str], ...]

    def child(self, name: str) -> str:
        """Return the URL of a sub-resource."""
        return f"{self.url.rstrip('/')}/{name}"

    async def run(self) -> Reply:
        """POST PHASE=RUN."""
        return await self.bench.post(self.child("phase"), {"PHASE": "RUN"})

    async def abort(self) -> Reply:
        """POST PHASE=ABORT."""
        return await self.bench.post(self.child("phase"), {"PHASE": "ABORT"})


def pairs(form: Pairs) -> tuple[tuple[str, str], ...]:
    """Return a form as pairs."""
    return tuple(form.items()) if isinstance(form, Mapping) else tuple(form)


def with_query(url: str, query: Pairs) -> str:
    """Return a URL with parameters added to those that it has."""
    added = pairs(query)
    try:
        return str(URL(url).extend_query(added)) if added else url
    except ValueError as error:
        raise Violation(f"{url} is not a URL: {error}") from error
