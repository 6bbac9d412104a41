"""A job list for people, with its filters as a form (UWS 1.1 s2.2.2.1).

The list of a person is short where that of a program is whole: a page without LAST shows the newest `PAGE` jobs and
leads to more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from penstock.dali.params import Parameters
from penstock.dali.values import format_timestamp
from penstock.edge.pages import render_page
from uws.core.filters import Filters, parse_filters
from uws.core.job import JobSummary, Phase

PAGE = 100
_SIZES = (100, 1000, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWish:
    """What the form asks for; `phases` empty is every phase that is listed."""

    filters: Filters
    phases: tuple[str, ...]
    after: str
    last: int

    @property
    def filters_and_one(self) -> Filters:
        """The filters, for one job more than is shown: so the page knows whether there are more."""
        return replace(self.filters, last=self.last + 1)

    def query(self, **changes: str | int) -> str:
        """Return the query string that asks for this, with some changes."""
        names = {"AFTER": self.after, "LAST": self.last, **changes}
        pairs = [("PHASE", phase) for phase in self.phases] + [(name, value) for name, value in names.items() if value]
        return urlencode(pairs)


def parse_list_form(params: Parameters) -> ListWish:
    """Read what a browser asks of the list; a field that was left blank says nothing.

    Raises
    ------
    UsageError
        A filter cannot be read.
    """
    filled = Parameters([(name, value) for name, value in params.items() if value.strip()])
    filters = parse_filters(filled)
    return ListWish(
        filters=filters,
        phases=tuple(sorted(filters.phases)) if filled.all("PHASE") else (),
        after=filled.single("AFTER") or "",
        last=min(filters.last or PAGE, _SIZES[-1]),
    )


def job_list_page(
    found: Sequence[JobSummary], wish: ListWish, url: str, *, types_url: str | None, hidden: bool
) -> web.Response:
    """Return the page of a job list.

    Parameters
    ----------
    found
        The jobs for `ListWish.filters_and_one`.
    wish
        What was asked for.
    url
        The address of the list.
    types_url
        Where the types of job are described.
    hidden
        Whether the jobs of this caller are not listed.
    """
    jobs, path = found[: wish.last], urlsplit(url).path
    larger = next((size for size in _SIZES if size > wish.last), None)
    newest = format_timestamp(jobs[0].creation_time) if jobs else ""
    return render_page(
        "jobs.html",
        title="Jobs",
        jobs=jobs,
        url=url,
        path=path,
        phases=list(Phase),
        chosen=wish.phases,
        after=wish.after,
        last=wish.last,
        sizes=sorted({*_SIZES, wish.last}),
        filtered=bool(wish.phases or wish.after),
        more=f"{path}?{wish.query(LAST=larger)}" if larger and len(found) > wish.last else None,
        newer=f"{path}?{wish.query(AFTER=newest)}",
        xml=f"{path}?{wish.query(RESPONSEFORMAT='xml')}",
        json=f"{path}?{wish.query(RESPONSEFORMAT='json')}",
        types_url=types_url,
        hidden=hidden,
    )
