"""Baskets over HTTP, as JSON for programs and as pages for people.

``/basket`` lists the caller's baskets and makes new ones, ``/basket/NAME`` is one of them, a page at a time.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from penstock.auth.middleware import principal_of
from penstock.basket.model import Basket, Item, NewItem, basket_json, item_json, read_item
from penstock.basket.openapi import OPERATIONS
from penstock.basket.service import Baskets
from penstock.dali.errors import PreconditionFailed, UnsupportedMediaType, UsageError
from penstock.dali.media import NEGOTIATED_BY
from penstock.dali.values import parse_int
from penstock.edge.forms import wants_page
from penstock.edge.pages import render_page
from penstock.edge.params import read_body
from penstock.edge.urls import Urls
from penstock.openapi import describe

PER_PAGE = 100
MOST_PER_PAGE = 1000
MAX_BODY_BYTES = 4 * 1024 * 1024


class BasketHandlers:
    """The handlers of one application.

    Parameters
    ----------
    baskets
        The use-cases.
    urls
        Makes addresses absolute.
    path
        Where the host mounts the service.
    """

    def __init__(self, baskets: Baskets, urls: Urls, path: str) -> None:
        self._baskets = baskets
        self._urls = urls
        self._path = path

    def add_routes(self, app: web.Application) -> None:
        """Add everything."""
        for root in ("", "/"):
            app.router.add_get(root, self.show_all)
            app.router.add_post(root, self.create)
        app.router.add_get("/{name}", self.show)
        app.router.add_post("/{name}", self.add)
        app.router.add_delete("/{name}", self.discard)
        app.router.add_delete("/{name}/items/{item}", self.remove)
        describe(app, "", OPERATIONS)

    async def show_all(self, request: web.Request) -> web.Response:
        """List the caller's baskets."""
        caller = principal_of(request)
        found = [self._shown(request, basket) for basket in await self._baskets.all(caller)]
        if wants_page(request):
            root = self._urls.absolute(request, self._path)
            stranger = self._baskets.is_stranger(caller)
            return _vary(render_page("baskets.html", title="Baskets", baskets=found, root=root, stranger=stranger))
        return _vary(_json({"baskets": found}))

    async def create(self, request: web.Request) -> web.Response:
        """Make a basket, with a name by chance if none is given."""
        given = await _body(request)
        if not isinstance(given, dict) or not set(given) <= {"name"} or not isinstance(given.get("name", ""), str):
            raise UsageError('A new basket is {} or {"name": "..."}.')
        basket, new = await self._baskets.create(principal_of(request), given.get("name"))
        shown = self._shown(request, basket)
        response = _json(shown, status=201 if new else 200)
        response.headers["Location"] = shown["url"]
        return response

    async def show(self, request: web.Request) -> web.Response:
        """Show a basket and a page of its items."""
        query = request.query
        limit = parse_int("limit", query.get("limit", str(PER_PAGE)), minimum=1, maximum=MOST_PER_PAGE)
        after = parse_int("after", query.get("after", "0"), minimum=0)
        name = request.match_info["name"]
        basket, items = await self._baskets.page(principal_of(request), name, after=after, limit=limit + 1)
        tag = _etag(basket)
        if request.if_none_match and any(one.value in {tag, "*"} for one in request.if_none_match):
            return _vary(web.Response(status=304, headers={"ETag": f'"{tag}"'}))
        page, more = items[:limit], items[limit - 1].id if len(items) > limit else None
        response = self._page(request, basket, page, more)
        response.headers["ETag"] = f'"{tag}"'
        if more is not None:
            response.headers["Link"] = f'<{self._next(request, basket, limit, more)}>; rel="next"'
        return _vary(response)

    def _page(self, request: web.Request, basket: Basket, items: list[Item], more: int | None) -> web.Response:
        shown = self._shown(request, basket) | {"items": [item_json(item) for item in items], "after": more}
        if not wants_page(request):
            return _json(shown)
        return render_page(
            "basket.html",
            title=f"Basket {basket.name}",
            basket=shown,
            following=f"?after={more}" if more is not None else None,
            root=self._urls.absolute(request, self._path),
        )

    def _next(self, request: web.Request, basket: Basket, limit: int, after: int) -> str:
        return f"{self._urls.absolute(request, self._path)}/{basket.name}?limit={limit}&after={after}"

    async def add(self, request: web.Request) -> web.Response:
        """Put one thing, or many, into a basket; what is in it already stays as it is."""
        new = _items(await _body(request))
        items = await self._baskets.add(principal_of(request), request.match_info["name"], new)
        return _json({"items": [item_json(item) for item in items]}, status=201)

    async def remove(self, request: web.Request) -> web.Response:
        """Take a thing out of a basket."""
        item = parse_int("item", request.match_info["item"], minimum=0)
        await self._baskets.remove(principal_of(request), request.match_info["name"], item)
        return web.Response(status=204)

    async def discard(self, request: web.Request) -> web.Response:
        """Remove a basket with all that is in it; If-Match is heeded."""
        version = _expected_version(request)
        await self._baskets.discard(principal_of(request), request.match_info["name"], version=version)
        return web.Response(status=204)

    def _shown(self, request: web.Request, basket: Basket) -> dict[str, Any]:
        return basket_json(basket) | {"url": f"{self._urls.absolute(request, self._path)}/{basket.name}"}


def _items(given: object) -> list[NewItem]:
    if not (isinstance(given, dict) and "items" in given):
        return [read_item(given)]
    if set(given) != {"items"} or not isinstance(given["items"], list):
        raise UsageError('Many items are sent as {"items": [...]}.')
    return [read_item(one) for one in given["items"]]


def _expected_version(request: web.Request) -> int | None:
    if request.if_match is None or any(one.value == "*" for one in request.if_match):
        return None
    versions = [one.value.removeprefix("v") for one in request.if_match if not one.is_weak]
    if len(versions) != 1 or not versions[0].isdecimal() or not versions[0].isascii() or len(versions[0]) > 18:
        raise PreconditionFailed("The basket has changed since.")
    return int(versions[0])


async def _body(request: web.Request) -> object:
    """Return the JSON of a request; an empty body is an empty object."""
    body = await read_body(request, MAX_BODY_BYTES)
    if not body.strip():
        return {}
    if request.content_type != "application/json" and not request.content_type.endswith("+json"):
        raise UnsupportedMediaType("Baskets are written as application/json.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError("The body is not JSON.") from error


def _etag(basket: Basket) -> str:
    return f"v{basket.version}"


def _vary(response: web.Response) -> web.Response:
    response.headers["Vary"] = NEGOTIATED_BY
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _json(document: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
