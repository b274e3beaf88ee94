from dataclasses import replace

import pytest
from support.facts import link, with_links
from support.fake_reader import FakeReader
from support.fakes import FakeEngine
from support.golden import case
from support.pairs import HOST_ON_LAN, HOST_ON_LAN6, SERVER6
from support.plans import plan_of
from support.running import Run, failure, of, records

from netbench.errors import EngineLost
from netbench.probes import TcpConnect
from netbench.record import Completed, Failure, PairFacts, Record, Sample, Skip
from netbench.runner.run_state import TrialFinished
from netbench.spec import FIXED_PORTS, Path, Placement, Role

ALL = (Path.EAST_WEST, Path.NORTH_SOUTH, Path.HAIRPIN)
BOTH = (Path.EAST_WEST, Path.NORTH_SOUTH)
CROSS, SAME = ("tcp-throughput", Placement.CROSS), ("tcp-throughput", Placement.SAME)
HELD = ("tcp-rr", Placement.SAME)


def by_design(record: Record) -> Skip:
    assert isinstance(record.outcome, Skip)
    assert record.outcome.by_design
    assert record.outcome.evidence
    assert record.promises
    assert all(check.held for check in record.promises)
    return record.outcome


def on(found: list[Record], path: Path) -> list[Record]:
    return [record for record in found if record.cell.path is path]


def words(argv: tuple[str, ...], option: str) -> str:
    return argv[argv.index(option) + 1]


def test_every_driver_takes_every_path_or_skips_it_by_design() -> None:
    drivers = ("host", "bridge", "macvlan:private", "ipvlan:l3", "overlay", "none")
    found = Run(plan_of(*drivers, paths=ALL)).records()

    assert len(found) == (len(drivers) + 1) * len(ALL)
    for record in found:
        if isinstance(record.outcome, Sample):
            assert record.path
            assert record.path.held
            roles = {hop.namespace for hop in record.path.hops}
            assert ("lan" in roles) == (record.cell.path is Path.NORTH_SOUTH)
        else:
            by_design(record)
    measured = {(r.cell.driver, r.cell.path) for r in found if isinstance(r.outcome, Sample)}
    assert measured == {
        ("host", Path.EAST_WEST),
        ("host", Path.NORTH_SOUTH),
        *(("bridge", path) for path in ALL),
        ("macvlan:private", Path.NORTH_SOUTH),
        ("ipvlan:l3", Path.EAST_WEST),
        ("ipvlan:l3", Path.NORTH_SOUTH),
        ("overlay", Path.EAST_WEST),
        ("overlay", Path.NORTH_SOUTH),
    }


@pytest.mark.parametrize(
    ("driver", "target"),
    [
        ("macvlan:private", "198.18.0.2"),
        ("macvlan:vepa", "198.18.0.2"),
        ("bridge:user@icc=false", "198.18.0.2"),
        ("macvlan:private@family=6", SERVER6),
    ],
)
def test_a_path_that_frames_cannot_take_is_proved_closed_by_a_connect(
    driver: str, target: str
) -> None:
    engine = FakeEngine()
    found = of(Run(plan_of("host", driver, kinds=(CROSS, SAME)), engine).records(), driver)

    for record in found:
        evidence = by_design(record).evidence
        assert evidence == f"connect to {target} (its pair's listening server): EHOSTUNREACH"
    (argv,) = engine.connects
    assert words(argv, "-c") == target
    assert words(argv, "--connect-timeout") == "4000"


@pytest.mark.parametrize(
    "leak",
    [
        case("iperf3", "3.18", "ok"),
        case("iperf3", "3.18", "server-killed"),
        Completed(("iperf3",), -9, "", "", timed_out=True, seconds=8.0),
        replace(
            case("iperf3", "3.18", "refused"),
            stdout='{"error": "unable to create a new stream: No such file or directory"}',
        ),
    ],
    ids=["carried", "broke-off", "hung", "failed-after-connecting"],
)
def test_a_client_that_connected_on_a_closed_path_broke_the_isolation(leak: Completed) -> None:
    engine = FakeEngine(leaks=leak)
    outcome = failure(Run(plan_of("host", "macvlan:private"), engine).records(), "macvlan:private")

    assert outcome.stage == "isolation"
    assert outcome.reason == "a connection to 198.18.0.2 did not fail as it must"
    assert outcome.evidence.startswith("iperf3: ")


