"""Every command that the documentation shows, run: as it stands, made short by the environment."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from support.documented import PAGES, ROOT, blocks, commands, inline, scripts, shown
from support.hang import HANG
from support.program import TOO_BUSY, TRICKLE, Program, records, wait_for
from support.require import require_or_skip

from netbench.cli import app
from netbench.engines.netns.spawner import unavailable

CLAIMS = {
    "netns": "tests/docs/test_commands.py",
    "begun": "tests/docs/test_commands.py",
    "resumed": "tests/docs/test_commands.py",
    "quickstart": "tests/docs/test_commands.py",
    "nox": "tests/docs/test_commands.py",
    "manual": "tests/docs/test_commands.py",
    "exports": "tests/docs/test_exports.py",
    "bencher": "tests/docs/test_exports.py",
    "extended": "tests/docs/test_docs.py",
    "shell": "tests/docs/test_ci.py",
    "check": "tests/docs/test_ci.py",
    "confirm": "tests/docs/test_ci.py",
    "between-confirm": "tests/docs/test_ci.py",
    "tables": "tests/docs/test_method.py",
    "docker": "tests/docker/test_documented_docker.py",
    "history": "tests/unit/test_cli_trend.py",
    "machines": "tests/docker/test_documented_machines.py",
    "package": "tests/package/test_package.py",
    "installers": "tests/package/test_package.py",
    "release": "tests/package/test_package.py",
}
"""Who runs a block of commands: where the comment before it leads."""
ROUND_TRIPS = """
name = "round-trips"
[[cell]]
probe = "tcp-rr"
placement = "same"
"""
LACKS = re.compile(r"the kernel has no \w+ \(|the new container is at ")
"""What netbench says of a driver, or a probe, that is not possible here."""
NETBENCH: Any = cast("Any", typer.main.get_command(app))
COMMANDS: dict[str, Any] = {
    name: NETBENCH.get_command(None, name) for name in NETBENCH.list_commands(None)
}
PROGRAM_LINE = re.compile(r"^ {4}(?:netbench|\./quickstart|nox|python|pip|docker) ", re.MULTILINE)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A folder with what the pages speak of, and a shell in which netbench is this one, short."""
    reason = unavailable()
    if reason:
        require_or_skip("netns", reason)
    folder = tmp_path_factory.mktemp("documented")
    binary = folder / "bin" / "netbench"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -m netbench "$@"\n')
    binary.chmod(0o755)
    (folder / "short.toml").write_text(TRICKLE)
    (folder / "rtt.toml").write_text(ROUND_TRIPS)
    (folder / "mine.toml").write_text(shown("suites.md", "toml")[0])
    (folder / "10-mynet.conflist").write_text(shown("drivers.md", "json")[0])
    environment = {
        "PATH": f"{binary.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DOCKER_HOST": f"unix://{folder}/no-engine.sock",  # the machine's own is not ours
        "NETBENCH_ENGINE": "netns",
        "NETBENCH_BLOCKS": "1",
    }
    return Program(folder, ("sh", "-euc"), environment)


def call(shell: Program, command: str) -> subprocess.Popen[str]:
    suite = "rtt.toml" if "rtt" in command else "short.toml"
    return subprocess.Popen(
        (*shell.before, command),
        cwd=shell.folder,
        env={**os.environ, **(shell.environment or {}), "NETBENCH_SUITE": suite},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of a command, and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def test_every_block_of_commands_is_run_by_a_test_that_is_there() -> None:
    for block in blocks():
        assert block.claim in CLAIMS, f"{block.page}: who runs this?\n{block.text}"
        assert (ROOT / CLAIMS[block.claim]).exists()


def test_commands_stand_in_blocks_that_say_so() -> None:
    for page in PAGES:
        assert not PROGRAM_LINE.search(page.read_text()), f"{page.name}: commands belong into ```sh"


@pytest.mark.parametrize("text", dict.fromkeys(text for _, text in inline()))
def test_every_option_in_a_sentence_is_one_of_its_command(text: str) -> None:
    _, name, *words = shlex.split(text)
    there = {opt for option in COMMANDS[name].params for opt in option.opts}

    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= {*there, "--help"}


@pytest.mark.parametrize("script", scripts("netns"))
def test_it_does_what_it_says(shell: Program, script: str) -> None:
    if "cni:" in script and not Path("/usr/lib/cni/bridge").is_file():
        require_or_skip("cni", "no plug-ins (apt-get install containernetworking-plugins)")
    for command in script.splitlines():
        process = call(shell, command)
        try:
            out, err = process.communicate(timeout=HANG)
        finally:
            end(process)

        fine = {0, 1} if "--require" in command else {0}
        if process.returncode not in fine:
            assert LACKS.search(err + out) or TOO_BUSY.search(out), f"{command}\n{out}{err}"
            assert process.returncode == 3


@pytest.mark.parametrize("command", commands("begun"))
def test_what_takes_long_begins_and_can_be_stopped(shell: Program, command: str) -> None:
    process = call(shell, f"exec {command}")
    before = set((shell.folder / "reports").glob("*/records.jsonl"))
    try:
        wait_for(lambda: set((shell.folder / "reports").glob("*/records.jsonl")) - before)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=HANG)
    finally:
        end(process)

    assert process.returncode == 130, err


@pytest.mark.parametrize("command", commands("resumed"))
def test_a_run_goes_on_as_the_page_says(shell: Program, command: str) -> None:
    before = set((shell.folder / "reports").glob("*"))
    out, err = call(shell, "netbench run --drivers host,bridge").communicate(timeout=HANG)
    (folder,) = set((shell.folder / "reports").glob("*")) - before
    measured = len(records(folder))
    assert measured == 3, out + err

    process = call(shell, f"exec {command.replace('DIR', str(folder))}")
    try:
        if "--max-time" in command:  # it takes all the time that it is given
            wait_for(lambda: len(records(folder)) > measured)
            os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=HANG)
    finally:
        end(process)

    assert process.returncode == (130 if "--max-time" in command else 0), err
    if "--blocks +10" in command:
        assert len(records(folder)) == 11 * measured
    if command.endswith("DIR"):
        assert "nothing is left" in err


@pytest.mark.parametrize("command", commands("quickstart"))
def test_quickstart_goes_on_from_the_environment_that_it_made(shell: Program, command: str) -> None:
    venv = ROOT / ".venv"
    if Path(sys.prefix) != venv:
        require_or_skip("quickstart", "not run by ./quickstart test")
    if command == "./quickstart test":
        command += " --list"  # all of it is what runs this test
    # As it was called: what it puts before the PATH itself would be another Python to it.
    path = ":".join(p for p in os.environ["PATH"].split(":") if p != str(venv / "bin"))
    process = call(shell, f"PATH={path} {ROOT}/{command.removeprefix('./')}")
    try:
        out, err = process.communicate(timeout=HANG)
    finally:
        end(process)

    assert process.returncode == 0, f"{command}\n{out}{err}"
    assert "making" not in err


@pytest.mark.parametrize("command", commands("nox"))
def test_sessions_that_are_named_are_there(command: str) -> None:
    _, _, *arguments = shlex.split(command)
    done = subprocess.run(
        (sys.executable, "-m", "nox", "--list", *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", commands("manual"))
def test_the_manual_page_is_read_without_a_complaint(command: str) -> None:
    if not shutil.which("man"):
        require_or_skip("man", "no man(1) here")
    done = subprocess.run(
        ("sh", "-c", f"MANWIDTH=100 {command.replace('man ', 'man --warnings ', 1)}"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert not done.stderr
    assert "netbench verify" in done.stdout
