"""Stubs of services that no test can run here: the part of their published APIs that executors use, kept in memory.

What a work does is told by its first word: ``hello`` ends at once and prints hello, ``fail`` fails, anything else runs
until it is stopped. A request without the token, or with members that the API does not have, is refused.
"""

from __future__ import annotations

import itertools
import shlex
import uuid
from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

TOKEN = "not-a-secret"


class Stub(ABC):
    """A service; `down` makes it answer 503, `odd` answer so, `created` counts what it was asked to start."""

    authorization = f"Bearer {TOKEN}"
    public: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.numbers = itertools.count(1)
        self.down = False
        self.odd: Any = None
        self.created = 0

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(self.routes())
        return app

    @abstractmethod
    def routes(self) -> list[web.RouteDef]: ...

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.down:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "7"})
        if not request.path.startswith(self.public or "-") and not self.authorized(request):
            raise web.HTTPUnauthorized
        if self.odd is not None:
            return web.json_response(self.odd)
        response: web.StreamResponse = await handler(request)
        return response

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == self.authorization

    def thing(self, name: str) -> dict[str, Any]:
        if name not in self.things:
            raise web.HTTPNotFound
        return self.things[name]


def only(body: dict[str, Any], *names: str) -> None:
    """Refuse a body that has other members."""
    if set(body) - set(names):
        raise web.HTTPBadRequest(text=f"unknown: {set(body) - set(names)}")


class StubTes(Stub):
    """GA4GH Task Execution Service 1.1."""

    root = "/ga4gh/tes/v1"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(f"{self.root}/service-info", self.info),
            web.get(f"{self.root}/tasks", self.tasks),
            web.post(f"{self.root}/tasks", self.create),
            web.get(f"{self.root}/tasks/{{id}}", self.task),
            web.post(f"{self.root}/tasks/{{id}}:cancel", self.cancel),
        ]

    async def info(self, request: web.Request) -> web.Response:
        return web.json_response({"name": "stub", "type": {"artifact": "tes", "version": "1.1.0"}})

    async def tasks(self, request: web.Request) -> web.Response:
        key, value = request.query["tag_key"], request.query["tag_value"]
        found = [
            {"id": each["id"], "state": each["state"]}
            for each in self.things.values()
            if each["tags"].get(key) == value
        ]
        return web.json_response({"tasks": found})

    async def create(self, request: web.Request) -> web.Response:
        task = await request.json()
        only(task, "name", "description", "inputs", "outputs", "resources", "executors", "volumes", "tags")
        only(task["resources"], "cpu_cores", "ram_gb", "disk_gb", "preemptible", "zones", "backend_parameters")
        (executor,) = task["executors"]
        only(executor, "image", "command", "workdir", "stdin", "stdout", "stderr", "env", "ignore_error")
        number = str(next(self.numbers))
        ends = {"hello": ("COMPLETE", 0, "hello\n"), "fail": ("EXECUTOR_ERROR", 3, "")}
        state, code, text = ends.get(executor["command"][0], ("RUNNING", None, ""))
        log = {"stdout": text, "stderr": "", **({} if code is None else {"exit_code": code})}
        self.things[number] = {**task, "id": number, "state": state, "logs": [{"logs": [log]}]}
        self.created += 1
        return web.json_response({"id": number})

    async def task(self, request: web.Request) -> web.Response:
        return web.json_response(self.thing(request.match_info["id"]))

    async def cancel(self, request: web.Request) -> web.Response:
        self.thing(request.match_info["id"])["state"] = "CANCELED"
        return web.json_response({})


