"""Promises and path proofs of pairs on two machines, which number alike what is on them."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.apart import (
    ACROSS,
    UPLINK,
    encrypted_apart,
    overlay_apart,
    overlay_apart_unread,
)
from support.bends import broken
from support.facts import bridge_pair, found, link, moved, with_end, with_link, without_link

from netbench.drivers import DRIVERS, PathClaim
from netbench.record import LinkCounters, PairFacts, PathProof
from netbench.spec import Node, Path, Role
from netbench.topology.proof import prove

RECEIVED = 1_000_000
Bend = Callable[[PairFacts], PairFacts]


def proof_of(name: str, before: PairFacts, after: PairFacts, *, returned: int = 0) -> PathProof:
    target = after.target or ""
    return prove(DRIVERS[name], Path.ACROSS, target, (before, after), RECEIVED, returned=returned)


def judged(name: str, facts: PairFacts) -> dict[str, str]:
    """Return the evidence of promises that do not hold."""
    checks = [promise.judge(facts) for promise in DRIVERS[name].promises]
    return {check.promise: check.evidence for check in checks if not check.held}


def test_every_driver_with_a_way_across_has_a_pair_here() -> None:
    open_ways = {n for n, d in DRIVERS.items() if isinstance(d.ways[Path.ACROSS], PathClaim)}

    assert set(ACROSS) == open_ways


@pytest.mark.parametrize("name", ACROSS)
def test_machines_that_number_alike_keep_the_promises(name: str) -> None:
    facts = ACROSS[name]()
    side = facts.client_side

    assert side
    assert facts.client.namespaces == facts.server.namespaces or name == "host"
    assert side.host.namespaces == facts.host.namespaces
    assert broken(name, facts) == []


@pytest.mark.parametrize("name", ACROSS)
def test_the_evidence_of_a_promise_names_both_machines(name: str) -> None:
    for promise in DRIVERS[name].promises:
        first, _, peer = promise.judge(ACROSS[name]()).evidence.partition("; on the peer machine ")

        assert first.startswith("on the first machine ")
        assert peer


def test_each_machine_is_judged_by_its_own_host() -> None:
    facts = ACROSS["bridge"]()
    there, here = facts.by_machine

    assert (there.client, there.server) == (facts.client, facts.client)
    assert (here.client, here.server) == (facts.server, facts.server)
    assert (there.host.role, here.host.role) == (Role.CLIENT_HOST, Role.HOST)
    assert {end.node for end in there.ends} == {Node.FIRST}
    assert {end.node for end in here.ends} == {Node.PEER}
    assert there.ipam != here.ipam
    assert bridge_pair().by_machine == (bridge_pair(),)


def in_its_hosts(facts: PairFacts, role: str) -> PairFacts:
    own = found(facts, role)
    inode = facts.host.namespaces.net
    return with_end(facts, role, namespaces=replace(own.namespaces, net=inode))


BENDS: dict[tuple[str, str], tuple[Bend, str]] = {
    ("host", "client"): (
        lambda f: without_link(f, "client", UPLINK),
        "the interfaces are the host's",
    ),
    ("host", "server"): (
        lambda f: without_link(f, "server", UPLINK),
        "the interfaces are the host's",
    ),
    ("bridge", "client"): (
        lambda f: in_its_hosts(f, "client"),
        "client, server and host have three network namespaces",
    ),
    ("bridge", "server"): (
        lambda f: with_link(f, "host", "veths", master=None),
        "eth0 is a veth whose peer is in the host's namespace, a port of one bridge",
    ),
    ("bridge:user", "client"): (
        lambda f: without_link(f, "client's host", "vethc"),
        "eth0 is a veth whose peer is in the host's namespace, a port of one bridge",
    ),
    ("bridge:user", "server"): (
        lambda f: with_end(f, "server", routes=()),
        "the default route is the network's gateway",
    ),
    ("macvlan:bridge", "client"): (
        lambda f: with_link(f, "client", "eth0", mode="private"),
        "eth0 is a macvlan in mode bridge, child of the host's parent link",
    ),
    ("macvlan:bridge", "server"): (
        lambda f: with_link(f, "server", "eth0", parent=99),
        "eth0 is a macvlan in mode bridge, child of the host's parent link",
    ),
    ("ipvlan:l2", "client"): (
        lambda f: with_link(f, "client", "eth0", mac="02:00:00:00:00:99"),
        "each has its parent's MAC address",
    ),
    ("overlay", "client"): (
        lambda f: without_link(f, "client's sandbox", "vxlan0"),
        "eth0 is a veth into a namespace that holds the network's VXLAN link",
    ),
    ("overlay", "server"): (
        lambda f: with_link(f, "server", "eth0", mtu=1500),
        "the MTU leaves room for VXLAN's headers",
    ),
}


@pytest.mark.parametrize(("name", "role"), BENDS)
def test_a_promise_that_one_machine_breaks_is_broken(name: str, role: str) -> None:
    bend, promise = BENDS[name, role]
    whole = {p.text: p.judge(ACROSS[name]()).evidence for p in DRIVERS[name].promises}
    evidence = judged(name, bend(ACROSS[name]()))
    split = "; on the peer machine "
    bent = dict(zip(("client", "server"), evidence[promise].split(split), strict=True))
    right = dict(zip(("client", "server"), whole[promise].split(split), strict=True))

    assert role in bent[role]
    assert [end for end in bent if bent[end] != right[end]] == [role]


@pytest.mark.parametrize("name", ACROSS)
@pytest.mark.parametrize("role", ["client's host", "host"])
def test_without_the_link_to_the_other_machine_nothing_is_proved(name: str, role: str) -> None:
    before = ACROSS[name]()
    proof = proof_of(name, before, without_link(moved(before, RECEIVED), role, UPLINK))

    assert not proof.held
    assert "links of the claimed path are missing" in proof.problems


@pytest.mark.parametrize("name", ACROSS)
def test_a_machine_whose_link_to_the_other_is_unknown_proves_nothing(name: str) -> None:
    before = replace(ACROSS[name](), uplink=None)
    after = moved(before, RECEIVED)
    children = name.startswith(("macvlan", "ipvlan"))  # their parent is the link

    assert proof_of(name, before, after).held is children


def test_what_came_over_another_link_proves_no_path() -> None:
    """A route that leads elsewhere leaves the link between the machines standing."""
    before = ACROSS["bridge"]()
    still = moved(before, RECEIVED, but=("client's host", UPLINK))

    assert proof_of("bridge", before, still).problems == (
        f"client's host {UPLINK} moved 0 bytes, the receiver got {RECEIVED}",
    )


def test_a_bridge_device_between_machines_counts_what_it_routes() -> None:
    before = ACROSS["bridge"]()
    for role in ("client's host", "host"):
        still = proof_of("bridge", before, moved(before, RECEIVED, but=(role, "docker0")))

        assert f"{role} docker0 moved 0 bytes, the receiver got {RECEIVED}" in still.problems


def test_where_sandboxes_are_unread_ends_and_links_between_are_proved() -> None:
    before = overlay_apart_unread()
    proof = proof_of("overlay", before, moved(before, RECEIVED))

    assert proof.held
    assert [(hop.namespace, hop.link) for hop in proof.hops] == [
        ("client", "eth0"),
        ("client's host", "eth0"),
        ("host", "eth0"),
        ("server", "eth0"),
    ]
    assert broken("overlay", before) == []


@pytest.mark.parametrize("read", [True, False])
def test_an_encrypted_overlay_is_proved_by_what_esp_carried(read: bool) -> None:
    before = encrypted_apart(overlay_apart() if read else overlay_apart_unread())
    proof = proof_of("overlay", before, moved(before, RECEIVED), returned=RECEIVED)
    wire = [
        ("client's host", "esp", "tx"),
        ("client's host", "eth0", "tx"),
        ("host", "eth0", "rx"),
        ("host", "esp", "rx"),
    ]

    assert proof.held
    passed = [(hop.namespace, hop.link, hop.counted) for hop in proof.hops]
    assert [hop for hop in passed if "host" in hop[0]] == wire


@pytest.mark.parametrize("role", ["client's host", "host"])
def test_esp_that_stood_still_proves_no_encryption(role: str) -> None:
    """The option was given, and the frames went out as plain VXLAN."""
    before = encrypted_apart()
    plain = moved(before, RECEIVED, but=(role, "esp"))

    assert proof_of("overlay", before, plain).problems == (
        f"{role} esp moved 0 bytes, the receiver got {RECEIVED}",
    )


@pytest.mark.parametrize("role", ["client's host", "host"])
def test_esp_that_is_unread_proves_no_encryption(role: str) -> None:
    before = encrypted_apart()
    unread = with_end(moved(before, RECEIVED), role, esp=None)

    assert "links of the claimed path are missing" in proof_of("overlay", before, unread).problems


def test_esp_beneath_an_overlay_that_asked_for_none_is_no_hop() -> None:
    esp = LinkCounters(1, 1, 1, 1, 0, 0)
    facts = with_end(overlay_apart(), "host", esp=esp)

    assert "esp" not in [h.link.name for h in DRIVERS["overlay"].hops(Path.ACROSS, facts)]


def test_a_closed_path_across_says_why() -> None:
    for name, driver in DRIVERS.items():
        if name not in ACROSS:
            assert driver.hops(Path.ACROSS, overlay_apart()) == ()


def test_another_link_of_the_same_number_on_the_other_machine_is_no_parent() -> None:
    """The child's machine has no such link, the other one has."""
    facts = with_link(ACROSS["macvlan:bridge"](), "client", "eth0", parent=77)
    stray = link("eth7", 77)
    facts = with_end(facts, "host", links=(*facts.host.links, stray))

    assert DRIVERS["macvlan:bridge"].hops(Path.ACROSS, facts) == ()
    assert any("child of the host's parent" in text for text in judged("macvlan:bridge", facts))


@pytest.mark.parametrize("seen", [overlay_apart, overlay_apart_unread])
@pytest.mark.parametrize(
    ("nodes", "held"), [((), True), (("192.0.2.1",), False), (("192.0.2.1", "192.0.2.2"), True)]
)
def test_an_overlay_that_knows_one_node_alone_spans_none(
    seen: Callable[[], PairFacts], nodes: tuple[str, ...], held: bool
) -> None:
    facts = seen()
    side = facts.client_side
    assert side
    assert side.ipam
    facts = replace(facts, client_side=replace(side, ipam=replace(side.ipam, nodes=nodes)))

    assert (judged("overlay", facts) == {}) is held
