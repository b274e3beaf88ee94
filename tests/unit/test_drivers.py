import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert
from support.apart import ACROSS
from support.bends import (
    BENDS,
    BY_DEVICE,
    OVERLAY_UNSEEN,
    OWN,
    ROUTE,
    SUBNET,
    VETH,
    Bend,
    broken,
    net,
    other_bridge,
)
from support.facts import (
    CLIENT_NSID,
    HOST_NET,
    bridge_pair,
    host_pair,
    with_end,
    with_link,
    without_link,
)
from support.pairs import (
    PAIRS,
    SERVER6,
    overlay_across_pair,
    overlay_seen_from_outside,
    plain_pair,
    with_ipv6,
    with_lan,
    with_machine,
)

from netbench.drivers import DRIVERS, Closed, Driver, PathClaim, cni, plugin, unknown
from netbench.record import Address, PairFacts, Route
from netbench.spec import MACHINE_PATHS, Via
from netbench.spec import Path as NetPath

GOLDEN = Path(__file__).parent.parent / "golden" / "facts"
FOUND = sorted((file.parent.name, file.stem) for file in GOLDEN.glob("*/*.json"))
"""Engine and driver of every captured pair."""
STEMS = {driver.replace(":", "-"): driver for driver in DRIVERS}

Claim = list[tuple[str, str, str]]

OVER_LOOPBACK: Claim = [("client", "lo", "tx")]
WIRE: Claim = [("lan", "veth", "tx"), ("host", "veth", "rx")]
OUT_OF_A_BRIDGE: Claim = [
    ("host", "bridge", "none"),
    ("host", "veth", "tx"),
    ("server", "veth", "rx"),
]
ROUTED_INTO_A_BRIDGE: Claim = [("host", "bridge", "tx"), *OUT_OF_A_BRIDGE[1:]]
ACROSS_A_BRIDGE: Claim = [("client", "veth", "tx"), ("host", "veth", "rx"), *OUT_OF_A_BRIDGE]
WITHIN_A_SANDBOX: Claim = [
    ("client", "veth", "tx"),
    ("sandbox", "veth", "rx"),
    ("sandbox", "bridge", "none"),
    ("sandbox", "veth", "tx"),
    ("server", "veth", "rx"),
]
THROUGH_A_TUNNEL: Claim = [
    ("client", "veth", "tx"),
    ("lan", "veth", "rx"),
    ("lan", "bridge", "none"),
    ("lan", "vxlan", "tx"),
    *WIRE,
    ("sandbox", "vxlan", "rx"),
    *WITHIN_A_SANDBOX[2:],
]
BETWEEN: Claim = [("client's host", "eth0", "tx"), ("host", "eth0", "rx")]
BRIDGE_TO_BRIDGE: Claim = [
    ("client", "veth", "tx"),
    ("client's host", "veth", "rx"),
    ("client's host", "bridge", "rx"),
    *BETWEEN,
    *ROUTED_INTO_A_BRIDGE,
]
NODE_TO_NODE: Claim = [
    ("client", "veth", "tx"),
    ("client's sandbox", "veth", "rx"),
    ("client's sandbox", "bridge", "none"),
    ("client's sandbox", "vxlan", "tx"),
    *BETWEEN,
    ("sandbox", "vxlan", "rx"),
    *WITHIN_A_SANDBOX[2:],
]
LO: Claim = [("machine", "lo", "tx")]
INTO_A_BRIDGE: Claim = [*ACROSS_A_BRIDGE[:2], ("host", "bridge", "rx")]
TO_THE_MACHINE: Claim = [("host", "tun", "tx"), *LO]
ON_ONE_MACHINE = {
    NetPath.EAST_WEST: [ACROSS_A_BRIDGE],
    NetPath.NORTH_SOUTH: [[*WIRE, *ROUTED_INTO_A_BRIDGE]],
    NetPath.HAIRPIN: [ACROSS_A_BRIDGE],
    NetPath.OUTSIDE: [ROUTED_INTO_A_BRIDGE, [*LO, *ROUTED_INTO_A_BRIDGE]],
    NetPath.TO_OUTSIDE: [INTO_A_BRIDGE, [*INTO_A_BRIDGE, *TO_THE_MACHINE]],
}
BRIDGED = {**ON_ONE_MACHINE, NetPath.ACROSS: [BRIDGE_TO_BRIDGE]}