class StubKubernetes(Stub):
    """Jobs (batch/v1) and pods (v1) of a Kubernetes API server."""

    def routes(self) -> list[web.RouteDef]:
        jobs, pods = "/apis/batch/v1/namespaces/work/jobs", "/api/v1/namespaces/work/pods"
        return [
            web.get("/apis/batch/v1", self.versions),
            web.post(jobs, self.create),
            web.get(f"{jobs}/{{name}}", self.job),
            web.delete(f"{jobs}/{{name}}", self.delete),
            web.get(pods, self.pods),
            web.get(f"{pods}/{{name}}/log", self.log),
        ]

    async def versions(self, request: web.Request) -> web.Response:
        return web.json_response({"kind": "APIResourceList"})

    async def create(self, request: web.Request) -> web.Response:
        job = await request.json()
        assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
        name = job["metadata"]["name"]
        assert len(name) <= 63
        if name in self.things:
            raise web.HTTPConflict(text=orjson.dumps({"kind": "Status", "message": "already exists"}).decode())
        (container,) = job["spec"]["template"]["spec"]["containers"]
        only(container, "name", "image", "command", "args", "env", "resources", "securityContext")
        word = container["args"][0]
        ends = {"hello": ("Complete", 0, "hello\n"), "fail": ("Failed", 3, "")}
        condition, code, text = ends.get(word, (None, None, ""))
        told = [] if condition is None else [{"type": condition, "status": "True", "reason": "Stub", "message": word}]
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
        pod = {
            "metadata": {"name": f"{name}-x1"},
            "status": {"phase": "Running", "containerStatuses": [{"name": "work", "state": state}]},
        }
        self.things[name] = {**job, "status": {"conditions": told}, "pod": pod, "text": text}
        self.created += 1
        return web.json_response(job, status=201)

    async def job(self, request: web.Request) -> web.Response:
        return web.json_response(self.thing(request.match_info["name"]))

    async def delete(self, request: web.Request) -> web.Response:
        assert (await request.json())["propagationPolicy"] == "Foreground"
        self.thing(request.match_info["name"])
        del self.things[request.match_info["name"]]
        return web.json_response({"kind": "Status", "status": "Success"})

    async def pods(self, request: web.Request) -> web.Response:
        name = request.query["labelSelector"].removeprefix("job-name=")
        return web.json_response({"items": [self.things[name]["pod"]] if name in self.things else []})

    async def log(self, request: web.Request) -> web.Response:
        return web.Response(text=self.thing(request.match_info["name"].removesuffix("-x1"))["text"])


class StubReana(Stub):
    """The workflows of reana-server 0.9, whose token is a parameter."""

    public = ("/api/ping",)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/ping", self.ping),
            web.post("/api/workflows", self.create),
            web.post("/api/workflows/{id}/start", self.start),
            web.get("/api/workflows/{id}/status", self.status),
            web.put("/api/workflows/{id}/status", self.change),
            web.get("/api/workflows/{id}/logs", self.logs),
        ]

    def authorized(self, request: web.Request) -> bool:
        return request.query.get("access_token") == TOKEN

    def thing(self, name: str) -> dict[str, Any]:
        named = [each for each in self.things.values() if name in (each["id"], each["name"])]
        if not named:
            raise web.HTTPNotFound(text='{"message": "REANA_WORKON is set, but that workflow does not exist."}')
        return named[-1]

    async def ping(self, request: web.Request) -> web.Response:
        return web.json_response({"message": "OK", "status": 200})

    async def create(self, request: web.Request) -> web.Response:
        specification = await request.json()
        number = str(uuid.uuid4())
        self.things[number] = {
            "id": number,
            "name": request.query["workflow_name"],
            "status": "created",
            "word": specification["workflow"]["type"],
        }
        self.created += 1
        answer = {"message": "The workflow has been successfully created.", "workflow_id": number}
        return web.json_response(answer, status=201)

    async def start(self, request: web.Request) -> web.Response:
        only(await request.json(), "operational_options", "input_parameters")
        found = self.thing(request.match_info["id"])
        if found["status"] != "created":
            raise web.HTTPConflict(text='{"message": "Workflow is already running"}')
        found["status"] = {"hello": "finished", "fail": "failed"}.get(found["word"], "running")
        return web.json_response({"status": found["status"]})

    async def status(self, request: web.Request) -> web.Response:
        found = self.thing(request.match_info["id"])
        progress = {"total": {"total": 3}, "finished": {"total": 1}}
        return web.json_response({**found, "progress": progress})

    async def change(self, request: web.Request) -> web.Response:
        found, wanted = self.thing(request.match_info["id"]), request.query["status"]
        if wanted == "stop" and found["status"] != "running":
            raise web.HTTPConflict(text='{"message": "Workflow is not running."}')
        found["status"] = {"stop": "stopped", "deleted": "deleted"}[wanted]
        return web.json_response({})

    async def logs(self, request: web.Request) -> web.Response:
        text = "hello\n" if self.thing(request.match_info["id"])["word"] == "hello" else ""
        logs = {"workflow_logs": "", "job_logs": {"1": {"logs": text}}}
        return web.json_response({"logs": orjson.dumps(logs).decode()})


