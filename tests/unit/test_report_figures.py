import math
from dataclasses import replace
from functools import cache

import plotly.graph_objects as go
import pytest
from msgspec.structs import replace as changed
from support.synthetic import ROUNDS, Reported, contrast_of, reported

from netbench.analysis.cell_key import CellKey
from netbench.analysis.cpu_sums import split
from netbench.analysis.digest_model import CostSplit, Goal, Load, MergedTimes, SearchTrial
from netbench.analysis.model import CellSummary, Contrast, TrialPoint, Verdict
from netbench.record import Absent, Failure, Measurement, PlanSummary, ProbeSummary, Record, Sample
from netbench.record.histogram import histogram_of
from netbench.report import digest
from netbench.report.document import Json
from netbench.report.figures import Figure, FigureData, chapters
from netbench.report.figures.base import DRIVERS, POINTS, TABLE, chosen, spans
from netbench.report.figures.cpu_split import cpu_split
from netbench.report.figures.latency import curves
from netbench.report.figures.loads import FLOOR, lifecycle, rate_search
from netbench.report.figures.picture import Spec
from netbench.report.figures.timeline import sentinel, series
from netbench.report.figures.trials import trials
from netbench.report.matrix import ladders, order_sentences
from netbench.report.palette import driver_colours
from netbench.spec import Placement

CROSS, SAME = Placement.CROSS, Placement.SAME
IDLE = CellKey("east-west", "tcp-rr", CROSS)
LOADED = CellKey("east-west", "tcp-rr-loaded", CROSS)
SEARCH = CellKey("east-west", "udp-search", CROSS)
STREAM = CellKey("east-west", "tcp-throughput", CROSS)
LIFE = CellKey("east-west", "control-plane", Placement.NONE)


def probe(name: str, kind: str, *metrics: str, **parameters: str | int | bool) -> ProbeSummary:
    return ProbeSummary(name, kind, metrics, tuple(parameters.items()))


PROBES = (
    probe("tcp-throughput", "tcp-throughput", "throughput", seconds=2, streams=1, reverse=False),
    probe("tcp-streams-4", "tcp-throughput", "throughput", seconds=1, streams=4, reverse=False),
    probe("tcp-reverse", "tcp-throughput", "throughput", seconds=1, streams=1, reverse=True),
    probe("tcp-rr", "tcp-rr", "rtt_p50", seconds=1, size=14),
    probe("tcp-rr-1024", "tcp-rr", "rtt_p50", seconds=1, size=1024),
    probe("tcp-rr-loaded", "tcp-rr-loaded", "rtt_p50", seconds=1, size=14),
)


def plan_of(run: Reported) -> PlanSummary:
    return replace(run.info.plan, probes=PROBES)


def scene_of(run: Reported, **parts: object) -> FigureData:
    """Return a run's scene, with parts of its digest replaced."""
    found = replace(run.digest, **parts)  # type: ignore[arg-type] # field values by name, for tests
    colours = driver_colours(run.info.plan.drivers, run.info.plan.baseline)
    return FigureData(run.analysis, found, colours, plan_of(run))


def cell_of(driver: str, key: CellKey, metric: str, value: float, unit: str = "s") -> CellSummary:
    return CellSummary(
        *(driver, 0, key.path, key.probe, key.placement, metric, unit),
        *(value, value * 0.95, value * 1.05, 8, 0, 0, ()),
    )


def held(figure: Figure) -> Figure:
    """Check what holds for every figure, and return it."""
    if figure.picture is not None:
        assert go.Figure(figure.spec).data
    assert all(len(row) == len(figure.table.columns) for row in figure.table.rows)
    assert len(figure.table.rows) <= TABLE
    assert figure.title[:1] == figure.title[:1].upper()
    return figure


def traces(figure: Figure) -> list[Spec]:
    data = figure.spec.get("data", [])
    assert isinstance(data, list)
    return [trace for trace in data if isinstance(trace, dict)]


def values(found: Json) -> list[float]:
    assert isinstance(found, list)
    return [float(value) for value in found if isinstance(value, int | float)]


def every(run: Reported) -> list[Figure]:
    return [held(f) for chapter in chapters(scene_of(run)) for f in chapter.figures]