def test_a_second_endpoint_is_refused_where_one_takes_the_whole_parent() -> None:
    engine = FakeEngine()
    found = Run(plan_of("host", "macvlan:passthru", paths=BOTH), engine).records()
    (shut,), (measured,) = (on(of(found, "macvlan:passthru"), path) for path in BOTH)

    assert by_design(shut).reason == "one endpoint by design: passthru takes the whole parent"
    assert by_design(shut).evidence == (
        "a second endpoint was refused: failed to create the macvlan port: invalid argument"
    )
    assert isinstance(measured.outcome, Sample)


def test_a_second_endpoint_that_starts_is_a_failure_and_is_removed() -> None:
    engine = FakeEngine(crowded=frozenset({"macvlan:passthru"}))
    run = Run(plan_of("host", "macvlan:passthru", kinds=(CROSS, SAME)), engine)
    outcome = failure(run.records(), "macvlan:passthru")

    assert outcome.stage == "isolation"
    assert "a second endpoint started" in outcome.reason


@pytest.mark.parametrize(
    ("driver", "path"),
    [
        ("none", Path.NORTH_SOUTH),
        ("none", Path.HAIRPIN),
        ("host", Path.HAIRPIN),
        ("macvlan:bridge", Path.HAIRPIN),
        ("ipvlan:l2", Path.HAIRPIN),
        ("overlay", Path.HAIRPIN),
        ("bridge:user@internal=true", Path.NORTH_SOUTH),
    ],
)
def test_a_path_without_an_address_is_closed_by_the_promises_alone(driver: str, path: Path) -> None:
    engine = FakeEngine()
    reader = FakeReader(engine, bend={"bridge:user@internal=true": without_default_routes})
    (record,) = of(Run(plan_of("bridge", driver, paths=(path,)), engine, reader).records(), driver)

    evidence = by_design(record).evidence
    assert all(f"{check.promise}: {check.evidence}" in evidence for check in record.promises)
    assert engine.connects == []
    assert not [process for process in engine.processes if process.driver == driver]


def without_default_routes(facts: PairFacts) -> PairFacts:
    ends = {
        role: replace(
            end, routes=tuple(r for r in end.routes if r.destination not in {"default", "::/0"})
        )
        for role, end in (("client", facts.client), ("server", facts.server))
    }
    return replace(facts, **ends)


def test_a_closed_path_of_a_pair_that_breaks_its_promises_is_a_failure() -> None:
    """A path may be shut because the link is the wrong one altogether."""
    engine = FakeEngine()
    reader = FakeReader(
        engine, bend={"none": lambda facts: with_links(facts, "server", link("eth0", 2))}
    )
    outcome = failure(Run(plan_of("host", "none"), engine, reader).records(), "none")

    assert outcome.stage == "promise"


def test_what_only_the_making_shows_to_be_impossible_is_skipped_and_not_tried_again() -> None:
    engine = FakeEngine(impossible={"ipvlan:l2": "the kernel has no ipvlan (modprobe ipvlan)"})
    found = Run(plan_of("host", "ipvlan:l2", paths=BOTH, blocks=3), engine).records()

    skipped = of(found, "ipvlan:l2")
    assert len(skipped) == 6
    for record in skipped:
        assert record.outcome == Skip("the kernel has no ipvlan (modprobe ipvlan)")
    assert engine.tried["ipvlan:l2"] == 1
    assert all(isinstance(record.outcome, Sample) for record in of(found, "host"))


def test_a_baseline_that_turns_out_to_be_impossible_is_skipped_in_both_its_arms() -> None:
    engine = FakeEngine(impossible={"ipvlan:l2": "the kernel has no ipvlan"})
    found = of(Run(plan_of("ipvlan:l2", "host", blocks=2), engine).records(), "ipvlan:l2")

    assert {record.outcome for record in found} == {Skip("the kernel has no ipvlan")}
    assert engine.tried["ipvlan:l2"] == 2


def test_a_path_that_a_driver_lacks_here_is_skipped_and_its_others_are_measured() -> None:
    engine = FakeEngine(
        pathless={
            ("bridge", Path.NORTH_SOUTH): "nft not found (package nftables)",
            ("none", Path.NORTH_SOUTH): "nft not found (package nftables)",
        }
    )
    found = Run(plan_of("host", "bridge", "none", paths=BOTH), engine).records()

    (without,) = on(of(found, "bridge"), Path.NORTH_SOUTH)
    assert without.outcome == Skip("nft not found (package nftables)")
    assert isinstance(on(of(found, "bridge"), Path.EAST_WEST)[0].outcome, Sample)
    (shut,) = on(of(found, "none"), Path.NORTH_SOUTH)
    assert by_design(shut).reason == "isolated by design: it has no address"


