from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest
from msgspec.structs import replace as with_changes
from support.campaign import Campaign, noisy, sample, window

from netbench.analysis import Analysis, QualityWarning, analyse
from netbench.probes import PROBES
from netbench.record import Failure, Pins, Record, Sample, Skip
from netbench.record.outcome import Outcome

NEAR, FAR = 50e9, 17e9
CLEAN = Campaign(noisy({"bridge": 0.78}))


def changed(change: Callable[[Record], Record], campaign: Campaign = CLEAN) -> Analysis:
    return analyse(campaign.info(), [change(record) for record in campaign.records()])


def warning(analysis: Analysis, kind: str) -> QualityWarning:
    (found,) = [w for w in analysis.warnings if w.kind == kind]
    assert found.advice
    return found


def test_a_clean_run_is_not_doubted() -> None:
    assert changed(lambda record: record).warnings == ()


@pytest.mark.parametrize("status", ["running", "out-of-time", "interrupted", "engine-lost"])
def test_a_run_that_did_not_end_well_says_so(
    status: Literal["running", "out-of-time", "interrupted", "engine-lost"],
) -> None:
    info = CLEAN.info()
    stopped = replace(info, status=status, plan=replace(info.plan, blocks=20))

    assert "8 of 20 blocks" in warning(analyse(stopped, CLEAN.records()), status).message


def with_congestion_control(record: Record, name: str) -> Record:
    assert isinstance(record.outcome, Sample)
    return replace(
        record, outcome=with_changes(record.outcome, details=(("congestion_control", name),))
    )


def test_arms_of_different_congestion_control_are_named() -> None:
    analysis = changed(
        lambda r: with_congestion_control(r, "bbr" if r.cell.driver == "host" else "cubic")
    )

    assert "bridge: cubic; host: bbr" in warning(analysis, "congestion-control").message


@pytest.mark.parametrize(("used", "stray"), [("bbr", False), ("reno", True)])
def test_arms_that_were_asked_to_differ_are_no_doubt(used: str, stray: bool) -> None:
    names = {"host": "host@cc=bbr", "bridge": "bridge@cc=cubic"}

    def renamed(record: Record) -> Record:
        name = record.cell.driver
        found = with_congestion_control(record, used if name == "host" else "cubic")
        return replace(found, cell=replace(found.cell, driver=names[name]))

    info = CLEAN.info()
    plan = replace(info.plan, drivers=tuple(names.values()), baseline=names["host"])
    found = analyse(replace(info, plan=plan), [renamed(record) for record in CLEAN.records()])
    doubts = [w for w in found.warnings if w.kind.startswith("congestion-control")]

    assert [w.kind for w in doubts] == (["congestion-control-not-as-asked"] if stray else [])
    assert all(w.message.startswith("bbr was asked for; used were ") for w in doubts)


def test_congestion_control_must_be_the_one_asked_for() -> None:
    info = CLEAN.info()
    asked = replace(info, plan=replace(info.plan, congestion_control="reno"))
    analysis = analyse(asked, CLEAN.records())

    assert "reno was asked for" in warning(analysis, "congestion-control-not-as-asked").message
    assert [w.kind for w in analysis.warnings] == ["congestion-control-not-as-asked"]


@pytest.mark.parametrize(
    ("pins", "kinds"),
    [
        (Pins(0, 1, "0", "1"), []),
        (Pins(None, None, "0-1", "0-1"), []),
        (Pins(0, 1, "0", "0-1"), ["placement"]),
        (Pins(0, 1, "0", None), ["placement-unseen"]),
        (Pins(0, 1, None, "0"), ["placement"]),
    ],
)
def test_pins_must_be_the_ones_asked_for(pins: Pins, kinds: list[str]) -> None:
    analysis = changed(lambda record: replace(record, pins=pins))

    assert [w.kind for w in analysis.warnings] == kinds


@pytest.mark.parametrize(("steal", "kinds"), [(0.009, []), (0.031, ["steal"])])
def test_steal_above_one_percent_is_told(steal: float, kinds: list[str]) -> None:
    analysis = changed(
        lambda r: replace(r, facts=(("trial.steal", steal if r.number == 5 else 0.0),))
    )

    assert [w.kind for w in analysis.warnings] == kinds
    if kinds:
        assert "in 1 of 24 records, at most 3.1 %" in analysis.warnings[0].message


