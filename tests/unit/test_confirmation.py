"""Missed budgets that another run measured again: what is said of them, from the folders alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.several import run, saved, scaled, with_records
from support.synthetic import Run

import netbench
from netbench.analysis import Analysis, Confirmation, Standing, analyse
from netbench.analysis.budgets import confirmed, missed
from netbench.cli import run_command_line
from netbench.errors import RunFolderError
from netbench.plan import read_budgets, scope_of
from netbench.record import LinkedRun, Record, Skip
from netbench.report.budgets import words
from netbench.report.openmetrics_text import openmetrics
from netbench.store import RunFolder, load

LIMIT = "bridge.rtt_p50@same <= 1.5 host"
"""The synthetic bridge has 1.24 times host's round trip."""
TIGHT = "bridge.rtt_p50@same <= 1.24 host"
CLOSE = "bridge.rtt_p50@same <= 1.01 host"
ANY = "bridge.throughput >= 1bit/s"
CLEAN, AGAIN = run(1), run(2)
SLOW = scaled(CLEAN, 1.4, "bridge")
TEXT = "missed once, met when measured again"


def budgeted(made: Run, *expressions: str, allow: bool = False) -> Run:
    problems: list[str] = []
    budgets = read_budgets(expressions, scope_of(made.info.plan), problems)
    assert problems == []
    plan = replace(made.info.plan, require=budgets, allow_undecided=allow)
    return replace(made, info=replace(made.info, plan=plan))


def pair(parent: Path, first: Run, second: Run) -> tuple[Path, Path]:
    """Write two runs, the second of which confirms the first."""
    one, two = saved(first, parent), saved(second, parent)
    link, back = LinkedRun(second.info.id, two.name), LinkedRun(first.info.id, one.name)
    RunFolder(one).finish(replace(first.info, confirmed_by=(link,)))
    RunFolder(two).finish(replace(second.info, confirms=back))
    return one, two


def analysed(made: Run) -> Analysis:
    return analyse(made.info, made.records)


def reported(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any, str]:
    code = run_command_line(["report", "--json", *argv])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_a_budget_that_is_met_when_measured_again_is_kept_and_both_figures_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = pair(tmp_path, budgeted(SLOW, LIMIT, ANY), budgeted(AGAIN, LIMIT))
    code, document, err = reported(capsys, str(one))
    (row,) = (row for row in document["budgets"] if row["expression"] == LIMIT)

    assert (code, document["exit"]) in {(0, 0), (3, 3)}  # one trial failed
    assert (row["status"], row["final"], row["again"]["status"]) == ("not met", "met", "met")
    assert row["measured"] > 1.5 > row["again"]["measured"]
    assert row["again"]["interval"][0] < row["again"]["measured"] < row["again"]["interval"][1]
    assert (row["again"]["run"], row["again"]["seed"]) == (two.name, AGAIN.info.plan.seed)
    assert document["confirmed_by"] == [{"id": AGAIN.info.id, "folder": two.name}]
    assert f"budgets are kept. Of 2 budgeted cells: 1 {TEXT}; 1 met." in err
    summary = (one / "summary.md").read_text()
    assert TEXT in summary
    assert two.name in summary
    page = (one / "report.html").read_text()
    assert TEXT in page
    assert f'href="../{two.name}/report.html"' in page
    assert netbench.load(one).analysis.budgets_kept


def test_openmetrics_has_the_state_after_both(tmp_path: Path) -> None:
    one, _ = pair(tmp_path, budgeted(SLOW, LIMIT), budgeted(AGAIN, LIMIT))
    found = netbench.load(one)
    text = openmetrics(found.info, found.analysis)
    states = {line.rpartition(" ")[2] for line in text.splitlines() if '="met"' in line}

    assert states == {"1.0"}


def test_a_terminal_shows_both_and_where_the_confirmation_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    one, two = pair(tmp_path, budgeted(SLOW, LIMIT), budgeted(AGAIN, LIMIT))
    run_command_line(["report", str(one)])
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if line.startswith(f"✓ {TEXT}: {LIMIT}"))

    assert line.count("ratio to host") == 2
    assert f"in {two.name}, seed {AGAIN.info.plan.seed}" in line
    assert f"confirmation: {two}/report.html" in out


def test_what_misses_twice_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = budgeted(scaled(AGAIN, 1.4, "bridge"), LIMIT)
    one, two = pair(tmp_path, budgeted(SLOW, LIMIT), second)
    code, document, err = reported(capsys, str(one))

    assert (code, document["exit"], document["budgets"][0]["final"]) == (1, 1, "not met")
    assert "budgets are not kept. Of 1 budgeted cell: 1 missed twice." in err
    assert "✗ missed twice" in (one / "summary.md").read_text()
    _, document, _ = reported(capsys, str(two))
    assert document["confirms"] == {"id": SLOW.info.id, "folder": one.name}
    assert f'href="../{one.name}/report.html"' in (two / "report.html").read_text()


