"""From two readings to facts, and from facts to costs."""

from dataclasses import replace

import pytest
from support.campaign import sample

from netbench.facts.cpu_time import TICK, CpuTimes, Machine
from netbench.facts.registry import FACTS
from netbench.record import Absent, FactValue
from netbench.runner.machine import SHORTEST, Reading, cost_facts, idle_rate
from netbench.runner.recording import priced
from netbench.spec import Cpus
from netbench.system.cgroups import CpuUsage

NOTHING = CpuTimes(0, 0, 0, 0, 0, 0, 0, 0)
GONE = Absent("gone")
CROSS = Cpus(0, 1)


def ticks(seconds: float) -> int:
    return round(seconds / TICK)


def reading(  # noqa: PLR0917 - one for each counter
    at: float, first: CpuTimes, second: CpuTimes, client: float, server: float, cycles: int = 0
) -> Reading:
    both = CpuTimes(
        *(getattr(first, name) + getattr(second, name) for name in CpuTimes.__dataclass_fields__)
    )
    return Reading(
        at=at,
        machine=Machine(both, {0: first, 1: second}),
        client=CpuUsage(client, client / 2),
        server=CpuUsage(server, None),
        source="cgroup",
        cycles=cycles,
    )


BEFORE = reading(10.0, NOTHING, NOTHING, 5.0, 7.0)
AFTER = reading(
    12.0,
    CpuTimes(ticks(0.2), 0, ticks(1.4), ticks(0.4), 0, 0, 0, 0),
    CpuTimes(0, 0, ticks(0.6), ticks(0.5), ticks(0.1), 0, ticks(0.6), ticks(0.2)),
    6.9,
    8.0,
    cycles=6_000_000_000,
)


def facts(
    before: Reading = BEFORE,
    after: Reading = AFTER,
    idle: float | Absent = 0.05,
    cpus: Cpus = CROSS,
) -> dict[str, FactValue]:
    return dict(cost_facts(after - before, idle, cpus))


def joined(windows: list[tuple[Reading, Reading]]) -> Reading:
    first, *others = (after - before for before, after in windows)
    return sum(others, start=first)


def test_rates_are_cpu_seconds_per_second() -> None:
    found = facts()

    assert found["trial.cost_window"] == 2.0
    assert found["trial.cost_resolution"] == pytest.approx(TICK / 2)
    assert found["trial.busy_user"] == pytest.approx(0.1)
    assert found["trial.busy_system"] == pytest.approx(1.0)
    assert found["trial.busy_softirq"] == pytest.approx(0.3)
    assert found["trial.busy_above_idle"] == pytest.approx(1.4 - 0.05)
    assert found["trial.softirq_share"] == pytest.approx(0.6 / 2.8)
    assert (found["trial.busy"], found["trial.steal"]) == (0.75, 0.05)
    assert found["trial.cgroup_client"] == pytest.approx(0.95)
    assert found["trial.cgroup_client_system"] == pytest.approx(0.475)
    assert found["trial.cgroup_server"] == pytest.approx(0.5)
    assert isinstance(found["trial.cgroup_server_system"], Absent)
    assert found["trial.cycles"] == 3e9


def test_the_rest_is_what_is_left_and_is_not_clipped() -> None:
    found = facts()

    assert found["trial.unattributed"] == (
        found["trial.busy_above_idle"] - found["trial.cgroup_client"] - found["trial.cgroup_server"]  # type: ignore[operator] # all three are numbers
    )
    assert found["trial.unattributed"] == pytest.approx(-0.1)


def test_time_is_told_apart_by_pin() -> None:
    def by_pin(cpus: Cpus) -> list[FactValue]:
        found = facts(cpus=cpus)
        return [found[f"trial.busy_{who}"] for who in ("client_cpu", "server_cpu", "other_cpus")]

    assert by_pin(CROSS) == pytest.approx([0.8, 0.6, 0.0])
    assert by_pin(Cpus(1, 1)) == pytest.approx([0.6, 0.6, 0.8])
    assert all(isinstance(value, Absent) for value in by_pin(Cpus(None, None)))
    assert isinstance(by_pin(Cpus(0, 9))[1], Absent)


def test_every_fact_is_declared_and_of_its_type() -> None:
    for name, value in facts().items():
        assert isinstance(value, Absent) or type(value) is FACTS[name].type, name


def test_an_end_that_was_not_read_leaves_no_rest_but_the_machine() -> None:
    found = facts(after=replace(AFTER, server=GONE))

    assert found["trial.cgroup_server"] == found["trial.unattributed"] == GONE
    assert found["trial.cgroup_client"] == pytest.approx(0.95)
    assert found["trial.busy_above_idle"] == pytest.approx(1.35)


def test_without_an_idle_window_nothing_is_above_it() -> None:
    found = facts(idle=GONE)

    assert found["trial.busy_above_idle"] == found["trial.unattributed"] == GONE
    assert priced(sample("throughput", 8e9), tuple(found.items()), ("cpu_per_byte",)).value(
        "cpu_per_byte"
    ) is (None)


def test_no_time_passed_is_no_rate() -> None:
    found = facts(after=BEFORE)

    assert found
    assert all(isinstance(value, Absent) for value in found.values())


def test_an_idle_window_is_a_rate_or_too_short() -> None:
    assert idle_rate(AFTER - BEFORE) == pytest.approx(1.4)
    assert isinstance(idle_rate(replace(AFTER, at=10.0 + SHORTEST / 2) - BEFORE), Absent)


