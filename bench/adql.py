"""Reading, checking and translating ADQL: milliseconds a query, beside sqlglot's parser where it is installed.

Processor time of this process, best of five rounds; ``ADQL_PROFILE=1`` prints where the time goes. Hostile queries
come last: each is answered or refused, and the table says how soon.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec

from rich.console import Console
from rich.table import Table

from tap_proxy.adql import AdqlError, PostgreSQL, SQLite, analyse, parse, translate
from tests.tap_proxy.adql.catalogues import catalogue
from tests.tap_proxy.adql.corpus import all_judged

ROUNDS, REPEATS = 5, 40
QUERIES = {
    "simple filter": "SELECT TOP 10 obs_id FROM ivoa.obscore WHERE calib_level > 1",
    "ObsCore cone, ordered": (
        "SELECT TOP 100 obs_id, access_estsize, s_ra, s_dec FROM ivoa.obscore WHERE dataproduct_type = 'image' "
        "AND 1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 10.68, 41.27, 0.5)) AND em_min < 1e-6 "
        "ORDER BY t_min"
    ),
    "joins, subquery, groups": (
        "SELECT s.name, COUNT(*) AS n, AVG(s.mag) FROM sky.sources AS s JOIN sky.centres AS c USING (id) "
        "LEFT JOIN ivoa.obscore AS o ON o.obs_id = s.obs_id WHERE s.mag BETWEEN 10 AND 15 AND s.n_obs IN "
        "(SELECT calib_level FROM ivoa.obscore WHERE t_exptime > 100) GROUP BY s.name HAVING COUNT(*) > 1 "
        "ORDER BY n DESC"
    ),
    "crossmatch": (
        "SELECT s.id, c.id FROM sky.sources s JOIN sky.centres c ON DISTANCE(s.ra, s.dec, c.ra, c.dec) < 0.00027"
    ),
    "WITH and UNION": (
        "WITH a AS (SELECT id, ra FROM sky.sources WHERE mag < 12), b AS (SELECT id, ra FROM sky.centres) "
        "SELECT * FROM a UNION ALL SELECT * FROM b EXCEPT SELECT TOP 5 id, mag FROM sky.sources ORDER BY 1"
    ),
}
HOSTILE = {
    "1 MB of IN": "SELECT id FROM sky.sources WHERE id IN (" + ", ".join(map(str, range(130_000))) + ")",
    "49,000 values": "SELECT id FROM sky.sources WHERE id IN (" + ", ".join(map(str, range(49_000))) + ")",
    "1 MB of OR": "SELECT id FROM sky.sources WHERE " + " OR ".join(["id=1"] * 100_000),
    "24,000 conditions": "SELECT id FROM sky.sources WHERE " + " OR ".join(["id=1"] * 24_000),
    "1 MB string": "SELECT '" + "x" * 999_000 + "' FROM sky.sources",
    "1 MB name": "SELECT " + "x" * 999_000 + " FROM sky.sources",
    "1 MB of parentheses": "SELECT " + "(" * 499_000 + "1" + ")" * 499_000 + " FROM sky.sources",
    "1 MB of signs": "SELECT " + "-" * 499_000 + "\n1 FROM sky.sources",
    "99 deep": "SELECT " + "(" * 99 + "1" + ")" * 99 + " FROM sky.sources",
    "60 tables": "SELECT COUNT(*) FROM " + ", ".join(f"sky.sources AS t{i}" for i in range(60)),
    "20,000 columns": "SELECT " + ", ".join(["id"] * 20_000) + " FROM sky.sources",
    "POLYGON of 10,000": "SELECT POLYGON(" + ", ".join(["1, 2"] * 10_000) + ") FROM sky.sources",
    "REGION of 100 kB": "SELECT REGION('UNION (" + "CIRCLE 1 2 3 " * 8000 + ")') FROM sky.sources",
    "every column of 40 tables": "SELECT * FROM " + ", ".join(f"sky.sources t{i}" for i in range(40)),
}


def _cost_ms(work: Callable[[], object], repeats: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(repeats):
            work()
        best = min(best, (time.process_time() - begun) / repeats * 1000)
    return best


def _all(text: str) -> None:
    translate(analyse(parse(text), CATALOGUE), PostgreSQL())


CATALOGUE = catalogue()


def main() -> None:
    """Print milliseconds of each step, of the whole corpus, and of hostile queries."""
    parse("SELECT id FROM sources")
    table = Table(
        "query", "read", "check", "SQLite", "PostgreSQL", "all", "sqlglot reads", title="ms of processor time"
    )
    for name, text in QUERIES.items():
        tree = parse(text)
        analysed = analyse(tree, CATALOGUE)
        steps = [
            _cost_ms(partial(parse, text), REPEATS),
            _cost_ms(partial(analyse, tree, CATALOGUE), REPEATS),
            _cost_ms(partial(translate, analysed, SQLite()), REPEATS),
            _cost_ms(partial(translate, analysed, PostgreSQL()), REPEATS),
        ]
        peer = _sqlglot(text)
        table.add_row(name, *(f"{ms:.2f}" for ms in steps), f"{steps[0] + steps[1] + steps[3]:.2f}", peer)
    Console().print(table)
    _corpus()
    _hostile()
    if os.environ.get("ADQL_PROFILE"):
        _profile()


def _sqlglot(text: str) -> str:
    if find_spec("sqlglot") is None:
        return "-"
    import sqlglot

    return f"{_cost_ms(lambda: sqlglot.parse_one(text), REPEATS):.2f}"


def _corpus() -> None:
    queries = [case.query for case in all_judged()]

    def judge() -> None:
        for query in queries:
            with suppress(AdqlError):
                _all(query)

    print(f"{len(queries)} queries of the corpus, right and wrong: {_cost_ms(judge, 1) / len(queries):.2f} ms each")


def _hostile() -> None:
    table = Table("hostile query", "kB", "ms", "answer", title="hostile queries")
    for name, text in HOSTILE.items():
        begun = time.process_time()
        answer = "translated"
        try:
            _all(text)
        except AdqlError as error:
            answer = error.problem[:60]
        table.add_row(name, f"{len(text) / 1000:.0f}", f"{(time.process_time() - begun) * 1000:.0f}", answer)
    Console().print(table)


def _profile() -> None:
    profile = cProfile.Profile()
    with profile:
        for _ in range(200):
            for text in QUERIES.values():
                _all(text)
    pstats.Stats(profile).sort_stats("tottime").print_stats(18)


if __name__ == "__main__":
    main()
