"""`run --keep` on bare namespaces: what stays up, how one gets in, and what removes it.

Everything happens in process numbers of its own, where no other test cleans up.
"""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.hang import HANG, SOON
from support.program import Program, assert_cleaned, wait_for
from support.require import require_or_skip
from support.spaces import Spaces
from support.user import as_user
from support.walks import CGROUPS, deepest_first, folders

from netbench.store import load

MARK = "NETBENCH_TEST_MARK"
KEEP = ("run", "--engine", "netns", "--drivers", "host,bridge:user", "--keep")
CLOSED = 9
"""A port at which nothing listens."""
Processes = Callable[[], list[str]]


@pytest.fixture
def spaces(namespaces: None) -> Iterator[Spaces]:
    del namespaces
    if os.geteuid() != 0:
        require_or_skip("root", "process numbers of its own are made by root")
    made = Spaces()
    numbers = str(Path(f"/proc/{made.pid}/ns/pid").readlink()).removeprefix("pid:[").rstrip("]")
    yield made
    made.stop()
    # What a test that failed has left: nobody outside can tell that its maker is gone.
    for group in folders(CGROUPS, f"netbench-*:{numbers}:*"):
        for folder in deepest_first(group):
            folder.rmdir()


@pytest.fixture
def program(spaces: Spaces, mark: str, tmp_path: Path) -> Program:
    return Program(tmp_path, before=spaces.at(tmp_path), environment={MARK: mark})


def ways_in(stderr: str) -> dict[str, tuple[str, ...]]:
    """Return the printed commands by what they lead to."""
    found = re.findall(r"^  (.+): (nsenter .+)$", stderr, re.MULTILINE)
    return {name: tuple(shlex.split(command)) for name, command in found}


def told(program: Program, command: tuple[str, ...], script: str) -> str:
    """Return what a script prints in the shell that a printed command opens."""
    done = subprocess.run(
        (*program.before, *command, "-c", script),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def address(program: Program, command: tuple[str, ...]) -> str:
    """Return the IPv4 address of `eth0` where a command leads."""
    (link,) = json.loads(told(program, command, "ip -j -4 addr show eth0"))
    found: str = link["addr_info"][0]["local"]
    return found


def assert_up(program: Program, ways: dict[str, tuple[str, ...]]) -> None:
    """The pair of the bridge is there: its client reaches the server, which refuses."""
    client, server = (ways[f"bridge:user, {role}"] for role in ("client", "server"))
    target = address(program, server)

    assert address(program, client) != target
    script = f"socat -u OPEN:/dev/null TCP:{target}:{CLOSED},connect-timeout=5"
    assert "Connection refused" in told(program, client, script)
    assert "nb0" in told(program, ways["host of the engine"], "ip -br link")


def assert_removed(program: Program, run: str, processes: Processes) -> None:
    cleaned = program("clean", "--json")

    assert_cleaned(cleaned)
    rows: list[dict[str, Any]] = [r for r in cleaned.json["clean"] if r["run"] == run]
    assert {row["action"] for row in rows} == {"removed"}
    wait_for(lambda: not processes(), within=SOON)
    assert list(folders(CGROUPS, f"netbench-{run}:*")) == []


def names(processes: Processes) -> list[str]:
    """Return the holders of namespaces that run."""
    return [one for one in processes() if "sleep\0infinity" in one and "unshare" not in one]


def test_the_last_blocks_pairs_outlive_netbench_until_clean(
    program: Program, own_processes: Processes
) -> None:
    done = program(*KEEP, "--blocks", "2", "--suite", program.suite())

    assert done.code == 0, done.stderr
    ways = ways_in(done.stderr)
    pairs = ("bridge:user", "host", "host (A/A)")
    assert set(ways) == {
        *(f"{pair}, {role}" for pair in pairs for role in ("client", "server")),
        "host of the engine",
    }
    # The pairs of the first block are gone: each holds namespaces by a process of its own.
    assert len(names(own_processes)) == len(ways)
    assert_up(program, ways)
    run = load(program.run_folder()).info.id
    assert f"to remove all of them (run {run}): netbench clean" in done.stderr
    assert_removed(program, run, own_processes)


def test_an_interrupted_run_keeps_the_pairs_that_were_up(
    program: Program, own_processes: Processes
) -> None:
    running = program.popen(*KEEP, "--blocks", "9", "--suite", program.suite())
    wait_for(program.so_far)
    interrupt(running)
    _, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 130, stderr
    assert "everything made is removed" not in stderr
    assert_up(program, ways_in(stderr))
    assert_removed(program, load(program.run_folder()).info.id, own_processes)


def interrupt(running: "subprocess.Popen[str]", number: int = signal.SIGINT) -> None:
    """Signal the netbench that `nsenter` waits for."""
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    os.kill(int(children[0]), number)


def test_a_killed_run_that_was_to_keep_its_pairs_is_cleaned_up_after(
    program: Program, own_processes: Processes
) -> None:
    running = program.popen(*KEEP, "--blocks", "9", "--suite", program.suite())
    wait_for(program.so_far)
    interrupt(running, signal.SIGKILL)
    running.communicate(timeout=HANG)

    assert names(own_processes)
    assert_removed(program, load(program.run_folder()).info.id, own_processes)


def test_a_run_that_cannot_begin_keeps_nothing(program: Program, own_processes: Processes) -> None:
    done = program(*KEEP, "--pin", "9999,9998", "--suite", program.suite())

    assert done.code == 2, done.stderr
    wait_for(lambda: not own_processes(), within=SOON)


def test_an_ordinary_user_keeps_enters_and_removes_pairs(
    spaces: Spaces, rootless: Callable[..., Program], mark: str, own_processes: Processes
) -> None:
    user = rootless()
    before = (*spaces.at(user.folder), *as_user())
    environment = {**(user.environment or {}), MARK: mark}
    program = Program(user.folder, before, environment, user.python)
    done = program(*KEEP, "--blocks", "1", "--suite", program.suite())

    assert done.code == 0, done.stderr
    assert_up(program, ways_in(done.stderr))
    assert_removed(program, load(program.run_folder()).info.id, own_processes)