def test_a_lost_sentinel_is_told_with_its_reason_and_costs_no_block() -> None:
    analysis = changed(lambda r: replace(r, sentinel=window(None, None)) if r.block > 6 else r)

    assert "6 of 24 records of placement cross" in warning(analysis, "no-sentinel").message
    assert "not possible here" in warning(analysis, "no-sentinel").message
    assert [c.blocks for c in analysis.contrasts] == [8]


def test_a_run_without_a_sentinel_has_no_readings() -> None:
    analysis = changed(lambda r: replace(r, sentinel=window(None, None)))

    assert analysis.sentinel == ()
    assert [c.blocks for c in analysis.contrasts] == [8]


def test_a_sentinel_that_reads_two_machines_warns_of_nothing() -> None:
    windows = {0: window(NEAR, NEAR), 1: window(FAR, FAR * 1.1), 2: window(NEAR * 0.9, FAR)}
    analysis = changed(lambda r: replace(r, sentinel=windows[r.block % 3]))

    assert analysis.warnings == ()


def test_the_sentinel_is_told_over_time() -> None:
    analysis = changed(lambda r: r)
    first, second, *_ = analysis.sentinel

    assert len(analysis.sentinel) == 48
    assert (first.record, first.at, first.when, first.value) == (1, 0.0, "before", NEAR)
    assert (second.record, second.at, second.when) == (1, 3.0, "after")


def test_readings_that_sessions_share_are_told_once() -> None:
    analysis = changed(lambda r: replace(r, sentinel=window(NEAR, FAR, at=100.0 * r.block)))

    assert len(analysis.sentinel) == 16
    assert [p.record for p in analysis.sentinel] == [n for n in range(1, 24, 3) for _ in (1, 2)]
    assert [p.value for p in analysis.sentinel] == [NEAR, FAR] * 8
    assert [p.at for p in analysis.sentinel[:3]] == [0.0, 3.0, 100.0]


@pytest.mark.parametrize("tool", ["sockperf", "netperf"])
def test_a_closed_loop_that_breaks_littles_law_is_doubted(tool: str) -> None:
    def with_concurrency(record: Record) -> Record:
        assert isinstance(record.outcome, Sample)
        found = 0.93 if record.number == 5 else 0.96
        details = ((f"{tool}.concurrency", found),)
        return replace(record, outcome=with_changes(record.outcome, details=details))

    message = warning(changed(with_concurrency), "little").message

    assert "in 1 of 24 request-response records: 0.930 at worst" in message
    assert message.endswith("record 5)")


def test_a_nearly_full_table_of_connections_is_told() -> None:
    def tracking(record: Record) -> Record:
        count = 9_500 if record.number == 3 else 5_000
        return replace(record, facts=(("trial.conntrack_after", count),))

    run = replace(CLEAN.info(), facts=(("net.conntrack_max", 10_000),))
    found = warning(analyse(run, [tracking(r) for r in CLEAN.records()]), "conntrack")

    assert (
        found.message == "the host tracked up to 9500 of at most 10000 connections after 1 records"
    )


def test_a_trial_that_tells_no_concurrency_is_not_doubted_for_it() -> None:
    assert all(found.kind != "little" for found in changed(lambda r: r).warnings)


def test_more_than_loopback_is_to_be_explained() -> None:
    analysis = changed(lambda r: r, Campaign(noisy({"bridge": 1.3, "container": 1.02}), CCB))

    assert "bridge carries 26" in warning(analysis, "ceiling").message
    assert [w.kind for w in analysis.warnings] == ["ceiling"]


CCB = ("host", "container", "bridge")


def test_unknown_retransmits_are_told_and_never_zero() -> None:
    def forget(record: Record) -> Record:
        assert isinstance(record.outcome, Sample)
        known = record.outcome.measurements[:1] if record.block == 1 else None
        return (
            replace(record, outcome=with_changes(record.outcome, measurements=known))
            if known
            else (replace(record, outcome=sample("throughput", 20e9, retransmits=7.0)))
        )

    analysis = changed(forget)
    cells = [c for c in analysis.cells if c.metric == "retransmits"]

    assert "in 3 of 24 throughput records" in warning(analysis, "retransmits-unknown").message
    assert {(c.trials, c.median) for c in cells} == {(7, 7.0)}


