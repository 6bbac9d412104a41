"""What the resources of baskets take and answer, for OpenAPI."""

from __future__ import annotations

from penstock.basket.model import MAX_LABEL, MAX_REFERENCE, Kind
from penstock.openapi import Answer, Model, Operation, Operations, Query, errors

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_GIVEN = {
    "reference": {"type": "string", "maxLength": MAX_REFERENCE, "description": "scope:name, a publisher DID or a URL"},
    "kind": {"type": "string", "enum": list(Kind)},
    "label": {"type": "string", "maxLength": MAX_LABEL},
    "mediaType": _TEXT,
    "size": {"type": "integer", "minimum": 0, "description": "Bytes"},
    "job": {"type": "string", "description": "Id of the job that it comes from"},
}
NEW_ITEM_SCHEMA = {
    "type": "object",
    "properties": _GIVEN,
    "required": ["reference"],
    "additionalProperties": False,
}
ITEM_SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, **_GIVEN, "created": _TIME},
    "required": ["id", "reference", "kind", "created"],
    "additionalProperties": False,
}
_BASKET = {"name": _TEXT, "size": {"type": "integer", "minimum": 0}, "created": _TIME, "changed": _TIME, "url": _TEXT}
BASKET_SCHEMA = {
    "type": "object",
    "properties": _BASKET,
    "required": list(_BASKET),
    "additionalProperties": False,
}
_ITEM_REF = {"$ref": "#/$defs/BasketItem"}
NEW_ITEMS = Model(
    name="NewBasketItems",
    schema={
        "anyOf": [
            NEW_ITEM_SCHEMA,
            {
                "type": "object",
                "properties": {"items": {"type": "array", "items": NEW_ITEM_SCHEMA}},
                "required": ["items"],
                "additionalProperties": False,
            },
        ]
    },
)
ITEMS = Model(
    name="BasketItems",
    schema={
        "type": "object",
        "properties": {"items": {"type": "array", "items": _ITEM_REF}},
        "required": ["items"],
        "$defs": {"BasketItem": ITEM_SCHEMA},
    },
)
PAGE = Model(
    name="BasketPage",
    schema={
        "type": "object",
        "properties": {
            **_BASKET,
            "items": {"type": "array", "items": _ITEM_REF},
            "after": {"type": ["integer", "null"], "description": "Where the next page begins, null at the end"},
        },
        "required": [*_BASKET, "items", "after"],
        "additionalProperties": False,
        "$defs": {"BasketItem": ITEM_SCHEMA},
    },
)
BASKET = Model(name="Basket", schema=BASKET_SCHEMA)
BASKETS = Model(
    name="Baskets",
    schema={
        "type": "object",
        "properties": {"baskets": {"type": "array", "items": {"$ref": "#/$defs/Basket"}}},
        "required": ["baskets"],
        "$defs": {"Basket": BASKET_SCHEMA},
    },
)
NEW_BASKET = Model(
    name="NewBasket",
    schema={"type": "object", "properties": {"name": _TEXT}, "additionalProperties": False},
)

_COUNT = {"type": "integer", "minimum": 0}
_PAGING = (
    Query(name="limit", about="Most items of the page", schema=_COUNT),
    Query(name="after", about="Only items after the one of this id", schema=_COUNT),
)
_MATCH = Query(name="If-Match", about="Only if the basket is as this ETag says", header=True)
_GONE = Answer(about="Done")
OPERATIONS: Operations = {
    ("GET", ""): Operation(
        answers={
            200: Answer(about="The caller's baskets", content={"application/json": BASKETS, "text/html": None}),
            **errors(401, 503),
        }
    ),
    ("POST", ""): Operation(
        body={"application/json": NEW_BASKET},
        answers={
            200: Answer(about="It was there already", content={"application/json": BASKET}),
            201: Answer(
                about="The new basket", content={"application/json": BASKET}, headers={"Location": "The basket"}
            ),
            **errors(400, 401, 413, 415, 429, 503),
        },
    ),
    ("GET", "/{name}"): Operation(
        queries=_PAGING,
        answers={
            200: Answer(
                about="The basket and a page of its items",
                content={"application/json": PAGE, "text/html": None},
                headers={"ETag": "Changes whenever the basket does", "Link": "The next page"},
            ),
            304: Answer(about="It has not changed"),
            **errors(400, 401, 404, 503),
        },
    ),
    ("POST", "/{name}"): Operation(
        body={"application/json": NEW_ITEMS},
        answers={
            201: Answer(about="The items, those that were there already too", content={"application/json": ITEMS}),
            **errors(400, 401, 404, 413, 415, 429, 503),
        },
    ),
    ("DELETE", "/{name}"): Operation(queries=(_MATCH,), answers={204: _GONE, **errors(400, 401, 404, 412, 503)}),
    ("DELETE", "/{name}/items/{item}"): Operation(answers={204: _GONE, **errors(400, 401, 404, 503)}),
}
