from dataclasses import replace

import pytest
from support.several import run, taken, with_facts, with_mtu
from support.synthetic import Run

from netbench.analysis.compare.differences import (
    RunDifference,
    accepted,
    confounders,
    differences,
)
from netbench.record import Absent, FactValue, ProbeSummary

ONE = run(1)


def found(left: Run, right: Run) -> dict[str, RunDifference]:
    sides = (taken(side, "x").conditions for side in (left, right))
    return {str(one): one for one in differences(*sides)}


def test_two_runs_of_the_same_thing_differ_in_their_seed_alone() -> None:
    assert [(name, one.confounder) for name, one in found(ONE, run(2)).items()] == [
        ("plan.seed", False)
    ]


@pytest.mark.parametrize(
    ("fact", "values", "confounder"),
    [
        ("kernel.release", ("6.12.0", "6.13.0"), True),
        ("engine.version", ("28.0.0", "29.0.0"), True),
        ("engine.firewall", ("iptables", "nftables"), True),
        ("net.firewall_rules", (14, 20), True),
        ("net.tcp_congestion_control", ("cubic", "bbr"), True),
        ("host.governor", ("performance", "powersave"), True),
        ("host.uptime", (1.5, 12.5), False),
        ("engine.storage_driver", ("overlay2", "zfs"), False),
        ("nobody.knows", ("that", "this"), True),
    ],
)
def test_a_fact_is_graded_by_the_registry(
    fact: str, values: tuple[FactValue, FactValue], confounder: bool
) -> None:
    sides = (with_facts(ONE, **{fact.replace(".", "__"): value}) for value in values)

    (one,) = found(*sides).values()

    assert (one.fact, one.left, one.right) == (fact, *values)
    assert (one.confounder, one.unknown) == (confounder, False)


@pytest.mark.parametrize("missing", [None, Absent("not readable")])
@pytest.mark.parametrize(
    ("fact", "value", "confounder"),
    [
        ("net.firewall_rules", 20, False),
        ("host.governor", "powersave", False),
        ("host.uptime", 12.5, False),
        ("nobody.knows", "this", False),
        ("kernel.release", "6.13.0", True),
        ("host.cpu_model", "one", True),
        ("engine.name", "docker", True),
        ("engine.version", "29.0.0", True),
    ],
)
def test_what_one_run_did_not_record_is_unknown_and_confounds_only_if_it_must_be_known(
    fact: str, value: FactValue, confounder: bool, missing: Absent | None
) -> None:
    name = fact.replace(".", "__")
    bare = with_facts(ONE, **({name: missing} if missing else {}))
    if missing is None:
        kept = tuple(pair for pair in ONE.info.facts if pair[0] != fact)
        bare = replace(ONE, info=replace(ONE.info, facts=kept))

    for sides in (bare, with_facts(ONE, **{name: value})), (with_facts(ONE, **{name: value}), bare):
        (one,) = found(*sides).values()
        assert (one.fact, one.unknown, one.confounder) == (fact, True, confounder)
        withheld = confounders([one], ["host"], "east-west", "tcp-rr", "same")
        assert bool(withheld) == confounder


def test_numbers_that_differ_by_their_rounding_are_equal() -> None:
    left, right = (with_facts(ONE, nobody__knows=value) for value in (0.3, 0.1 + 0.2))

    assert found(left, right) == {}


def test_what_neither_run_could_read_does_not_differ() -> None:
    other = with_facts(ONE, host__governor=Absent("another reason"))

    assert found(ONE, other) == {}


def test_an_mtu_is_told_link_by_link_and_concerns_its_driver_alone() -> None:
    differing = found(ONE, with_mtu(ONE, "bridge", 1400))

    assert set(differing) >= {
        "link.mtu (bridge, east-west, client eth0)",
        "link.mtu (bridge, east-west, server eth0)",
        "link.mtu (bridge, east-west, host bridge (link 3))",
    }
    assert {one.fact for one in differing.values()} == {"link.mtu"}
    (own, other) = (
        confounders(differing.values(), drivers, "east-west", "tcp-rr", "same")
        for drivers in (["bridge"], ["host"])
    )
    assert own
    assert not other


def test_another_path_is_told_once_and_not_link_by_link() -> None:
    shorter = replace(
        ONE,
        records=tuple(
            replace(record, path=record.path and replace(record.path, hops=record.path.hops[:1]))
            for record in ONE.records
        ),
    )

    assert {one.fact for one in found(ONE, shorter).values()} == {"path.links"}


def test_a_probes_parameters_and_tools_concern_its_cells() -> None:
    def probed(seconds: int) -> Run:
        probe = ProbeSummary("tcp-rr", "tcp-rr", ("rtt_p50",), (("seconds", seconds),))
        plan = replace(ONE.info.plan, probes=(probe,))
        tools = (("iperf3", "iperf 3.18"), ("sockperf", f"3.{seconds}"), ("ip", f"6.{seconds}"))
        return replace(ONE, info=replace(ONE.info, plan=plan, tools=tools))

    differing = found(probed(2), probed(4))

    assert {name: one.confounder for name, one in differing.items()} == {
        "tool.sockperf (tcp-rr)": True,
        "probe.seconds (tcp-rr)": True,
        "helper.ip": False,
    }
    assert not confounders(differing.values(), ["bridge"], "east-west", "tcp-throughput", "cross")


def test_what_is_accepted_withholds_nothing_and_says_so() -> None:
    other = with_facts(ONE, kernel__release="6.13", kernel__version="#2", engine__version="29")
    named = found(ONE, other).values()
    all_the_same = accepted(named, ["kernel.*"])

    left = confounders(all_the_same, ["host"], "east-west", "tcp-rr", "same")
    assert [one.fact for one in left] == ["engine.version"]
    assert [one.fact for one in all_the_same if one.accepted] == [
        "kernel.release",
        "kernel.version",
    ]


def test_a_parameter_that_one_run_did_not_record_confounds() -> None:
    def probed(*parameters: tuple[str, FactValue]) -> Run:
        probe = ProbeSummary("tcp-rr", "tcp-rr", ("rtt_p50",), parameters)
        return replace(ONE, info=replace(ONE.info, plan=replace(ONE.info.plan, probes=(probe,))))

    (one,) = found(probed(("size", 14)), probed(("size", 14), ("rounds", 8))).values()

    assert (one.fact, one.unknown, one.confounder) == ("probe.rounds", True, True)
