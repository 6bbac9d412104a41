"""Commands in a real sandbox."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from penstock.dali.errors import InternalError, UsageError
from tests.uws.job_types.context import MemoryContext, part, require_sandbox, run
from tests.uws.waiting import eventually
from uws.core.job import JobParameter
from uws.job_types import Output, Sandbox, command_line, commandline
from uws.job_types.commandline import CommandFailed
from uws.job_types.installed import flaws_of
from uws.ports import JobType, ParameterSpec, ResultSpec
from uws.representations.job_type_json import parameter_schema
from uws.service.validation import Rejected, validate

PRINTED = (Output("-", ResultSpec(id="printed", media_types=("text/plain",))),)
PYTHON = str(Path(sys.executable).resolve())
SEES_PYTHON = (Path(sys.base_prefix).resolve(),)


@pytest.fixture(autouse=True)
def _sandbox() -> None:
    require_sandbox()


def command(*argv: Any, outputs: tuple[Output, ...] = PRINTED, sandbox: Sandbox | None = None, **specs: Any) -> JobType:
    parameters = tuple(ParameterSpec(name=name, **about) for name, about in specs.items())
    return command_line(
        "test", version="1", argv=argv, outputs=outputs, sandbox=sandbox, title="Test", parameters=parameters
    )


def python(code: str, sandbox: Sandbox | None = None, **more: Any) -> JobType:
    sandbox = sandbox or Sandbox(read_only=SEES_PYTHON)
    return command(PYTHON, "-c", code, sandbox=sandbox, **more)


async def printed(job_type: JobType, *given: tuple[str, str], **more: Any) -> str:
    return (await run(job_type, *given, **more)).results["printed"][1].decode()


async def test_values_are_arguments_whatever_they_contain() -> None:
    evil = "$(touch /tmp/x); `id` && 'quoted' \"too\" * \n{B}"
    made = command("printf", "[%s]", "--a={A}", ("-b", "{B}"), "{C}", A={}, B={}, C={"multiple": True})
    assert await printed(made, ("A", evil), ("C", "1"), ("C", "2 3")) == f"[--a={evil}][1][2 3]"
    assert await printed(made, ("B", "x")) == "[-b][x]"


async def test_numbers_and_truth_have_one_form() -> None:
    made = command(
        "printf", "%s ", "{I}", "{R}", "{B}", I={"type": "integer"}, R={"type": "real"}, B={"type": "boolean"}
    )
    assert await printed(made, ("I", " +7"), ("R", "-1e3"), ("B", "T")) == "7 -1000.0 true "


async def test_a_text_is_never_an_option() -> None:
    made = command("ls", "{NAME}", "--of={OF}", NAME={}, OF={})
    with pytest.raises(UsageError, match="NAME may not begin with a hyphen"):
        await run(made, ("NAME", "--help"))
    name = made.parameters[0]
    assert parameter_schema(name)["pattern"] == "^(?!-)"
    validate(made, [JobParameter(id="OF", value="-x"), JobParameter(id="NAME", value="x-")])
    with pytest.raises(Rejected, match="NAME may not begin with a hyphen"):
        validate(made, [JobParameter(id="NAME", value="-x")])


async def test_a_text_is_no_option_behind_an_empty_one() -> None:
    made = command("printf", "%s", "{A}{B}", "{O}{B}", A={}, B={}, O={"options": ("", "-a")})
    for name, value in (("A", ""), ("O", "")):
        with pytest.raises(UsageError, match=f"{name} may not begin"):
            await run(made, (name, value), ("B", "-x"))
    assert await printed(made, ("O", "-a"), ("B", "-x")) == "-a-x"


@pytest.mark.parametrize(
    ("kind", "value", "argument"),
    [
        ("real", "-Inf", " -inf"),
        ("real", "-infinity", " -inf"),
        ("real", "-1e-9", "-1e-09"),
        ("integer", "-7", "-7"),
        ("interval", "-Inf 5", " -Inf 5"),
        ("interval", "-5 5", " -5 5"),
        ("circle", "-1 2 3", " -1 2 3"),
        ("polygon", "-1 0 0 1 1 1", " -1 0 0 1 1 1"),
        ("interval", "1 2", "1 2"),
    ],
)
async def test_no_number_is_an_option(kind: str, value: str, argument: str) -> None:
    made = command("printf", "[%s]", "{X}", "--x={X}", X={"type": kind})
    assert await printed(made, ("X", value)) == f"[{argument}][--x={argument.strip()}]"


@pytest.mark.parametrize("values", [["x" * 140_000], ["x" * 10_000] * 250], ids=["one", "together"])
async def test_values_that_no_command_can_be_given_are_the_callers_fault(values: list[str]) -> None:
    made = command("printf", "%s", "{TEXT}", TEXT={"multiple": True})
    with pytest.raises(UsageError, match="longer than the arguments"):
        await run(made, *(("TEXT", value) for value in values))


async def test_files_go_in_and_results_come_out() -> None:
    outputs = (
        Output("all.txt", ResultSpec(id="all", media_types=("text/plain",))),
        Output("*.png", ResultSpec(id="picture", multiple=True, required=False)),
        Output("*.none", ResultSpec(id="none", multiple=True, required=False)),
    )
    code = """