def order_of(run: Reported, *contrasts: Contrast) -> tuple[str, ...]:
    analysis = replace(run.analysis, contrasts=contrasts or run.analysis.contrasts)
    return order_sentences(plan_of(run), analysis)


def test_one_driver_alone_has_figures_and_nothing_is_compared() -> None:
    found = every(reported(blocks=3, drivers=("host",)))

    assert {f.id.partition("-")[0] for f in found} >= {"curves", "series", "sentinel"}
    assert order_of(reported(blocks=3, drivers=("host",))) == ()


def test_of_one_driver_beside_the_baseline_no_order_is_told() -> None:
    assert order_of(reported(drivers=("host", "bridge"))) == ()


def test_one_block_promises_nothing() -> None:
    order = order_of(reported(blocks=1))

    assert order
    assert all("there is no order" in sentence for sentence in order)


def test_failures_alone_give_no_figure_of_values() -> None:
    run = reported(blocks=2, drivers=("host", "bridge"))
    failed: list[Record] = [
        replace(record, outcome=Failure("client", "refused", "")) for record in run.records
    ]
    from netbench.analysis import analyse  # noqa: PLC0415 - for this test alone

    analysis = analyse(run.info, failed)
    scene = replace(scene_of(run), analysis=analysis, digest=digest(analysis, failed))

    assert {chapter.id for chapter in chapters(scene)} <= {"machine"}


def multiplied(run: Reported, times: int) -> FigureData:
    """Return a run's scene in which its second driver stands under many names, a bit apart."""
    one = run.info.plan.drivers[1]
    names = [f"{one}@mtu={1400 + n}" for n in range(times)]
    analysis = replace(
        run.analysis,
        **{
            part: tuple(
                replace(thing, driver=name)
                for thing in getattr(run.analysis, part)
                for name in (names if thing.driver == one else [thing.driver])
            )
            for part in ("contrasts", "cells", "points")
        },
    )
    found = {
        part: tuple(
            replace(thing, driver=name)
            for thing in getattr(run.digest, part)
            for name in (names if thing.driver == one else [thing.driver])
        )
        for part in ("lines", "drivers")
    }
    info = replace(run.info, plan=replace(run.info.plan, drivers=("host", *names)))
    return scene_of(replace(run, info=info, analysis=analysis), **found)


def test_sixty_four_drivers_stay_readable_and_all_are_in_the_tables() -> None:
    scene = multiplied(reported(drivers=("host", "bridge:user")), 63)
    found = [f for chapter in chapters(scene) for f in chapter.figures]

    for f in found:
        if f.id.startswith("series"):
            shown = {t["name"] for t in traces(f) if t.get("showlegend") is not False}
            assert len(shown) <= DRIVERS
            assert "Of 6" in f.caption
            assert {row[0] for row in f.table.rows} == set(scene.colours)
    assert len(scene.colours) == 64
    assert max(len(f.title) for f in found) < 250


def test_a_long_run_is_thinned_and_says_so() -> None:
    run = reported(drivers=("host", "bridge"))
    long = replace(
        run.analysis,
        points=tuple(
            replace(p, block=p.block + n * 8) for n in range(100) for p in run.analysis.points
        ),
        sentinel=tuple(
            replace(p, at=p.at + n * 400) for n in range(100) for p in run.analysis.sentinel
        ),
    )
    found = every(replace(run, analysis=long))

    crowded = [f for f in found if "points every" in f.caption]
    assert crowded
    for f in crowded:
        assert sum(len(values(t["x"])) for t in traces(f)) <= POINTS + 10


def test_the_choice_of_drivers_spans_from_the_lowest_to_the_highest() -> None:
    found = {f"d{n:02d}": float((n * 37) % 64) for n in range(64)} | {"host": 30.5}

    kept, note = chosen(found, "host")

    kept_values = [found[driver] for driver in kept]
    assert len(kept) == DRIVERS
    assert {min(kept_values), max(kept_values)} == {0.0, 63.0}
    assert "host" in kept
    assert "Of 65 drivers 12 are drawn" in note


def test_spans_name_few_drivers_and_the_ends_of_many() -> None:
    assert spans({"a": 1e-6, "b": 2e-6}, "s") == "a 1.00 µs, b 2.00 µs"
    many = {name: float(n) for n, name in enumerate("abcdef", 1)}
    assert spans(many, "s") == "from 1.00 s (a) to 6.00 s (f), 6 drivers"


