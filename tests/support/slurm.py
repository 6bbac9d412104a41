"""A real Slurm of one node on free ports: munged, slurmctld and slurmd with a configuration of their own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.processes import reap
from tests.support.redis import free_port
from tests.support.systems import require_command

PACKAGES = "apt install --no-install-recommends slurm-wlm munge"
START_S = 60
CORES = 2
MEMORY_MB = 4000
_CONFIGURATION = """\
ClusterName=penstock
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=10000
KillWait=1
EnforcePartLimits=ALL
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=60 State=UP
"""
_MUNGE = {
    "socket": "munge.sock",
    "key-file": "munge.key",
    "pid-file": "munge.pid",
    "log-file": "munge.log",
    "seed-file": "munge.seed",
}


def _user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def slurm(folder: Path) -> Iterator[Path]:
    """Run Slurm while the block lasts and give the path of its configuration; what still runs then is cancelled."""
    for name in ("munged", "slurmctld", "slurmd", "sbatch"):
        require_command(name, PACKAGES)
    folder.mkdir(mode=0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    configuration = folder / "slurm.conf"
    # a node that is unknown by name would not start: the name is what the system calls itself
    configuration.write_text(
        _CONFIGURATION.format(
            host=os.uname().nodename.partition(".")[0], folder=folder, user=_user(), cores=CORES, memory=MEMORY_MB,
            controller=free_port(), node=free_port(),
        )
    )  # fmt: skip
    environment = os.environ | {"SLURM_CONF": str(configuration)}
    places = [f"--{name}={folder / file}" for name, file in _MUNGE.items()]
    munged = ("munged", "--foreground", "--force", "--num-threads=2", *places)
    with ExitStack() as stack:
        for command in (munged, ("slurmctld", "-D"), ("slurmd", "-D")):
            stack.enter_context(_running(command, folder, environment))
        _wait_for_node(environment, folder)
        try:
            yield configuration
        finally:
            _cancel_all(environment)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
    try:
        yield
    finally:
        process.terminate()
        reap(process)


def _ask(environment: dict[str, str], *command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout


def _wait_for_node(environment: dict[str, str], folder: Path) -> None:
    end = time.monotonic() + START_S
    while not re.fullmatch(r"idle\s*", _ask(environment, "sinfo", "--noheader", "--format=%T")):
        if time.monotonic() > end:
            told = "".join((folder / f"{name}.out").read_text()[-500:] for name in ("munged", "slurmctld", "slurmd"))
            pytest.fail(f"Slurm does not start: {told}")
        time.sleep(0.05)


def _cancel_all(environment: dict[str, str]) -> None:
    _ask(environment, "scancel", f"--user={_user()}")
    end = time.monotonic() + START_S
    while _ask(environment, "squeue", "--noheader").strip() and time.monotonic() < end:
        time.sleep(0.05)
