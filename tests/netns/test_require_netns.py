"""Budgets on real runs: exit codes 0, 1 and 2, and the same judgement from the folder alone."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.hang import HANG
from support.program import Ended, Program, wait_for

from netbench.store import RunFolder, load

SUITE = """
name = "budgets"
[probes.udp-rate]
rate = "40G"
volume = 40_000_000
[[cell]]
probe = "udp-rate"
placement = "none"
"""
WIDE = "bridge.throughput >= 0.000001 host"
"""Whatever load is on the machine, it brings no such factor about."""
IMPOSSIBLE = "bridge.throughput >= 1000000 host"
ANYTHING = "bridge.throughput >= 1bit/s"


def run(program: Program, *more: str, blocks: int = 1) -> Ended:
    return program(
        *("run", "--drivers", "host,bridge", "--blocks", str(blocks), "--json", *more),
        *("--suite", program.suite(SUITE)),
    )


def standings(document: Any) -> dict[str, str]:
    return {row["expression"]: row["status"] for row in document["budgets"]}


@pytest.fixture(scope="module")
def measured(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Ended]:
    """A run of as many blocks as a verdict needs, with a budget that nothing can miss."""
    del namespaces
    program = Program(tmp_path_factory.mktemp("budgets"), environment={"NETBENCH_ENGINE": "netns"})
    return program, run(program, "--require", WIDE, "--require", ANYTHING, blocks=7)


def reported(program: Program, *more: str) -> Ended:
    return program("report", str(program.run_folder()), "--json", *more)


def test_a_budget_that_is_kept_is_no_error(measured: tuple[Program, Ended]) -> None:
    program, done = measured
    (wide, anything) = done.json["budgets"]

    assert done.code == 0, done.stderr
    assert done.json["exit"] == 0
    assert standings(done.json) == {WIDE: "met", ANYTHING: "met"}
    assert (wide["unit"], wide["bound"], wide["reason"]) == ("ratio", 1e-6, "")
    assert wide["interval"][0] < wide["measured"] < wide["interval"][1]
    assert anything["measured"] > 1e6
    assert wide["cell"] == {
        "driver": "bridge",
        "path": "east-west",
        "probe": "udp-rate",
        "placement": "none",
    }
    assert [str(b) for b in load(program.run_folder()).info.plan.require] == [WIDE, ANYTHING]
    assert "budgets" not in done.stderr


def test_a_budget_that_is_not_met_ends_with_1(measured: tuple[Program, Ended]) -> None:
    program, _ = measured
    done = reported(program, "--require", f"{IMPOSSIBLE}; {WIDE}", "--allow-undecided")

    assert done.code == 1
    assert done.json["exit"] == 1
    assert standings(done.json) == {IMPOSSIBLE: "not met", WIDE: "met"}
    assert "budgets are not kept. Of 2 budgeted cells: 1 not met and 1 met." in done.stderr
    assert "✗ not met" in (program.run_folder() / "summary.md").read_text()


def test_the_folder_alone_is_judged_by_its_own_budgets(measured: tuple[Program, Ended]) -> None:
    program, done = measured
    again = reported(program)

    assert again.code == done.code
    assert again.json["budgets"] == done.json["budgets"]


def test_one_block_decides_nothing(program: Program) -> None:
    done = run(program, "--require", f"{WIDE}, {IMPOSSIBLE}")
    allowed = reported(program, "--allow-undecided")

    assert done.code == 1
    assert standings(done.json) == {WIDE: "not decided", IMPOSSIBLE: "not decided"}
    assert all("1 usable block, at least " in row["reason"] for row in done.json["budgets"])
    assert "Of 2 budgeted cells: 2 not decided." in done.stderr
    assert "--allow-undecided lets it pass" in done.stderr
    assert allowed.code == 0
    assert "let pass, by --allow-undecided" in (program.run_folder() / "summary.md").read_text()


def test_a_run_that_lets_undecided_budgets_pass_records_it(program: Program) -> None:
    done = run(program, "--require", IMPOSSIBLE, "--allow-undecided")

    assert done.code == 0, done.stderr
    assert standings(done.json) == {IMPOSSIBLE: "not decided"}
    assert reported(program).code == 0


def test_a_budget_not_kept_goes_before_cells_that_are_not_possible(program: Program) -> None:
    text = SUITE + '\n[[cell]]\nprobe = "udp-rate"\nplacement = "cross"\n'
    argv = ("run", "--drivers", "host,bridge", "--blocks", "1", "--json", "--pin", "auto")
    environment = {**(program.environment or {}), "NETBENCH_REQUIRE": f"  {WIDE} "}
    one_cpu = Program(program.folder, ("taskset", "-c", "0"), environment, program.python)
    done = one_cpu(*argv, "--suite", program.suite(text))
    passed = reported(program, "--allow-undecided")

    assert done.code == 1, done.stderr
    assert {row["cell"]["placement"] for row in done.json["budgets"]} == {"none", "cross"}
    assert any("has no sample here" in row["reason"] for row in done.json["budgets"])
    assert passed.code == 3


@pytest.mark.parametrize("command", ["run", "report"])
def test_a_wrong_expression_is_pointed_at_and_nothing_is_made(
    measured: tuple[Program, Ended], tmp_path: Path, command: str
) -> None:
    program, _ = measured
    before = {path: path.stat().st_mtime_ns for path in program.run_folder().rglob("*")}
    folder = () if command == "run" else (str(program.run_folder()),)
    elsewhere = ("--output", str(tmp_path)) if command == "run" else ()
    wrong = ("--require", "bridge.thruput >= host; bridge.throughput > 1", "--require", "x")
    done = program(command, *folder, *elsewhere, *wrong)

    assert done.code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("netbench: 3 problems:\n  - --require: no metric 'thruput'")
    lines = done.stderr.splitlines()
    for caret in (line for line in lines if line.strip() == "^"):
        shown = lines[lines.index(caret) - 1]
        assert shown[caret.index("^") :].startswith(("thruput", "> 1", ""))
    assert lines[2].index("thruput") == lines[3].index("^")
    assert before == {path: path.stat().st_mtime_ns for path in program.run_folder().rglob("*")}
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_expression_is_one_error_document(program: Program) -> None:
    done = program("run", "--json", "--require", "bridge.rtt_p9 <= host")
    error = json.loads(done.stdout)["error"]

    assert done.code == 2
    assert error["kind"] == "configuration"
    assert error["problems"][0].splitlines()[1:] == [
        "    bridge.rtt_p9 <= host",
        "           ^",
    ]
    assert list(program.folder.iterdir()) == []


QUICK = SUITE.replace("40_000_000", "2_000_000")
SLOW_AT_FIRST = """#!/bin/sh
# One run folder is there: the first run. Its datagrams are paced.
case "$(ls -d {reports}/* | wc -l) $*" in
"1 "*"-b 40000000000 "*) exec {real} $(echo "$@" | sed "s/ 40000000000 / 20M /") ;;
esac
exec {real} "$@"
"""
PACED = "bridge.throughput >= 30Mbit/s"
"""The first run has two thirds of it, the second many times as much."""


def folders(program: Program) -> list[Path]:
    return sorted((program.folder / "reports").iterdir())


def confirming(program: Program) -> bool:
    """A second run has its first record."""
    return len(list(program.folder.glob("reports/*/records.jsonl"))) == 2


def test_what_misses_its_budget_is_measured_again_though_interrupted_and_only_two_misses_fail(
    program: Program,
) -> None:
    script = SLOW_AT_FIRST.format(real=shutil.which("iperf3"), reports=program.folder / "reports")
    program = program.with_tool("iperf3", script)
    budgets = ("--require", PACED, "--require", WIDE, "--require", IMPOSSIBLE)
    argv = ("run", "--drivers", "host,bridge", "--blocks", "7", "--json", "--confirm", *budgets)
    running = program.popen(*argv, "--suite", program.suite(QUICK))
    wait_for(lambda: confirming(program) or running.poll() is not None, within=HANG)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=HANG)
    first, second = folders(program)
    missed = load(first).info

    assert running.returncode == 130, err
    assert json.loads(out)["exit"] == 130
    assert (missed.status, load(second).info.status) == ("complete", "interrupted")

    done = program("run", "--resume", str(first), "--json")
    paced, wide, hopeless = done.json["budgets"]
    again = load(second).info

    assert done.code == 1, done.stderr
    assert f"going on with {second.name}" in done.stderr
    assert done.stderr.rstrip().endswith(
        "Of 3 budgeted cells: 1 missed twice; 1 missed once, met when measured again; 1 met."
    )
    assert (paced["status"], paced["again"]["status"], paced["final"]) == ("not met", "met", "met")
    assert paced["measured"] < 30e6 < paced["again"]["measured"]
    assert (wide["status"], wide["again"]) == ("met", None)
    assert (hopeless["again"]["status"], hopeless["final"]) == ("not met", "not met")
    assert (folders(program), again.status) == ([first, second], "complete")
    assert again.plan.seed != missed.plan.seed
    assert [str(budget) for budget in again.plan.require] == [PACED, IMPOSSIBLE]
    assert (second / "report.html").exists()

    kept = program("report", str(first), "--json", "--require", f"{PACED}; {WIDE}")

    assert kept.code == 0, kept.stderr
    assert "missed once, met when measured again" in kept.stderr

    facts = tuple(
        (name, "5.0.0" if name == "kernel.release" else value) for name, value in missed.facts
    )
    RunFolder(first).finish(replace(load(first).info, confirmed_by=(), facts=facts))
    elsewhere = program("run", "--resume", str(first), "--json")

    assert elsewhere.code == 1, elsewhere.stderr
    assert "not measured again: kernel.release: 5.0.0 when the run began" in elsewhere.stderr
    assert folders(program) == [first, second]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--confirm",), "--confirm has no effect without --require"),
        (("--confirm", "--keep", "--require", WIDE), "--keep cannot stand beside --confirm"),
    ],
)
def test_a_confirmation_of_nothing_is_refused(
    program: Program, more: tuple[str, ...], problem: str
) -> None:
    done = run(program, *more)

    assert done.code == 2
    assert problem in done.json["error"]["message"]
    assert not (program.folder / "reports").exists()
