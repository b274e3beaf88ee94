"""Figures of two machines: the wire as a ceiling, CPU time of both, ESP, and clocks."""

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.campaign import Campaign, noisy

from netbench.analysis import Analysis, analyse
from netbench.analysis.ceiling import beyond, saturated
from netbench.engines.base import Engine
from netbench.engines.docker.facts import esp
from netbench.record import Absent, FactValue, LinkCounters, Record, RunInfo
from netbench.report.costs import ceiling_sentences, loopbacks
from netbench.runner.machine import UNPINNED, Facts, MachineMeter, Windows
from netbench.runner.node_meter import NodesMeter
from netbench.spec import Node, Path
from netbench.workflow.node_facts import clocks

IDLE: tuple[FactValue, FactValue] = (0.4, 0.5)


def across(campaign: Campaign, facts: Mapping[str, FactValue] | None = None) -> RunInfo:
    info = campaign.info()
    cells = tuple(replace(cell, path=Path.ACROSS) for cell in info.plan.cells)
    plan = replace(info.plan, cells=cells)
    return replace(info, plan=plan, facts=tuple((facts or {}).items()))


def records(
    campaign: Campaign, busy: Mapping[str, tuple[FactValue, FactValue]] | None = None
) -> list[Record]:
    """What was measured between machines, with how busy both ends' CPUs were by driver."""
    names = ("trial.busy_client_cpu", "trial.busy_server_cpu")

    def of(record: Record) -> Record:
        values = (busy or {}).get(record.cell.driver, IDLE)
        return replace(
            record,
            cell=replace(record.cell, path=Path.ACROSS),
            facts=tuple(zip(names, values, strict=True)),
        )

    return [of(record) for record in campaign.records()]


def judged(
    campaign: Campaign,
    facts: Mapping[str, FactValue] | None = None,
    busy: Mapping[str, tuple[FactValue, FactValue]] | None = None,
) -> Analysis:
    return analyse(across(campaign, facts), records(campaign, busy))


def test_the_ceiling_between_machines_is_the_host_arms_stream() -> None:
    analysis = judged(Campaign(noisy({"bridge": 0.5}, level=1e9, deviation=1e-6)))
    ((loopback,),) = (ceiling.loopbacks for ceiling in analysis.ceilings)

    assert loopback.wire
    assert loopback.value == pytest.approx(1e9, rel=0.01)
    (sentence,) = ceiling_sentences(analysis)
    assert "the wire between the machines carries 1.00 Gbit/s in tcp-throughput" in sentence
    assert "bridge reaches 50 % of it" in sentence


def test_without_a_host_arm_the_wire_was_measured_once() -> None:
    campaign = Campaign(noisy({}, level=1e9), drivers=("bridge", "macvlan"), baseline="bridge")
    facts = {"ceiling.cross.wire": 1.2e9, "ceiling.cross.loopback": 90e9}
    analysis = judged(campaign, facts)
    _, (row,) = loopbacks(across(campaign, facts), analysis)

    assert (row.rate, row.wire) == ("1.20 Gbit/s", True)
    assert [c.loopbacks[0].value for c in analysis.ceilings] == [1.2e9]


def test_more_than_host_between_machines_is_no_error_of_the_instrument() -> None:
    """A driver may send larger segments than the host does; over loopback nothing does more."""
    campaign = Campaign(noisy({"bridge": 1.4}, level=1e9))
    beside = analyse(campaign.info(), campaign.records())

    assert [*beyond(beside.ceilings)]
    assert [*beyond(judged(campaign).ceilings)] == []


FULL = Campaign(noisy({"bridge": 0.995, "overlay": 0.5}, level=1e9, deviation=0.002))
MORE = replace(FULL, drivers=("host", "bridge", "overlay"))


def test_drivers_that_carry_alike_with_idle_cpus_fill_the_wire() -> None:
    analysis = judged(MORE)
    by_driver = {c.driver: c for c in analysis.cells if c.metric == "throughput"}

    assert by_driver["host"].saturated == "wire"
    assert by_driver["bridge"].saturated == "wire"
    assert by_driver["overlay"].saturated == "nothing"


@pytest.mark.parametrize(
    ("busy", "used_up"),
    [
        ((0.4, 0.99), "server"),
        ((0.99, 0.4), "client"),
        ((Absent("unpinned"), 0.5), "unknown"),
    ],
)
def test_a_wire_is_full_only_where_no_cpu_was_used_up(
    busy: tuple[FactValue, FactValue], used_up: str
) -> None:
    (contrast,) = judged(FULL, busy={"bridge": busy}).contrasts

    assert contrast.saturated == used_up


