"""The helper functions that SQL for PostgreSQL calls, as statements that create them.

They give the same answers as sphere.py and sqlite_functions.py, by the same steps; what is explained there is not
explained here again. Run the statements in order, as an owner of the schema on the readers' search path. All functions
are immutable and parallel-safe. Directions are arrays of three numbers, outlines are directions one after the other.
"""

from __future__ import annotations

from tap_proxy.adql.postgres_moc import MOC_STATEMENTS
from tap_proxy.adql.postgres_numbers import NUMBER_STATEMENTS, plpgsql_function, sql_function

_VECTORS = (
    sql_function(
        "penstock_vector(lon float8, lat float8)",
        "float8[]",
        "SELECT ARRAY[cos(radians(lat)) * cos(radians(lon)), cos(radians(lat)) * sin(radians(lon)), sin(radians(lat))]",
    ),
    sql_function(
        "penstock_lon(v float8[])",
        "float8",
        "SELECT CASE WHEN a < 0 THEN a + 360 ELSE a END FROM (SELECT degrees(atan2(v[2], v[1])) AS a) AS q",
    ),
    sql_function("penstock_lat(v float8[])", "float8", "SELECT degrees(atan2(v[3], sqrt(v[1] * v[1] + v[2] * v[2])))"),
    sql_function("penstock_dot(a float8[], b float8[])", "float8", "SELECT a[1] * b[1] + a[2] * b[2] + a[3] * b[3]"),
    sql_function(
        "penstock_cross(a float8[], b float8[])",
        "float8[]",
        "SELECT ARRAY[a[2] * b[3] - a[3] * b[2], a[3] * b[1] - a[1] * b[3], a[1] * b[2] - a[2] * b[1]]",
    ),
    plpgsql_function("penstock_norm(a float8[])", "float8", "BEGIN RETURN sqrt(penstock_dot(a, a)); END"),
    plpgsql_function(
        "penstock_between(a float8[], b float8[])",
        "float8",
        "BEGIN RETURN atan2(penstock_norm(penstock_cross(a, b)), penstock_dot(a, b)); END",
    ),
    plpgsql_function(
        "penstock_corner(v float8[], i integer)",
        "float8[]",
        """
DECLARE k integer := (i % (array_length(v, 1) / 3)) * 3;
BEGIN RETURN v[k + 1 : k + 3]; END
""",
    ),
    plpgsql_function(
        "penstock_box(lon float8, lat float8, width float8, height float8)",
        "text",
        """
DECLARE
  x float8; y float8; c float8[]; e float8[]; n float8[];
  xs float8[]; ys float8[]; v float8[]; made text := 'polygon';
BEGIN
  IF NOT (abs(lon) < 'infinity' AND abs(lat) < 'infinity') THEN RETURN NULL; END IF;
  IF NOT (width >= 0 AND width < 180 AND height >= 0 AND height < 180) THEN RETURN NULL; END IF;
  x := tan(radians(width) / 2); y := tan(radians(height) / 2);
  c := penstock_vector(lon, lat);
  e := ARRAY[-sin(radians(lon)), cos(radians(lon)), 0];
  n := ARRAY[-sin(radians(lat)) * cos(radians(lon)), -sin(radians(lat)) * sin(radians(lon)), cos(radians(lat))];
  xs := ARRAY[-x, x, x, -x]; ys := ARRAY[-y, -y, y, y];
  FOR i IN 1..4 LOOP
    v := ARRAY[c[1] + e[1] * xs[i] + n[1] * ys[i], c[2] + e[2] * xs[i] + n[2] * ys[i],
               c[3] + e[3] * xs[i] + n[3] * ys[i]];
    made := made || ' ' || penstock_lon(v)::text || ' ' || penstock_lat(v)::text;
  END LOOP;
  RETURN made;
END
""",
    ),
)