import sys, os
assert os.getcwd() == '/work'
text = b''.join(open(name, 'rb').read() for name in sys.argv[1:])
open('all.txt', 'wb').write(text)
open('b.png', 'w').write('B'); open('a.png', 'w').write('A')
try:
    open(sys.argv[1], 'a')
except OSError as error:
    open('all.txt', 'a').write(str(error.errno))
"""
    made = command(
        PYTHON,
        "-c",
        code,
        "{FILE}",
        "{MORE}",
        outputs=outputs,
        sandbox=Sandbox(read_only=SEES_PYTHON),
        FILE={"type": "file"},
        MORE={"type": "file", "multiple": True},
    )
    parts = [part("more", b"two "), part("MORE", b"three "), part("file", b"one ")]
    context = await run(made, ("MORE", "four "), parts=parts)
    assert context.results == {
        "all": ("text/plain", b"one two three four 30"),
        "picture-1": ("image/png", b"A"),
        "picture-2": ("image/png", b"B"),
    }


async def test_uploads_are_no_results() -> None:
    outputs = (Output("*", ResultSpec(id="all", multiple=True)),)
    made = python("open('a', 'w').write('A')", outputs=outputs, FILE={"type": "file"})
    context = await run(made, parts=[part("FILE", b"x")])
    assert context.results == {"all-1": ("application/octet-stream", b"A")}
    context = await run(python("open('input', 'w').write('I')", outputs=outputs))
    assert context.results == {"all-1": ("application/octet-stream", b"I")}


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser can read everything")
async def test_a_working_directory_that_was_made_unreadable_is_an_error_of_the_job() -> None:
    with pytest.raises(CommandFailed, match="cannot be read any more"):
        await run(python("import os; os.chmod('.', 0)", outputs=(Output("*", ResultSpec(id="a", multiple=True)),)))


def test_a_working_directory_that_cannot_be_listed_is_an_error_of_the_job(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="cannot be read any more"):
        commandline._left_in(tmp_path / "gone", "*")


SPY = """
import os, socket
def tried(what):
    try:
        return what()
    except OSError as error:
        return type(error).__name__
print('uid', os.getuid())
print('environment', sorted(os.environ))
print('etc', tried(lambda: open('/etc/passwd').read()))
print('others', tried(lambda: open('SECRET').read()))
print('usr', tried(lambda: open('/usr/x', 'w')))
print('network', tried(lambda: socket.create_connection(('127.0.0.1', PORT), 1)))
print('interfaces', [name for _, name in socket.if_nameindex()])
print('processes', sum(name.isdigit() for name in os.listdir('/proc')) <= 3)
"""


async def test_a_command_sees_neither_network_nor_system_nor_processes_nor_secrets(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    seen = await printed(python(SPY.replace("PORT", str(port)).replace("SECRET", f"{tmp_path}/secret")))
    server.close()
    assert seen.splitlines() == [
        "uid 65534",
        "environment ['HOME', 'LANG', 'PATH', 'PWD', 'TMPDIR']",
        "etc FileNotFoundError",
        "others FileNotFoundError",
        "usr OSError",
        "network ConnectionRefusedError",
        "interfaces ['lo']",
        "processes True",
    ]


async def test_a_command_writes_only_where_it_is_limited() -> None:
    places = ("/x", "/etc/x", "/usr/x", "/dev/x", "/proc/self/oom_score_adj", "/tmp/x", "/dev/shm/x", "/work/x")
    code = f"""
for place in {places}:
    try:
        open(place, 'w').close()
        print(place)
    except OSError:
        pass
"""
    assert (await printed(python(code))).split() == ["/tmp/x", "/dev/shm/x", "/work/x"]


async def test_the_author_may_show_more_and_set_the_environment(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("known")
    sandbox = Sandbox(read_only=(tmp_path,), environment={"TABLE": "known"})
    assert await printed(command("cat", f"{tmp_path}/table", sandbox=sandbox)) == "known"
    assert "TABLE=known" in await printed(command("env", sandbox=sandbox))


STATUS = "import sys; print('told'); print('why', file=sys.stderr); sys.exit(3)"
BIG = """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
with open('big', 'wb') as file:
    while True:
        file.write(b'x' * 10**6)
