"""Small services of SIA, SCS, SODA and the Execution Planner that do what their checks ask for, and little else."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from aiohttp import web

from conformance.checks.obscore import COLUMNS
from conformance.checks.sia import EXACT, INTERVALS
from conformance.profile import Cutout
from tests.conformance.good.jobs import Job, JobList

CONE = (180.0, 0.0, 1.0)
SODA = Cutout(id="ivo://example.org/data?1", inside="12 34 0.1", outside="12 -34 0.1", jobs="async")
TASK = "echo"
BLANK = dict.fromkeys(COLUMNS, "")
IMAGES = [
    {**BLANK, "obs_publisher_did": f"ivo://example.org/data?{n}", "obs_collection": f"c{n}", "calib_level": str(n),
     "dataproduct_type": kind, "target_name": f"t{n}"}
    for n, kind in ((1, "image"), (2, "cube"))
]  # fmt: skip
SHAPES = {"CIRCLE": 3, "RANGE": 4, "POLYGON": 8}
DESCRIPTOR = """<RESOURCE type="meta" utype="adhoc:service" name="this">
 <PARAM name="standardID" datatype="char" arraysize="*" value="ivo://ivoa.net/std/SIA#query-2.0"/></RESOURCE>"""
VOTABLE = '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">{}</VOTABLE>'


class Wrong(Exception):
    """A value that cannot be understood."""


async def form_of(request: web.Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in [*request.query.items(), *(await request.post()).items()]:
        found.setdefault(name.upper(), []).append(str(value))
    return found


def sent(text: str, code: int = 200) -> web.Response:
    return web.Response(status=code, text=VOTABLE.format(text), content_type="application/x-votable+xml")


def _judged(form: dict[str, list[str]]) -> None:
    for name, values in form.items():
        for value in values:
            words = value.split()
            if name == "POS" and SHAPES.get(words[0]) != len(words) - 1:
                raise Wrong(name)
            if name in INTERVALS and not all(word.strip("+-").replace("Inf", "1").isdigit() for word in words):
                raise Wrong(name)
            if name == "CALIB" and not value.isdigit():
                raise Wrong(name)
            if name == "RESPONSEFORMAT" and "votable" not in value:
                raise Wrong(name)


async def sia(request: web.Request) -> web.Response:
    form = await form_of(request)
    try:
        _judged(form)
    except Wrong as wrong:
        said = f'<INFO name="QUERY_STATUS" value="ERROR">UsageFault: {wrong}</INFO>'
        return sent(f'<RESOURCE type="results">{said}</RESOURCE>', 400)
    rows = [
        row for row in IMAGES if all(row[column] in form.get(name, [row[column]]) for name, column in EXACT.items())
    ]
    maxrec = int(form.get("MAXREC", ["100"])[0])
    cells = "".join(
        "<TR>" + "".join(f"<TD>{escape(row[name])}</TD>" for name in COLUMNS) + "</TR>" for row in rows[:maxrec]
    )
    fields = "".join(
        f'<FIELD name="{name}" datatype="char" arraysize="*" unit="{unit}" ucd="{ucd}"/>'
        for name, (_, unit, ucd, _) in COLUMNS.items()
    )
    over = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>' if maxrec < len(rows) else ""
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE>"
    status = '<INFO name="QUERY_STATUS" value="OK"/>'
    return sent(f'<RESOURCE type="results">{status}{table}{over}</RESOURCE>{DESCRIPTOR}')


async def scs(request: web.Request) -> web.Response:
    form = await form_of(request)
    try:
        ra, dec, radius = (float(form[name][0]) for name in ("RA", "DEC", "SR"))
    except (KeyError, ValueError):
        ra, dec, radius = -1.0, 0.0, 0.0
    if not 0 <= ra <= 360 or abs(dec) > 90 or radius < 0:
        return sent('<INFO ID="Error" name="Error" value="RA, DEC and SR are numbers"/>')
    ucds = ["ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN", "PHOT_MAG", "VOX:Other"][
        : int(form.get("VERB", ["2"])[0]) + 2
    ]
    fields = "".join(
        f'<FIELD name="f{n}" ucd="{ucd}" datatype="{"double" if n else "char"}"/>' for n, ucd in enumerate(ucds)
    )
    cells = "".join(f"<TD>{cell}</TD>" for cell in ("a", ra, dec + radius / 2, 1, 1)[: len(ucds)])
    rows = f"<TR>{cells}</TR>" if radius else ""
    return sent(f"<RESOURCE><TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE>")


async def soda(request: web.Request) -> web.Response:
    form = await form_of(request)
    circles = [*form.get("CIRCLE", []), *(one.removeprefix("CIRCLE ") for one in form.get("POS", []))]
    if len(circles) > 1:
        return web.Response(status=400, text="MultiValuedParamNotSupported: one circle, please")
    wrong = {"POLYGON", "BAND"} & form.keys() or any(len(one.split()) != 3 for one in circles)
    if wrong or "ID" not in form or form["ID"] != [SODA.id]:
        return web.Response(status=400, text="UsageError: no such data, or no such shape")
    if circles == [SODA.outside]:
        return web.Response(status=204)
    return web.Response(body=b"SIMPLE", content_type="application/fits")


class CutoutJobs(JobList):
    """Jobs that make a cutout of each circle; the data that are wanted must exist."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix, lambda form: (form.get("ID", SODA.id) == SODA.id, b"UsageError: no such data"))

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.get(f"{self.prefix}/{{id}}/results/{{number}}", self.cutout)]

    def _results(self, request: web.Request, job: Job, ns: str = "") -> str:
        place = f"{self._url(request, job)}/results"
        count = len(_circles(job)) if job.phase == "COMPLETED" else 0
        done = "".join(f'<uws:result id="cut{n}" xlink:href="{place}/{n}"/>' for n in range(count))
        return f"<uws:results {ns}>{done}</uws:results>"

    async def cutout(self, request: web.Request) -> web.Response:
        circle = _circles(self._job(request))[int(request.match_info["number"])]
        if circle == SODA.outside:
            return web.Response(text="UsageError: that meets nothing")
        return web.Response(body=b"SIMPLE", content_type="application/fits")


def _circles(job: Job) -> list[str]:
    return [value for name, value in job.form if name == "CIRCLE"]


async def accepts(request: web.Request) -> web.Response:
    form = await form_of(request)
    if "TASKTYPE" not in form:
        return web.Response(status=400, text="say what kind of task it is")
    yes = form["TASKTYPE"] == [TASK] and "RESOURCES.MINCORES" not in form
    media = request.headers.get("Accept", "application/json")
    if media == "application/json":
        way = {"servicetype": "urn:jobs", "serviceinfo": {"endpoint": "https://example.org/jobs"}} if yes else {}
        return web.Response(text=json.dumps({"reponseword": "YES" if yes else "NO", **way}), content_type=media)
    text = "reponseword: NO\n" if "yaml" in media else "<response><reponseword>NO</reponseword></response>"
    return web.Response(text=text, content_type=media)


def routes() -> list[web.RouteDef]:
    jobs = CutoutJobs("/soda/async").routes()
    places = {"/sia/query": sia, "/scs/query": scs, "/soda/sync": soda, "/planner/accepts": accepts}
    return [*jobs, *(web.route(how, path, handler) for path, handler in places.items() for how in ("GET", "POST"))]
