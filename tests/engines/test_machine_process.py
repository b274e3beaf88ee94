"""Tools on the machine itself, held and bounded as those in containers are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.program import is_held, wait_for

from netbench.engines.base import FLOODED, MOST_OUTPUT
from netbench.engines.child_process import ChildProcess
from netbench.engines.machine import MachineTools


@pytest.fixture
def tools() -> Iterator[MachineTools]:
    made = MachineTools()
    yield made
    made.close()


def running(process: ChildProcess) -> int:
    """Return the number of the tool's process, once it is the tool."""
    pid = process.pid()
    assert pid is not None
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == f"{process.argv[0]}\n")
    return pid


def test_a_tool_is_pinned_held_and_let_go_on(tools: MachineTools) -> None:
    process = tools.start(("sleep", "1234"), 0)
    pid = running(process)

    assert process.cpus() == "0"
    process.signal("STOP")
    wait_for(lambda: is_held(pid))
    assert process.alive()
    process.signal("CONT")
    wait_for(lambda: not is_held(pid))
    process.signal("KILL")
    done = process.wait(10)
    assert (done.exit_code, done.timed_out) == (-9, False)
    assert process.pid() is None


def test_what_a_tool_leaves_is_returned(tools: MachineTools) -> None:
    done = tools.start(("sh", "-c", "echo out; echo err >&2; exit 3"), None).wait(10)

    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert done.argv[0] == "sh"


def test_a_tool_that_takes_too_long_is_killed(tools: MachineTools) -> None:
    process = tools.start(("sleep", "1234"), None)
    process.signal("STOP")
    done = process.wait(0.1)

    assert (done.exit_code, done.timed_out) == (-9, True)


def test_a_tool_that_is_not_there_says_so(tools: MachineTools) -> None:
    done = tools.start(("no-such-tool",), None).wait(10)

    assert done.exit_code == 127
    assert "no-such-tool" in done.stderr


def test_a_tool_that_prints_too_much_is_ended(tools: MachineTools) -> None:
    done = tools.start(("head", "-c", str(MOST_OUTPUT + 1), "/dev/zero"), None).wait(60)

    assert done.stderr.startswith(FLOODED)
    assert len(done.stdout) < MOST_OUTPUT


def test_tools_that_still_run_end_with_what_started_them() -> None:
    made = MachineTools()
    process = made.start(("sleep", "1234"), None)
    running(process)
    made.close()

    assert process.wait(10).exit_code == -9
