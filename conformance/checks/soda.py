"""SODA 1.0: cutting out of data, by the resource {sync}. Data that exist come from the profile."""

from __future__ import annotations

from typing import Final

from conformance.bench import Bench, Pairs, pairs
from conformance.client import Reply, Request
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

UNKNOWN: Final = "ivo://example.org/no-such-collection?no-such-data"
LABELS: Final = (
    "Error",
    "AuthenticationError",
    "AuthorizationError",
    "ServiceUnavailable",
    "UsageError",
    "MultiValuedParamNotSupported",
)
WRONG: Final = (("CIRCLE", "12 34"), ("POLYGON", "1 2 3"), ("BAND", "blue"), ("POS", "TRIANGLE 1 2 3"))


async def cut(bench: Bench, parameters: Pairs) -> Reply:
    """Ask for a part of the data that the profile names."""
    return await bench.known(bench.url, [("ID", _known(bench)), *pairs(parameters)])


def _known(bench: Bench) -> str:
    if not bench.profile.soda.id:
        raise NotApplicable("no identifier is known: name one in the profile")
    return bench.profile.soda.id


def _circle(text: str, which: str) -> tuple[tuple[str, str], ...]:
    if not text:
        raise NotApplicable(f"the profile names no circle {which} the data")
    return (("CIRCLE", text),)


def _is_error(reply: Reply, what: str) -> None:
    require(reply.status >= 400, f"{what} is answered by {reply.status}, not by an error")
    require(reply.media_type == "text/plain", f"the error of {what} is sent as {reply.media_type or 'nothing'}")
    require(reply.text.startswith(LABELS), f"the error of {what} begins with {reply.text[:40]!r}")


@check("soda.unknown-id", "5.2")
async def unknown_id(bench: Bench) -> None:
    """Data that do not exist are an error, a text that begins with the word of one (SODA 1.0 s5.2)."""
    _is_error(await bench.get(bench.url, {"ID": UNKNOWN}), "an unknown ID")


@check("soda.no-id", "3.2.1", Level.SHOULD)
async def no_id(bench: Bench) -> None:
    """A request that names no data is an error (SODA 1.0 s3.2.1)."""
    _is_error(await bench.get(bench.url), "a request without ID")


@check("soda.bad-values", "5.2")
async def bad_values(bench: Bench) -> None:
    """A value that cannot be understood is an error (SODA 1.0 s5.2)."""
    for name, value in WRONG:
        _is_error(await bench.get(bench.url, {"ID": bench.profile.soda.id or UNKNOWN, name: value}), f"{name}={value}")


@check("soda.cutout", "5.1")
async def cutout(bench: Bench) -> None:
    """A circle within the data is answered by data of a media type (SODA 1.0 s5.1)."""
    reply = await cut(bench, _circle(bench.profile.soda.inside, "inside"))
    require(reply.status == 200, f"a circle within the data is answered by {reply.status} instead of 200")
    require(reply.media_type, "the cutout has no Content-Type")
    require(reply.body, "the cutout is empty")


@check("soda.pos", "3.3.2")
async def pos(bench: Bench) -> None:
    """POS=CIRCLE is another way to give a circle (SODA 1.0 s3.3.2)."""
    ((_, circle),) = _circle(bench.profile.soda.inside, "inside")
    reply = await cut(bench, {"POS": f"CIRCLE {circle}"})
    require(reply.status == 200, f"POS=CIRCLE within the data is answered by {reply.status} instead of 200")


@check("soda.no-overlap", "5.1")
async def no_overlap(bench: Bench) -> None:
    """A circle that meets nothing is answered by 204 and no body (SODA 1.0 s5.1)."""
    reply = await cut(bench, _circle(bench.profile.soda.outside, "outside"))
    require(reply.status == 204, f"a circle that meets nothing is answered by {reply.status} instead of 204")
    require(not reply.body, "the 204 has a body")


@check("soda.several-values", "3.1")
async def several_values(bench: Bench) -> None:
    """Two circles are cut out, or refused as MultiValuedParamNotSupported (SODA 1.0 s3.1)."""
    circle = _circle(bench.profile.soda.inside, "inside")
    reply = await cut(bench, [*circle, *circle])
    if reply.status >= 400:
        _is_error(reply, "two circles")
        require(reply.text.startswith(LABELS[-1]), f"the error of two circles begins with {reply.text[:40]!r}")


@check("soda.post", "2.1")
async def post(bench: Bench) -> None:
    """POST gives what GET gives (SODA 1.0 s2.1, DALI 1.2 s2.2)."""
    form = (("ID", bench.profile.soda.id or UNKNOWN),)
    by_get = await bench.known(bench.url, form)
    by_post = await bench.send(Request(method="POST", url=bench.url, form=form, follow=True))
    require(
        (by_post.status, by_post.media_type) == (by_get.status, by_get.media_type),
        f"GET is answered by {by_get.status} {by_get.media_type}, POST by {by_post.status} {by_post.media_type}",
    )
