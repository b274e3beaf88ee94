import json
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from support.facts import (
    CLIENT_NSID,
    HOST_NET,
    SERVER_NET,
    bridge_pair,
    container_pair,
    host_pair,
    link,
    none_pair,
    with_end,
    with_link,
    with_links,
    with_namespaces,
    without_link,
)

from netbench.drivers import DRIVERS, unknown
from netbench.record import Address, PairFacts, Route

PAIRS = {
    "none": none_pair,
    "host": host_pair,
    "bridge": bridge_pair,
    "bridge:user": bridge_pair,
    "container": container_pair,
}
GOLDEN = Path(__file__).parent.parent / "golden" / "facts"
OVER_LOOPBACK = [("client", "lo", "tx")]
ACROSS_A_BRIDGE = [
    ("client", "eth0", "tx"),
    ("host", "veth", "rx"),
    ("host", "bridge", "none"),
    ("host", "veth", "tx"),
    ("server", "eth0", "rx"),
]
PATHS: dict[str, list[tuple[str, str, str]]] = {
    "none": [],
    "host": OVER_LOOPBACK,
    "bridge": ACROSS_A_BRIDGE,
    "bridge:user": ACROSS_A_BRIDGE,
    "container": OVER_LOOPBACK,
}

Bend = Callable[[PairFacts], PairFacts]


def golden(engine: str, driver: str) -> PairFacts:
    text = (GOLDEN / engine / f"{driver.replace(':', '-')}.json").read_text(encoding="utf-8")
    return TypeAdapter(PairFacts).validate_python(json.loads(text)["netlink"])


def broken(driver: str, facts: PairFacts) -> list[str]:
    checks = [promise.judge(facts) for promise in DRIVERS[driver].promises]
    assert all(check.evidence for check in checks)
    return [check.promise for check in checks if not check.held]


def path(driver: str, facts: PairFacts) -> list[tuple[str, str, str]]:
    """Return the claimed path, with links of the host by their kind: engines name them."""
    hops = DRIVERS[driver].path(facts)
    return [
        (hop.role.value, hop.link.kind or "" if hop.role == "host" else hop.link.name, hop.counted)
        for hop in hops
    ]


def test_every_driver_has_a_pair_here() -> None:
    assert set(PAIRS) == set(PATHS) == set(DRIVERS)


