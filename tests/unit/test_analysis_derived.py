"""What a load adds to the round trip: computed, where the idle figure of the block is there."""

from dataclasses import replace

import pytest
from support.campaign import Campaign, renumbered, sample

from netbench.analysis import Analysis, analyse
from netbench.probes import LoadedRoundTrip, TcpRoundTrip
from netbench.record import Failure, PlanSummary, ProbeSummary, Record, RunInfo
from netbench.spec import Placement

IDLE = Campaign(
    lambda driver, _replica, block: (20e-6 if driver == "host" else 25e-6) + block * 1e-7,
    metric="rtt_p50",
    probe="tcp-rr",
    placement=Placement.SAME,
)
LOADED = replace(
    IDLE,
    probe="under-load",
    model=lambda driver, replica, block: 1.5 * IDLE.model(driver, replica, block),
)


def info(idle_size: int = 14, loaded_size: int = 14) -> RunInfo:
    probes = (
        ProbeSummary("tcp-rr", TcpRoundTrip.name, ("rtt_p50",), (("size", idle_size),)),
        ProbeSummary("under-load", LoadedRoundTrip.name, ("rtt_p50",), (("size", loaded_size),)),
    )
    run = IDLE.info()
    plan: PlanSummary = replace(
        run.plan, cells=(*run.plan.cells, *LOADED.info().plan.cells), probes=probes
    )
    return replace(run, plan=plan)


def records() -> list[Record]:
    return renumbered([*IDLE.records(), *LOADED.records()])


def delays(analysis: Analysis) -> list[float]:
    return [point.value for point in analysis.points if point.metric == "buffer_delay"]


def test_each_loaded_trial_is_held_against_the_idle_one_of_its_block() -> None:
    analysis = analyse(info(), records())

    assert delays(analysis) == pytest.approx([0.5] * 24)
    cells = {(c.driver, c.replica): c for c in analysis.cells if c.metric == "buffer_delay"}
    assert set(cells) == {("host", 0), ("host", 1), ("bridge", 0)}
    assert {(c.probe, c.unit, c.trials) for c in cells.values()} == {("under-load", "ratio", 8)}
    assert all(c.metric != "buffer_delay" for c in analysis.contrasts)


def test_an_idle_cell_of_another_size_is_none() -> None:
    assert delays(analyse(info(idle_size=1400), records())) == []


def test_a_suite_without_an_idle_cell_has_no_such_value() -> None:
    alone = [record for record in records() if record.cell.probe == "under-load"]

    assert delays(analyse(info(), alone)) == []


def test_a_run_that_does_not_tell_its_probes_has_no_such_value() -> None:
    run = info()

    assert delays(analyse(replace(run, plan=replace(run.plan, probes=())), records())) == []


def test_a_block_whose_idle_session_failed_has_none() -> None:
    def change(record: Record) -> Record:
        if record.cell.probe == "tcp-rr" and record.block == 1:
            return replace(record, outcome=Failure("client", "refused", ""))
        return record

    analysis = analyse(info(), [change(record) for record in records()])
    found = {point.block for point in analysis.points if point.metric == "buffer_delay"}

    assert found == {2, 3, 4, 5, 6, 7, 8}


def test_each_attempt_at_a_block_is_held_against_its_own_idle_value() -> None:
    again = [
        replace(record, attempt=2, outcome=sample("rtt_p50", 1.0))
        for record in records()
        if record.block == 1
    ]
    analysis = analyse(info(), renumbered([*records(), *again]))

    assert sorted(delays(analysis)) == pytest.approx([0.0] * 3 + [0.5] * 24)
