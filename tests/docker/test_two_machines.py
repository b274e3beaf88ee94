"""A comparison across two engines: proved on both, undone on both, whatever happens between."""

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.hang import HANG
from support.inventory import difference
from support.program import (
    Ended,
    Program,
    assert_cleaned,
    assert_measured,
    reasons,
    records,
    sampled,
    wait_for,
)
from support.two_engines import WIRE, TwoEngines

SHORT = """
name = "short"
[probes.tcp-throughput]
rounds = 3
[probes.tcp-rr]
rounds = 3
slice = 0.2
[[cell]]
probe = "tcp-throughput"
placement = "cross"
[[cell]]
probe = "tcp-rr"
placement = "cross"
"""
CARRYING = ("host", "bridge", "bridge:user", "macvlan:bridge", "overlay")
"""Drivers that this kernel carries from machine to machine."""
SWARM = ("--drivers", "host,overlay", "--init-swarm")


@pytest.fixture
def program(two_engines: TwoEngines, tmp_path: Path) -> Program:
    """netbench on machine A."""
    two = two_engines
    return Program(tmp_path, before=two.a.before, environment=two.contexts())


def across(two: TwoEngines, way: str = "unix") -> tuple[str, ...]:
    """Options that name both engines; over the wire the context names the peer's address."""
    peer = ("--peer-context", f"{way}-b")
    address = ("--peer-address", two.b.address) if way == "unix" else ()
    return ("--context", "unix-a", *peer, *address)


def output(program: Program) -> tuple[str, str]:
    """Where run folders go: nsenter begins at the root."""
    return ("--output", str(program.folder / "reports"))


def measured(
    program: Program, two: TwoEngines, *argv: str, way: str = "unix", blocks: int = 2
) -> Ended:
    suite = ("--suite", program.suite(SHORT))
    how = (*suite, "--blocks", str(blocks), "--json", *output(program))
    return program("run", *across(two, way), *how, *argv)


@contextmanager
def nothing_left(two: TwoEngines) -> Iterator[None]:
    """Hold that both machines end as they began, seen from outside of netbench."""
    before = two.inventory()
    yield

    def left() -> dict[str, object]:
        return dict(difference(before, two.inventory()))

    try:
        wait_for(lambda: not left(), within=60)
    except AssertionError:
        assert left() == {}


def of(found: list[dict[str, Any]], driver: str) -> list[dict[str, Any]]:
    return [one for one in found if one["cell"]["driver"] == driver]


def test_every_driver_is_proved_on_both_machines_which_change_places(
    two_engines: TwoEngines, program: Program
) -> None:
    two = two_engines
    before = [side.counters() for side in two.sides]
    with nothing_left(two):
        options = ("--drivers", ",".join((*CARRYING, "none", "container")), "--parent", WIRE)
        ended = measured(program, two, *options, "--init-swarm")

    assert {cell["path"] for cell in ended.json["cells"]} == {"across"}
    found = records(program.run_folder())
    assert_measured([one for one in found if one["cell"]["driver"] in CARRYING], ended)
    samples = sampled(found)
    for driver in CARRYING:
        assert of(samples, driver)
        for record in of(samples, driver):
            hops = {(hop["namespace"], hop["link"]): hop for hop in record["path"]["hops"]}
            wire = [hops["client's host", WIRE], hops["host", WIRE]]
            assert all(hop["moved"] >= record["path"]["required"] for hop in wire)
            assert record["path"]["held"]
            facts = dict(record["facts"])
            assert facts["trial.client_node"] == ("first", "peer")[(record["block"] - 1) % 2]
    assert {"vxlan0"} <= {hop["link"] for hop in of(samples, "overlay")[0]["path"]["hops"]}
    for driver in ("none", "container"):
        assert all(one["outcome"]["by_design"] for one in of(found, driver))
    carried = sum(one["path"]["required"] for one in found if one["path"])
    for (came, went), side in zip(before, two.sides, strict=True):
        now = side.counters()
        assert now[0] - came + now[1] - went >= carried


@pytest.mark.parametrize("way", ["ssh", "tls"])
def test_the_peer_is_reached_over_the_wire_too(
    two_engines: TwoEngines, program: Program, way: str
) -> None:
    """Holding and letting go takes a message there: slices are as long as that demands."""
    with nothing_left(two_engines):
        ended = measured(program, two_engines, "--drivers", "host,bridge", way=way)
    assert_measured(records(program.run_folder()), ended)