class StubDirac(Stub):
    """The jobs of DiracX."""

    public = ("/.well-known/",)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/.well-known/dirac-metadata", self.metadata),
            web.post("/api/jobs/jdl", self.submit),
            web.post("/api/jobs/search", self.search),
            web.patch("/api/jobs/status", self.change),
        ]

    async def metadata(self, request: web.Request) -> web.Response:
        return web.json_response({"virtual_organizations": {}})

    async def submit(self, request: web.Request) -> web.Response:
        (text,) = await request.json()
        lines = dict(line.rstrip(";").split(" = ", 1) for line in text.splitlines())
        jdl = {name: orjson.loads(value) for name, value in lines.items()}
        word = shlex.split(jdl["Arguments"])[-1]
        status = {"hello": "Done", "fail": "Failed"}.get(word, "Running")
        number = next(self.numbers)
        job = {"JobID": number, "JobName": jdl["JobName"], "Status": status, "MinorStatus": "Stub", "jdl": jdl}
        self.things[str(number)] = job
        self.created += 1
        return web.json_response([{"JobID": number, "Status": "Received"}])

    async def search(self, request: web.Request) -> web.Response:
        body = await request.json()
        only(body, "parameters", "search", "sort", "distinct")
        ((name, operator, value),) = [(one["parameter"], one["operator"], one["value"]) for one in body["search"]]
        assert operator == "eq"
        found = [each for each in self.things.values() if str(each.get(name)) == value]
        return web.json_response([{name: each.get(name) for name in body["parameters"]} for each in found])

    async def change(self, request: web.Request) -> web.Response:
        for number, updates in (await request.json()).items():
            for time, update in updates.items():
                assert datetime.fromisoformat(time).tzinfo is not None
                only(update, "Status", "MinorStatus", "ApplicationStatus", "Source")
                self.thing(number)["Status"] = update["Status"]
        return web.json_response({})


class StubDaskGateway(Stub):
    """The clusters of Dask Gateway."""

    authorization = f"jupyterhub {TOKEN}"
    public = ("/api/health",)

    def routes(self) -> list[web.RouteDef]:
        clusters = "/api/v1/clusters/"
        return [
            web.get("/api/health", self.health),
            web.post(clusters, self.create),
            web.get(f"{clusters}{{name}}", self.cluster),
            web.post(f"{clusters}{{name}}/scale", self.scale),
            web.delete(f"{clusters}{{name}}", self.delete),
        ]

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "pass"})

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        only(body, "cluster_options")
        name = uuid.uuid4().hex
        self.things[name] = {
            "name": name, "status": "PENDING", "options": body["cluster_options"],
            "scheduler_address": f"gateway://gateway.example.org/{name}", "dashboard_route": f"/clusters/{name}/status",
        }  # fmt: skip
        self.created += 1
        return web.json_response({"name": name}, status=201)

    async def cluster(self, request: web.Request) -> web.Response:
        found = self.thing(request.match_info["name"])
        answer = dict(found)
        if found["status"] == "PENDING":
            found["status"] = "RUNNING"
        return web.json_response(answer)

    async def scale(self, request: web.Request) -> web.Response:
        self.thing(request.match_info["name"])["count"] = (await request.json())["count"]
        return web.Response()

    async def delete(self, request: web.Request) -> web.Response:
        if request.match_info["name"] in self.things:
            self.things[request.match_info["name"]]["status"] = "STOPPED"
        return web.Response(status=204)


class StubBinderHub(Stub):
    """The stream of events of BinderHub, and the servers that it starts.

    Each time somebody listens, the build goes on by one phase, and the stream ends.
    """

    authorization = f"token {TOKEN}"
    public = ("/versions", "/build/")
    phases = ("fetching", "building", "launching", "ready")

    def __init__(self) -> None:
        super().__init__()
        self.base = ""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/versions", self.versions),
            web.get("/build/{spec:.+}", self.build),
            web.get("/user/{name}/api/status", self.status),
            web.post("/user/{name}/api/shutdown", self.shutdown),
        ]

    async def versions(self, request: web.Request) -> web.Response:
        return web.json_response({"binderhub": "1.0.0"})

    async def build(self, request: web.Request) -> web.StreamResponse:
        provider, *_ = spec = request.raw_path.removeprefix("/build/").split("/")
        assert len(spec) == {"gh": 4, "gl": 3, "git": 3}[provider], spec
        heard = self.things.setdefault("/".join(spec), {"phases": iter(self.phases)})
        phase = next(heard["phases"], "ready")
        event: dict[str, Any] = {"phase": phase, "message": f"It is {phase}\n"}
        if "broken" in request.path:
            event = {"phase": "failed", "message": "No such reference\n"}
        elif phase == "ready":
            self.created += 1
            name = f"server-{self.created}"
            self.things[name] = {}
            event |= {"url": f"{self.base}/user/{name}/", "token": TOKEN, "image": "x"}
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b":keepalive\n\ndata: " + orjson.dumps(event) + b"\n\n")
        return response

    async def status(self, request: web.Request) -> web.Response:
        self.thing(request.match_info["name"])
        return web.json_response({"kernels": 0})

    async def shutdown(self, request: web.Request) -> web.Response:
        del self.things[request.match_info["name"]]
        return web.Response()
