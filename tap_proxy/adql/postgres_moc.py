"""The function that reads a MOC in PostgreSQL, where no column keeps its bounds; it does what `penstock.moc` does."""

from __future__ import annotations

MOC_STATEMENTS: tuple[str, ...] = (
    r"""
CREATE OR REPLACE FUNCTION penstock_moc(written text) RETURNS int8multirange
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $penstock$
DECLARE
  words text[] := regexp_split_to_array(btrim(regexp_replace(written, '[\s,]+', ' ', 'g')), ' ');
  word text; found text[]; cells integer; runs int8range[] := '{}'; low numeric; high numeric;
BEGIN
  FOREACH word IN ARRAY words LOOP
    found := regexp_match(word, '^(?:s?([0-9]{1,2})/)?(?:([0-9]{1,19})(?:-([0-9]{1,19}))?)?$');
    IF found IS NULL THEN RETURN NULL; END IF;
    cells := coalesce(found[1]::integer, cells);
    IF cells IS NULL OR cells > 29 THEN RETURN NULL; END IF;
    IF found[2] IS NOT NULL THEN
      low := found[2]::numeric;
      high := coalesce(found[3], found[2])::numeric;
      IF low > high OR high >= 12::numeric * (1::bigint << 2 * cells) THEN RETURN NULL; END IF;
      runs := runs || int8range(low::bigint << 2 * (29 - cells), (high::bigint + 1) << 2 * (29 - cells));
    END IF;
  END LOOP;
  RETURN (SELECT coalesce(range_agg(run), '{}') FROM unnest(runs) AS run);
END
$penstock$
""",
)