_PARSING = (
    plpgsql_function(
        "penstock_range(west float8, east float8, south float8, north float8)",
        "float8[]",
        """
DECLARE
  width float8 := penstock_mod(penstock_mod(east - west, 360) + 360, 360);
  steps integer := greatest(1, ceil(width)::integer); made float8[] := '{}';
BEGIN
  FOR i IN 0..steps LOOP made := made || ARRAY[west + width * i / steps, south]; END LOOP;
  FOR i IN REVERSE steps..0 LOOP made := made || ARRAY[west + width * i / steps, north]; END LOOP;
  RETURN made;
END
""",
    ),
    plpgsql_function(
        "penstock_region(written text)",
        "TABLE (kind text, numbers float8[])",
        r"""
DECLARE
  words text[] := regexp_split_to_array(
    btrim(regexp_replace(regexp_replace(written, '([()])', ' \1 ', 'g'), '\s+', ' ', 'g')), ' ');
  filling text[] := ARRAY['ICRS', 'FK5', 'J2000', 'UNKNOWNFRAME', 'BARYCENTER', 'GEOCENTER', 'HELIOCENTER', 'LSR',
    'LSRK', 'LSRD', 'TOPOCENTER', 'RELOCATABLE', 'UNKNOWNREFPOS', 'SPHERICAL2', 'FILLFACTOR', 'UNIT', 'DEG'];
  place integer := 1; total integer := array_length(words, 1); word text; label text; n float8[]; size integer;
  made text; wrong boolean;
BEGIN
  WHILE place <= total LOOP
    word := upper(words[place] COLLATE "C");
    IF word IN ('UNION', '(', ')') OR (place > 1 AND word = ANY (filling)) THEN
      place := place + 1;
      CONTINUE;
    END IF;
    label := CASE word WHEN 'POINT' THEN 'point' WHEN 'POSITION' THEN 'point' WHEN 'CIRCLE' THEN 'circle'
      WHEN 'POLYGON' THEN 'polygon' WHEN 'BOX' THEN 'box' WHEN 'RANGE' THEN 'range' END;
    IF label IS NULL THEN RAISE EXCEPTION USING ERRCODE = '22023'; END IF;
    place := place + 1;
    WHILE place <= total AND upper(words[place] COLLATE "C") = ANY (filling) LOOP
      place := place + 1;
    END LOOP;
    n := '{}';
    WHILE place <= total AND words[place] ~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$' LOOP
      n := n || words[place]::float8;
      place := place + 1;
    END LOOP;
    size := coalesce(array_length(n, 1), 0);
    wrong := CASE label WHEN 'point' THEN size <> 2 WHEN 'circle' THEN size <> 3 OR n[3] < 0
      WHEN 'polygon' THEN size < 6 OR size % 2 <> 0 ELSE size <> 4 END;
    IF wrong THEN
      RAISE EXCEPTION USING ERRCODE = '22023';
    END IF;
    IF label = 'box' THEN
      made := substr(penstock_box(n[1], n[2], n[3], n[4]), 9);
      IF made IS NULL THEN RAISE EXCEPTION USING ERRCODE = '22023'; END IF;
      n := regexp_split_to_array(made, ' ')::float8[];
    ELSIF label = 'range' THEN
      n := penstock_range(n[1], n[2], n[3], n[4]);
    END IF;
    kind := CASE WHEN label IN ('box', 'range') THEN 'polygon' ELSE label END;
    numbers := n;
    RETURN NEXT;
  END LOOP;
END
""",
    ),
    plpgsql_function(
        "penstock_vertices(numbers float8[])",
        "float8[]",
        """
DECLARE made float8[] := '{}'; v float8[]; previous float8[]; size integer := array_length(numbers, 1);
BEGIN
  FOR i IN 1..size BY 2 LOOP
    v := penstock_vector(numbers[i], numbers[i + 1]);
    IF previous IS NULL OR penstock_between(v, previous) > 1e-12 THEN
      made := made || v;
      previous := v;
    END IF;
  END LOOP;
  size := array_length(made, 1);
  IF size > 3 AND penstock_between(made[1:3], made[size - 2 : size]) <= 1e-12 THEN
    made := made[1 : size - 3];
  END IF;
  RETURN made;
END
""",
    ),
)