def test_on_one_machine_there_is_no_wire_to_fill() -> None:
    campaign = Campaign(noisy({}, level=1e9, deviation=0.002))
    names = ("trial.busy_client_cpu", "trial.busy_server_cpu")
    idle = [
        replace(record, facts=tuple(zip(names, IDLE, strict=True))) for record in campaign.records()
    ]
    (contrast,) = analyse(campaign.info(), idle).contrasts

    assert contrast.saturated == "nothing"


def test_a_full_wire_is_a_doubt_only_where_both_arms_fill_it() -> None:
    (warning,) = saturated("wire", "wire")

    assert "both arms fill the wire between the machines" in warning.message
    assert "round trips" in warning.advice
    assert saturated("nothing", "wire") == ()
    (contrast,) = judged(FULL).contrasts
    assert [w.kind for w in contrast.warnings if w.kind == "saturated"] == ["saturated"]


def test_what_a_full_wire_hides_comes_after_what_shows_the_drivers() -> None:
    streams = Campaign(noisy({}, level=1e9, deviation=0.002))
    trips = Campaign(noisy({"bridge": 1.2}, level=20e-6), metric="rtt_p50", probe="tcp-rr")
    info = across(streams)
    cells = (*info.plan.cells, *across(trips).plan.cells)
    both = [*records(streams), *records(trips)]
    numbered = [replace(record, number=n) for n, record in enumerate(both, start=1)]
    analysis = analyse(replace(info, plan=replace(info.plan, cells=cells)), numbered)

    assert [(c.metric, c.saturated) for c in analysis.contrasts] == [
        ("rtt_p50", ""),
        ("throughput", "wire"),
    ]


STATES = """\
src 192.0.2.1 dst 192.0.2.2
    proto esp spi 0x3d2f1a0c(1026497036) reqid 13681891(0x00d0c4e3) mode transport
    replay-window 0 seq 0x00000000 flag  (0x00000000)
    aead rfc4106(gcm(aes)) 64
    anti-replay context: seq 0x0, oseq 0x5a1, bitmap 0x00000000
    lifetime config:
      limit: soft (INF)(bytes), hard (INF)(bytes)
      limit: soft (INF)(packets), hard (INF)(packets)
      expire add: soft 0(sec), hard 0(sec)
      expire use: soft 0(sec), hard 0(sec)
    lifetime current:
      2104512(bytes), 1441(packets)
      add 2026-11-30 22:41:07 use 2026-11-30 22:41:09
    stats:
      replay-window 0 replay 0 failed 0
src 192.0.2.2 dst 192.0.2.1
    proto esp spi 0x7b11d2aa(2064765610) reqid 13681891(0x00d0c4e3) mode transport
    replay-window 0 seq 0x00000000 flag  (0x00000000)
    aead rfc4106(gcm(aes)) 64
    lifetime config:
      limit: soft (INF)(bytes), hard (INF)(bytes)
    lifetime current:
      77120(bytes), 903(packets)
      add 2026-11-30 22:41:07 use 2026-11-30 22:41:09
src 192.0.2.2 dst 192.0.2.1
    proto esp spi 0x7b11d2ab(2064765611) reqid 13681891(0x00d0c4e3) mode transport
    lifetime current:
      80(bytes), 1(packets)
      add 2026-11-30 22:41:08 use 2026-11-30 22:41:09
src 192.0.2.1 dst 192.0.2.9
    proto ah spi 0x00000001(1) reqid 1(0x00000001) mode transport
    lifetime current:
      999(bytes), 9(packets)
      add 2026-11-30 22:41:08 use -
""".replace("    ", "\t")
"""As `ip -s xfrm state list nokeys` prints it (iproute2, ip/ipxfrm.c): two directions, a second
generation of keys, and a state that is not ESP's."""


def test_esp_is_summed_by_direction() -> None:
    assert esp(STATES, "192.0.2.1") == LinkCounters(77200, 2104512, 904, 1441, 0, 0)
    assert esp(STATES, "192.0.2.2") == LinkCounters(2104512, 77200, 1441, 904, 0, 0)


@pytest.mark.parametrize("printed", ["", "RTNETLINK answers: Operation not permitted\n"])
def test_without_a_state_esp_has_carried_nothing(printed: str) -> None:
    assert esp(printed, "192.0.2.1") == LinkCounters(0, 0, 0, 0, 0, 0)
    assert esp(STATES, "198.51.100.1") == LinkCounters(0, 0, 0, 0, 0, 0)


class GivenWindows(Windows):
    """Windows of one machine that end with what a test says."""

    def __init__(self, meter: MachineMeter, facts: Facts) -> None:
        self._given = facts
        self.opened = self.closed = self.released = 0
        super().__init__(meter, None, Absent("given"), Absent("given"))

    def open(self) -> None:
        self.opened += 1

    def close(self) -> None:
        self.closed += 1

    def end(self, cpus: object = UNPINNED) -> Facts:
        assert cpus is UNPINNED
        return self._given

    def release(self) -> None:
        self.released += 1


