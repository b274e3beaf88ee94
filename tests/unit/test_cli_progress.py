from dataclasses import replace

import pytest
from support.plans import plan_of

from netbench.cli.progress import PlainProgress, standing
from netbench.record import Left, Ruling, Settled
from netbench.runner.run_state import BlockJudged, BlockStarted
from netbench.spec import Cell, Path, Placement


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


def test_plain_lines_say_at_most_where_the_plan_is_not_fixed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for adaptive in (True, False):
        progress = PlainProgress(plan_of("host", "bridge", blocks=12, adaptive=adaptive))
        progress.show(BlockStarted(1, 12, 3))
        progress.show(BlockJudged(8, RULING, 12, 130.0))
        progress.show(BlockStarted(9, 12, 3))
    lines = capsys.readouterr().err.splitlines()

    assert lines[0] == "block 1 of at most 12: 3 records; left …"
    assert lines[1] == "  settled: bridge in tcp-rr@same (decided)"
    assert lines[3] == "block 9 of at most 12: 3 records; left 2 min 10 s"
    assert lines[4] == "block 1 of 12: 3 records; left …"