_OUTLINES = (
    plpgsql_function(
        "penstock_signed_area(v float8[])",
        "float8",
        """
DECLARE total float8 := 0; f float8[] := v[1:3]; a float8[]; b float8[];
BEGIN
  FOR i IN 1 .. array_length(v, 1) / 3 - 2 LOOP
    a := penstock_corner(v, i);
    b := penstock_corner(v, i + 1);
    total := total + 2 * atan2(penstock_dot(f, penstock_cross(a, b)),
      1 + penstock_dot(f, a) + penstock_dot(a, b) + penstock_dot(b, f));
  END LOOP;
  IF total > 2 * pi() THEN total := total - 4 * pi(); END IF;
  IF total < -2 * pi() THEN total := total + 4 * pi(); END IF;
  RETURN total;
END
""",
    ),
    plpgsql_function(
        "penstock_to_outline(p float8[], v float8[])",
        "float8",
        """
DECLARE nearest float8; d float8; a float8[]; b float8[]; n float8[]; corners integer := array_length(v, 1) / 3;
BEGIN
  IF corners = 1 THEN RETURN penstock_between(p, v); END IF;
  FOR i IN 0 .. corners - 1 LOOP
    a := penstock_corner(v, i);
    b := penstock_corner(v, i + 1);
    n := penstock_cross(a, b);
    IF penstock_dot(penstock_cross(n, a), p) > 0 AND penstock_dot(penstock_cross(b, n), p) > 0 THEN
      d := abs(atan2(penstock_dot(n, p), penstock_norm(penstock_cross(n, p))));
    ELSE
      d := least(penstock_between(p, a), penstock_between(p, b));
    END IF;
    nearest := least(nearest, d);
  END LOOP;
  RETURN nearest;
END
""",
    ),
    plpgsql_function(
        "penstock_in_polygon(p float8[], v float8[])",
        "boolean",
        """
DECLARE turned float8 := 0; a float8[]; b float8[]; corners integer := array_length(v, 1) / 3;
BEGIN
  IF corners < 3 THEN RETURN penstock_to_outline(p, v) <= 1e-12; END IF;
  FOR i IN 0 .. corners - 1 LOOP
    a := penstock_corner(v, i);
    b := penstock_corner(v, i + 1);
    turned := turned + atan2(penstock_dot(p, penstock_cross(a, b)),
      penstock_dot(a, b) - penstock_dot(p, a) * penstock_dot(p, b));
  END LOOP;
  IF penstock_signed_area(v) <= 0 THEN turned := -turned; END IF;
  RETURN turned > pi() OR penstock_to_outline(p, v) <= 1e-12;
END
""",
    ),
    plpgsql_function(
        "penstock_outlines_cross(v float8[], w float8[])",
        "boolean",
        """
DECLARE a float8[]; b float8[]; c float8[]; d float8[]; f float8[]; s float8[]; x float8[];
BEGIN
  FOR i IN 0 .. array_length(v, 1) / 3 - 1 LOOP
    a := penstock_corner(v, i);
    b := penstock_corner(v, i + 1);
    f := penstock_cross(a, b);
    FOR j IN 0 .. array_length(w, 1) / 3 - 1 LOOP
      c := penstock_corner(w, j);
      d := penstock_corner(w, j + 1);
      s := penstock_cross(c, d);
      x := ARRAY[-penstock_dot(f, c), penstock_dot(f, d), penstock_dot(s, a), -penstock_dot(s, b)];
      IF least(x[1], x[2], x[3], x[4]) > 1e-12 OR greatest(x[1], x[2], x[3], x[4]) < -1e-12 THEN
        RETURN true;
      END IF;
    END LOOP;
  END LOOP;
  RETURN false;
END
""",
    ),
    plpgsql_function(
        "penstock_some_inside(v float8[], w float8[], every boolean)",
        "boolean",
        """
DECLARE inside boolean;
BEGIN
  FOR i IN 0 .. array_length(v, 1) / 3 - 1 LOOP
    inside := penstock_in_polygon(penstock_corner(v, i), w);
    IF inside <> every THEN RETURN inside; END IF;
  END LOOP;
  RETURN every;
END
""",
    ),
)