class GivenMeter(MachineMeter):
    """A machine whose windows a test says."""

    def __init__(self, facts: Mapping[str, FactValue]) -> None:
        self._given = tuple(facts.items())
        self.handed: list[GivenWindows] = []
        self.rested = 0

    def rest(self) -> None:
        self.rested += 1

    def windows(self, ends: object = None) -> Windows:
        assert ends is None, "each machine is metered as a whole"
        self.handed.append(GivenWindows(self, self._given))
        return self.handed[-1]


FIRST = {
    "trial.busy": 1.5,
    "trial.busy_above_idle": 1.25,
    "trial.busy_system": 0.5,
    "trial.steal": 0.01,
    "trial.busy_client_cpu": 0.75,
    "trial.busy_server_cpu": 0.1,
}
PEER = {
    "trial.busy": 0.5,
    "trial.busy_above_idle": 0.25,
    "trial.busy_system": 0.25,
    "trial.steal": 0.04,
    "trial.busy_client_cpu": 0.2,
    "trial.busy_server_cpu": 0.5,
}


def metered(
    client: Node, first: Mapping[str, FactValue] = FIRST, peer: Mapping[str, FactValue] = PEER
) -> tuple[dict[str, FactValue], GivenMeter, GivenMeter]:
    meters = GivenMeter(first), GivenMeter(peer)
    ends = cast("Any", (SimpleNamespace(endpoint=SimpleNamespace(node=client)), None))
    both = NodesMeter(*meters)
    both.rest()
    windows = both.windows(ends)
    windows.open()
    windows.close()
    found = dict(windows.end())
    windows.release()
    return found, *meters


def test_cpu_time_of_two_machines_adds_up() -> None:
    found, *meters = metered(Node.FIRST)

    assert found["trial.busy_above_idle"] == pytest.approx(1.5)
    assert found["trial.busy_system"] == pytest.approx(0.75)
    assert found["trial.steal"] == 0.04
    assert (found["trial.busy_client_machine"], found["trial.busy_server_machine"]) == (1.25, 0.25)
    for meter in meters:
        (windows,) = meter.handed
        assert (meter.rested, windows.opened, windows.closed, windows.released) == (1, 1, 1, 1)


def test_each_end_has_the_cpu_of_its_own_machine() -> None:
    first, *_ = metered(Node.FIRST)
    peer, *_ = metered(Node.PEER)

    assert (first["trial.busy_client_cpu"], first["trial.busy_server_cpu"]) == (0.75, 0.5)
    assert (peer["trial.busy_client_cpu"], peer["trial.busy_server_cpu"]) == (0.2, 0.1)
    assert peer["trial.busy_client_machine"] == 0.25


def test_what_one_machine_does_not_tell_is_no_sum() -> None:
    unread = Absent("no tick of /proc/stat passed")
    found, *_ = metered(Node.FIRST, peer={**PEER, "trial.busy_above_idle": unread})

    assert found["trial.busy_above_idle"] == unread
    assert found["trial.busy_system"] == pytest.approx(0.75)
    assert found["trial.busy_client_machine"] == 1.25


class TimedEngine:
    """One of two engines whose machine has a clock of its own."""

    def __init__(self, said: str) -> None:
        self._said = said

    def host(self) -> None:
        """Stand for the engine's host."""

    def run(self, endpoint: object, argv: tuple[str, ...], *, timeout: float) -> Any:
        assert endpoint is None
        assert argv == ("date", "+%s.%N")
        assert timeout > 0
        return SimpleNamespace(stdout=f"{self._said}\n")


def clocks_of(first: str, peer: str) -> Mapping[str, FactValue]:
    nodes = {Node.FIRST: TimedEngine(first), Node.PEER: TimedEngine(peer)}
    return clocks(cast("Engine", SimpleNamespace(nodes=nodes)))


def test_clocks_are_compared_with_how_sure_that_is() -> None:
    found = clocks_of("1700000000.250000000", "1700000003.750000000")
    offset, sure = found["clock.offset"], found["clock.uncertainty"]

    assert isinstance(offset, float)
    assert isinstance(sure, float)
    assert sure >= 0
    # Both clocks stand still here: what passes between the questions is in the offset.
    assert offset == pytest.approx(3.5, abs=0.5)


@pytest.mark.parametrize(
    ("first", "peer"),
    [("", "1700000000.5"), ("1700000000.5", "date: invalid option"), ("1.5", "1700000000.%N")],
)
def test_a_clock_that_is_unread_has_no_offset(first: str, peer: str) -> None:
    found = clocks_of(first, peer)

    assert [type(value) for value in found.values()] == [Absent, Absent]