def test_no_lan_is_made_for_a_path_that_nobody_has_here() -> None:
    lacking = {(driver, Path.NORTH_SOUTH): "no LAN here" for driver in ("host", "bridge")}
    engine = FakeEngine(pathless=lacking)
    found = Run(plan_of("host", "bridge", paths=BOTH), engine).records()

    assert engine.lans == 0
    assert {type(record.outcome) for record in on(found, Path.EAST_WEST)} == {Sample}
    assert {record.outcome for record in on(found, Path.NORTH_SOUTH)} == {Skip("no LAN here")}


def test_published_ports_are_taken_in_turn_and_reached_at_the_hosts_address() -> None:
    engine = FakeEngine()
    plan = plan_of("bridge", kinds=(CROSS, SAME), paths=(Path.NORTH_SOUTH, Path.HAIRPIN))
    found = Run(plan, engine).records()

    assert all(isinstance(record.outcome, Sample) for record in found)
    for pair in ("b1-bridge", "b1-bridge-aa"):
        own = [process for process in engine.processes if process.pair == pair]
        servers = [process for process in own if process.role is Role.SERVER]
        clients = [process for process in own if process.role is Role.CLIENT]
        assert sorted(process.port for process in servers) == [20001, 20002, 20003, 20004]
        assert {words(process.argv, "-B") for process in servers} == {"0.0.0.0"}  # noqa: S104
        assert {words(process.argv, "-c") for process in clients} == {HOST_ON_LAN}
        # Servers come up together; every client has one for itself.
        assert sorted(process.inner for process in clients) == sorted(p.port for p in servers)
        assert all(process.port > 30000 for process in clients)
        assert [process.endpoint.role for process in clients].count(Role.LAN) == 2


def test_the_way_a_driver_exposes_its_service_is_where_the_outside_client_connects() -> None:
    engine = FakeEngine()
    drivers = ("host", "macvlan:bridge", "ipvlan:l3@family=6", "host@family=6")
    found = Run(plan_of(*drivers, paths=(Path.NORTH_SOUTH,)), engine).records()

    assert all(isinstance(record.outcome, Sample) for record in found)
    reached = {
        process.driver: (words(process.argv, "-c"), process.endpoint.role)
        for process in engine.processes
        if process.role is Role.CLIENT
    }
    assert reached == {
        "host": (HOST_ON_LAN, Role.LAN),
        "host@family=6": (HOST_ON_LAN6, Role.LAN),
        "macvlan:bridge": ("198.18.0.2", Role.LAN),
        "ipvlan:l3@family=6": (SERVER6, Role.LAN),
    }


@pytest.mark.parametrize(
    ("driver", "served"), [("published=nat", "proxy"), ("published=proxy", "nat")]
)
def test_a_port_that_is_served_otherwise_than_the_variant_says_is_no_sample(
    driver: str, served: str
) -> None:
    name = f"bridge:user@{driver}"
    engine = FakeEngine(served=served)
    (record,) = of(Run(plan_of("host", name, paths=(Path.NORTH_SOUTH,)), engine).records(), name)

    wanted = driver.removeprefix("published=")
    assert isinstance(record.outcome, Failure)
    assert record.outcome.stage == "path"
    assert record.outcome.reason == f"the port was published by {wanted}, and served by {served}"
    assert record.outcome.evidence
    assert dict(record.facts)["trial.published_via"] == served


@pytest.mark.parametrize("served", ["nat", "proxy"])
def test_a_port_that_is_served_as_the_variant_says_is_a_sample(served: str) -> None:
    name = f"bridge:user@published={served}"
    engine = FakeEngine(served=served)
    (record,) = of(Run(plan_of("host", name, paths=(Path.HAIRPIN,)), engine).records(), name)

    assert isinstance(record.outcome, Sample)
    assert dict(record.facts)["trial.published_via"] == served


def test_what_a_tool_says_it_cannot_do_is_a_skip() -> None:
    said = Completed(("sockperf",), 0, "sockperf: '-i' Invalid address: ::\n", "", False, 0.1)
    name = "bridge:user@family=6"
    engine = FakeEngine(dead_servers=frozenset({name}), server_output={name: said})
    plan = plan_of("host", name, kinds=(HELD,), paths=(Path.NORTH_SOUTH,))
    (record,) = of(Run(plan, engine).records(), name)

    assert isinstance(record.outcome, Skip)
    assert not record.outcome.by_design
    assert record.outcome.reason == "this sockperf takes no IPv6 address (::); 3.8 and later do"
    assert "Invalid address" in record.outcome.evidence


