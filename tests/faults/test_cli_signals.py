import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT = """
import os, signal, sys, time, weakref
from netbench import __main__, cli

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have it ignored

class Thing:
    pass

def send() -> None:
    os.kill(os.getpid(), signal.{name})

class Sends(Exception):
    @property
    def __class__(self):  # `isinstance` asks for it
        send()
        return Exception

def sends_when_looked_at() -> None:
    raise Sends

class HalfMade:
    def __init__(self) -> None:
        send()
        time.sleep(20)
        self.held = True

    def __del__(self) -> None:
        assert self.held

def wait() -> None:
    thing = Thing()
    held = weakref.ref(thing, lambda _: {what}())
    del thing  # what is raised meanwhile goes to `sys.unraisablehook`
    time.sleep(20)

cli.app.command("wait")(wait)
sys.argv[1:] = ["wait"]
__main__.main()
"""


def waiting(name: str, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-c", WAIT.format(name=name, what=what)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_comes_where_an_object_ends_is_not_lost(name: str) -> None:
    done = waiting(name, "send")

    assert (done.returncode, done.stdout) == (130, "")
    assert f"stopped by {name}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_nor_is_one_that_comes_while_python_tells_of_another_exception(name: str) -> None:
    done = waiting(name, "sends_when_looked_at")

    assert (done.returncode, done.stdout) == (130, "")
    assert f"stopped by {name}" in done.stderr


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_a_signal_left_half_made_ends_in_silence(name: str) -> None:
    done = waiting(name, "HalfMade")

    assert (done.returncode, done.stdout) == (130, "")
    assert "ignored" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("command", "code"), [("version", 0), ("runs", 0), ("run --blocks x", 2)])
def test_a_standard_stream_that_is_closed_changes_no_exit_code(
    command: str, code: int, closed: str, tmp_path: Path
) -> None:
    line = f"exec {sys.executable} -m netbench {command} {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, check=False, capture_output=True)

    assert done.returncode == code, done.stderr