class TestLatency:
    @staticmethod
    @cache
    def figure() -> Figure:
        run = reported(drivers=("host", "bridge"))
        base = {"host": 50e-6, "bridge": 60e-6}
        times = tuple(
            MergedTimes(
                driver=driver,
                cell=cell,
                records=8,
                times=histogram_of([p50 * factor * (1 + n / 20_000) for n in range(20_000)]),
                largest=p50 * factor * 2,
            )
            for driver, p50 in base.items()
            for cell, factor in ((IDLE, 1.0), (LOADED, 3.0))
        )
        found = {f.id: f for f in curves(scene_of(run, times=times))}
        assert not any("loaded" in name for name in found)
        return held(found[f"curves-{IDLE.slug}"])

    def test_idle_and_loaded_stand_in_one_figure(self) -> None:
        lines = [t["line"] for t in traces(self.figure())]
        dashes = [line["dash"] for line in lines if line["width"] == 2.5]  # type: ignore[operator, index, call-overload] # of a line

        assert dashes.count("dash") == dashes.count("solid") == 2 + 1
        assert "a stream beside it makes that 3.0 times as long" in self.figure().title

    def test_a_percentile_of_merged_records_is_that_of_all_their_times(self) -> None:
        rows = {(row[0], row[1]): row for row in self.figure().table.rows}

        host = rows["host", "idle"]
        assert host[2:4] == ("8 records together", "20,000")
        assert float(host[4].split()[0]) == pytest.approx(75, rel=0.011)
        assert float(host[6].split()[0]) == pytest.approx(99.5, rel=0.011)
        assert host[-1] == "100 µs"

    def test_a_line_ends_at_its_longest_round_trip(self) -> None:
        host = next(t for t in traces(self.figure()) if t["showlegend"] and t["name"] == "host")

        x, y = values(host["x"]), values(host["y"])
        assert x[0] == 1
        assert x[-1] == 20_000
        assert x == sorted(x)
        assert y == sorted(y)
        assert len(x) < 250


def test_curves_of_more_than_five_drivers_are_a_table_alone() -> None:
    scene = multiplied(reported(drivers=("host", "bridge:user")), 5)

    for found in curves(scene):
        assert found.picture is None
        assert found.spec == {}
        assert {row[0] for row in held(found).table.rows} == set(scene.colours)
        assert "Lines of 6 drivers could not be distinguished" in found.caption


def test_without_histograms_the_median_record_is_drawn() -> None:
    found = next(f for f in curves(scene_of(reported())) if f.id.endswith("cross"))

    assert {row[2].partition(",")[2] for row in found.table.rows} == {" its median one"}
    assert {row[3] for row in found.table.rows} == {"–"}


def test_merged_times_leave_out_the_second_arm() -> None:
    run = reported(drivers=("host", "bridge"))
    records = [
        replace(record, outcome=changed(record.outcome, histogram=((1000, 5),)))
        if isinstance(record.outcome, Sample)
        else record
        for record in run.records
    ]

    found = {(merged.driver, merged.cell): merged for merged in digest(run.analysis, records).times}

    same = CellKey("east-west", "tcp-rr", SAME)
    assert found["host", same].records == 8
    assert found["host", same].times == ((1000, 40),)
    assert found["host", IDLE].records == 8