def test_variants_of_one_driver_are_different_drivers_side_by_side() -> None:
    drivers = ("bridge:user", "bridge:user@mtu=9000", "bridge:user@published=nat")
    engine = FakeEngine()
    reader = FakeReader(engine, bend={"bridge:user@mtu=9000": lambda facts: with_mtu(facts, 9000)})
    found = Run(plan_of(*drivers), engine, reader).records()

    assert {record.cell.driver for record in found} == set(drivers)
    assert all(isinstance(record.outcome, Sample) for record in found)
    mtus = {record.cell.driver: hops_mtus(record) for record in found}
    assert mtus["bridge:user"] == mtus["bridge:user@published=nat"] == {1500}
    assert mtus["bridge:user@mtu=9000"] == {9000}


def with_mtu(facts: PairFacts, size: int) -> PairFacts:
    ends = {
        end.role.value: replace(
            end, links=tuple(x if x.name == "lo" else replace(x, mtu=size) for x in end.links)
        )
        for end in facts.ends
    }
    return replace(facts, **ends)


def hops_mtus(record: Record) -> set[int]:
    assert record.path
    return {hop.mtu for hop in record.path.hops}


def test_an_mtu_that_was_asked_for_and_not_given_breaks_a_promise() -> None:
    name = "bridge:user@mtu=9000"
    outcome = failure(Run(plan_of("host", name)).records(), name)

    assert outcome.stage == "promise"
    assert "eth0 has MTU 9000" in outcome.reason


@pytest.mark.parametrize("kinds", [(CROSS,), (HELD,)], ids=["throughput", "held"])
def test_an_engine_that_goes_away_in_the_proof_of_a_closed_path_leaves_a_record(
    kinds: tuple[tuple[str, Placement], ...],
) -> None:
    run = Run(plan_of("none", kinds=kinds))
    run.engine.lost_at = 1
    seen = []
    with pytest.raises(EngineLost):
        seen.extend(run.runner)

    last = records(seen)[-1]
    assert isinstance(seen[-1], TrialFinished)
    assert isinstance(last.outcome, Failure)
    assert "stopped answering" in last.outcome.reason


def test_a_probe_that_cannot_choose_is_skipped_under_a_variant_that_asks_it_to() -> None:
    run = Run(plan_of("host@cc=reno", "host", kinds=(CROSS, HELD)))
    found = run.records()

    assert {r.cell.probe for r in of(found, "host@cc=reno") if isinstance(r.outcome, Sample)} == {
        "tcp-throughput"
    }
    (skip,) = {r.outcome for r in of(found, "host@cc=reno") if isinstance(r.outcome, Skip)}
    assert skip.reason == "sockperf cannot choose a congestion control, and reno is asked for"
    assert all(isinstance(r.outcome, Sample) for r in of(found, "host"))


def test_a_variants_congestion_control_goes_before_that_of_the_run() -> None:
    plan = replace(plan_of("host@cc=reno", "host", kinds=(CROSS,)), cc="cubic")
    found = Run(plan).records()

    def asked(driver: str) -> set[str]:
        clients = [t for r in of(found, driver) for t in r.tools if t.role is Role.CLIENT]
        return {words(tool.argv, "-C") for tool in clients}

    assert asked("host@cc=reno") == {"reno"}
    assert asked("host") == {"cubic"}


def test_a_tool_that_needs_a_second_port_has_one_of_the_same_number_outside() -> None:
    """Each client of each server another one: many connections before may still wait there."""
    kinds = ((TcpConnect.name, Placement.SAME), (TcpConnect.name, Placement.CROSS))
    probe = TcpConnect(rounds=4, clients=3)
    engine = FakeEngine()
    plan = plan_of("bridge", kinds=kinds, paths=(Path.NORTH_SOUTH,))
    found = Run(replace(plan, probes={**plan.probes, TcpConnect.name: probe}), engine).records()

    assert all(isinstance(record.outcome, Sample) for record in found)
    asked = [words(one.argv, "-P") for one in engine.processes if one.role is Role.CLIENT]
    assert len(asked) == len(set(asked)) == 2 * 2 * probe.clients
    assert all(int(text.removeprefix(",")) in FIXED_PORTS for text in asked)


def test_a_second_port_is_left_to_the_tool_where_none_is_published() -> None:
    engine = FakeEngine()
    kinds = ((TcpConnect.name, Placement.SAME),)
    plan = plan_of("bridge", kinds=kinds)
    plan = replace(plan, probes={**plan.probes, TcpConnect.name: TcpConnect(rounds=4)})

    assert all(isinstance(record.outcome, Sample) for record in Run(plan, engine).records())
    assert not any("-P" in process.argv for process in engine.processes)
