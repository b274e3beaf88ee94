from dataclasses import replace

import pytest
from support.synthetic import reported

from netbench.analysis.model import TrialPoint
from netbench.analysis.slopes import Slope, slopes
from netbench.record import PlanSummary, ProbeSummary
from netbench.report.figures.base import FigureData
from netbench.report.figures.slopes import growth
from netbench.report.palette import driver_colours
from netbench.spec import Placement

RUN = reported(drivers=("host", "bridge"))
METRICS = ("start_time", "create_time", "remove_time")


def plan(**probes: dict[str, int]) -> PlanSummary:
    found = (
        ProbeSummary(name, "control-plane", METRICS, tuple(given.items()))
        for name, given in probes.items()
    )
    return replace(RUN.info.plan, probes=tuple(found))


def points(probe: str, *values: float, driver: str = "bridge") -> list[TrialPoint]:
    place = ("east-west", probe, Placement.NONE)
    return [
        TrialPoint(n, n, 1, driver, 0, *place, "start_time", "s", value)
        for n, value in enumerate(values, 1)
    ]


GROWING = [*points("none", 0.2, 0.2, 0.2), *points("ten", 0.3, 0.3, 0.9), *points("many", 1.2, 1.2)]
PLAN = plan(none={"endpoints": 1}, ten={"endpoints": 1, "ports": 10}, many={"ports": 100})


def test_the_slope_is_what_one_more_takes_and_one_slow_start_does_not_move_it() -> None:
    (found,) = slopes(PLAN, GROWING)

    assert (found.driver, found.metric, found.factor) == ("bridge", "start_time", "ports")
    assert found.numbers == (0, 10, 100)
    assert found.slope == pytest.approx(0.01)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.slope <= found.high
    assert found.trials == 8


def test_few_trials_have_no_interval() -> None:
    (found,) = slopes(PLAN, [*points("none", 0.2), *points("many", 0.7)])

    assert found == Slope(
        "bridge", "start_time", "ports", (0, 100), pytest.approx(0.005), None, None, 2
    )


def test_only_probes_that_differ_in_nothing_else_make_a_slope() -> None:
    others = plan(none={"endpoints": 1}, both={"endpoints": 5, "ports": 10})

    assert slopes(others, [*points("none", 0.2), *points("both", 0.3)]) == ()
    assert slopes(PLAN, points("ten", 0.3, 0.4)) == ()
    assert slopes(RUN.info.plan, RUN.analysis.points) == ()


def test_neighbours_have_a_slope_of_their_own() -> None:
    found = slopes(
        plan(none={}, few={"neighbours": 50}, ports={"ports": 10}),
        [*points("none", 0.2), *points("few", 0.3), *points("ports", 0.5)],
    )

    assert [(one.factor, round(one.slope, 4)) for one in found] == [
        ("ports", 0.03),
        ("neighbours", 0.002),
    ]


def test_the_report_says_how_much_each_port_takes() -> None:
    analysis = replace(RUN.analysis, points=(*GROWING, *points("none", 0.1, driver="host")))
    colours = driver_colours(("host", "bridge"), "host")
    (found,) = growth(FigureData(analysis, RUN.digest, colours, PLAN))

    assert found.title == "The start takes longer for each port: bridge 10.00 ms"
    (row,) = found.table.rows
    assert row[:4] == ("bridge", "endpoint asked for to first byte", "0, 10, 100 ports", "10.00 ms")
    assert " to " in row[4]
    assert growth(FigureData(RUN.analysis, RUN.digest, colours, RUN.info.plan)) == ()
