"""The helper functions of numbers and words for PostgreSQL, and how helper functions are created.

Outside of its domain a function is NULL, and what is too large is infinite; see postgres_functions.py.
"""

from __future__ import annotations

_KIND = "IMMUTABLE PARALLEL SAFE"


def sql_function(signature: str, returns: str, body: str) -> str:
    """Return the statement that creates a function of one expression."""
    return (
        f"CREATE OR REPLACE FUNCTION {signature} RETURNS {returns} LANGUAGE sql {_KIND} AS $penstock${body}$penstock$"
    )


def plpgsql_function(signature: str, returns: str, body: str) -> str:
    """Return the statement that creates a function of several steps; NULL in gives NULL out."""
    head = f"CREATE OR REPLACE FUNCTION {signature} RETURNS {returns} LANGUAGE plpgsql {_KIND} STRICT"
    return f"{head} AS $penstock${body}$penstock$"


NUMBER_STATEMENTS: tuple[str, ...] = (
    sql_function("penstock_ln(x float8)", "float8", "SELECT CASE WHEN x > 0 THEN ln(x) END"),
    sql_function("penstock_log10(x float8)", "float8", "SELECT CASE WHEN x > 0 THEN log(x) END"),
    sql_function("penstock_sqrt(x float8)", "float8", "SELECT CASE WHEN x >= 0 THEN sqrt(x) END"),
    sql_function("penstock_asin(x float8)", "float8", "SELECT CASE WHEN abs(x) <= 1 THEN asin(x) END"),
    sql_function("penstock_acos(x float8)", "float8", "SELECT CASE WHEN abs(x) <= 1 THEN acos(x) END"),
    sql_function(
        "penstock_exp(x float8)",
        "float8",
        "SELECT CASE WHEN x > 709.78 THEN 'Infinity'::float8 WHEN x < -745.1 THEN 0 ELSE exp(x) END",
    ),
    sql_function(
        "penstock_power(x float8, y float8)",
        "float8",
        "SELECT CASE WHEN x = 0 AND y < 0 THEN 'Infinity'::float8 WHEN x < 0 AND y <> trunc(y) THEN NULL "
        "WHEN x = 0 OR abs(y * ln(abs(x))) < 700 THEN power(x, y) "
        "WHEN y * ln(abs(x)) > 709.78 THEN CASE WHEN x < 0 AND y / 2 <> trunc(y / 2) THEN '-Infinity'::float8 "
        "ELSE 'Infinity'::float8 END WHEN y * ln(abs(x)) < -708.3 THEN 0 ELSE power(x, y) END",
    ),
    sql_function(
        "penstock_round(x float8)",
        "float8",
        "SELECT CASE WHEN abs(x) > 4503599627370496 THEN x ELSE trunc(x + sign(x) * 0.5) + 0 END",
    ),
    # Larger numbers are whole already, and would overflow.
    sql_function(
        "penstock_round_to(x float8, p float8)",
        "float8",
        "SELECT CASE WHEN abs(x) < 4503599627370496 THEN penstock_round(x * p) / p ELSE x END",
    ),
    sql_function(
        "penstock_truncate_to(x float8, p float8)",
        "float8",
        "SELECT CASE WHEN abs(x) < 4503599627370496 THEN trunc(x * p) / p ELSE x END",
    ),
    sql_function(
        "penstock_angle(h float8)",
        "float8",
        "SELECT degrees(2 * asin(sqrt(CASE WHEN h > 1 THEN 1 ELSE h END)))",
    ),
    plpgsql_function(
        "penstock_mod(x float8, y float8)",
        "float8",
        """
DECLARE r float8 := abs(x); m float8 := abs(y); t float8;
BEGIN
  IF m = 0 OR x = 'NaN' OR y = 'NaN' OR r = 'Infinity' THEN RETURN NULL; END IF;
  IF m = 'Infinity' OR r < m THEN RETURN x; END IF;
  t := m;
  WHILE t <= r / 2 LOOP t := t * 2; END LOOP;
  WHILE t >= m LOOP
    IF r >= t THEN r := r - t; END IF;
    t := t / 2;
  END LOOP;
  RETURN sign(x) * r;
END
""",
    ),
    sql_function(
        "penstock_hasword(haystack text, needle text)",
        "integer",
        r"""
SELECT CASE WHEN haystack IS NULL OR needle IS NULL THEN 0 ELSE coalesce((
  SELECT bool_and(position(' ' || word || ' ' IN ' ' || regexp_replace(
    lower(haystack COLLATE "C"), '[\u0001-\u002f\u003a-\u0060\u007b-\u007f]+', ' ', 'g') || ' ') > 0)::int
  FROM regexp_split_to_table(lower(needle COLLATE "C"), '[\u0001-\u002f\u003a-\u0060\u007b-\u007f]+') AS word
  WHERE word <> ''), 0) END
""",
    ),
)