def on_the_lan(
    kind: str, *, closed: bool = False, across: bool = True
) -> dict[NetPath, list[Claim]]:
    between = [("client", kind, "tx"), ("host", "veth", "none"), ("server", kind, "rx")]
    outside = {NetPath.NORTH_SOUTH: [[*WIRE, ("server", kind, "rx")]]}
    if across:
        outside[NetPath.ACROSS] = [[("client", kind, "tx"), *BETWEEN, ("server", kind, "rx")]]
    return outside if closed else {NetPath.EAST_WEST: [between], **outside}


def by_netkit(claimed: Claim) -> Claim:
    """Return the same links, but netkit for veth."""
    return [(role, "netkit" if kind == "veth" else kind, way) for role, kind, way in claimed]


BY_TAP: dict[NetPath, list[Claim]] = {
    NetPath.OUTSIDE: [[]],  # without the link by which the bytes come in, which Podman's tells
    NetPath.TO_OUTSIDE: [[], [("client", "tun", "tx"), *LO]],
}
CLAIMS: dict[str, dict[NetPath, list[Claim]]] = {
    "none": {},
    "host": {
        NetPath.EAST_WEST: [OVER_LOOPBACK],
        NetPath.NORTH_SOUTH: [WIRE],
        NetPath.ACROSS: [BETWEEN],
        NetPath.OUTSIDE: [[("host", "lo", "tx")]],
        NetPath.TO_OUTSIDE: [[("host", "lo", "tx")], TO_THE_MACHINE],
    },
    "bridge": BRIDGED,
    "bridge:user": BRIDGED,
    "container": {**ON_ONE_MACHINE, NetPath.EAST_WEST: [OVER_LOOPBACK]},
    "macvlan:bridge": on_the_lan("macvlan"),
    "macvlan:private": on_the_lan("macvlan", closed=True),
    "macvlan:vepa": on_the_lan("macvlan", closed=True),
    "macvlan:passthru": on_the_lan("macvlan", closed=True, across=False),
    "ipvlan:l2": on_the_lan("ipvlan"),
    "ipvlan:l3": on_the_lan("ipvlan", across=False),
    "ipvlan:l3s": on_the_lan("ipvlan", across=False),
    "overlay": {
        NetPath.EAST_WEST: [WITHIN_A_SANDBOX, THROUGH_A_TUNNEL],
        NetPath.NORTH_SOUTH: [[*WIRE, *ROUTED_INTO_A_BRIDGE]],
        NetPath.ACROSS: [NODE_TO_NODE],
        NetPath.OUTSIDE: [ROUTED_INTO_A_BRIDGE, [*LO, *ROUTED_INTO_A_BRIDGE]],
    },
    "netkit": {
        NetPath.EAST_WEST: [by_netkit(ACROSS_A_BRIDGE)],
        NetPath.NORTH_SOUTH: [[*WIRE, *by_netkit(ROUTED_INTO_A_BRIDGE)]],
        NetPath.HAIRPIN: [by_netkit(ACROSS_A_BRIDGE)],
    },
    "pasta": BY_TAP,
    "slirp4netns": BY_TAP,
}
"""What each driver may claim on each path that is open, by kinds of link: engines name them."""


def of_one_machine(driver: str) -> list[tuple[NetPath, list[Claim]]]:
    """Return what a pair on one machine can show."""
    elsewhere = (NetPath.ACROSS, *MACHINE_PATHS)
    return [one for one in CLAIMS[driver].items() if one[0] not in elsewhere]