class TestRateSearch:
    @staticmethod
    def search(driver: str, rate: float, upper: float | None) -> SearchTrial:
        goals = tuple(
            Goal(name, loss, rate * (1 + loss), upper, "found")
            for name, loss in (("ndr", 0.0), ("pdr01", 0.001), ("pdr05", 0.005))
        )
        loads = (Load(10e9, 2e9, 0.4), Load(rate, rate, 0.0))
        return SearchTrial(driver, SEARCH, 7, 1, loads, goals)

    def figures(self) -> tuple[Figure, Figure]:
        run = reported(drivers=("host", "bridge"))
        searches = (
            self.search("host", 2e9, 2.4e9),
            self.search("host", 1.8e9, 2.2e9),
            self.search("bridge", 1e9, None),
        )
        scene = scene_of(run, searches=searches)
        cells = (
            cell_of("host", SEARCH, "ndr", 1.9e9, "bit/s"),
            cell_of("bridge", SEARCH, "ndr", 1e9, "bit/s"),
        )
        tried, rates = rate_search(replace(scene, analysis=replace(scene.analysis, cells=cells)))
        return held(tried), held(rates)

    def test_every_load_is_drawn_and_no_loss_has_a_place(self) -> None:
        tried, _ = self.figures()

        host = next(t for t in traces(tried) if t["name"] == "host")
        assert values(host["x"]) == [10, 2, 10, 1.8]
        assert values(host["y"]) == [40, FLOOR, 40, FLOOR]
        assert "40 % was lost" in tried.title
        assert ("bridge", "7", "1", "1.00 Gbit/s", "1.00 Gbit/s", "nothing") in tried.table.rows

    def test_a_rate_has_the_bounds_of_its_searches(self) -> None:
        _, rates = self.figures()

        ndr = next(t for t in traces(rates) if t["x"] == [1.9])
        bounds = ndr["error_x"]
        assert isinstance(bounds, dict)
        assert values(bounds["array"]) == pytest.approx([0.5])
        assert values(bounds["arrayminus"]) == pytest.approx([0.1])
        assert rates.title.startswith(
            "Rate without loss of udp-search on two cores: host 1.90 Gbit/s, "
        )

    def test_a_rate_kept_at_the_highest_load_is_hollow(self) -> None:
        _, rates = self.figures()

        symbols = [t["marker"]["symbol"] for t in traces(rates) if t["x"] != [None]]  # type: ignore[index, call-overload] # of a marker
        assert [str(s).endswith("-open") for s in symbols] == [False] * 3 + [True] * 3


def test_a_search_is_read_from_what_the_trial_told() -> None:
    run = reported(drivers=("host", "bridge"))
    told = Sample(
        (Measurement("ndr", 9e8, "bit/s"),),
        1000,
        details=(
            ("search.tried", ("10000000000 4e9 2e9 0.500000", "900000000 9e8 9e8 0.000000", "?")),
            ("search.ndr_end", "found"),
            ("search.ndr_upper", 1e9),
        ),
    )
    records = [replace(run.records[0], outcome=told, replica=0)]

    (found,) = digest(run.analysis, records).searches

    assert found.loads == (Load(1e10, 2e9, 0.5), Load(9e8, 9e8, 0.0))
    assert found.goals[0] == Goal("ndr", 0.0, 9e8, 1e9, "found")
    assert found.goals[1] == Goal("pdr01", 0.001, None, None, "unknown")


