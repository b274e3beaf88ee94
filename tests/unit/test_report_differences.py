"""What two runs do not have in common, as people read it."""

from dataclasses import replace

import pytest
from support.several import run, taken, with_facts, with_mtu, with_records
from support.synthetic import Run

from netbench.analysis.compare import compare
from netbench.analysis.compare.differences import RunDifference, Scope
from netbench.analysis.compare.model import RunComparison
from netbench.record import Absent, FactValue, ProbeSummary
from netbench.report.compare.differences import (
    accept_line,
    free_line,
    notes,
    rows,
    some,
    unknown_line,
    values,
)
from netbench.spec import Cell, Path, Placement

MANY = ("host", "bridge", "bridge:user", "container")
ONE, TWO = run(1, drivers=MANY), run(2, drivers=MANY)


def beside(left: Run, right: Run, accept: tuple[str, ...] = ()) -> RunComparison:
    return compare([taken(left, "kept"), taken(right, "today")], accept)


def told(left: Run, right: Run) -> list[tuple[str, str, str, str]]:
    (pairing,) = beside(left, right).pairings
    return [(row.fact, row.left, row.right, row.of) for row in rows(pairing)]


def with_cc(made: Run, name: str) -> Run:
    """Return a run whose every client has this congestion control."""
    return with_records(
        made,
        lambda record: replace(record, facts=(("trial.congestion_control_client", name),)),
    )


def probed(made: Run, **parameters: FactValue) -> Run:
    """Return a run whose every probe has these parameters."""
    kinds = dict.fromkeys(cell.probe for cell in made.info.plan.cells)
    probes = tuple(ProbeSummary(name, name, ("x",), tuple(parameters.items())) for name in kinds)
    return replace(made, info=replace(made.info, plan=replace(made.info.plan, probes=probes)))


@pytest.mark.parametrize(
    ("fact", "sides", "texts"),
    [
        ("link.mtu", (1500, 1504), ("1,500 B", "1,504 B")),
        ("net.rmem_max", (212_992, 4_194_304), ("213 kB", "4.19 MB")),
        ("host.memory", (25_276_510_000, 25_276_510_208), ("25,276,510,000 B", "25,276,510,208 B")),
        ("net.tcp_rmem", ("4096 87380", "4096 131072"), ("4,096 B, 87,380 B", "4,096 B, 131 kB")),
        ("probe.slice", (0.1 + 0.2, 0.16), ("300 ms", "160 ms")),
        ("probe.rounds", (5.0, 7), ("5", "7")),
        ("host.turbo", (True, False), ("yes", "no")),
        ("plan.margin", (0.05, 0.1), ("5 %", "10 %")),
        ("plan.max_time", ("none", 840.0), ("none", "14 min 00 s")),
        ("plan.seed", (3_753_014_467, 1), ("3753014467", "1")),
        ("ceiling.same.copy", (2.36786e11, 1.2e11), ("237 Gbit/s", "120 Gbit/s")),
        ("host.governor", (Absent("not there"), "powersave"), ("not read: not there", "powersave")),
        ("host.governor", (None, "powersave"), ("not recorded", "powersave")),
        (
            "link.offloads",
            (("rx-gro", "x"), ("rx-lro", "x")),
            ("rx-gro, no rx-lro", "rx-lro, no rx-gro"),
        ),
        ("link.mtu", (("1400", "1500"), 1500), ("1,400 B and 1,500 B", "1,500 B")),
        ("link.carrier", (("False", "True"), True), ("no and yes", "yes")),
        ("engine.image_id", (f"sha256:{'a' * 64}", None), (f"sha256:{'a' * 12}", "not recorded")),
    ],
)
def test_values_are_written_as_people_write_them(
    fact: str, sides: tuple[FactValue | None, FactValue | None], texts: tuple[str, str]
) -> None:

    assert values(RunDifference(fact, Scope(), *sides, confounder=True, meaning="")) == texts


def test_names_are_all_or_few_or_counted() -> None:
    drivers = ("host", "bridge", "overlay", "container", "none")

    assert some(drivers, drivers, "driver") == "all drivers"
    assert some(drivers[:3], drivers, "driver") == "host, bridge and overlay"
    assert some(drivers[:4], drivers, "driver") == "host, bridge and 2 more"
    assert some(("host",), ("host",), "driver") == "host"


def test_what_differs_for_all_alike_is_one_row() -> None:
    other = TWO
    for driver in MANY:
        other = with_mtu(other, driver, 1400)

    assert told(ONE, other) == [
        ("link.mtu", "1,500 B", "1,400 B", "bridge and bridge:user"),
        ("link.mtu", "65,536 B", "1,400 B", "container and host"),
    ]
    assert [row[-1] for row in told(with_cc(ONE, "cubic"), with_cc(TWO, "bbr"))] == ["all drivers"]
    assert told(ONE, with_mtu(TWO, "bridge", 1400)) == [
        ("link.mtu", "1,500 B", "1,400 B", "bridge, 5 links")
    ]
    assert told(probed(ONE, slice=0.1), probed(TWO, slice=0.2)) == [
        ("probe.slice", "100 ms", "200 ms", "all probes")
    ]


def test_what_one_run_did_not_record_is_named_in_one_line_by_the_run_that_lacks_it() -> None:
    left = with_facts(ONE, host__smt=True, net__firewall_rules=14)
    right = with_facts(TWO, host__turbo=Absent("no driver tells"), engine__security="seccomp")
    right = with_facts(right, host__uptime=2.0)
    comparison = beside(left, right)
    (pairing,) = comparison.pairings

    assert unknown_line(pairing) == (
        "Not recorded by kept: engine.security; by today: host.smt and net.firewall_rules"
    )
    assert not pairing.withheld
    assert rows(pairing) == ()
    assert accept_line(comparison) == ""


def test_one_line_accepts_all_that_is_withheld_and_nothing_else() -> None:
    facts = {"kernel__release": "6.13.0", "kernel__version": "#2", "engine__version": "29"}
    left = with_facts(ONE, kernel__version="#1", host__load1=1.0)
    right = with_facts(with_mtu(TWO, "bridge", 1400), host__load1=2.0, **facts)
    comparison = beside(left, right)

    assert accept_line(comparison) == (
        "To compare all the same, add: "
        "--accept 'kernel.*' --accept engine.version --accept link.mtu"
    )
    accepted = beside(left, right, ("kernel.*", "engine.version", "link.mtu"))
    assert accept_line(accepted) == ""
    assert not accepted.pairings[0].withheld
    assert free_line(accepted.pairings[0]).endswith(": host.load1 and plan.seed")


def test_cells_of_one_run_alone_are_told_by_what_sets_them_apart() -> None:
    more = tuple(
        Cell(driver, path, probe, Placement.CROSS)
        for driver in (*MANY, "overlay")
        for path in Path
        for probe in ("tcp-throughput", "tcp-crr", "udp-rr")
    )
    plan = replace(TWO.info.plan, cells=tuple(dict.fromkeys((*TWO.info.plan.cells, *more))))
    (pairing,) = beside(ONE, replace(TWO, info=replace(TWO.info, plan=plan))).pairings

    assert notes(pairing)[-1] == (
        "Only today measured driver overlay; paths north-south, hairpin and 3 more; "
        "probes tcp-crr and udp-rr"
    )
