import statistics
from collections import Counter
from dataclasses import replace

from support.synthetic import ROUNDS, reported

from netbench.analysis.digest import LINES, ROWS
from netbench.analysis.digest_model import CommandLine
from netbench.record import Failure
from netbench.report import digest, long_tables
from netbench.spec import Role


def test_one_pass_over_a_stream_is_enough() -> None:
    run = reported()

    assert digest(run.analysis, iter(run.records)) == run.digest


def test_the_strong_line_is_the_record_with_the_median_value() -> None:
    run = reported()
    by_number = {record.number: record for record in run.records}

    chosen = [line for line in run.digest.lines if line.chosen]

    assert Counter((line.driver, line.cell) for line in chosen).most_common(1)[0][1] == 1
    assert len(chosen) == 4 * 3
    for line in chosen:
        metric = "throughput" if line.cell.probe == "tcp-throughput" else "rtt_p50"
        values = [
            point.value
            for point in run.analysis.points
            if (point.driver, point.probe, point.placement, point.metric, point.replica)
            == (line.driver, line.cell.probe, line.cell.placement, metric, 0)
        ]
        outcome = by_number[line.record].outcome
        assert outcome.kind == "sample"
        assert outcome.value(metric) == statistics.median_low(values)


def test_a_long_run_keeps_a_bounded_part_and_exact_counts() -> None:
    run = reported(blocks=115)
    found = run.digest

    assert len(run.records) == found.total == 2070
    assert len(found.rows) == ROWS
    assert max(Counter((line.driver, line.cell) for line in found.lines).values()) <= LINES + 1
    assert sum(v.outcomes.total() for v in found.drivers) == 2070


def test_a_broken_promise_is_counted_and_its_evidence_kept() -> None:
    run = reported()
    broken = replace(run.records[0].promises[0], held=False, evidence="net:[1] twice")
    first = replace(run.records[0], promises=(broken,))

    view = digest(run.analysis, (first, *run.records[1:])).view(first.cell.driver)

    assert view is not None
    counts = next(p for p in view.promises if p.promise == broken.promise)
    assert (counts.broken, counts.evidence) == (1, "net:[1] twice")


def test_failures_are_listed_once_with_their_count() -> None:
    run = reported()
    failure = Failure("path", "veth moved 0 bytes", "rx 10 -> 10")
    records = [
        replace(record, outcome=failure) if record.cell.driver == "bridge" else record
        for record in run.records
    ]

    problems = [p for p in digest(run.analysis, records).problems if p.driver == "bridge"]

    assert [(p.stage, p.reason, p.times) for p in problems] == [
        ("path", "veth moved 0 bytes", 8)
    ] * 3


def test_a_driver_that_fails_is_not_called_isolated() -> None:
    run = reported()

    assert [v.driver for v in run.digest.drivers if v.isolated] == ["none"]


def test_a_row_tells_how_many_slices_there_were_and_how_many_failed() -> None:
    run = reported(drivers=("host", "bridge"))
    first, second, *_ = run.records
    lost = replace(first.slices[0], value=None, reason="the client did not stop in time")
    records = (
        replace(first, slices=(lost, *first.slices[1:])),
        replace(second, slices=()),
        *run.records[2:],
    )

    found = digest(run.analysis, records)
    told = [row[7] for row in long_tables.records(found).rows]

    assert (found.rows[0].slices, found.rows[0].failed_slices) == (ROUNDS, 1)
    assert told[:3] == [f"{ROUNDS}, 1 failed", "–", str(ROUNDS)]


def test_command_lines_that_differ_in_their_port_alone_are_one() -> None:
    run = reported(drivers=("host", "bridge"))
    call = "iperf3 -s -p {} -i 0.1 -P 4"
    echo = "socat TCP6-LISTEN:{},fork PIPE"
    lines = [
        CommandLine(probe, Role.SERVER, tuple(text.format(port).split()), (driver,), 2)
        for probe, text in (("tcp-throughput", call), ("control-plane", echo))
        for driver, port in (("host", 29288), ("bridge", 29290))
    ]

    rows = long_tables.commands(replace(run.digest, commands=tuple(lines))).rows

    assert rows == (
        ("tcp-throughput", "server", "iperf3 -s -p PORT -i 0.1 -P 4", "bridge, host", "4"),
        ("control-plane", "server", "socat TCP6-LISTEN:PORT,fork PIPE", "bridge, host", "4"),
    )