_RELATIONS = (
    plpgsql_function(
        "penstock_part_contains(kind text, n float8[], whole text, m float8[])",
        "boolean",
        """
DECLARE
  p float8[] := penstock_vector(n[1], n[2]); q float8[] := penstock_vector(m[1], m[2]);
  r float8; v float8[]; w float8[];
BEGIN
  IF whole = 'point' THEN RETURN kind = 'point' AND penstock_between(p, q) <= 1e-12; END IF;
  IF whole = 'circle' THEN
    r := radians(m[3]);
    IF r >= pi() THEN RETURN true; END IF;
    IF kind = 'polygon' THEN
      v := penstock_vertices(n);
      IF r > pi() / 2 THEN
        q := ARRAY[-q[1], -q[2], -q[3]];
        RETURN penstock_to_outline(q, v) >= pi() - r - 1e-12 AND NOT penstock_in_polygon(q, v);
      END IF;
      FOR i IN 0 .. array_length(v, 1) / 3 - 1 LOOP
        IF penstock_between(penstock_corner(v, i), q) > r + 1e-12 THEN RETURN false; END IF;
      END LOOP;
      RETURN true;
    END IF;
    RETURN penstock_between(p, q) + CASE kind WHEN 'circle' THEN radians(n[3]) ELSE 0 END <= r + 1e-12;
  END IF;
  w := penstock_vertices(m);
  IF kind = 'polygon' THEN
    v := penstock_vertices(n);
    RETURN penstock_some_inside(v, w, true) AND NOT penstock_outlines_cross(v, w);
  END IF;
  IF NOT penstock_in_polygon(p, w) THEN RETURN false; END IF;
  RETURN kind = 'point' OR penstock_to_outline(p, w) >= radians(n[3]) - 1e-12;
END
""",
    ),
    plpgsql_function(
        "penstock_parts_intersect(kind text, n float8[], other text, m float8[])",
        "boolean",
        """
DECLARE v float8[]; w float8[]; p float8[];
BEGIN
  IF kind = 'point' THEN RETURN penstock_part_contains(kind, n, other, m); END IF;
  IF other = 'point' THEN RETURN penstock_part_contains(other, m, kind, n); END IF;
  IF kind = 'circle' AND other = 'circle' THEN
    RETURN penstock_between(penstock_vector(n[1], n[2]), penstock_vector(m[1], m[2])) <= radians(n[3] + m[3]) + 1e-12;
  END IF;
  IF kind = 'polygon' AND other = 'polygon' THEN
    v := penstock_vertices(n);
    w := penstock_vertices(m);
    RETURN penstock_some_inside(v, w, false) OR penstock_some_inside(w, v, false) OR penstock_outlines_cross(v, w);
  END IF;
  IF other = 'circle' THEN RETURN penstock_parts_intersect(other, m, kind, n); END IF;
  p := penstock_vector(n[1], n[2]);
  w := penstock_vertices(m);
  RETURN penstock_in_polygon(p, w) OR penstock_to_outline(p, w) <= radians(n[3]) + 1e-12;
END
""",
    ),
    plpgsql_function(
        "penstock_part_area(kind text, n float8[])",
        "float8",
        """
BEGIN
  RETURN power(180 / pi(), 2) * CASE kind WHEN 'point' THEN 0
    WHEN 'circle' THEN 4 * pi() * power(sin(radians(least(n[3], 180)) / 2), 2)
    ELSE abs(penstock_signed_area(penstock_vertices(n))) END;
END
""",
    ),
    plpgsql_function(
        "penstock_moment(kind text, n float8[])",
        "float8[]",
        """
DECLARE
  v float8[]; a float8[]; b float8[]; c float8[]; size float8; f float8;
  total float8[] := ARRAY[0, 0, 0]::float8[];
BEGIN
  IF kind <> 'polygon' THEN
    v := penstock_vector(n[1], n[2]);
    f := greatest(penstock_part_area(kind, n), 1e-12);
    RETURN ARRAY[v[1] * f, v[2] * f, v[3] * f];
  END IF;
  v := penstock_vertices(n);
  FOR i IN 0 .. array_length(v, 1) / 3 - 1 LOOP
    a := penstock_corner(v, i);
    b := penstock_corner(v, i + 1);
    c := penstock_cross(a, b);
    size := penstock_norm(c);
    IF size > 0 THEN
      f := penstock_between(a, b) / size;
      total := ARRAY[total[1] + c[1] * f, total[2] + c[2] * f, total[3] + c[3] * f];
    END IF;
  END LOOP;
  f := CASE WHEN penstock_signed_area(v) < 0 THEN -1 ELSE 1 END * power(180 / pi(), 2) / 2;
  RETURN ARRAY[total[1] * f, total[2] * f, total[3] * f];
END
""",
    ),
)