@pytest.mark.parametrize(
    ("first", "second", "allow", "kept", "said"),
    [
        (CLOSE, TIGHT, False, False, "missed once, not decided when measured again"),
        (CLOSE, TIGHT, True, True, "missed once, not decided when measured again"),
        (TIGHT, LIMIT, False, True, "not decided once, met when measured again"),
        (TIGHT, CLOSE, False, False, "not decided once, not met when measured again"),
    ],
)
def test_what_is_not_decided_is_missed_where_that_is_not_allowed(
    first: str, second: str, allow: bool, kept: bool, said: str
) -> None:
    """The second run holds another bound, so that each standing can be had of one pair of runs."""
    results = analysed(budgeted(CLEAN, first)).budgets
    (again,) = analysed(budgeted(AGAIN, second)).budgets
    again = replace(again, budget=results[0].budget)
    (found,) = confirmed(results, [Confirmation("again", 2, again)], allow_undecided=False)

    assert found.kept(allow_undecided=allow) is kept
    assert words(found) == said


def test_a_confirmation_that_is_not_there_counts_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = pair(tmp_path, budgeted(SLOW, LIMIT), budgeted(AGAIN, LIMIT))
    other = replace(AGAIN.info, id="other", plan=budgeted(AGAIN, LIMIT).info.plan)
    RunFolder(two).finish(other)
    code, document, err = reported(capsys, str(one))

    assert (code, document["budgets"][0]["again"]) == (1, None)
    assert f"the confirmation {two.name} is not counted" in err


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "x" * 5_000])
def test_a_link_leads_nowhere_but_beside_the_run(tmp_path: Path, name: str) -> None:
    path = saved(replace(CLEAN, info=replace(CLEAN.info, confirms=LinkedRun("x", name))), tmp_path)

    with pytest.raises(RunFolderError, match="no folder beside the run's"):
        load(path)


def test_budgets_of_others_are_not_confirmed_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, _ = pair(tmp_path, budgeted(SLOW, LIMIT), budgeted(AGAIN, LIMIT))
    code, document, _ = reported(capsys, str(one), "--require", "bridge.rtt_p50@same <= 1.4 host")

    assert (code, document["budgets"][0]["again"]) == (1, None)


def test_cells_that_are_impossible_here_are_not_measured_again() -> None:
    def change(record: Record) -> Record:
        gone = record.cell.driver == "bridge"
        return replace(record, outcome=Skip("no such driver here")) if gone else record

    analysis = analysed(with_records(budgeted(CLEAN, LIMIT), change))

    assert [one.standing for one in analysis.budgets] == [Standing.UNDECIDED]
    assert missed(analysis, allow_undecided=False) == ()
    assert missed(analysed(budgeted(SLOW, LIMIT, ANY)), allow_undecided=False) != ()


@pytest.fixture
def no_engine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine can be reached."""
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{empty}/no-engine.sock")
    monkeypatch.setenv("HOME", str(empty))


@pytest.mark.usefixtures("no_engine")
def test_what_cannot_be_measured_again_stays_missed_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = budgeted(SLOW, LIMIT)
    begun = replace(first, info=replace(first.info, options=(("confirm", True),)))
    path = saved(begun, tmp_path)
    code = run_command_line(["run", "--resume", str(path), "--json"])
    out, err = capsys.readouterr()

    assert (code, json.loads(out)["exit"]) == (1, 1)
    assert "--confirm: not measured again:" in err
    assert "could not be measured again" in load(path).info.notes[-1]
    assert "could not be measured again" in (path / "report.html").read_text()


@pytest.mark.usefixtures("no_engine")
def test_budgets_that_are_kept_are_not_measured_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(budgeted(CLEAN, LIMIT), tmp_path)
    code = run_command_line(["run", "--resume", str(path), "--confirm"])

    assert code in {0, 3}
    assert "measured again" not in capsys.readouterr().err


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize(
    ("budget", "confirms", "problem"),
    [
        ((), None, "--confirm has no effect on a run without budgets"),
        ((LIMIT,), "first", "on a run that is itself the confirmation of first"),
    ],
)
def test_a_run_that_has_nothing_to_confirm_refuses_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    budget: tuple[str, ...],
    confirms: str | None,
    problem: str,
) -> None:
    made = budgeted(SLOW, *budget)
    link = LinkedRun("x", confirms) if confirms else None
    path = saved(replace(made, info=replace(made.info, confirms=link)), tmp_path)
    code = run_command_line(["run", "--resume", str(path), "--confirm"])

    assert code == 2
    assert problem in capsys.readouterr().err
    assert not (path / "report.html").exists()
