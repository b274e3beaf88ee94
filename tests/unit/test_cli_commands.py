"""The command line's own manners: help and version, however they are asked for."""

import pytest

from netbench.cli import run_command_line
from netbench.cli.commands import COMMANDS
from netbench.version import version

NAMES = [*COMMANDS]


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run_command_line(argv) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_takes(capsys: pytest.CaptureFixture[str], name: str) -> None:
    long = printed(capsys, name, "--help")

    assert printed(capsys, name, "-h") == long
    assert f"Usage: netbench {name}" in long
    assert "-h, --help" in long


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
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