class TestCpuSplit:
    FACTS = {  # noqa: RUF012 - read only
        "trial.busy_above_idle": 1.5,
        "trial.cgroup_client": 0.6,
        "trial.cgroup_client_system": 0.5,
        "trial.cgroup_server": 1.0,
        "trial.cgroup_server_system": Absent("its share in the kernel is unknown"),
        "trial.unattributed": -0.1,
        "trial.busy_softirq": 0.3,
    }

    def test_the_parts_of_a_trial_add_up_to_its_cost(self) -> None:
        found = split(dict(self.FACTS), 3e-9)

        softirq = found.pop("softirq")
        assert list(found) == ["client, user", "client, kernel", "server", "rest"]
        assert math.fsum(found.values()) == pytest.approx(3e-9)
        assert found["rest"] == pytest.approx(-0.2e-9)
        assert softirq == pytest.approx(0.6e-9)

    def test_what_was_not_read_is_not_split(self) -> None:
        assert split({**self.FACTS, "trial.unattributed": Absent("no cgroup")}, 3e-9) == {}

    def test_a_negative_rest_is_drawn_and_told(self) -> None:
        parts = (("client", 1e-9), ("server", 2.4e-9), ("rest", -0.4e-9))
        splits = (
            CostSplit("host", STREAM, "byte", 8, parts, 0.3e-9),
            CostSplit("bridge", STREAM, "byte", 8, (*parts[:2], ("rest", 0.6e-9)), None),
        )
        (found,) = cpu_split(scene_of(reported(drivers=("host", "bridge")), splits=splits))
        held(found)

        rest = next(t for t in traces(found) if t["name"] == "rest" and t["x"] != [None])
        assert values(rest["x"]) == pytest.approx([-0.4, 0.6])
        assert "host 3.00 ns, bridge 4.00 ns" in found.title
        assert found.title.endswith("less than both ends' time was seen on the machine for host")
        assert found.table.rows[0][5] == "-0.400 ns (-13 %)"

    def test_a_rest_far_below_zero_has_no_bar_but_its_row(self) -> None:
        parts = (("client", 1e-9), ("server", 2.4e-9), ("rest", -0.9e-9))
        splits = (
            CostSplit("host", STREAM, "byte", 8, parts, None),
            CostSplit("bridge", STREAM, "byte", 8, (*parts[:2], ("rest", 0.6e-9)), None),
        )
        run = reported(drivers=("host", "bridge"))
        (found,) = cpu_split(scene_of(run, splits=splits))
        (alone,) = cpu_split(scene_of(run, splits=splits[:1]))

        rest = next(t for t in traces(held(found)) if t["name"] == "rest")
        assert values(rest["x"]) == [0.6]
        assert "host has no bar: a negative rest of more than 20 %" in found.caption
        assert [row[0] for row in found.table.rows] == ["host", "bridge"]
        assert held(alone).picture is None
        assert alone.table.rows[0][5] == "-0.900 ns (-36 %)"

    def test_splits_come_from_the_trials_that_tell_all(self) -> None:
        run = reported(drivers=("host", "bridge"))
        first = next(r for r in run.records if r.cell.driver == "bridge")
        told = Sample((Measurement("cpu_per_byte", 3e-9, "s"),), 1)
        facts = tuple({**self.FACTS}.items())
        records = [replace(first, outcome=told, facts=facts), replace(first, outcome=told)]

        (found,) = digest(run.analysis, records).splits

        assert (found.driver, found.per, found.trials) == ("bridge", "byte", 1)
        assert dict(found.parts)["server"] == pytest.approx(2e-9)
        assert found.softirq == pytest.approx(0.6e-9)


def test_the_control_plane_has_a_mark_for_every_trial_and_a_median() -> None:
    run = reported(drivers=("host", "bridge"))
    points = tuple(
        TrialPoint(n, n, 1, driver, 0, *_place(LIFE), metric, "s", base * (1 + n / 10))
        for driver, phases in (
            ("host", {"start_time": 0.2, "remove_time": 0.1}),
            ("bridge", {"create_time": 0.05, "start_time": 0.4, "remove_time": 0.2}),
        )
        for metric, base in phases.items()
        for n in range(1, 6)
    )
    scene = scene_of(run)
    (found,) = lifecycle(replace(scene, analysis=replace(scene.analysis, points=points)))
    held(found)

    strong = [t for t in traces(found) if "error_x" in t]
    faint = [t for t in traces(found) if t.get("text")]
    assert len(strong) == 5
    assert [len(values(t["x"])) for t in faint] == [5] * 5
    assert values(strong[0]["x"]) == pytest.approx([260])
    assert found.title.startswith("Request to first byte: host 260 ms, bridge 520 ms; ")
    assert len(found.table.rows) == 5


def _place(key: CellKey) -> tuple[str, str, Placement]:
    return key.path, key.probe, key.placement


class TestOrder:
    @staticmethod
    def told(*contrasts: Contrast) -> str:
        (found,) = (
            sentence
            for sentence in order_of(reported(), *contrasts)
            if "tcp-rr" in sentence and "by placement" in sentence
        )
        return found

    @staticmethod
    def rtt(driver: str, placement: Placement, low: float | None, high: float | None) -> Contrast:
        middle = 1.1 if low is None or high is None else math.sqrt(low * high)
        verdict = Verdict.SLOWER if low and low > 1.05 else Verdict.UNDECIDED
        return contrast_of(
            driver=driver,
            probe="tcp-rr",
            placement=placement,
            metric="rtt_p50",
            ratio=middle,
            low=low,
            high=high,
            verdict=verdict,
        )

    def test_an_order_that_turns_is_told(self) -> None:
        found = self.told(
            self.rtt("bridge", SAME, 1.2, 1.22),
            self.rtt("container", SAME, 1.1, 1.12),
            self.rtt("bridge", CROSS, 1.1, 1.12),
            self.rtt("container", CROSS, 1.2, 1.22),
        )

        assert "the order flips. bridge is better than container" in found
        assert "on two cores, worse on one core" in found

    def test_intervals_that_overlap_turn_nothing(self) -> None:
        found = self.told(
            self.rtt("bridge", SAME, 1.2, 1.22),
            self.rtt("container", SAME, 1.1, 1.12),
            self.rtt("bridge", CROSS, 1.1, 1.3),
            self.rtt("container", CROSS, 1.2, 1.4),
        )

        assert found.endswith("the order does not flip where drivers are clearly apart.")

    def test_without_bounds_no_order_is_told(self) -> None:
        found = self.told(
            self.rtt("bridge", SAME, None, None), self.rtt("container", CROSS, None, None)
        )

        assert found.endswith("so there is no order.")

    def test_a_driver_that_was_not_measured_at_a_step_is_not_ranked_there(self) -> None:
        found = self.told(
            self.rtt("bridge", SAME, 1.2, 1.22),
            self.rtt("bridge", CROSS, 1.1, 1.12),
            self.rtt("container", SAME, 1.3, 1.32),
        )

        assert found.endswith("the order does not flip where drivers are clearly apart.")


