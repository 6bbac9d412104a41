"""The command: what it prints, what it writes, what it returns."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys

import pytest
from lxml import etree, html

from conformance.cli import main
from conformance.model import Exchange, Level
from conformance.profile import BadProfile, Profile
from conformance.registry import all_checks, check
from conformance.runner import Options
from tests.conformance.faults import Fault, service, status


async def run(*arguments: object) -> tuple[int, str, str]:
    """Run the command in a process of its own, as people do."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "conformance",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert b"Traceback" not in err
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_good_service_is_found_by_its_capabilities_and_passes(aiohttp_server) -> None:
    server = await aiohttp_server(service())
    code, out, err = await run(server.make_url("/tap/capabilities"), "--only", "vosi.*,tap.sync*", "--rate", 500)
    assert code == 0
    assert "VOSI 1.1 at" in out
    assert "TAP 1.1 at" in out
    assert "0 fail" in out
    assert "PASS    tap.sync-get" in err


@pytest.mark.parametrize(("path", "title"), [("/jobs", "UWS 1.1"), ("/links", "DataLink 1.1"), ("/oai", "OAI-PMH 2.0")])
async def test_a_service_without_capabilities_is_told_by_its_answer(aiohttp_server, path: str, title: str) -> None:
    server = await aiohttp_server(service())
    code, out, _ = await run(server.make_url(path), "--only", "*.no-id uws.job-id", "--only", "oai.post")
    assert code == 0
    assert f"{title} at" in out


async def test_a_failure_is_in_every_report_with_its_evidence(aiohttp_server, tmp_path) -> None:
    server = await aiohttp_server(service(Fault(r"/tap/sync.*", status(500))))
    files = {name: tmp_path / f"report.{name}" for name in ("json", "junit", "html")}
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    code, out, _ = await run(server.make_url("/tap"), "--only", "tap.sync-get", "--quiet", *options)
    assert code == 1
    assert "FAIL    tap.sync-get: " in out
    assert "curl -sS -i " in out
    (finding,) = json.loads(files["json"].read_bytes())["findings"]
    assert finding["verdict"] == "fail"
    assert finding["level"] == "must"
    assert finding["exchanges"][0]["status"] == 500
    failure = etree.parse(files["junit"]).find(".//testcase/failure")
    assert "500" in failure.get("message")
    shown = html.parse(files["html"]).getroot()
    assert shown.find(".//td[@class='fail']").text == "fail"
    assert not shown.xpath("//*[@src or @href]"), "the page needs something else"


async def test_checks_that_are_skipped_are_named_once_for_each_reason(aiohttp_server) -> None:
    server = await aiohttp_server(service(Fault("/jobs", status(403), "POST")))
    code, out, _ = await run(server.make_url("/jobs"), "--only", "uws.wait*", "--quiet")
    assert code == 0
    assert out.count("SKIPPED no job could be made: the job list answered 403 to a creation") == 1
    assert "uws.wait-blocks, uws.wait-ends" in out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--standard", "sql", "http://a.example/"),
        ("--level", "perhaps", "http://a.example/"),
        ("--timeout", "soon", "http://a.example/"),
        ("--timeout", "-1", "http://a.example/"),
        ("--rate", "0", "http://a.example/"),
        ("--rate", "nan", "http://a.example/"),
        ("--profile", "/nonexistent", "http://a.example/"),
    ],
)
def test_bad_usage_is_refused(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_said(tmp_path, capsys) -> None:
    assert main(["http://127.0.0.1:1/", "--json", str(tmp_path / "no" / "such.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_nothing_to_judge_is_a_failure(capsys) -> None:
    assert main(["http://127.0.0.1:1/"]) == 1
    assert "NOTHING JUDGED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[succeed", "profile.toml"),
        ("[other]\na=1", "no table other"),
        ("succeed = 1", "a form is a TOML table"),
        ("[soda]\nx = 1", "not x"),
        ("[scs]\ncone = '1 2'", "a cone is"),
        ("[scs]\ncone = 'a b c'", "a cone is"),
        ("broker = 1", r"\[broker\] has accept"),
        ("[broker]\naccept = 'yes'", r"\[broker\] has accept"),
        ("[broker]\nrequest = 1", r"\[broker\] has accept"),
        ("[broker]\nreject = true", r"\[broker\] has accept"),
    ],
)
def test_a_profile_that_is_none_is_refused(tmp_path, text: str, says: str) -> None:
    file = tmp_path / "profile.toml"
    file.write_text(text)
    with pytest.raises(BadProfile, match=says):
        Profile.read(file)


def test_a_profile_says_how_jobs_are_made(tmp_path) -> None:
    file = tmp_path / "profile.toml"
    file.write_text('[succeed]\nJOBTYPE = "echo"\nN = 1\n[datalink]\nid = "ivo://a"\n')
    profile = Profile.read(file)
    assert profile.succeed == {"JOBTYPE": "echo", "N": "1"}
    assert profile.completes
    assert profile.datalink_id == "ivo://a"
    assert not profile.fail


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (Options(), True),
        (Options(level=Level.MUST), False),
        (Options(level=Level.SHOULD), True),
        (Options(only=("uws.*",)), True),
        (Options(only=("tap.*",)), False),
        (Options(skip=("uws.l*",)), False),
    ],
)
def test_options_choose_checks(options: Options, wanted: bool) -> None:
    (should,) = [one for one in all_checks() if one.id == "uws.list-last"]
    assert options.want(should) is wanted


def test_a_curl_line_repeats_the_request() -> None:
    exchange = Exchange(
        method="POST", url="http://a.example/?a=1&b=2", form=(("Q", "it's & more"),), headers={}, seen_headers={}
    )
    assert shlex.split(exchange.curl) == [
        "curl",
        "-sS",
        "-i",
        "--data-urlencode",
        "Q=it's & more",
        "http://a.example/?a=1&b=2",
    ]


def test_a_curl_line_repeats_a_document() -> None:
    exchange = Exchange(
        method="POST", url="http://a.example/", content='{"a": 1}', headers={"Accept": "a/b"}, seen_headers={}
    )
    assert shlex.split(exchange.curl)[3:] == ["-H", "Accept: a/b", "--data-binary", '{"a": 1}', "http://a.example/"]


def test_a_check_has_a_name_of_its_own_and_says_what_it_does() -> None:
    async def nothing(bench: object) -> None: ...

    with pytest.raises(ValueError, match="does not say"):
        check("uws.nothing", "1")(nothing)
    with pytest.raises(ValueError, match="two checks"):
        check("uws.delete", "1")(nothing)
