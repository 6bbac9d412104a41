"""The answers to the queries by which the checks of ADQL and RegTAP try a service; other queries are not understood."""

from __future__ import annotations

from conformance.checks import adql, regtap

Answer = tuple[list[str], list[list[str]]]
SCHEMAS = [["ivoa"], ["rr"], ["tap_schema"]]
RESOURCE = "SELECT TOP 1 ivoid FROM rr.resource WHERE "
ODD = 'SELECT TOP 1 "table_name" AS "An odd Name" FROM TAP_SCHEMA.tables'


def _fixed() -> dict[str, Answer]:
    """Return the queries whose answers are always the same."""
    some: Answer = (["a"], [["x"]])
    known: dict[str, Answer] = dict.fromkeys((*adql.AGGREGATES, ODD, regtap.STRING_AGG), some)
    known["select top 1 TABLE_NAME from tap_schema.TABLES"] = some
    known |= {text: (["schema_name"], [] if name == "EXCEPT" else SCHEMAS) for name, text in adql.SETS.items()}
    known |= dict.fromkeys((adql.WITH, adql.SCHEMAS, adql.ORDERED, adql.PRECEDENCE), (["schema_name"], SCHEMAS))
    known[f"{adql.ORDERED} OFFSET 1"] = (["schema_name"], SCHEMAS[1:])
    for table, names in regtap.TABLES.items():
        known[f"SELECT TOP 1 {', '.join(names.split())} FROM rr.{table}"] = (names.split(), [])
    return known


FIXED = _fixed()


def answer(query: str) -> Answer | None:
    """Answer a query of the probes; None if it is none."""
    if query in FIXED:
        return FIXED[query]
    if " <> LOWER(" in query or "NOT IN (SELECT ivoid FROM rr.resource)" in query:
        return ["ivoid"], []
    for start in (f"{adql.SOME} WHERE ", RESOURCE):
        if query.startswith(start):
            return ["a"], [] if query.startswith(f"{start}NOT (") else [["x"]]
    return None