def test_a_run_across_is_resumed_compared_exported_and_held_to_a_budget(
    two_engines: TwoEngines, program: Program
) -> None:
    two = two_engines
    budget = ("--require", "bridge.throughput >= 0.0001 host", "--allow-undecided")
    with nothing_left(two):
        first = measured(program, two, "--drivers", "host,bridge", *budget, blocks=1)
        folder = str(program.run_folder())
        homeless = program("run", "--resume", folder, "--blocks", "+1")
        again = program("run", "--resume", folder, "--blocks", "+1", *across(two)[-2:])
    assert (homeless.code, "--peer-address" in homeless.stderr) == (2, True), homeless.stderr
    found = records(Path(folder))
    assert_measured([one for one in found if one["block"] == 1], first)
    report = program("report", folder, "--json")
    assert_measured(found, again, report)
    assert {contrast["path"] for contrast in report.json["contrasts"]} == {"across"}
    facts = dict(json.loads(Path(folder, "run.json").read_text())["facts"])
    assert facts["nodes.kernels"] == 1
    assert facts["peer.kernel.release"] == facts["kernel.release"]
    assert abs(facts["clock.offset"]) <= facts["clock.uncertainty"] + 0.01
    assert "two engines on one kernel" in Path(folder, "summary.md").read_text()
    other = shutil.copytree(folder, f"{folder}-2")
    compared = program("compare", folder, other, "--json")
    assert compared.code in (0, again.code), compared.stderr
    assert not [one for one in compared.json["differences"] if one["confounder"]]
    for form in ("csv", "openmetrics"):
        assert "across" in program("export", folder, "--format", form).stdout


def service(two: TwoEngines) -> Callable[[], str]:
    """Run a service of the user's own on an overlay of theirs; return what tells its state."""
    two.a.docker("network", "create", "--driver", "overlay", "theirs")
    command = ("--network", "theirs", "--mode", "global", "--detach", two.b.image(), "iperf3", "-s")
    two.a.image()
    two.a.docker("service", "create", "--name", "theirs", *command)

    def state() -> str:
        form = "{{.ID}} {{.Node}} {{.CurrentState}}"
        rows = two.a.docker("service", "ps", "theirs", "--no-trunc", "--format", form)
        return "\n".join(sorted(" ".join(row.split()[:3]) for row in rows.splitlines()))

    wait_for(lambda: state().count("Running") == len(two.sides))
    return state


def test_a_swarm_of_the_users_own_is_used_and_left_as_it_was(
    two_engines: TwoEngines, program: Program
) -> None:
    two = two_engines
    with two.swarm():
        state = service(two)
        before = state()
        nodes = two.a.docker("node", "ls", "--format", "{{.ID}} {{.Status}} {{.Availability}}")
        with nothing_left(two):
            ended = measured(program, two, "--drivers", "host,overlay", blocks=1)
            assert_measured(records(program.run_folder()), ended)
            cleaned = program("clean", "--context", "unix-a", "--peer-context", "unix-b")
            assert "swarm" not in cleaned.stdout
        assert state() == before
        after = two.a.docker("node", "ls", "--format", "{{.ID}} {{.Status}} {{.Availability}}")
        assert after == nodes
        two.a.docker("service", "rm", "theirs")
        wait_for(lambda: "theirs" not in two.b.docker("network", "ls"))
        wait_for(lambda: not any(side.docker("ps", "--all", "--quiet") for side in two.sides))


@pytest.mark.parametrize(
    ("closed", "told"),
    [
        ((("udp", 4789),), "4789/udp"),
        ((("tcp", 7946), ("udp", 7946)), "7946/tcp"),
        ((("tcp", 2377),), "2377"),
    ],
)
def test_a_closed_port_is_named_and_the_rest_is_measured(
    two_engines: TwoEngines, program: Program, closed: tuple[tuple[str, int], ...], told: str
) -> None:
    two = two_engines
    with nothing_left(two):
        for port in closed:
            two.a.close_port(*port)
        try:
            ended = measured(program, two, *SWARM, blocks=1)
        finally:
            two.a.open_ports()
    assert ended.code == 3, ended.stderr
    found = records(program.run_folder())
    assert_measured(of(found, "host"))
    assert told in reasons(of(found, "overlay"))


@contextmanager
def begun(program: Program, two: TwoEngines, *argv: str) -> Iterator[Any]:
    """Run something long, known by its process, which has records of a first block.

    It ends here at the latest, however the test ends: others come after it.
    """
    suite = ("--suite", program.suite(SHORT), "--blocks", "20", *output(program))
    out, err = (program.folder / name for name in ("out", "err"))
    process = program.start(("run", *across(two), *suite, *argv), out, err)
    try:
        wait_for(lambda: len(program.so_far()) > 3, within=240)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(HANG)


