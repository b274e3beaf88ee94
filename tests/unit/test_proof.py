from dataclasses import replace

import pytest
from support.facts import (
    HOST_NET,
    bridge_pair,
    container_pair,
    host_pair,
    link,
    moved,
    none_pair,
    with_end,
    with_link,
    with_links,
    without_link,
)

from netbench.drivers import DRIVERS
from netbench.record import Address, PairFacts, Route
from netbench.spec import Role
from netbench.topology import prove, trimmed
from netbench.topology.proof import route_to

RECEIVED = 1_000_000
BRIDGE = DRIVERS["bridge"]
COUNTED = [("client", "eth0"), ("host", "vethc"), ("host", "veths"), ("server", "eth0")]
PAIRS = [("host", host_pair()), ("container", container_pair()), ("bridge", bridge_pair())]


@pytest.mark.parametrize(("name", "before"), PAIRS, ids=[name for name, _ in PAIRS])
def test_a_path_whose_counters_moved_is_proved(name: str, before: PairFacts) -> None:
    after = moved(before, RECEIVED)
    proof = prove(DRIVERS[name], before, after, RECEIVED)

    assert (proof.held, proof.problems, proof.required) == (True, (), RECEIVED)
    claimed = [(hop.role.value, hop.link.name) for hop in DRIVERS[name].path(after)]
    assert [(hop.namespace, hop.link) for hop in proof.hops] == claimed
    assert {hop.moved for hop in proof.hops if hop.counted != "none"} == {RECEIVED}


@pytest.mark.parametrize(("role", "name"), COUNTED)
def test_a_link_that_moved_one_byte_too_few_breaks_the_proof(role: str, name: str) -> None:
    before = bridge_pair()
    after = moved(moved(before, RECEIVED, but=(role, name)), RECEIVED - 1)
    slow = with_link(after, role, name, counters=moved_counters(before, role, name))
    proof = prove(BRIDGE, before, slow, RECEIVED)

    assert not proof.held
    assert proof.problems == (
        f"{role} {name} moved {RECEIVED - 1} bytes, the receiver got {RECEIVED}",
    )


def moved_counters(facts: PairFacts, role: str, name: str) -> object:
    found = getattr(moved(facts, RECEIVED - 1), role).link(name)
    return found.counters


@pytest.mark.parametrize(
    ("role", "name", "only"),
    [
        ("client", "eth0", "rx_bytes"),
        ("host", "vethc", "tx_bytes"),
        ("host", "veths", "rx_bytes"),
        ("server", "eth0", "tx_bytes"),
    ],
)
def test_bytes_in_the_other_direction_do_not_count(role: str, name: str, only: str) -> None:
    before = bridge_pair()
    found = getattr(before, role).link(name)
    backwards = replace(found.counters, **{only: RECEIVED})
    after = with_link(moved(before, RECEIVED), role, name, counters=backwards)

    assert not prove(BRIDGE, before, after, RECEIVED).held


def test_the_bridge_device_itself_counts_nothing_of_what_it_forwards() -> None:
    before = bridge_pair()
    after = moved(before, RECEIVED, but=("host", "docker0"))
    proof = prove(BRIDGE, before, after, RECEIVED)

    assert proof.held
    assert [(hop.link, hop.moved) for hop in proof.hops if hop.counted == "none"] == [
        ("docker0", 0)
    ]


def test_a_counter_that_began_anew_breaks_the_proof() -> None:
    before = moved(bridge_pair(), 10 * RECEIVED)

    assert not prove(BRIDGE, before, moved(bridge_pair(), RECEIVED), RECEIVED).held


@pytest.mark.parametrize(
    ("role", "name", "change"),
    [
        ("client", "eth0", {"mtu": 9000}),
        ("server", "eth0", {"mac": "02:00:00:00:00:ff"}),
        ("host", "vethc", {"qdisc": "fq"}),
        ("host", "docker0", {"mtu": 1400}),
        ("host", "veths", {"offloads": ()}),
    ],
)
def test_a_link_that_changed_during_the_trial_breaks_the_proof(
    role: str, name: str, change: dict[str, object]
) -> None:
    before = bridge_pair()
    proof = prove(
        BRIDGE, before, with_link(moved(before, RECEIVED), role, name, **change), RECEIVED
    )

    assert not proof.held
    assert proof.problems[0].startswith(f"{role} {name} changed during the trial: ")


def test_a_link_made_anew_during_the_trial_breaks_the_proof() -> None:
    before = bridge_pair()
    after = with_link(moved(before, RECEIVED), "client", "eth0", index=30)
    after = with_link(after, "host", "vethc", peer=30)
    proof = prove(BRIDGE, before, after, RECEIVED)

    assert not proof.held
    assert "client eth0 was not there before the trial" in proof.problems


@pytest.mark.parametrize(("role", "name"), [*COUNTED, ("host", "docker0")])
def test_a_link_that_is_gone_breaks_the_proof(role: str, name: str) -> None:
    before = bridge_pair()
    proof = prove(BRIDGE, before, without_link(moved(before, RECEIVED), role, name), RECEIVED)

    assert proof.problems == ("links of the claimed path are missing",)
    assert not proof.held


@pytest.mark.parametrize("port", ["vethc", "veths"])
def test_a_port_that_moved_to_another_bridge_breaks_the_proof(port: str) -> None:
    both = with_links(bridge_pair(), "host", link("br9", 9, kind="bridge"))
    gone = with_link(both, "host", port, master="br9")

    assert not prove(BRIDGE, both, moved(gone, RECEIVED), RECEIVED).held
    assert not prove(BRIDGE, gone, moved(gone, RECEIVED), RECEIVED).held


def test_a_driver_without_a_path_proves_nothing() -> None:
    assert not prove(DRIVERS["none"], none_pair(), none_pair(), 0).held


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("198.18.0.2", "198.18.0.2 dev eth0 (198.18.0.0/24)"),
        ("198.19.0.2", "198.19.0.2 via 198.18.0.1 dev eth0 (default)"),
        ("127.0.0.1", "127.0.0.1 local, dev lo"),
        ("198.18.0.3", "198.18.0.3 is the client's own, dev lo"),
        (None, "no address to reach"),
    ],
)
def test_the_route_is_told_by_longest_prefix(target: str | None, words: str) -> None:
    assert route_to(bridge_pair().client, target) == words


def test_no_route_is_told() -> None:
    assert route_to(none_pair().client, "198.18.0.2") == "no route to 198.18.0.2"


def test_a_record_keeps_the_path_and_leaves_a_busy_hosts_rest_out() -> None:
    facts = bridge_pair()
    crowd = tuple(link(f"veth{n}", 100 + n, kind="veth") for n in range(50))
    routes = tuple(Route(f"10.{n}.0.0/16", None, "eth0") for n in range(50))
    facts = with_end(
        facts,
        "host",
        links=(*facts.host.links, *crowd),
        addresses=(*facts.host.addresses, Address("veth7", "10.7.0.1", 16)),
        routes=routes,
    )
    client, server, host = trimmed(facts, BRIDGE.path(facts))

    assert (client, server) == (facts.client, facts.server)
    assert {x.name for x in host.links} >= {"lo", "docker0", "vethc", "veths"}
    assert len(host.links) < 10
    assert all(host.link(address.link) for address in host.addresses)
    assert len(host.routes) < 50
    assert (host.role, host.namespaces.net) == (Role.HOST, HOST_NET)
