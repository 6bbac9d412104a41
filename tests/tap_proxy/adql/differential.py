"""Queries that touch what the two databases do differently by themselves."""

from __future__ import annotations

QUERIES = (
    "SELECT s.id, c.id FROM sources s LEFT JOIN centres c ON s.id = c.id ORDER BY c.id, s.id",
    "SELECT s.id, c.id FROM sources s FULL JOIN centres c ON s.id = c.id + 57 ORDER BY s.id, c.id",
    "SELECT s.id, c.id FROM sources s FULL JOIN centres c ON s.id < c.id AND s.n_obs > 0",
    "SELECT s.id, c.id FROM sources s FULL JOIN centres c ON DISTANCE(s.ra, s.dec, c.ra, c.dec) < 20",
    "SELECT s.id, c.id FROM sources s FULL JOIN centres c ON 1 = CONTAINS(s.pos, CIRCLE(c.ra, c.dec, 20)) OR c.id = 3",
    "SELECT s.id, c.id FROM sources s FULL JOIN centres c ON s.id = s.n_obs AND NOT c.label = 'a'",
    "SELECT q.n, c.id FROM (SELECT MAX(id) AS n FROM sources GROUP BY n_obs) AS q FULL JOIN centres c ON q.n < c.ra",
    (
        "SELECT a.id, b.id, c.id FROM centres a FULL JOIN (centres b FULL JOIN sources c ON b.id > c.id) "
        "ON a.ra < b.ra AND c.mag > 11"
    ),
    (
        "WITH w AS (SELECT id FROM sources WHERE id < 4) SELECT c.id FROM centres c WHERE EXISTS "
        "(SELECT * FROM w AS a FULL JOIN w AS b ON a.id = b.id + c.id AND a.id <> c.id WHERE b.id > c.radius)"
    ),
    "SELECT s.id, c.id FROM centres c RIGHT JOIN sources s ON s.id = c.id ORDER BY c.id DESC, s.id",
    "SELECT a.id, c.id FROM sources a LEFT JOIN (sources b JOIN centres c USING (id)) ON a.n_obs = c.id ORDER BY 2, 1",
    "SELECT * FROM ivoa.obscore",
    "SELECT * FROM sky.sources ORDER BY id",
    "SELECT id, mag FROM sources ORDER BY mag DESC, id",
    "SELECT id, name FROM sources ORDER BY name, id",
    "SELECT DISTINCT name FROM sources ORDER BY name",
    "SELECT DISTINCT name FROM sources ORDER BY name DESC",
    "SELECT id, n_obs/2, n_obs*2, n_obs+big, big/n_obs, mag/n_obs, mag*2, -n_obs, -mag FROM sources",
    (
        "SELECT id, MOD(id, 7), MOD(mag, 0.7), MOD(n_obs, 2), POWER(mag, 2), POWER(n_obs, -1), SQRT(n_obs), "
        "LOG(n_obs), LOG10(mag), EXP(mag) FROM sources"
    ),
    (
        "SELECT id, ROUND(mag,1), ROUND(pm_ra), ROUND(ra,-1), TRUNCATE(pm_ra), TRUNCATE(mag,1), CEILING(pm_ra), "
        "FLOOR(pm_ra), CEILING(n_obs), FLOOR(id), ABS(pm_ra), ABS(n_obs) FROM sources"
    ),
    (
        "SELECT id, SIN(ra), COS(ra), TAN(ra), COT(ra), ASIN(n_obs), ACOS(n_obs), ATAN(mag), ATAN2(ra,dec), "
        "DEGREES(1), RADIANS(ra), PI() FROM sources"
    ),
    (
        "SELECT id, LOWER(name), UPPER(name), name||'x'||id, name||mag, 'a'||variable, CAST(mag AS VARCHAR(3)), "
        "CAST(id AS CHAR(2)), CAST(id AS VARCHAR), CAST(mag AS CHAR) FROM sources"
    ),
    (
        "SELECT id, CAST(mag AS INTEGER), CAST(pm_ra AS SMALLINT), CAST(id AS DOUBLE PRECISION), CAST(id AS "
        "REAL), CAST('12' AS INTEGER), CAST('1e3' AS DOUBLE PRECISION), CAST(variable AS INTEGER), CAST(big AS "
        "BIGINT) FROM sources"
    ),
    "SELECT CAST('2010-05-01' AS TIMESTAMP) FROM centres",
    "SELECT obs_id FROM obscore WHERE obs_release_date > '2015-01-01'",
    (
        "SELECT obs_id FROM obscore WHERE obs_release_date BETWEEN CAST('2014-01-01' AS TIMESTAMP) AND "
        "CAST('2016-12-31' AS TIMESTAMP) ORDER BY obs_release_date, obs_id"
    ),
    "SELECT name FROM sources WHERE name LIKE 'a%'",
    (
        "SELECT name FROM sources WHERE name LIKE '%\\_x' OR name LIKE 'B\\%ta' OR name LIKE '[%]*' OR name LIKE "
        "'beta_x'"
    ),
    "SELECT name FROM sources WHERE name NOT LIKE 'A%' OR name LIKE '_mega'",
    "SELECT name FROM sources WHERE name ILIKE 'ALPHA' OR name ILIKE '%MEGA'",
    "SELECT name FROM sources WHERE name NOT ILIKE 'ALPHA'",
    ("SELECT s.name, c.label FROM sources s, centres c WHERE s.name LIKE c.label || '%' OR s.name ILIKE c.label||'%'"),
    "SELECT s.name FROM sources s WHERE s.name LIKE s.name",
    "SELECT name FROM sources WHERE name >= 'B' AND name < 'b'",
    (
        "SELECT MIN(name), MAX(name), COUNT(name), COUNT(*), COUNT(DISTINCT name), SUM(id), SUM(mag), AVG(id), "
        "AVG(mag), MIN(mag), MAX(variable), MIN(big), SUM(big) FROM sources"
    ),
    ("SELECT obs_id, COUNT(*) AS n, AVG(mag) FROM sources GROUP BY obs_id HAVING COUNT(*) > 3 ORDER BY n DESC, obs_id"),
    "SELECT COUNT(*) FROM sources HAVING COUNT(*) > 100",
    "SELECT obs_id || 'x', COUNT(*) FROM sources GROUP BY obs_id || 'x'",
    "SELECT 1+n_obs, COUNT(*) FROM sources GROUP BY 1+n_obs ORDER BY 1",
    "SELECT n_obs, COUNT(*) FROM sources GROUP BY 1 ORDER BY 1",
    "SELECT 'a', COUNT(*) FROM sources GROUP BY 'a'",
    "SELECT o.obs_id, s.id FROM obscore o JOIN sources s ON o.obs_id = s.obs_id WHERE s.mag > 12",
    "SELECT o.obs_id, s.id FROM obscore o LEFT OUTER JOIN sources s USING (obs_id)",
    "SELECT obs_id, s.id FROM obscore o RIGHT JOIN sources s USING (obs_id)",
    ("SELECT obs_id, s.id, o.calib_level FROM obscore o FULL OUTER JOIN sources s USING (obs_id) ORDER BY obs_id, id"),
    "SELECT * FROM centres NATURAL JOIN sources",
    "SELECT * FROM centres c NATURAL FULL JOIN (SELECT id, mag FROM sources WHERE id < 10) AS s",
    "SELECT c.id, a.id, b.id FROM centres c JOIN sources a JOIN sources b ON a.id = b.id + 1 ON c.id = a.id",
    "SELECT c.id, a.id FROM centres c, obscore o RIGHT JOIN sources a ON o.obs_id = a.obs_id WHERE c.id = 1",
    "SELECT c.id, x.id FROM centres c LEFT JOIN (sources a JOIN centres x ON a.id = x.id) ON c.id = a.id + 1",
    (
        "SELECT c.id, x.obs_id FROM centres c FULL JOIN (sources a FULL JOIN obscore x ON a.obs_id = x.obs_id) ON"
        " c.id = a.id"
    ),
    "SELECT c.id FROM centres c JOIN centres d",
    "SELECT id FROM sources UNION SELECT id FROM centres",
    "SELECT id FROM sources EXCEPT SELECT id FROM centres",
    "SELECT id, mag FROM sources UNION ALL SELECT id, 3 FROM centres",
    "SELECT n_obs FROM sources INTERSECT ALL SELECT id FROM centres",
    "SELECT n_obs FROM sources EXCEPT ALL SELECT id FROM centres",
    "SELECT n_obs FROM sources INTERSECT SELECT id FROM centres UNION SELECT 77 FROM centres ORDER BY 1",
    "SELECT id FROM centres UNION SELECT 77 FROM centres INTERSECT SELECT id FROM sources",
    (
        "SELECT id FROM centres UNION (SELECT 77 FROM centres INTERSECT SELECT id FROM sources) EXCEPT SELECT 2 "
        "FROM centres"
    ),
    (
        "(SELECT TOP 2 id FROM sources ORDER BY id DESC) UNION ALL (SELECT TOP 2 id FROM sources ORDER BY id) "
        "ORDER BY id DESC OFFSET 1"
    ),
    "SELECT TOP 3 id FROM sources ORDER BY id OFFSET 2",
    "SELECT id FROM sources ORDER BY id OFFSET 50",
    "SELECT name AS x FROM sources UNION SELECT label FROM centres ORDER BY x",
    "SELECT name AS x, id FROM sources UNION SELECT label, id FROM centres ORDER BY x DESC, id + 1",
    "SELECT NULL AS a, id FROM centres UNION SELECT id, id FROM sources UNION SELECT NULL, 1 FROM centres",
    "SELECT NULL AS a FROM centres",
    (
        "WITH a AS (SELECT id, mag FROM sources WHERE mag > 12), b AS (SELECT id FROM a WHERE id > 10) SELECT "
        "a.mag, b.id FROM a JOIN b USING (id)"
    ),
    "SELECT id FROM sources s WHERE EXISTS (SELECT * FROM centres c WHERE c.id = s.id)",
    "SELECT id FROM sources s WHERE NOT EXISTS (SELECT 1 FROM centres c WHERE c.id = s.id AND s.mag > 11)",
    "SELECT id FROM sources WHERE id IN (SELECT id FROM centres)",
    "SELECT id FROM sources WHERE n_obs NOT IN (SELECT id FROM centres)",
    "SELECT id FROM sources WHERE id IN (SELECT NULL FROM centres) OR NULL IN (SELECT NULL FROM centres) OR id < 3",
    "SELECT id FROM sources WHERE variable NOT IN (SELECT NULL FROM centres) OR pos IN (SELECT NULL FROM centres)",
    "SELECT id FROM sources WHERE n_obs NOT IN (1, 2) OR name IN ('alpha','beta_x')",
    "SELECT id FROM sources WHERE mag IS NULL OR name IS NOT NULL",
    "SELECT id FROM sources WHERE NOT (mag > 12 OR name = 'alpha')",
    "SELECT id FROM sources WHERE variable = 1",
    "SELECT id FROM sources WHERE variable = 'true' OR variable <> 'f'",
    "SELECT id FROM sources WHERE variable IN (SELECT id FROM centres) AND n_obs IN (SELECT variable FROM sources)",
    "SELECT id FROM sources WHERE variable NOT IN (SELECT variable FROM sources) OR 2 IN (n_obs, variable)",
    "SELECT id FROM sources WHERE variable BETWEEN NULL AND variable OR variable BETWEEN n_obs AND variable",
    "SELECT NULL AS v FROM centres UNION SELECT variable FROM sources UNION SELECT NULL FROM centres ORDER BY v",
    "SELECT COUNT(*) FROM (SELECT variable AS id, id AS mag FROM sources) AS q JOIN sources s USING (id)",
    "SELECT id FROM (SELECT id, variable AS radius FROM sources) AS q NATURAL FULL JOIN centres ORDER BY id",
    "SELECT ivo_interval_overlaps(variable, mag, NULL, 3), ivo_interval_overlaps(NULL, NULL, n_obs, 2) FROM sources",
    (
        "SELECT id, COALESCE(mag, n_obs, 0), COALESCE(name, 'none'), COALESCE(n_obs, 2.5), COALESCE(NULL, n_obs) "
        "FROM sources"
    ),
    "SELECT IN_UNIT(ra, 'rad'), IN_UNIT(pm_ra, 'deg/yr'), IN_UNIT(mag, 'mag') FROM sources",
    'SELECT "size", "Odd Name" FROM sources ORDER BY "size" DESC, 2',
    "SELECT COUNT(*) FROM sources WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(37.25, -66.5, 20))",
    "SELECT id FROM sources WHERE 0 = CONTAINS(POINT(ra, dec), CIRCLE(37.25, -66.5, 60))",
    "SELECT id FROM sources WHERE CONTAINS(POINT(ra, dec), CIRCLE(0, 90, 30)) = 1",
    "SELECT id FROM sources WHERE 1 <> CONTAINS(POINT(ra, dec), CIRCLE(0, -90, 150))",
    "SELECT id FROM sources WHERE NOT (1 = CONTAINS(POINT(ra, dec), CIRCLE(10, -5, 50)))",
    "SELECT id, CONTAINS(POINT(ra, dec), CIRCLE(10, -5, 50)), DISTANCE(ra, dec, 10, -5) FROM sources",
    (
        "SELECT s.id, c.id FROM sources s JOIN centres c ON 1 = CONTAINS(POINT(s.ra, s.dec), CIRCLE(c.ra, c.dec, "
        "c.radius))"
    ),
    "SELECT s.id, c.id FROM sources s JOIN centres c ON DISTANCE(s.ra, s.dec, c.ra, c.dec) < 20",
    "SELECT s.id, c.id FROM sources s JOIN centres c ON 1=CONTAINS(POINT(s.ra, s.dec), CIRCLE(c.ra, c.dec, 10))",
    "SELECT id FROM sources WHERE DISTANCE(POINT(ra,dec), POINT(0,0)) >= 90",
    "SELECT id FROM sources WHERE DISTANCE(pos, POINT(0,0)) < 90",
    (
        "SELECT id, COORD1(pos), COORD2(pos), COORD1(POINT(ra, dec)), pos, POINT(ra,dec), CIRCLE(ra,dec,1), "
        "CIRCLE(pos, 2) FROM sources"
    ),
    "SELECT id FROM sources WHERE 1=CONTAINS(POINT(ra,dec), POLYGON(0,0, 90,0, 90,60, 0, 60))",
    "SELECT id FROM sources WHERE 1=CONTAINS(POINT(ra,dec), POLYGON(0,0, 90,0, 45,30, 90,60, 0, 60))",
    "SELECT id FROM sources WHERE 0=CONTAINS(POINT(ra,dec), POLYGON(0,50, 90,50, 180,50, 270, 50))",
    "SELECT id FROM sources WHERE 1=CONTAINS(POINT(ra,dec), BOX(0, 0, 90, 90))",
    "SELECT id FROM sources WHERE 1=CONTAINS(POINT(ra,dec), BOX(ra + 3, 0, 90, 90))",
    "SELECT id FROM sources WHERE 1=CONTAINS(POINT(ra,dec), POLYGON(ra-1, 80, ra, -80, ra+1, 70))",
    "SELECT obs_id FROM obscore WHERE 1=CONTAINS(POINT(0.25,-79.5), s_region)",
    "SELECT obs_id FROM obscore WHERE 1=INTERSECTS(s_region, CIRCLE(50, -60, 10))",
    "SELECT obs_id FROM obscore WHERE 0=INTERSECTS(s_region, CIRCLE(50, -60, 10))",
    "SELECT obs_id FROM obscore WHERE 1=INTERSECTS(s_region, POLYGON(0,-80,100,-80,50,-10))",
    "SELECT obs_id FROM obscore WHERE 1=INTERSECTS(CIRCLE(s_ra, s_dec, s_fov), CIRCLE(50,-60, 20))",
    (
        "SELECT obs_id, AREA(s_region), CENTROID(s_region), AREA(CIRCLE(s_ra,s_dec,s_fov)), "
        "AREA(POLYGON(0,0,10,0,10,10)), CENTROID(POLYGON(0,0,10,0,10,10)), COORD1(CENTROID(s_region)) FROM "
        "obscore WHERE obs_id < 'obs2'"
    ),
    "SELECT a.obs_id, b.obs_id FROM obscore a, obscore b WHERE 1=CONTAINS(a.s_region, b.s_region)",
    (
        "SELECT obs_id FROM obscore WHERE 1=CONTAINS(POINT(s_ra,s_dec), REGION('UNION ICRS (CIRCLE 0 -80 30 "
        "CIRCLE 200 0 30)'))"
    ),
    "SELECT COORDSYS(POINT('GALACTIC', s_ra, s_dec)) FROM obscore",
    (
        "SELECT ivoid FROM rr.resource WHERE 1 = ivo_hasword(res_title, 'quasars title') AND "
        "0=ivo_hasword(res_title,'quasar')"
    ),
    "SELECT ivoid FROM rr.resource WHERE 1 = ivo_hasword(res_description, 'spiral survey')",
    "SELECT ivoid FROM rr.resource WHERE 1 = ivo_hashlist_has(waveband, 'INFRARED')",
    (
        "SELECT ivoid, ivo_hashlist_has(waveband, 'INFRARED'), ivo_nocasematch(res_title, 'TITLE%'), "
        "ivo_hashlist_has(waveband, 'optical#infrared') FROM rr.resource"
    ),
    "SELECT ivoid FROM rr.stc_spatial WHERE 1 = CONTAINS(MOC(6, CIRCLE(10, 20, 0.1)), coverage)",
    "SELECT ivoid FROM rr.stc_spatial WHERE 1 = CONTAINS(coverage, MOC('3/0-3'))",
    "SELECT ivoid FROM rr.stc_spatial WHERE 1 = INTERSECTS(coverage, MOC('4/0-11 200'))",
    "SELECT ivoid FROM rr.stc_spatial WHERE NOT 1 = INTERSECTS(MOC('4/0-11 200'), coverage)",
    "SELECT ivoid FROM rr.stc_spatial WHERE 0 = CONTAINS(POINT(45, 0.01), coverage)",
    "SELECT ivoid FROM rr.stc_spatial WHERE 1 = CONTAINS(POINT(45, 0.01), coverage) OR coverage IS NULL",
    "SELECT ivoid FROM rr.stc_spatial WHERE 1 = CONTAINS(CIRCLE(45, 1, 0.2), coverage)",
    "SELECT ivoid FROM rr.stc_spatial WHERE 1 = INTERSECTS(coverage, POLYGON(44, 1, 46, 1, 45, 3))",
    "SELECT ivoid FROM rr.stc_spatial WHERE 1 = INTERSECTS(coverage, REGION('UNION (CIRCLE 10 20 1 CIRCLE 45 1 1)'))",
    "SELECT ivoid, CONTAINS(MOC('3/1'), coverage), INTERSECTS(coverage, coverage) FROM rr.stc_spatial",
    (
        "SELECT coverage, CONTAINS(MOC('3/1'), coverage) FROM rr.stc_spatial GROUP BY coverage "
        "HAVING 1 = INTERSECTS(coverage, MOC('0/0')) ORDER BY CONTAINS(coverage, MOC('0/0')), coverage"
    ),
    "SELECT ivoid FROM (SELECT ivoid, coverage FROM rr.stc_spatial) AS q WHERE 1 = CONTAINS(MOC('3/1'), coverage)",
    "SELECT MOC(3, CIRCLE(10, 20, 3)), MOC('3/1 2'), CONTAINS(MOC('3/1'), MOC('2/0')) FROM rr.stc_spatial",
    "SELECT ivoid FROM rr.stc_temporal WHERE 1 = ivo_interval_overlaps(time_start, time_end, 55260, 55140)",
    "SELECT ivo_interval_overlaps(ra, dec, 10, 20), ivo_interval_overlaps(mag, 11, n_obs, 12) FROM sources",
    (
        "SELECT ivoid, ivo_string_agg(COALESCE(access_url,''), '::') AS urls FROM rr.resource NATURAL LEFT OUTER "
        "JOIN rr.capability NATURAL LEFT OUTER JOIN rr.interface GROUP BY ivoid"
    ),
    "SELECT ivo_to_mjd(obs_release_date), ivo_to_jd(CAST('2000-01-02T12:00:00' AS TIMESTAMP)) FROM obscore",
    "SELECT 7/2, 7/2., -7/2, 1/0, 1.0/0, 3*2/4, 3/4*2.0, 9223372036854775807, 99999999999999999999 FROM centres",
    "SELECT 1.5E3, .5, 5. FROM centres",
    "SELECT 'it''s', '?', '$1', 'a\\b', '--x' FROM centres WHERE label <> '?$1'",
    'SELECT "id" AS "we""ird; DROP" FROM centres',
    "SELECT TOP 0 id FROM centres",
    "SELECT id FROM sources WHERE mag BETWEEN 11 AND 12.5 OR n_obs NOT BETWEEN -1 AND 1",
    "SELECT id FROM sources WHERE name BETWEEN 'A' AND 'a'",
    (
        "SELECT s.id FROM sources s WHERE s.id IN (SELECT c.id FROM centres c WHERE c.ra > s.mag UNION SELECT 5 "
        "FROM centres)"
    ),
    "SELECT q.n, COUNT(*) FROM (SELECT name AS n, mag FROM sources) AS q GROUP BY q.n ORDER BY COUNT(*) DESC, n",
    "SELECT MAX(q.c) FROM (SELECT COUNT(*) AS c FROM sources GROUP BY n_obs) AS q",
    "SELECT x.*, id FROM sources AS x WHERE id < 3",
    "SELECT DISTINCT n_obs, quality FROM sources ORDER BY n_obs + quality, 2, 1",
    "SELECT id FROM sources ORDER BY mag * -1, id DESC",
    "SELECT id, mag AS m FROM sources ORDER BY m, id",
    "SELECT MIN(mag) + MAX(n_obs) FROM sources GROUP BY quality ORDER BY MIN(mag)",
    "SELECT RAND() * 0, RAND(3) * 0 FROM centres",
)