def test_a_peer_whose_engine_dies_ends_the_run_with_its_records(
    two_engines: TwoEngines, program: Program
) -> None:
    two = two_engines
    with nothing_left(two):
        with begun(program, two, "--drivers", "host,bridge") as process:
            kept = len(program.so_far())
            two.b.kill()
            try:
                assert process.wait(HANG) == 3
            finally:
                two.b.restart()
        assert "the engine went away" in (program.folder / "err").read_text()
        assert len(program.so_far()) >= kept
        cleaned = program("clean", "--context", "unix-a", "--peer-context", "unix-b")
        assert_cleaned(cleaned)


def test_machines_apart_for_a_time_end_nothing_but_the_sessions_of_that_time(
    two_engines: TwoEngines, program: Program
) -> None:
    two = two_engines
    with nothing_left(two), begun(program, two, "--drivers", "host,bridge") as process:
        blocks = max(one["block"] for one in program.so_far())
        with two.parted("drop"):
            time.sleep(4)
        wait_for(lambda: max(one["block"] for one in program.so_far()) > blocks + 2, within=400)
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG) == 130
    last = max(one["block"] for one in program.so_far())
    assert_measured([one for one in program.so_far() if one["block"] == last - 1])


def test_a_node_that_leaves_its_swarm_is_told_and_others_are_measured(
    two_engines: TwoEngines, program: Program
) -> None:
    two = two_engines
    two.form_swarm()
    try:
        with begun(program, two, "--drivers", "host,overlay") as process:
            with two.b.api() as api:
                api.leave_swarm(force=True)
            failed = wait_for(lambda: _failed(program, "overlay"), within=240)
            seen = max(one["block"] for one in failed)
            wait_for(lambda: max(one["block"] for one in program.so_far()) > seen, within=240)
            process.send_signal(signal.SIGINT)
            assert process.wait(HANG) == 130
        assert "swarm" in reasons(failed)
        assert_measured([one for one in of(program.so_far(), "host") if one["block"] == seen])
    finally:
        two.leave_swarm()


def _failed(program: Program, driver: str) -> list[dict[str, Any]]:
    return [x for x in of(program.so_far(), driver) if x["outcome"]["kind"] != "sample"]


def test_what_a_killed_run_left_on_both_machines_is_removed_by_clean(
    two_engines: TwoEngines, program: Program
) -> None:
    two = two_engines
    with nothing_left(two):
        with begun(program, two, *SWARM) as process:
            process.kill()
            process.wait(HANG)
        states = ("info", "--format", "{{.Swarm.LocalNodeState}}")
        assert [side.docker(*states) for side in two.sides] == ["active", "active"]
        cleaned = program("clean", "--context", "unix-a", "--peer-context", "unix-b")
        assert_cleaned(cleaned)
        for side in two.sides:
            side.end_gossip()
    assert [side.docker(*states) for side in two.sides] == ["inactive", "inactive"]


def test_doctor_says_which_port_is_closed_and_what_is_lost(
    two_engines: TwoEngines, program: Program
) -> None:
    """The peer's link takes less than the first one's sends: what is larger vanishes."""
    two = two_engines
    narrow = ("ip", "link", "set", WIRE, "mtu")
    with nothing_left(two):
        two.b.close_port("udp", 7946)
        two.b.inside(*narrow, "1400")
        try:
            ended = program("doctor", *across(two), "--json")
        finally:
            two.b.open_ports()
            two.b.inside(*narrow, "1500")
    rows = {row["name"]: row for row in ended.json["doctor"]}
    assert not rows[f"7946/udp of {two.b.address}"]["ok"]
    assert rows[f"7946/udp of {two.a.address}"]["ok"]
    assert rows[f"4789/udp of {two.b.address}"]["ok"]
    assert rows["way to the peer"]["ok"]
    assert not rows["MTU between them"]["ok"]
    # A link takes frames of its MTU, and room for a VLAN's tag beside.
    assert "1404 bytes arrived whole" in rows["MTU between them"]["found"]


def test_what_cannot_be_a_pair_is_told_before_anything_is_made(
    two_engines: TwoEngines, program: Program
) -> None:
    two = two_engines
    with nothing_left(two):
        same = program("run", "--context", "unix-a", "--peer-context", "unix-a")
        nowhere = program("run", "--context", "unix-a", "--peer-context", "unix-b")
        itself = program("run", *across(two)[:4], "--peer-address", two.a.address)
        away = program("run", *across(two)[:4], "--peer-address", "203.0.113.77")
    assert (same.code, "names the engine that --context names" in same.stderr) == (2, True)
    assert (nowhere.code, "--peer-address ADDRESS" in nowhere.stderr) == (2, True)
    assert (itself.code, "itself" in itself.stderr) == (4, True), itself.stderr
    assert (away.code, "has no way to 203.0.113.77" in away.stderr) == (4, True), away.stderr
    assert not (program.folder / "reports").exists()