def test_ladders_join_what_differs_in_one_thing() -> None:
    keys = dict.fromkeys(
        [
            *(CellKey("east-west", name, CROSS) for name in ("tcp-throughput", "tcp-streams-4")),
            CellKey("east-west", "tcp-reverse", CROSS),
            *(CellKey("east-west", "tcp-rr", at) for at in (SAME, CROSS)),
            CellKey("east-west", "tcp-rr-1024", SAME),
        ]
    )

    found = {
        (ladder.by, ladder.what): [label for label, _ in ladder.steps]
        for ladder in ladders(plan_of(reported()), keys)
    }

    assert found == {
        ("placement", "round-trip time, median of tcp-rr"): ["on one core", "on two cores"],
        ("number of streams", "throughput of tcp-throughput on two cores"): ["1", "4"],
        ("message size", "round-trip time, median of tcp-rr on one core"): ["14 B", "1,024 B"],
    }


def test_a_drift_within_the_records_is_told() -> None:
    run = reported(drivers=("host", "bridge"))
    lines = tuple(
        replace(
            line,
            series=tuple(
                replace(point, value=point.value * (1 if n < len(line.series) // 2 else 1.2))
                for n, point in enumerate(line.series)
            ),
        )
        for line in run.digest.lines
    )
    (found,) = series(scene_of(run, lines=lines))

    assert "from the first half to the second it changes by +2" in held(found).title


def test_each_blocks_value_stands_among_the_slices_it_is_made_of() -> None:
    run = reported(drivers=("host", "bridge"))
    found = {f.id: f for f in trials(scene_of(run))}
    throughput = found["trials-east-west-tcp-throughput-cross-throughput"]
    large = [t for t in traces(throughput) if t["marker"]["size"] == 9]  # type: ignore[index, call-overload] # of a mark
    small = [t for t in traces(throughput) if t["marker"]["size"] == 3]  # type: ignore[index, call-overload] # as above

    assert len(large) == 3
    assert [t["name"] for t in small] == ["host", "bridge"]
    for values_of, slices_of in zip((large[0], large[2]), small, strict=True):
        assert len(values(values_of["x"])) == 8
        assert len(values(slices_of["x"])) == 8 * ROUNDS
        assert min(values(slices_of["y"])) <= min(values(values_of["y"]))
    assert "Small points are its slices, one for each round" in throughput.caption


def test_a_trial_that_ran_whole_has_no_slices() -> None:
    run = reported(drivers=("host", "bridge"))
    lines = tuple(replace(line, slices=()) for line in run.digest.lines)

    for found in trials(scene_of(run, lines=lines)):
        assert "Small points" not in found.caption
        assert {t["marker"]["size"] for t in traces(found)} == {9}  # type: ignore[index, call-overload] # as above


def test_the_sentinels_readings_are_drawn_once_for_the_sessions_that_share_them() -> None:
    found = sentinel(scene_of(reported(drivers=("host", "bridge"))))

    assert [f.id for f in found] == ["sentinel-cross", "sentinel-same"]
    for figure in found:
        (trace,) = traces(held(figure))
        points = values(trace["x"])
        assert len(points) == len(set(points)) == len(figure.table.rows)
        assert "no value is left out because of them" in figure.caption