"""


@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        (STATUS, {}, "exit status is 3.\nstderr: why\nstdout: told"),
        ("x = bytearray(10**9)", {"memory_bytes": 300 * 2**20}, "MemoryError"),
        ("while True: pass", {"cpu_s": 1}, "it used up its processor time"),
        (BIG, {"file_bytes": 10**7}, "a file that is too large"),
        ("open('/tmp/big', 'wb').write(b'x' * 10**7)", {"tmp_bytes": 10**6}, "No space left"),
        ("open('/dev/shm/big', 'wb').write(b'x' * 10**7)", {"tmp_bytes": 10**6}, "No space left"),
        ("import os; os.kill(os.getpid(), 9)", {}, "it was killed"),
    ],
    ids=["status", "memory", "cpu", "file", "tmp", "shm", "kill"],
)
async def test_a_command_that_fails_or_goes_too_far_says_why(code: str, limits: dict[str, Any], reason: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        await run(python(code, Sandbox(read_only=SEES_PYTHON, **limits)))
    assert reason in caught.value.message


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.symlink('/etc/passwd', 'out')",
        "import os; os.mkfifo('out')",
        "import os; os.mkdir('out')",
        "",
    ],
    ids=["link", "pipe", "directory", "nothing"],
)
async def test_a_result_that_is_no_file_is_an_error(code: str) -> None:
    with pytest.raises(CommandFailed, match="out"):
        await run(python(code, outputs=(Output("out", ResultSpec(id="out")),)))


async def test_a_command_that_is_not_there_says_so() -> None:
    with pytest.raises(InternalError, match="The program no-such-command cannot be started"):
        await run(command("no-such-command"))


@pytest.mark.parametrize("program", ["bwrap", "prlimit"])
async def test_nothing_runs_without_a_sandbox(program: str, tmp_path: Path) -> None:
    for name in {"bwrap", "prlimit"} - {program}:
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    mark = tmp_path / "mark"
    code = (
        "import asyncio, sys\n"
        "from tests.uws.job_types.test_commandline import command\n"
        "from tests.uws.job_types.context import run\n"
        f"asyncio.run(run(command('touch', '{mark}')))"
    )
    environment = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    assert process.returncode
    assert f"the program {program} is not installed".encode() in told
    assert not mark.exists()


async def test_a_sandbox_that_is_not_allowed_to_work_is_a_fault_of_the_service(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="could not be set up"):
        await run(command("true", sandbox=Sandbox(read_only=(tmp_path / "nowhere",))))


async def test_a_command_that_is_cut_off_is_gone_with_all_that_it_started() -> None:
    mark = f"86{os.getpid()}"
    code = f"import subprocess, time; subprocess.Popen(['sleep', '{mark}'], start_new_session=True); time.sleep({mark})"
    running = asyncio.create_task(run(python(code)))
    await eventually(lambda: running.done() or mark in _sleeping())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually(lambda: mark not in _sleeping())


def _sleeping() -> set[str]:
    """Return for how long the sleep commands of this host sleep."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            found |= {word.decode() for word in words[1:2] if words[0] == b"sleep"}
    return found


@pytest.mark.parametrize(
    ("argv", "outputs"), [(("{NAME}",), PRINTED), (("true",), (Output("../x", ResultSpec(id="x")),))]
)
def test_a_description_that_cannot_work_is_refused(argv: Any, outputs: Any) -> None:
    with pytest.raises(ValueError, match=r"NAME|\.\./x"):
        command(*argv, outputs=outputs)


@pytest.mark.parametrize(
    ("specs", "flaw"),
    [
        ((ParameterSpec(name="phase"),), "belongs to the job"),
        ((ParameterSpec(name="A"), ParameterSpec(name="a")), "several of the name 'A'"),
        ((ParameterSpec(name="A", type="integer", default="x"),), "A='x'"),
        ((ParameterSpec(name="A", options=("x",), default="y"),), "not one of x"),
        ((ParameterSpec(name="a b"),), "no name of a parameter"),
    ],
)
def test_what_would_not_work_as_it_describes_itself_is_found_at_the_start(specs: Any, flaw: str) -> None:
    made = command_line("t", version="1", argv=("true",), outputs=(), parameters=specs)
    assert flaw in " ".join(flaws_of(made))


def test_the_context_of_these_tests_is_one() -> None:
    from uws.ports import JobContext

    context: JobContext = MemoryContext(None)  # type: ignore[arg-type]
    assert context.attempt == 1