def golden(engine: str, stem: str) -> PairFacts:
    text = (GOLDEN / engine / f"{stem}.json").read_text(encoding="utf-8")
    return convert(json.loads(text)["netlink"], PairFacts)


def claim(driver: str, facts: PairFacts, path: NetPath = NetPath.EAST_WEST) -> Claim:
    """Return the claimed path by kinds of link."""
    return [
        (hop.role.value, hop.link.kind or hop.link.name, hop.counted)
        for hop in DRIVERS[driver].hops(path, facts)
    ]


def test_every_driver_has_a_pair_here_and_says_what_becomes_of_every_path() -> None:
    assert set(PAIRS) == set(CLAIMS) == set(DRIVERS)
    for name, driver in DRIVERS.items():
        assert set(driver.ways) == set(NetPath)
        closed = {path for path, way in driver.ways.items() if isinstance(way, Closed)}
        assert closed == set(NetPath) - set(CLAIMS[name])
        assert all(driver.ways[path].reason for path in closed)


@pytest.mark.parametrize("name", DRIVERS)
def test_a_path_between_machines_is_claimed_link_by_link(name: str) -> None:
    claims = CLAIMS[name].get(NetPath.ACROSS, [])

    assert [claim(name, ACROSS[name](), NetPath.ACROSS)] == claims if claims else name not in ACROSS


@pytest.mark.parametrize("name", DRIVERS)
@pytest.mark.parametrize("apart", [False, True])
def test_paths_from_and_to_the_machine_are_claimed_link_by_link(name: str, *, apart: bool) -> None:
    facts = with_machine(PAIRS[name](), apart=apart)
    for path in MACHINE_PATHS:
        claims = CLAIMS[name].get(path, [[]])
        unreachable = (name, path, apart) == ("host", NetPath.OUTSIDE, True)

        assert claim(name, facts, path) == ([] if unreachable else claims[-1 if apart else 0])
        assert claim(name, PAIRS[name](), path) == []


@pytest.mark.parametrize("name", ["bridge", "container", "pasta", "slirp4netns"])
def test_bytes_that_come_in_by_another_link_are_counted_there(name: str) -> None:
    facts = replace(with_machine(PAIRS[name]()), entry="lo")

    assert claim(name, facts, NetPath.OUTSIDE) == [*LO, ("server", "lo", "rx")]


@pytest.mark.parametrize(("engine", "stem"), FOUND)
def test_a_real_pair_keeps_the_promises_and_has_the_path(engine: str, stem: str) -> None:
    facts, driver = golden(engine, stem), STEMS[stem]

    assert broken(driver, facts) == []
    for path, claims in of_one_machine(driver):
        if path is NetPath.EAST_WEST or facts.lan:
            assert claim(driver, facts, path) in claims


def test_every_driver_was_captured_from_a_real_engine() -> None:
    """`python tests/golden/capture_facts.py ENGINE` captures them."""
    assert set(DRIVERS) - {STEMS[stem] for _, stem in FOUND} == set()


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_pair_built_by_hand_is_like_the_real_one(driver: str) -> None:
    facts = PAIRS[driver]()

    assert broken(driver, facts) == []
    assert broken(driver, with_lan(facts)) == []
    for path, claims in of_one_machine(driver):
        assert claim(driver, with_lan(facts), path) in claims


def test_a_pair_across_two_nodes_keeps_the_promises_of_an_overlay() -> None:
    facts = overlay_across_pair()

    assert broken("overlay", facts) == []
    assert claim("overlay", facts) == THROUGH_A_TUNNEL


def test_an_overlay_whose_sandbox_is_not_ours_to_enter_shows_its_two_ends() -> None:
    facts = overlay_seen_from_outside()

    assert broken("overlay", facts) == []
    assert claim("overlay", facts) == [("client", "veth", "tx"), ("server", "veth", "rx")]


