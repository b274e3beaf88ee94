"""docs/ci.md against the program: every expression is read, every example command is right."""

import fnmatch
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import typer
import yaml

from netbench.analysis import Standing
from netbench.analysis.boundary import Looks, first_decision
from netbench.analysis.stats import ALPHA
from netbench.cli import app
from netbench.facts.registry import FACTS
from netbench.plan import Options, budgets, build, parse, read_budgets, scope_of_runs
from netbench.plan.budget_scope import RunsScope
from netbench.plan.suite import load_suite
from netbench.record import METRICS
from netbench.spec import CpuTopology
from netbench.units import SPELLINGS

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "ci.md").read_text()
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
NETBENCH: Any = cast("Any", typer.main.get_command(app))
RUN, COMPARE = (NETBENCH.get_command(None, name) for name in ("run", "compare"))
DRIVERS = "host,bridge,bridge:user@mtu=9000"


def example(name: str) -> str:
    """Return the code between an example's marks."""
    match = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```\n<!-- /{name} -->", PAGE, re.DOTALL)
    assert match, f"no example {name!r}"
    return match[1]


def commands(text: str, name: str = "run") -> list[list[str]]:
    """Return the arguments of every `./quickstart NAME` in a shell's text."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line.strip() for line in joined.splitlines() if f"./quickstart {name}" in line]
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        last = [i for i, word in enumerate(words) if word.startswith((">", "|", "&"))]
        found.append(words[words.index(name) + 1 : min(last, default=len(words))])
    return found


@pytest.mark.parametrize("expression", example("expressions").splitlines())
def test_every_expression_is_read(expression: str) -> None:
    request = parse(Options(drivers=DRIVERS, paths="east-west,north-south", require=(expression,)))

    assert len(request.plan.require) == expression.count(";") + 1


def budgets_of(argv: list[str]) -> int:
    """Return how many budgets a call of `run` has, all of whose options are right."""
    given = RUN.make_context("run", argv).params
    request = parse(
        Options(
            drivers=given["drivers"],
            blocks=given["blocks"],
            max_time=given["max_time"],
            require=tuple(given["require"]),
        )
    )
    return len(request.plan.require)


@pytest.mark.parametrize("name", ["shell", "confirm"])
def test_the_command_in_a_shell_is_a_request_that_is_right(name: str) -> None:
    (argv,) = commands(example(name))

    assert budgets_of(argv) == 2


def test_the_workflow_gives_the_action_a_request_that_is_right() -> None:
    steps = yaml.safe_load(example("workflow"))["jobs"]["budget"]["steps"]
    (given,) = [step["with"] for step in steps if "OWNER/netbench" in step["uses"]]

    assert set(given) <= set(ACTION["inputs"])
    budgets = [f"--require={line}" for line in given["require"].splitlines()]
    argv = [f"--drivers={given['drivers']}", *given["arguments"].splitlines(), *budgets]
    assert budgets_of(argv) == 3


def test_every_input_and_output_of_the_action_is_told_with_its_default() -> None:
    table = PAGE.partition("| input | meaning | default |")[2].partition("\n\n")[0]
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`([\w-]+)`", row[0])}

    assert told == set(ACTION["inputs"])
    for row in rows:
        names, defaults = (re.findall(r"`([^`]+)`", cell) for cell in (row[0], row[-1]))
        if defaults:
            assert [ACTION["inputs"][name]["default"] for name in names] == defaults
    assert all(f"`{name}`" in PAGE for name in ACTION["outputs"])


def test_the_job_on_gitlab_sets_options_that_there_are() -> None:
    job = yaml.safe_load(example("gitlab"))["network budget"]
    given = job["variables"]
    template = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text())[".netbench"]["variables"]
    options = {option.envvar: option.opts[0] for option in RUN.params if option.envvar}

    argv = [f"{options[name]}={given[name]}" for name in given if name not in template]
    assert budgets_of([*argv, "--drivers", given["NETBENCH_DRIVERS"]]) == 2
    assert job["extends"] == ".netbench"


def test_the_check_before_an_upgrade_compares_the_two_runs_that_it_made(tmp_path: Path) -> None:
    log = tmp_path / "log"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("netbench", "sudo"):
        text = f'printf "%s\\0" {name} "$@" >>{log}; echo >>{log}\n'
        made = 'for last; do :; done; [ "$1" != run ] || mkdir -p "$last/folder"\n'
        (programs / name).write_text(f"#!/bin/sh\n{text}{made}")
        (programs / name).chmod(0o755)
    env = {"PATH": f"{programs}:/usr/bin:/bin"}

    subprocess.run(("sh", "-euc", example("check")), cwd=tmp_path, env=env, check=True)

    before, upgrade, after, compare = [
        line.split("\0")[:-1] for line in log.read_text().split("\n")[:-1]
    ]
    assert upgrade[0] == "sudo"
    assert before[:-1] == after[:-1]
    assert RUN.make_context("run", before[2:]).params["blocks"] == "20"
    given = COMPARE.make_context("compare", compare[2:]).params
    assert [*given["folders"]] == ["before=before/folder", "after=after/folder"]
    problems: list[str] = []
    assert len(read_budgets(given["require"], between("before", "after"), problems)) == 2
    assert problems == []
    for pattern in given["accept"]:
        assert fnmatch.filter(FACTS, pattern)


def between(*labels: str) -> RunsScope:
    """Return what two runs of the default drivers have in common."""
    plan = build(parse(Options(drivers="host,bridge")), CpuTopology((0, 1), ((0,), (1,))))
    return scope_of_runs({name: plan.summary() for name in labels or ("kept", "today")})


@pytest.mark.parametrize("expression", example("between").splitlines())
def test_every_budget_between_runs_is_read(expression: str) -> None:
    problems: list[str] = []

    assert len(read_budgets([expression], between(), problems)) == 1
    assert problems == []


def test_the_upgrade_job_asks_for_what_compare_takes() -> None:
    (run,) = commands(example("upgrade"))
    (argv,) = commands(example("upgrade"), "compare")
    given = COMPARE.make_context("compare", argv).params
    problems: list[str] = []

    assert RUN.make_context("run", run).params["blocks"] == "20"
    assert [folder.partition("=")[0] for folder in given["folders"]] == ["kept", "today"]
    assert len(read_budgets(given["require"], between(), problems)) == 2
    assert problems == []
    for pattern in given["accept"]:
        assert fnmatch.filter(FACTS, pattern)


QUICKSTART = """#!/bin/sh
echo "$@" >>calls
case "$1 $*" in
"run "*) mkdir -p "$(echo "$*" | sed 's/.*--output //')/run" ;;
*--confirm*) exit {second} ;;
*) exit {first} ;;
esac
"""


@pytest.mark.parametrize(
    ("first", "second", "ended", "calls"),
    [(0, 9, 0, 2), (3, 9, 3, 2), (1, 0, 0, 4), (1, 1, 1, 4), (1, 2, 2, 4)],
)
def test_a_difference_is_measured_again_only_where_a_budget_is_missed(
    tmp_path: Path, first: int, second: int, ended: int, calls: int
) -> None:
    program = tmp_path / "quickstart"
    program.write_text(QUICKSTART.format(first=first, second=second))
    program.chmod(0o755)
    done = subprocess.run(("sh", "-euc", example("between-confirm")), cwd=tmp_path, check=False)
    called = (tmp_path / "calls").read_text().splitlines()

    assert (done.returncode, len(called)) == (ended, calls)
    for line in called:
        name, *argv = shlex.split(line.replace("bridge/host.rtt_p50@same <= 1.1 kept", "'&'"))
        given = {"run": RUN, "compare": COMPARE}[name].make_context(name, argv).params
        assert given.get("confirm") in {None, False, "again/run"}
        if name == "compare":
            assert [*given["folders"]] == ["kept=perf/kept", "today=today/run"]
            assert [*given["require"]] == ["&"]


@pytest.mark.parametrize("code", [0, 1, 2, 3, 130])
def test_the_shell_example_tells_how_it_went_and_keeps_the_code(tmp_path: Path, code: int) -> None:
    program = tmp_path / "quickstart"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    done = subprocess.run(
        ("sh", "-euc", example("shell")), cwd=tmp_path, capture_output=True, text=True, check=False
    )

    told = {0: "is met", 1: "not met, or not decided", 2: "is wrong", 3: "(exit code 3)"}
    assert done.returncode == code
    assert told.get(code, "(exit code 130)") in done.stdout


def test_the_mistake_is_told_as_it_is_shown() -> None:
    shown = re.search(r"^netbench: (--require: .*?)```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown
    expression = shown[1].splitlines()[1].strip()
    problems: list[str] = []

    read_budgets([expression], None, problems)

    assert problems == [shown[1].rstrip()]


def test_the_grammar_is_the_parsers() -> None:
    told = re.search(r"^expression = .*?(?=```)", PAGE, re.MULTILINE | re.DOTALL)
    assert told
    documented = [line.strip() for line in (budgets.__doc__ or "").splitlines()]

    for line in told[0].splitlines():
        assert line in documented


def test_every_unit_is_told() -> None:
    for unit, words in SPELLINGS.items():
        told = [word for word in words if word.isascii() and word not in {"", "1/s"}]
        assert all(f"`{word}`" in PAGE for word in told), unit
    assert {metric.unit for metric in METRICS.values()} <= set(SPELLINGS)


def test_as_many_blocks_as_are_told_are_needed() -> None:
    cells = re.search(r"^\| cells \| (.*) \|$", PAGE, re.MULTILINE)
    blocks = re.search(r"^\| blocks at least \| (.*) \|$", PAGE, re.MULTILINE)
    assert cells
    assert blocks

    for span, number in zip(cells[1].split(" | "), blocks[1].split(" | "), strict=True):
        first, last = span.split(" to ")
        for m in (first, last):
            assert first_decision(Looks(6, 40), ALPHA / int(m)) == int(number)


def test_standings_are_told() -> None:
    assert all(f"`{standing}`" in PAGE for standing in Standing)


def test_words_of_the_quick_suite_are_those_that_are_used() -> None:
    suite, _ = load_suite("quick")
    assert suite
    placements = {placement.value for _, placement in suite.cells}
    used = set(re.findall(r"@(\w[\w-]*)", example("expressions"))) - {"mtu"}

    assert used <= placements | {"east-west", "north-south"} | set(suite.probes)
