import re
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from support.plans import plan_of
from support.synthetic import run_of

from netbench.cli.progress import LiveProgress, PlainProgress, TerminalObserver, standing
from netbench.record import Failure, Left, Outcome, Record, Ruling, Settled
from netbench.runner.run_state import BlockFinished, BlockJudged, BlockStarted, TrialFinished
from netbench.spec import Cell, Path, Placement

RUN = run_of(blocks=1, drivers=("host", "bridge"))


def cell(driver: str) -> Cell:
    return Cell(driver, Path.EAST_WEST, "tcp-rr", Placement.SAME)


RULING = Ruling(
    (Settled(cell("bridge"), 8, "decided"),),
    (Left(cell("container"), 23), Left(cell("overlay"), None), Left(cell("macvlan"), 9000)),
)


def test_what_is_settled_and_what_is_left_is_told_with_the_time_it_takes() -> None:
    told = ("container in tcp-rr@same (by block 23)", "overlay in tcp-rr@same")
    told = (*told, "macvlan in tcp-rr@same (far from settled)")

    assert standing(RULING, 130.0) == [
        "settled: bridge in tcp-rr@same (decided)",
        f"left: {', '.join(told)}; 2 min 10 s at most",
    ]


def test_many_cells_are_counted_not_named() -> None:
    ruling = Ruling((), tuple(Left(cell(f"plugin:{n}"), None) for n in range(7)))
    (line,) = standing(ruling, 5.0)

    assert "plugin:3 in tcp-rr@same and 3 more; 5 s at most" in line
    assert "plugin:4" not in line


def test_drivers_that_leave_the_same_cells_for_the_same_reason_share_a_line() -> None:
    north = replace(cell("none"), path=Path.NORTH_SOUTH)
    gone = [(cell("none"), "no-contrast"), (cell("vepa"), "no-contrast"), (north, "no-contrast")]
    gone += [(cell("bridge"), "decided"), (replace(cell("bridge"), probe="udp-rr"), "decided")]
    ruling = Ruling(tuple(Settled(one, 8, why) for one, why in gone), ())

    assert standing(ruling, 0.0) == [
        "settled: none, vepa in tcp-rr@same (no-contrast)",
        "settled: none in tcp-rr@same north-south (no-contrast)",
        "settled: bridge in tcp-rr@same, udp-rr@same (decided)",
        "nothing is left to settle",
    ]


def test_the_end_is_told() -> None:
    assert standing(Ruling(RULING.settled, ()), 0.0)[-1] == "nothing is left to settle"


def record(number: int, outcome: Outcome | None = None) -> Record:
    """Return one of the three records of block 1."""
    found = RUN.records[number - 1]
    return replace(found, block=1, position=number, outcome=outcome or found.outcome)


def test_plain_lines_are_one_a_block_and_one_for_each_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = PlainProgress(plan_of("host", "bridge", blocks=12, adaptive=True))
    failed = record(2, Failure("client", "no route", ""))
    progress.show(BlockStarted(1, 12, 3))
    for one in (record(1), failed):
        progress.show(TrialFinished(one))
    for block in (1, 2):
        progress.show(BlockStarted(block, 12, 3))
        progress.show(BlockFinished(block, 10.73, ()))
        progress.show(BlockJudged(block, RULING, 12, 130.0))
    lines = capsys.readouterr().err.splitlines()

    assert lines[0] == "block 1 of at most 12: 3 records"
    assert lines[1].endswith(": failed (client): no route")
    assert [line.partition(";")[0] for line in lines[2:]] == [
        "block 1 of at most 12: 10.7 s",
        "block 2 of at most 12: 10.7 s",
    ]
    for line in lines[2:]:
        assert "; settled: bridge in tcp-rr@same (decided); left: container in" in line
        assert "; 2 min 10 s at most; medians: " in line


def test_medians_of_paths_and_probes_are_never_mixed() -> None:
    progress = PlainProgress(plan_of("host", "bridge"))
    rounds = (one for one in RUN.records if one.cell.probe == "tcp-rr")
    near = next(one for one in rounds if not one.replica)
    far = replace(near, cell=replace(near.cell, path=Path.NORTH_SOUTH))
    for one in (near, far, replace(far, cell=replace(far.cell, probe="udp-rr"))):
        progress.add(one)
    names = [part.partition(":")[0] for part in progress.medians().split("; ")]
    at = f"tcp-rr@{near.cell.placement}"

    assert names[:2] == [f"{at} north-south rtt_p50", f"{at} rtt_p50"]
    assert names[2] == f"udp-rr@{near.cell.placement} north-south rtt_p50"


def test_a_fixed_plan_says_what_is_left_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(plan_of("host", "bridge", blocks=12))
    progress.show(BlockStarted(1, 12, 3))
    progress.show(TrialFinished(record(1)))
    progress.show(BlockFinished(1, 10.73, ()))
    lines = capsys.readouterr().err.splitlines()

    assert lines[0] == "block 1 of 12: 3 records"
    assert re.match(r"block 1 of 12: 10\.7 s; left [0-9]+ s; medians: ", lines[1])


def live(**changes: bool) -> LiveProgress:
    progress = LiveProgress(plan_of("host", "bridge", blocks=12, **changes))
    progress.show(BlockStarted(9, 12, 3))
    return progress


def test_the_live_line_says_less_in_a_fixed_order_where_it_is_too_wide() -> None:
    progress = live(adaptive=True)
    progress.show(BlockJudged(8, RULING, 12, 130.2))
    block, left = "block 9 of at most 12", "at most 2 min 10 s left"
    named = "container in tcp-rr@same (by block 23), overlay in tcp-rr@same, "
    named += "macvlan in tcp-rr@same (far from settled)"
    forms = [
        f"{block} · bringing pairs up · to decide: {named} · {left}",
        f"{block} · bringing pairs up · 3 cells to decide · {left}",
        f"{block} · 3 cells to decide · {left}",
        f"{block} · {left}",
        block,
    ]

    assert progress.line(1000) == forms[0]
    for wider, form in pairwise(forms):
        assert progress.line(len(wider) - 1) == form


def test_the_live_line_is_one_line_and_leaves_nothing_but_failures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    progress = live(adaptive=True)
    with progress.live:
        progress.show(TrialFinished(record(2, Failure("client", "no \x1b[2Jroute", ""))))
        progress.show(BlockJudged(8, RULING, 12, 130.0))
    lines = capsys.readouterr().err.splitlines()

    assert any(line.endswith("failed: no \\x1b[2Jroute") for line in lines)
    assert not any("settled: " in line for line in lines)


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"TERM": "xterm"}, LiveProgress),
        ({"TERM": "dumb"}, PlainProgress),
        ({"TERM": "xterm", "NO_COLOR": "1"}, PlainProgress),
    ],
)
def test_a_line_is_drawn_anew_only_where_that_is_wanted(
    environment: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    with TerminalObserver().progress(plan_of("host", "bridge"), 0) as show:
        assert type(show.__self__) is kind  # type: ignore[attr-defined]