ALIKE = {("bridge", "bridge:user"), ("bridge:user", "bridge"), ("pasta", "slirp4netns")}
"""Drivers, and others whose pairs keep all their promises; pasta has whatever its host has."""


@pytest.mark.parametrize(
    ("driver", "other"), [pair for pair in permutations(DRIVERS, 2) if pair not in ALIKE]
)
def test_no_pair_of_one_driver_passes_for_another(driver: str, other: str) -> None:
    assert broken(driver, PAIRS[other]())
    assert broken(driver, with_lan(PAIRS[other]()))


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("engine", "stem"), FOUND)
def test_no_real_pair_of_one_driver_passes_for_another(engine: str, stem: str, driver: str) -> None:
    if STEMS[stem] != driver and (driver, STEMS[stem]) not in ALIKE:
        assert broken(driver, golden(engine, stem))


@pytest.mark.parametrize("driver", [plugin("weave"), cni("x.conflist", "{}", publishes=True)])
def test_a_network_that_nobody_here_knows_is_recorded_as_found(driver: Driver) -> None:
    facts = plain_pair()
    bends: list[Bend] = [
        lambda f: net(f, "client", HOST_NET),
        lambda f: without_link(f, "server", "eth0"),
    ]
    seen = [
        [check.promise for promise in driver.promises if not (check := promise.judge(f)).held]
        for f in (facts, *(bend(facts) for bend in bends))
    ]

    assert seen == [[], [OWN], ["a link appears: eth0"]]
    assert [(h.role, h.counted) for h in driver.hops(NetPath.EAST_WEST, facts)] == [
        ("client", "tx"),
        ("server", "rx"),
    ]
    assert [h.role for h in driver.hops(NetPath.NORTH_SOUTH, facts)] == ["lan", "host", "server"]


def test_a_conflist_without_a_port_map_publishes_nothing() -> None:
    ways = cni("x.conflist", "{}", publishes=False).ways

    assert isinstance(ways[NetPath.HAIRPIN], Closed)
    assert isinstance(ways[NetPath.NORTH_SOUTH], PathClaim)
    assert ways[NetPath.NORTH_SOUTH].via is Via.ADDRESS


BENT = [(driver, words) for driver, bends in BENDS.items() for words in bends]


@pytest.mark.parametrize(("driver", "words"), BENT)
def test_a_pair_that_is_not_as_promised_is_found(driver: str, words: str) -> None:
    bend, promise = BENDS[driver][words]

    assert promise in broken(driver, bend(PAIRS[driver]()))


@pytest.mark.parametrize("words", OVERLAY_UNSEEN)
def test_an_overlay_seen_from_outside_that_is_not_as_promised_is_found(words: str) -> None:
    bend, promise = OVERLAY_UNSEEN[words]

    assert promise in broken("overlay", bend(overlay_seen_from_outside()))


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_promise_can_be_broken(driver: str) -> None:
    assert {promise for _, promise in BENDS[driver].values()} == {
        promise.text for promise in DRIVERS[driver].promises
    }


ON_NETWORKS = [name for name, driver in DRIVERS.items() if "mtu" in driver.options]


@pytest.mark.parametrize("driver", ON_NETWORKS)
def test_a_pair_with_ipv6_keeps_its_promises(driver: str) -> None:
    assert broken(driver, with_ipv6(PAIRS[driver]())) == []


@pytest.mark.parametrize("driver", ON_NETWORKS)
@pytest.mark.parametrize("wrong", ["2001:2:0:77::2", "fe80::2"])
def test_an_ipv6_address_of_another_network_is_found(driver: str, wrong: str) -> None:
    facts = with_ipv6(PAIRS[driver]())
    others = tuple(a for a in facts.server.addresses if a.address != SERVER6)
    bent = with_end(facts, "server", addresses=(*others, Address("eth0", wrong, 64)))

    assert broken(driver, bent) == [SUBNET]