def _of_texts(signature: str, returns: str, body: str) -> str:
    """Make a function of written geometries, for which one that cannot be read is NULL."""
    ending = "EXCEPTION WHEN invalid_parameter_value THEN RETURN NULL; END"
    return plpgsql_function(signature, returns, f"{body} {ending}")


_FOR_QUERIES = (
    _of_texts(
        "penstock_contains(a text, b text)",
        "integer",
        """
BEGIN
  RETURN (SELECT bool_and(inside)::integer FROM (
    SELECT bool_or(penstock_part_contains(x.kind, x.numbers, y.kind, y.numbers)) AS inside
    FROM penstock_region(a) WITH ORDINALITY AS x (kind, numbers, i) CROSS JOIN penstock_region(b) AS y
    GROUP BY x.i) AS q);
""",
    ),
    _of_texts(
        "penstock_intersects(a text, b text)",
        "integer",
        """
BEGIN
  RETURN (SELECT bool_or(penstock_parts_intersect(x.kind, x.numbers, y.kind, y.numbers))::integer
    FROM penstock_region(a) AS x CROSS JOIN penstock_region(b) AS y);
""",
    ),
    _of_texts(
        "penstock_area(a text)",
        "float8",
        "BEGIN RETURN (SELECT sum(penstock_part_area(x.kind, x.numbers)) FROM penstock_region(a) AS x);",
    ),
    _of_texts(
        "penstock_coord(a text, i integer)",
        "float8",
        """
DECLARE value float8; parts integer;
BEGIN
  SELECT count(*), min(CASE kind WHEN 'point' THEN numbers[i] END) INTO parts, value FROM penstock_region(a);
  RETURN CASE WHEN parts = 1 THEN value END;
""",
    ),
    _of_texts(
        "penstock_centroid(a text)",
        "text",
        """
DECLARE total float8[] := ARRAY[0, 0, 0]::float8[]; m float8[]; x record; first record; parts integer := 0;
BEGIN
  FOR x IN SELECT kind, numbers FROM penstock_region(a) LOOP
    m := penstock_moment(x.kind, x.numbers);
    total := ARRAY[total[1] + m[1], total[2] + m[2], total[3] + m[3]];
    first := x;
    parts := parts + 1;
  END LOOP;
  IF parts = 0 THEN RETURN NULL; END IF;
  IF parts = 1 AND first.kind <> 'polygon' THEN RETURN first.numbers[1]::text || ' ' || first.numbers[2]::text; END IF;
  RETURN penstock_lon(total)::text || ' ' || penstock_lat(total)::text;
""",
    ),
)

STATEMENTS: tuple[str, ...] = (
    *NUMBER_STATEMENTS,
    *_VECTORS,
    *_PARSING,
    *_OUTLINES,
    *_RELATIONS,
    *_FOR_QUERIES,
    *MOC_STATEMENTS,
)
"""What creates the functions, in the order in which they need one another."""