@pytest.mark.parametrize(("sent_again", "warned"), [(999.0, False), (1000.0, True)])
def test_a_driver_whose_sessions_send_thousands_again_is_named(
    sent_again: float, warned: bool
) -> None:
    def resend(record: Record) -> Record:
        many = sent_again if record.cell.driver == "bridge" else 5.0
        return replace(record, outcome=sample("throughput", 20e9, retransmits=many))

    analysis = changed(resend)

    kinds = [warning.kind for warning in analysis.warnings]
    assert ("retransmits" in kinds) is warned
    if warned:
        said = warning(analysis, "retransmits").message
        assert said.endswith("(median): bridge 1,000 in tcp-throughput on two cores")


def failing(driver: str, outcome: Outcome, blocks: int) -> Campaign:
    base = noisy({"bridge": 0.78})
    return Campaign(
        lambda d, replica, block: (
            outcome if d == driver and block <= blocks else base(d, replica, block)
        )
    )


def test_a_failed_trial_makes_its_block_incomplete_with_the_reason() -> None:
    campaign = failing("bridge", Failure("client", "connection refused", "ECONNREFUSED"), 2)
    analysis = analyse(campaign.info(), campaign.records())
    (contrast,) = analysis.contrasts
    (incomplete,) = contrast.warnings
    cell = next(c for c in analysis.cells if (c.driver, c.metric) == ("bridge", "throughput"))

    assert "2 of 24 records failed" in warning(analysis, "failed-trials").message
    assert incomplete.kind == "incomplete-blocks"
    assert "6 of 8 blocks usable: bridge failed: connection refused (2)" in incomplete.message
    assert (contrast.blocks, cell.trials, cell.failures) == (6, 6, 2)
    assert cell.reasons == ("connection refused",)


def test_a_cell_of_skips_has_the_metrics_of_the_others_and_no_contrast() -> None:
    campaign = failing("bridge", Skip("isolated by design", by_design=True), 8)
    analysis = analyse(campaign.info(), campaign.records())
    cells = [c for c in analysis.cells if c.driver == "bridge"]

    assert {c.metric: c.unit for c in cells} == {"throughput": "bit/s", "retransmits": "count"}
    assert {(c.median, c.p25, c.p75, c.trials, c.skips) for c in cells} == {
        (None, None, None, 0, 8)
    }
    assert {c.reasons for c in cells} == {("isolated by design",)}
    assert analysis.contrasts == ()
    assert analysis.warnings == ()


def test_a_cell_that_nobody_measured_has_the_metrics_of_its_probe() -> None:
    probe = PROBES["tcp-throughput"]()
    refused = Failure("server", "never listened", "")
    campaign = Campaign(lambda *_: refused)
    analysis = analyse(campaign.info(), campaign.records())

    assert {c.metric for c in analysis.cells if c.driver == "bridge"} == set(probe.metrics)
    assert {c.failures for c in analysis.cells} == {8}
    assert analysis.contrasts == ()


def test_cells_follow_the_plan_and_have_quartiles() -> None:
    values = {"host": 10.0, "bridge": 20.0}
    campaign = Campaign(
        lambda driver, _, block: values[driver] + block, drivers=("bridge", "host"), blocks=5
    )
    analysis = analyse(campaign.info(), campaign.records())
    cells = [c for c in analysis.cells if c.metric == "throughput"]

    assert [(c.driver, c.replica) for c in cells] == [("bridge", 0), ("host", 0), ("host", 1)]
    assert [(c.p25, c.median, c.p75, c.trials) for c in cells] == [
        (22.0, 23.0, 24.0, 5),
        (12.0, 13.0, 14.0, 5),
        (12.0, 13.0, 14.0, 5),
    ]


@pytest.mark.parametrize(("wall", "share"), [(100.0, 0.48), (None, None)])
def test_measuring_share_is_measuring_over_wall(wall: float | None, share: float | None) -> None:
    analysis = analyse(replace(CLEAN.info(), wall=wall), CLEAN.records())

    assert analysis.measuring_share == share