@pytest.mark.parametrize("engine", ["netns", "docker"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_real_pair_keeps_the_promises_and_has_the_path(engine: str, driver: str) -> None:
    facts = golden(engine, driver)

    assert broken(driver, facts) == []
    assert path(driver, facts) == PATHS[driver]


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_pair_built_by_hand_is_like_the_real_one(driver: str) -> None:
    facts = PAIRS[driver]()

    assert broken(driver, facts) == []
    assert path(driver, facts) == PATHS[driver]


@pytest.mark.parametrize("engine", ["netns", "docker"])
@pytest.mark.parametrize(
    ("driver", "other"), list(permutations(["none", "host", "container", "bridge"], 2))
)
def test_no_pair_of_one_driver_passes_for_another(engine: str, driver: str, other: str) -> None:
    assert broken(driver, golden(engine, other))


OWN = "client, server and host have three network namespaces"
VETH = "eth0 is a veth whose peer is in the host's namespace, a port of one bridge"
SUBNET = "addresses lie in the network's IPAM subnet"
ROUTE = "the default route is the network's gateway"

BENT_BRIDGES: list[tuple[str, Bend, str]] = [
    ("the client is in the host's netns", lambda f: net(f, "client", HOST_NET), OWN),
    ("the server is in the host's netns", lambda f: net(f, "server", HOST_NET), OWN),
    ("the ends share a netns", lambda f: net(f, "client", SERVER_NET), OWN),
    ("the client's netns is unreadable", lambda f: net(f, "client", None), OWN),
    ("the host's netns is unreadable", lambda f: net(f, "host", None), OWN),
    ("no eth0", lambda f: without_link(f, "client", "eth0"), VETH),
    ("eth0 is no veth", lambda f: with_link(f, "server", "eth0", kind="macvlan"), VETH),
    ("eth0 has no peer", lambda f: with_link(f, "client", "eth0", peer=None), VETH),
    ("the peer is not in the host", lambda f: without_link(f, "host", "veths"), VETH),
    ("the peer does not name eth0", lambda f: with_link(f, "host", "vethc", peer=99), VETH),
    ("the peer's peer is no veth", lambda f: with_link(f, "host", "vethc", kind="tap"), VETH),
    ("the peer's peer is local", lambda f: with_link(f, "host", "vethc", peer_nsid=None), VETH),
    ("the peer is in another netns", lambda f: with_link(f, "host", "vethc", peer_nsid=7), VETH),
    ("the port has no master", lambda f: with_link(f, "host", "veths", master=None), VETH),
    ("the master is not there", lambda f: with_link(f, "host", "veths", master="gone"), VETH),
    ("the master is no bridge", lambda f: with_link(f, "host", "docker0", kind="bond"), VETH),
    (
        "the ends are on two bridges",
        lambda f: other_bridge(with_link(f, "host", "vethc", master="br9")),
        VETH,
    ),
    (
        "both are on another bridge than the engine says",
        lambda f: other_bridge(
            with_link(with_link(f, "host", "vethc", master="br9"), "host", "veths", master="br9")
        ),
        VETH,
    ),
    ("an address outside", lambda f: address(f, "server", "198.19.0.2"), SUBNET),
    ("a second address outside", lambda f: address(f, "client", "198.18.0.3", "10.0.0.1"), SUBNET),
    ("no address", lambda f: address(f, "client"), SUBNET),
    ("only an IPv6 address", lambda f: address(f, "client", "2001:2::1"), SUBNET),
    ("an unknown subnet", lambda f: replace(f, ipam=None), SUBNET),
    ("another gateway", lambda f: route(f, "client", "198.18.0.254"), ROUTE),
    ("two default routes", lambda f: route(f, "server", "198.18.0.1", "198.18.0.1"), ROUTE),
    ("no default route", lambda f: route(f, "server"), ROUTE),
    ("an unknown gateway", lambda f: replace(f, ipam=None), ROUTE),
]


def net(facts: PairFacts, role: str, inode: int | None) -> PairFacts:
    return with_namespaces(facts, role, net=inode)


def other_bridge(facts: PairFacts) -> PairFacts:
    return with_links(facts, "host", link("br9", 9, kind="bridge"))


def address(facts: PairFacts, role: str, *addresses: str) -> PairFacts:
    return with_end(facts, role, addresses=tuple(Address("eth0", a, 24) for a in addresses))


def route(facts: PairFacts, role: str, *gateways: str) -> PairFacts:
    return with_end(facts, role, routes=tuple(Route("default", g, "eth0") for g in gateways))


@pytest.mark.parametrize("driver", ["bridge", "bridge:user"])
@pytest.mark.parametrize(
    ("bend", "promise"), [x[1:] for x in BENT_BRIDGES], ids=[x[0] for x in BENT_BRIDGES]
)
def test_a_bridge_that_is_not_as_promised_is_found(driver: str, bend: Bend, promise: str) -> None:
    assert promise in broken(driver, bend(bridge_pair()))


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
    assert path("bridge", bend(bridge_pair())) == []


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
    assert path("bridge", facts) == ACROSS_A_BRIDGE


def test_a_bridge_whose_name_the_engine_does_not_tell_is_taken_as_found() -> None:
    facts = bridge_pair()
    assert facts.ipam

    assert broken("bridge", replace(facts, ipam=replace(facts.ipam, bridge=None))) == []


@pytest.mark.parametrize(
    ("bend", "promise"),
    [
        (lambda f: net(f, "client", HOST_NET), OWN),
        (lambda f: net(f, "server", HOST_NET), OWN),
        (lambda f: with_links(f, "client", link("eth0", 2)), "the only interface is lo"),
        (lambda f: with_links(f, "server", link("dummy0", 2)), "the only interface is lo"),
        (lambda f: with_end(f, "server", links=()), "the only interface is lo"),
        (lambda f: route(f, "client", "198.18.0.1"), "there is no route"),
        (
            lambda f: with_end(f, "server", routes=(Route("10.0.0.0/8", None, "lo"),)),
            "there is no route",
        ),
    ],
)
def test_an_isolation_that_leaks_is_found(bend: Bend, promise: str) -> None:
    assert broken("none", bend(none_pair())) == [promise]


@pytest.mark.parametrize(
    ("bend", "promise"),
    [
        (
            lambda f: net(f, "client", SERVER_NET),
            "both ends are in the engine host's network namespace",
        ),
        (
            lambda f: net(net(net(f, "client", None), "server", None), "host", None),
            "both ends are in the engine host's network namespace",
        ),
        (lambda f: with_links(f, "server", link("eth1", 3)), "the interfaces are the host's"),
        (lambda f: without_link(f, "client", "eth0"), "the interfaces are the host's"),
        (lambda f: with_link(f, "client", "eth0", index=7), "the interfaces are the host's"),
    ],
)
def test_a_host_pair_that_is_elsewhere_is_found(bend: Bend, promise: str) -> None:
    assert broken("host", bend(host_pair())) == [promise]


@pytest.mark.parametrize(
    ("bend", "promise"),
    [
        (
            lambda f: net(f, "client", 4026539999),
            "client and server share one network namespace, not the host's",
        ),
        (
            lambda f: net(net(f, "client", HOST_NET), "server", HOST_NET),
            "client and server share one network namespace, not the host's",
        ),
        (
            lambda f: net(net(f, "client", None), "server", None),
            "client and server share one network namespace, not the host's",
        ),
        *(
            (
                lambda f, kind=kind: with_namespaces(
                    f, "client", **{kind: f.server.namespaces.inode(kind)}
                ),
                "ipc, mnt, pid and uts namespaces are not shared in the pair",
            )
            for kind in ("ipc", "mnt", "pid", "uts")
        ),
        (
            lambda f: with_namespaces(f, "server", mnt=None),
            "ipc, mnt, pid and uts namespaces are not shared in the pair",
        ),
    ],
)
def test_a_container_pair_that_shares_wrongly_is_found(bend: Bend, promise: str) -> None:
    assert broken("container", bend(container_pair())) == [promise]


def test_a_namespace_without_loopback_has_no_path() -> None:
    assert path("host", without_link(host_pair(), "client", "lo")) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("brigde", "did you mean 'bridge'?"),
        ("macvlan", "Known: none, host, bridge, bridge:user, container"),
        ("hosts", "did you mean 'host'?"),
        ("bridge:usr", "driver 'bridge' has no mode 'usr'; its modes: user"),
        ("host:fast", "driver 'host' has no mode 'fast'; its modes: none"),
    ],
)
def test_an_unknown_driver_is_told_with_the_nearest(name: str, words: str) -> None:
    assert words in (unknown(name) or "")


@given(st.text())
def test_any_name_is_known_or_told_apart(name: str) -> None:
    assert (unknown(name) is None) == (name in DRIVERS)