def test_a_byte_costs_busy_rate_over_byte_rate() -> None:
    found = priced(sample("throughput", 8e9), tuple(facts().items()), ("cpu_per_byte",))

    assert found.value("cpu_per_byte") == pytest.approx(1.35 / 1e9)
    assert found.value("throughput") == 8e9
    assert dict(found.details)["cycles_per_byte"] == pytest.approx(3.0)


@pytest.mark.parametrize("metric", ["transactions", "connections"])
def test_a_transaction_costs_busy_rate_over_its_rate(metric: str) -> None:
    found = priced(sample(metric, 20_000.0), tuple(facts().items()), ("cpu_per_transaction",))

    assert found.value("cpu_per_transaction") == pytest.approx(1.35 / 20_000)


def test_a_probe_has_no_cost_that_it_does_not_declare() -> None:
    given = sample("transactions", 20_000.0)

    assert priced(given, tuple(facts().items()), ("transactions",)) == given


def test_a_window_of_few_ticks_gives_no_cost() -> None:
    given = sample("throughput", 8e9)
    known = facts() | {"trial.cost_window": SHORTEST * 0.99}

    assert priced(given, tuple(known.items()), ("cpu_per_byte",)).value("cpu_per_byte") is None


def test_what_is_not_above_the_idle_window_costs_nothing_that_could_be_told() -> None:
    given = sample("throughput", 8e9)
    known = facts(idle=1.5)

    assert isinstance(known["trial.busy_above_idle"], float)
    assert known["trial.busy_above_idle"] < 0
    assert priced(given, tuple(known.items()), ("cpu_per_byte",)).value("cpu_per_byte") is None


def test_without_facts_a_sample_stays_as_it_is() -> None:
    given = sample("throughput", 8e9)

    assert priced(given, (), ("cpu_per_byte",)) == given


def later(reading: Reading, seconds: float) -> Reading:
    """Return a reading taken later, in which nothing else has changed."""
    return replace(reading, at=reading.at + seconds)


def test_slices_add_up_to_one_window_whatever_passed_between_them() -> None:
    """What others did between two slices is in neither."""
    between = reading(
        20.0,
        CpuTimes(ticks(3.0), 0, ticks(4.0), ticks(2.0), 0, 0, 0, 0),
        CpuTimes(ticks(1.0), 0, ticks(0.6), ticks(5.0), ticks(0.1), 0, ticks(0.6), ticks(0.2)),
        8.9,
        9.5,
        cycles=9_000_000_000,
    )
    more = reading(
        20.5,
        CpuTimes(ticks(3.1), 0, ticks(4.2), ticks(2.2), 0, 0, 0, 0),
        CpuTimes(ticks(1.0), 0, ticks(0.9), ticks(5.2), ticks(0.1), 0, ticks(0.6), ticks(0.2)),
        9.3,
        9.6,
        cycles=10_000_000_000,
    )
    found = dict(cost_facts(joined([(BEFORE, AFTER), (between, more)]), 0.05, CROSS))

    assert found["trial.cost_window"] == pytest.approx(2.5)
    assert found["trial.busy_user"] == pytest.approx((0.2 + 0.1) / 2.5)
    assert found["trial.busy_system"] == pytest.approx((2.0 + 0.5) / 2.5)
    assert found["trial.cgroup_client"] == pytest.approx((1.9 + 0.4) / 2.5)
    assert found["trial.cgroup_client_system"] == pytest.approx((0.95 + 0.2) / 2.5)
    assert found["trial.cgroup_server"] == pytest.approx((1.0 + 0.1) / 2.5)
    assert isinstance(found["trial.cgroup_server_system"], Absent)
    assert found["trial.cycles"] == pytest.approx(7_000_000_000 / 2.5)
    assert found["trial.busy_client_cpu"] == pytest.approx((0.2 + 1.4 + 0.1 + 0.2) / 2.5)


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_one_edge_that_could_not_be_read_leaves_that_end_unread(lost: int) -> None:
    edges = [BEFORE, AFTER, later(AFTER, 1.0), later(AFTER, 2.0)]
    edges[lost] = replace(edges[lost], server=GONE, cycles=GONE)
    found = dict(cost_facts(joined([(edges[0], edges[1]), (edges[2], edges[3])]), 0.05, CROSS))

    assert found["trial.cgroup_server"] == found["trial.cycles"] == GONE
    assert isinstance(found["trial.cgroup_client"], float)


def test_slices_too_short_for_a_tick_have_a_cost_together() -> None:
    """Six slices of 60 ms are 36 ticks."""
    step = reading(
        10.06, CpuTimes(3, 0, 0, 3, 0, 0, 0, 0), CpuTimes(0, 0, 0, 6, 0, 0, 0, 0), 5.03, 7.0
    )
    one = dict(cost_facts(step - BEFORE, 0.0, CROSS))
    six = dict(cost_facts(joined([(BEFORE, step)] * 6), 0.0, CROSS))
    given = sample("transactions", 1000.0)

    assert priced(given, tuple(one.items()), ("cpu_per_transaction",)) == given
    cost = priced(given, tuple(six.items()), ("cpu_per_transaction",)).value("cpu_per_transaction")
    assert cost == pytest.approx(0.5 / 1000)
