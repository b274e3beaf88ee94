"""The cost table: what stands in it for every driver, negative rests as they are."""

import io
from dataclasses import replace

from msgspec.structs import replace as changed
from rich.console import Console
from support.synthetic import reported

from netbench.analysis import analyse
from netbench.analysis.digest_model import Digest
from netbench.record import Absent, FactValue, Measurement, Record, RunInfo, Sample
from netbench.report import digest, html, terminal
from netbench.report.costs import cost_notes, cost_rows, cost_sentences

RUN = reported()
TICKS: tuple[tuple[str, FactValue], ...] = (
    ("kernel.cpu_accounting", "tick"),
    ("kernel.irq_time_accounting", False),
    ("kernel.tick", 0.01),
    ("host.hypervisor", True),
)


def with_cost(record: Record, *, client: float = 1.0, **other: FactValue) -> Record:
    """The record with the CPU time of a busy machine: 1.4 CPUs, 0.5 of them the server's."""
    if not isinstance(record.outcome, Sample) or record.cell.probe != "tcp-throughput":
        return record
    dearer = 1.5 if record.cell.driver == "bridge" else 1.0
    cost = Measurement("cpu_per_byte", dearer * 0.8e-9 * (1 + record.number % 7 / 1000), "s")
    known: dict[str, FactValue] = {
        "trial.busy_above_idle": 1.4,
        "trial.cgroup_client": client,
        "trial.cgroup_server": 0.5,
        "trial.unattributed": 1.4 - client - 0.5,
        "trial.softirq_share": 0.25,
        "trial.steal": 0.001,
        "trial.cost_window": 1.7,
        "trial.cost_resolution": 0.01 / 1.7,
        "trial.cgroup_source": "cgroup",
    } | {f"trial.{name}": value for name, value in other.items()}
    sample = changed(record.outcome, measurements=(*record.outcome.measurements, cost))
    return replace(record, outcome=sample, facts=tuple(known.items()))


def seen(**more: object) -> tuple[RunInfo, object, Digest]:
    info = replace(RUN.info, facts=(*RUN.info.facts, *TICKS))
    records = [with_cost(record, **more) for record in RUN.records]  # type: ignore[arg-type] # as with_cost takes them
    analysis = analyse(info, records)
    return info, analysis, digest(analysis, records)


def printed(*run: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200, color_system=None).print(terminal(*run, verbose=True))  # type: ignore[arg-type]
    return stream.getvalue()


def test_every_driver_has_a_row_the_baseline_first() -> None:
    _, analysis, found = seen()
    rows = cost_rows(analysis, found)  # type: ignore[arg-type]

    assert next(row.driver for row in rows) == "host"
    assert {row.driver for row in rows} == {"host", "bridge", "bridge:user", "container"}
    bridge = next(row for row in rows if row.driver == "bridge")
    assert (bridge.per, bridge.cost) == ("byte", "1.20 ns")
    assert bridge.means[:3] == ("1.400", "1.000", "0.500")
    assert bridge.means[-1] == "25 %"
    assert bridge.ratio.startswith("1.498 [")


def test_a_negative_rest_is_shown_as_such_everywhere() -> None:
    run = seen()

    assert "-0.100" in printed(*run)
    assert '<td class="num">-0.100</td>' in html(*run)  # type: ignore[arg-type]


def test_a_positive_rest_has_its_sign_too() -> None:
    assert "+0.200" in printed(*seen(client=0.7))


def test_resolution_accounting_and_what_is_invisible_are_said() -> None:
    info, _, found = seen()
    said = " ".join(cost_notes(info, found))

    assert "one is 0.006 CPUs in the shortest window here, 1.70 s" in said
    assert "samples CPU time at its ticks" in said
    assert "In a virtual machine the host's share of the work is invisible." in said
    assert "processes" not in said


def test_interrupts_accounted_apart_are_said() -> None:
    info, _, found = seen()
    facts = dict(info.facts) | {"kernel.irq_time_accounting": True}
    said = " ".join(cost_notes(replace(info, facts=tuple(facts.items())), found))

    assert "softirq lies outside the cgroups" in said


def test_processes_instead_of_cgroups_are_said() -> None:
    info, _, found = seen(cgroup_source="processes")

    assert "the tools' own processes" in " ".join(cost_notes(info, found))


def test_what_was_not_read_is_missing_with_its_reason() -> None:
    unread = Absent("the endpoints have no cgroups of their own")
    info, analysis, found = seen(cgroup_server=unread, unattributed=unread)
    row = cost_rows(analysis, found)[0]  # type: ignore[arg-type]

    assert row.means[:4] == ("1.400", "1.000", "–", "–")
    assert "Not read: the endpoints have no cgroups of their own." in cost_notes(info, found)


def test_a_run_without_cpu_time_has_no_such_table() -> None:
    run = (RUN.info, RUN.analysis, RUN.digest)

    assert cost_rows(RUN.analysis, RUN.digest) == ()
    assert "CPU time" not in printed(*run)
    assert 'id="cost"' not in html(*run)


def test_a_sentence_says_how_much_more_a_byte_costs_and_what_is_not_decided() -> None:
    _, analysis, _ = seen()

    (said,) = cost_sentences(analysis)  # type: ignore[arg-type]

    assert said.startswith(
        "CPU time per byte, tcp-throughput on two cores: host 0.804 ns; 50 % more"
    )
    assert " with bridge; equivalent with " in said


def test_a_cost_without_an_interval_is_one_sentence_without_figures() -> None:
    records = [with_cost(record) for record in RUN.records if record.block <= 3]

    said = cost_sentences(analyse(RUN.info, records))

    assert said == ("CPU time per byte: too few blocks for an interval.",)
    assert cost_sentences(RUN.analysis) == ()