@pytest.mark.parametrize(
    ("driver", "promise"),
    [("bridge:user", ROUTE), ("macvlan:bridge", ROUTE), ("ipvlan:l3", BY_DEVICE)],
)
def test_an_ipv6_default_route_by_another_gateway_is_found(driver: str, promise: str) -> None:
    facts = with_ipv6(PAIRS[driver]())
    others = tuple(r for r in facts.server.routes if r.destination != "::/0")
    bent = with_end(facts, "server", routes=(*others, Route("::/0", "2001:2::77", "eth0")))

    assert broken(driver, bent) == [promise]


def test_a_reader_that_cannot_tell_namespace_ids_still_proves_a_child() -> None:
    facts = PAIRS["macvlan:bridge"]()
    blind = with_end(with_end(facts, "client", nsids=()), "server", nsids=())

    assert broken("macvlan:bridge", blind) == []


@pytest.mark.parametrize(
    "bend",
    [
        lambda f: without_link(f, "client", "eth0"),
        lambda f: without_link(f, "host", "vethc"),
        lambda f: without_link(f, "host", "docker0"),
        lambda f: with_link(f, "host", "veths", peer_nsid=CLIENT_NSID),
        lambda f: with_link(f, "host", "vethc", master=None),
        lambda f: with_link(other_bridge(f), "host", "vethc", master="br9"),
        lambda f: with_link(other_bridge(f), "host", "veths", master="br9"),
    ],
    ids=["eth0", "port", "bridge", "wrong-netns", "no-master", "client-moved", "server-moved"],
)
def test_a_bridge_with_a_link_missing_has_no_path(bend: Bend) -> None:
    assert claim("bridge", bend(bridge_pair())) == []


def test_indices_that_repeat_in_another_namespace_are_no_proof() -> None:
    """Both ends carry the same index, as the eth0 of two containers often do."""
    facts = with_link(bridge_pair(), "client", "eth0", index=20)
    facts = with_link(facts, "host", "vethc", peer=20)

    assert broken("bridge", facts) == []
    crossed = with_link(facts, "client", "eth0", peer=21)
    assert broken("bridge", crossed) == [VETH]


def test_a_reader_that_cannot_tell_namespace_ids_still_proves_the_bridge() -> None:
    facts = with_end(bridge_pair(), "host", nsids=())

    assert broken("bridge", facts) == []
    assert claim("bridge", facts) == ACROSS_A_BRIDGE


def test_a_bridge_whose_name_the_engine_does_not_tell_is_taken_as_found() -> None:
    facts = bridge_pair()
    assert facts.ipam

    assert broken("bridge", replace(facts, ipam=replace(facts.ipam, bridge=None))) == []


def test_a_namespace_without_loopback_has_no_path() -> None:
    assert claim("host", without_link(host_pair(), "client", "lo")) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("brigde", "did you mean 'bridge'?"),
        ("ipvlan:l4", "driver 'ipvlan' has no mode 'l4'; its modes: l2, l3, l3s"),
        ("macvlan:", "driver 'macvlan' has no mode ''; its modes: bridge, private, vepa"),
        ("vlan", "Known: none, host, bridge, bridge:user, container, macvlan:bridge"),
        ("weave", "plugin:NAME, cni:CONFLIST"),
        ("hosts", "did you mean 'host'?"),
        ("bridge:usr", "driver 'bridge' has no mode 'usr'; its modes: user"),
        ("host:fast", "driver 'host' has no mode 'fast'; its modes: none"),
    ],
)
def test_an_unknown_driver_is_told_with_the_nearest(name: str, words: str) -> None:
    assert words in (unknown(name) or "")


@given(st.text())
def test_any_name_is_known_or_told_apart(name: str) -> None:
    assert (unknown(name) is None) == (name in {*DRIVERS, "macvlan", "ipvlan"})
