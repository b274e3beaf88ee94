import json
import subprocess
import sys

import pytest
from rich.text import Text

from netbench.cli import run_command_line
from netbench.cli.output import print_json, print_rich, printable, report_error, say, table
from netbench.errors import ConfigurationError, EngineUnavailable

Capture = pytest.CaptureFixture[str]


def test_one_problem_is_one_line_with_its_fix_on_stderr(capsys: Capture) -> None:
    report_error(EngineUnavailable("no engine", hint="start dockerd"), as_json=False)
    out, err = capsys.readouterr()

    assert out == ""
    assert err == "netbench: no engine\n  fix: start dockerd\n"


def test_several_problems_are_all_told(capsys: Capture) -> None:
    report_error(ConfigurationError("a is wrong", "b is wrong"), as_json=False)
    out, err = capsys.readouterr()

    assert out == ""
    assert err == "netbench: 2 problems:\n  - a is wrong\n  - b is wrong\n"


def test_with_json_stdout_holds_the_error_document_alone(capsys: Capture) -> None:
    report_error(ConfigurationError("a is wrong", "b is wrong", hint="see"), as_json=True)
    out, err = capsys.readouterr()

    assert json.loads(out) == {
        "schema": 1,
        "error": {
            "kind": "configuration",
            "message": "a is wrong; b is wrong",
            "hint": "see",
            "problems": ["a is wrong", "b is wrong"],
        },
    }
    assert "a is wrong" in err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é – 漢", "plain é – 漢"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\rb\x00c\x7f", "a\\x0db\\x00c\\x7f"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_control_characters_of_names_do_not_reach_the_terminal(
    capsys: Capture, text: str, shown: str
) -> None:
    say(text)

    assert printable(text) == shown
    assert capsys.readouterr().err == f"{shown}\n".replace("two\nlines", r"two\nlines")


def test_what_points_at_a_mistake_stands_beneath_it(capsys: Capture) -> None:
    said = "--require: no such driver\n    bridg.rtt_p50 <= 2 host\n    ^"
    report_error(ConfigurationError(said, f"a\n    b ^: {said}"), as_json=False)
    *_, first, second = capsys.readouterr().err.split("  - ")

    assert first == f"{said}\n"
    assert second == f"a\\n    b ^: {said}\n"


FALSE = "runs\nnetbench: all is well\n  fix: rm -r /"
"""A name that would end the line, and tell what netbench does not."""


@pytest.mark.parametrize(
    "argv",
    [
        ("report", FALSE),
        ("export", "run", "--output", f"{FALSE}/x"),
        ("run", "--resume", FALSE),
        ("run", "--drivers", FALSE),
        ("run", "--suite", FALSE),
        ("drivers", "--context", FALSE),
        ("runs", "--output", FALSE),
    ],
    ids=lambda argv: argv[0],
)
def test_what_is_in_a_name_begins_no_line(capsys: Capture, argv: tuple[str, ...]) -> None:
    run_command_line(argv)
    lines = capsys.readouterr().err.splitlines()

    assert any("all is well" in line for line in lines)
    assert not [x for x in lines if x.startswith(("netbench: all is well", "  fix: rm"))]


def test_a_number_that_is_none_cannot_be_printed_as_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"ratio": float("nan")})


def test_json_keeps_its_letters(capsys: Capture) -> None:
    print_json({"unit": "µs"})

    assert "µs" in capsys.readouterr().out


def test_a_table_in_a_pipe_is_plain_text_and_not_cut(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    shown = table("driver", "what it is")
    shown.add_row("bridge", "x" * 100)
    print_rich(shown)
    out = capsys.readouterr().out

    assert "\x1b" not in out
    assert "x" * 100 in out


def shown(capsys: Capture) -> list[str]:
    made = table("driver", "what it is")
    made.add_row("bridge", "word " * 100)
    print_rich(made)
    return capsys.readouterr().out.splitlines()


def test_nothing_is_wrapped_in_a_pipe_unless_it_says_how_wide_it_is(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert shown(capsys)[1].split() == ["bridge", *["word"] * 100]

    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, shown(capsys))) <= 60


@pytest.mark.parametrize(
    ("environment", "code"),
    [({"TERM": "xterm"}, "\x1b[1;31m"), ({"TERM": "xterm", "NO_COLOR": "1"}, "\x1b[1m")],
)
def test_a_terminal_has_colours_unless_they_are_not_wanted(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], code: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_rich(Text("slower", style="bold red"))

    assert capsys.readouterr().out.startswith(f"{code}slower")


def test_a_dumb_terminal_gets_letters_alone(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_rich(Text("slower", style="bold red"))

    assert capsys.readouterr().out == "slower\n"


def test_it_is_known_whether_results_and_progress_share_a_screen() -> None:
    code = "from netbench.cli.output import one_screen; print(one_screen())"
    argv = [sys.executable, "-c", code]

    def told(stderr: int) -> str:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=stderr, text=True, check=True)
        return done.stdout.strip()

    assert (told(subprocess.STDOUT), told(subprocess.PIPE)) == ("True", "False")


def test_brackets_in_a_cell_are_text_and_no_markup(capsys: Capture) -> None:
    shown = table("reason")
    shown.add_row("net:[4026531840] [red]x[/] [/nothing]")
    print_rich(shown)

    assert "net:[4026531840] [red]x[/] [/nothing]" in capsys.readouterr().out
