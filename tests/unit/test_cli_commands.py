"""The command line's own manners: help and version, however they are asked for."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from support.synthetic import run_of

from netbench.cli import GROUPS, app, run_command_line
from netbench.cli.commands import COMMANDS
from netbench.store import RunFolder
from netbench.version import version

NAMES = [*COMMANDS]
ROOT: Any = typer.main.get_command(app)
CONTEXT = ROOT.make_context("netbench", ["run"], resilient_parsing=True)
RUN = ROOT.get_command(CONTEXT, "run")


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run_command_line(argv) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_takes(capsys: pytest.CaptureFixture[str], name: str) -> None:
    long = printed(capsys, name, "--help")

    assert printed(capsys, name, "-h") == long
    assert f"Usage: netbench {name}" in long
    assert "-h, --help" in long


def test_the_options_of_a_run_stand_in_groups(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = printed(capsys, "run", "--help")
    titles = re.findall(r"^(\w.*):$", text, re.MULTILINE)
    listed = re.findall(r"^  (?:-h, )?--([\w-]+)", text, re.MULTILINE)

    assert titles == [*GROUPS, "Examples"]
    options = {max(param.opts, key=len).lstrip("-") for param in RUN.get_params(CONTEXT)}
    assert sorted(listed) == sorted(options)
    assert max(map(len, text.splitlines())) <= 80


def test_the_examples_of_a_run_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    examples = printed(capsys, "run", "--help").partition("Examples:")[2]
    commands = [line for line in examples.splitlines() if line.startswith("  netbench ")]

    assert len(commands) == 3
    for command in commands:
        netbench, run, *argv = shlex.split(command)
        assert (netbench, run) == ("netbench", "run")
        assert RUN.make_context("run", argv).params["drivers"]


@pytest.mark.parametrize("argv", [(), *((name,) for name in NAMES)])
def test_no_help_is_cut_in_eighty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = printed(capsys, *argv, "--help")

    assert "[...]" not in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_help_lists_every_command_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "-h")
    listed = [line.split()[0] for line in text.partition("Commands:")[2].splitlines() if line]

    assert printed(capsys, "--help") == text
    assert listed == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_list_says_of_a_command_what_the_command_says_itself(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    own = " ".join(printed(capsys, name, "--help").split())

    assert COMMANDS[name] in own


def test_the_version_is_asked_for_either_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--version") == printed(capsys, "version") == f"netbench {version()}\n"


@pytest.mark.parametrize(
    ("argv", "help_"),
    [
        (("runs", "elsewhere"), "netbench runs --help"),
        (("run", "--no-such"), "netbench run --help"),
        (("no-such",), "netbench --help"),
    ],
)
def test_what_is_not_understood_names_the_help_that_tells(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], help_: str
) -> None:
    assert run_command_line(argv) == 2
    said = capsys.readouterr()

    assert said.out == ""
    assert f"fix: `{help_}` lists the options" in said.err


@pytest.mark.parametrize("command", ["run", "inspect", "verify", "drivers"])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_every_command_refuses_an_engine_that_there_is_not(
    command: str, by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [command, *(("--drivers", "host") if command in {"inspect", "verify"} else ())]
    if by == "option":
        argv += ["--engine", "bogus"]
    else:
        monkeypatch.setenv("NETBENCH_ENGINE", "bogus")

    assert run_command_line(argv) == 2
    error = capsys.readouterr().err
    assert "--engine must be one of auto, docker, netns, not 'bogus'" in error


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--blocks", value) for value in ("\uff16", "1_0", "0", "-3", "1.5", "", " ", "9" * 30)),
        *(("--max-time", value) for value in ("\u0663\u0660", "1_0", "nan", "inf", "1e999")),
        *(("--max-time", value) for value in ("-1", "0", ".", "")),
        *(("--seed", value) for value in ("\uff11", "-1", "2_0")),
        *(("--margin", value) for value in ("", "0,05", "\uff15")),
    ],
)
def test_a_number_is_one_in_plain_digits(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["run", option, value]) == 2
    assert f"{option} must be" in capsys.readouterr().err


def test_a_container_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["inspect", "--container", ""]) == 2
    assert "--container takes the name of a container, and is empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["version", "runs --json"])
def test_output_that_cannot_be_written_is_an_error_of_its_own(command: str, tmp_path: Path) -> None:
    """And none of a budget that is not kept, which ends with 1."""
    argv = (sys.executable, "-m", "netbench", *command.split())
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path
        )

    assert done.returncode == 3
    assert done.stderr.splitlines()[0] == "netbench: the system refused: No space left on device"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run --resume DIR --output DIR", "--output has no effect with --resume"),
        ("run --parent-in-use", "--parent-in-use has no effect without --parent"),
        ("verify --parent-in-use", "--parent-in-use has no effect without --parent"),
        ("inspect --drivers host --parent-in-use", "--parent-in-use has no effect without"),
        ("inspect --container x --parent eth1", "--parent has no effect with --container"),
        ("inspect --container x --init-swarm", "--init-swarm has no effect with --container"),
        ("run --allow-undecided", "--allow-undecided has no effect without --require"),
        ("compare DIR DIR --allow-undecided", "--allow-undecided has no effect without --require"),
        ("run --engine netns --image x", "--image needs the docker engine"),
        ("verify --engine netns --init-swarm", "--init-swarm needs the docker engine"),
        ("run --resume DIR --drivers host", "--drivers: host,bridge when the run began, host now"),
    ],
)
def test_an_option_without_effect_is_an_error(
    command: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(blocks=1, drivers=("host", "bridge"))
    folder = RunFolder.create(tmp_path, run.info.plan.drivers, run.info)
    for record in run.records:
        folder.append(record)

    assert run_command_line(command.replace("DIR", str(folder.path)).split()) == 2
    assert said in capsys.readouterr().err
    assert not (folder.path / "report.html").exists()


def test_a_variable_that_has_no_effect_on_this_command_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NETBENCH_ALLOW_UNDECIDED", "1")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    assert run_command_line(["run", "--engine", "docker"]) == 4
    assert "has no effect" not in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in NAMES if name != "version"])
def test_an_option_of_one_value_is_given_once(name: str) -> None:
    """A flag may be repeated, and so may what takes several values."""
    command = ROOT.get_command(CONTEXT, name)
    for option in command.get_params(CONTEXT):
        if option.param_type_name == "argument" or "--help" in option.opts:
            continue
        once = (option.opts[0], *(() if option.is_flag else ("2",)))
        said = ""
        try:
            command.make_context(name, [*once, *once])
        except Exception as exc:  # noqa: BLE001 -- an argument is missing, or a value is wrong
            said = str(exc)

        several = option.is_flag or option.multiple
        assert (said == f"{once[0]} is given more than once") == (not several), said


def test_every_option_that_is_given_twice_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    argv = shlex.split("run --blocks 2 --seed 1 --blocks=3 --seed 1 --engine netns --json")

    assert run_command_line(argv) == 2
    out, error = capsys.readouterr()
    problems = ["--blocks is given more than once", "--seed is given more than once"]
    assert json.loads(out)["error"]["problems"] == problems
    assert "2 problems" in error
    assert run_command_line(("run", "--blocks", "2", "--blocks", "3", "--bogus")) == 2
    assert "No such option: --bogus" in capsys.readouterr().err
