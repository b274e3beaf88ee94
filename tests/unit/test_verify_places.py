"""Who is called by which address in the reach matrix of each kind of driver."""

from dataclasses import replace

import pytest
from support.facts import GATEWAY, bridge_pair, container_pair, host_pair, none_pair

from netbench.drivers import DRIVERS, Driver, ReachPlace
from netbench.engines.base import Endpoint, Lan, Published
from netbench.facts.pair import NamespaceSet, Pair
from netbench.record import Address, Ipam, PairFacts
from netbench.spec import Arm, Port, Role
from netbench.topology.pairs import LivePair
from netbench.verify.clients import whose
from netbench.verify.places import (
    FAMILIES,
    PROTOCOLS,
    SOURCES,
    TARGETS,
    ConnectAttempt,
    ReachScene,
    choose_ports,
)
from netbench.verify.servers import Socket, listeners, sockets, tentative

HOST_ON_LAN, LAN = "198.18.9.1", "198.18.9.254"
OTHER = "198.18.7.2"


def nobody(argv: tuple[str, ...]) -> str:
    raise AssertionError(f"nothing runs here: {argv}")


def endpoint(role: Role, address: str | None, address6: str | None = None) -> Endpoint:
    return Endpoint(role.value, role.value, role, 1, address, None, address6=address6)


def live(driver: Driver, facts: PairFacts, client: Endpoint, server: Endpoint) -> LivePair:
    """A pair of which nobody will run anything, on a LAN that the host has .1 on."""
    subject = NamespaceSet(Role.HOST, 1, (), nobody)
    outside = endpoint(Role.LAN, LAN, "2001:2:9::fe")
    lan = Lan(outside, "nblan0", HOST_ON_LAN, "2001:2:9::1")
    lan_end = replace(
        facts.host, role=Role.LAN, addresses=(Address("lan0", LAN, 24), Address("lan1", "x", 24))
    )
    host = replace(facts.host, addresses=(Address("docker0", GATEWAY, 24),))
    return LivePair(
        arm=Arm(driver.name),
        driver=driver,
        client=client,
        server=server,
        network=None,
        lan=lan,
        pair=Pair(subject, subject, subject, None, facts.ipam),
        facts=replace(facts, host=host, lan=lan_end),
    )


def scene(pair: LivePair, *, other: bool = True) -> ReachScene:
    return ReachScene(
        live=pair,
        host=endpoint(Role.HOST, None),
        other=endpoint(Role.CLIENT, OTHER) if other else None,
        ports=choose_ports(pair, frozenset()),
        missing={} if other else {ReachPlace.OTHER: "it has none"},
    )


def bridge() -> ReachScene:
    published = (Published(Port(20001, ("tcp", "udp")), 30001),)
    server = replace(endpoint(Role.SERVER, "198.18.0.2"), published=published)
    client = endpoint(Role.CLIENT, "198.18.0.3")
    return scene(live(DRIVERS["bridge"], bridge_pair(), client, server))


def goal(
    of: ReachScene, source: ReachPlace, target: ReachPlace, family: int = 4
) -> ConnectAttempt | str:
    goals = of.goals(source, target)
    assert goals is not None
    return next(one for (protocol, f), one in goals.items() if (protocol, f) == ("tcp", family))


def test_every_place_but_oneself_is_called_in_both_protocols_and_families() -> None:
    own = {
        (ReachPlace.OTHER, ReachPlace.OTHER),
        (ReachPlace.HOST, ReachPlace.HOST),
        (ReachPlace.LAN, ReachPlace.LAN),
    }
    for source in SOURCES:
        for target in TARGETS:
            goals = bridge().goals(source, target)
            if (source, target) in own:
                assert goals is None
            else:
                assert goals is not None
                assert set(goals) == {(p, f) for p in PROTOCOLS for f in FAMILIES}


def test_containers_of_a_bridge_call_each_other_and_the_host_as_gateway() -> None:
    of = bridge()
    ports = of.ports

    assert goal(of, ReachPlace.CONTAINER, ReachPlace.PAIR) == ConnectAttempt(
        "tcp", 4, "198.18.0.2", ports[ReachPlace.PAIR]
    )
    beside = ConnectAttempt("tcp", 4, "198.18.0.3", ports[ReachPlace.CONTAINER])
    assert goal(of, ReachPlace.PAIR, ReachPlace.PAIR) == beside
    assert goal(of, ReachPlace.LAN, ReachPlace.PAIR) == goal(
        of, ReachPlace.CONTAINER, ReachPlace.PAIR
    )
    assert goal(of, ReachPlace.PAIR, ReachPlace.OTHER) == ConnectAttempt(
        "tcp", 4, OTHER, ports[ReachPlace.OTHER]
    )
    assert goal(of, ReachPlace.PAIR, ReachPlace.HOST) == ConnectAttempt(
        "tcp", 4, HOST_ON_LAN, ports[ReachPlace.HOST]
    )
    assert goal(of, ReachPlace.PAIR, ReachPlace.GATEWAY) == ConnectAttempt(
        "tcp", 4, GATEWAY, ports[ReachPlace.HOST]
    )
    assert goal(of, ReachPlace.PAIR, ReachPlace.LAN) == ConnectAttempt(
        "tcp", 4, LAN, ports[ReachPlace.LAN]
    )


def test_a_published_port_is_called_at_the_hosts_address_by_its_protocol() -> None:
    goals = bridge().goals(ReachPlace.LAN, ReachPlace.PUBLISHED)

    assert goals is not None
    assert goals["tcp", 4] == ConnectAttempt("tcp", 4, HOST_ON_LAN, 30001)
    assert goals["udp", 4] == ConnectAttempt("udp", 4, HOST_ON_LAN, 30001)
    assert goals["tcp", 6] == "the pair has no IPv6 address"


def test_a_family_without_an_address_is_a_reason_and_no_connect() -> None:
    assert (
        goal(bridge(), ReachPlace.CONTAINER, ReachPlace.PAIR, 6) == "the pair has no IPv6 address"
    )
    assert (
        goal(bridge(), ReachPlace.CONTAINER, ReachPlace.GATEWAY, 6)
        == "the network has no IPv6 gateway"
    )


def test_who_is_not_there_neither_calls_nor_is_called() -> None:
    alone = scene(bridge().live, other=False)

    assert goal(alone, ReachPlace.OTHER, ReachPlace.PAIR) == "it has none"
    assert goal(alone, ReachPlace.CONTAINER, ReachPlace.OTHER) == "it has none"
    assert alone.endpoint(ReachPlace.OTHER) is None


def test_where_nothing_has_an_address_its_loopback_is_called() -> None:
    ends = (endpoint(Role.CLIENT, None), endpoint(Role.SERVER, None))
    of = scene(live(DRIVERS["none"], none_pair(), *ends), other=False)

    called = goal(of, ReachPlace.CONTAINER, ReachPlace.PAIR)
    assert isinstance(called, ConnectAttempt)
    assert called.address == "127.0.0.1"
    assert "no address" in called.note
    assert goal(of, ReachPlace.CONTAINER, ReachPlace.HOST) == ConnectAttempt(
        "tcp", 4, HOST_ON_LAN, of.ports[ReachPlace.HOST]
    )
    assert isinstance(goal(of, ReachPlace.LAN, ReachPlace.PUBLISHED), str)


def test_in_the_hosts_namespace_everybody_has_the_hosts_address_and_a_port_of_its_own() -> None:
    ends = (endpoint(Role.CLIENT, None), endpoint(Role.SERVER, None))
    of = scene(live(DRIVERS["host"], host_pair(), *ends), other=False)

    called = [goal(of, ReachPlace.LAN, ReachPlace.PAIR), goal(of, ReachPlace.PAIR, ReachPlace.PAIR)]
    called.append(goal(of, ReachPlace.LAN, ReachPlace.HOST))
    attempts = [one for one in called if isinstance(one, ConnectAttempt)]
    assert [one.address for one in attempts] == [HOST_ON_LAN] * 3
    assert len({one.port for one in attempts}) == 3


def test_who_shares_the_pairs_namespace_is_called_by_its_address() -> None:
    client, server = endpoint(Role.CLIENT, None), endpoint(Role.SERVER, "198.18.0.2")
    of = scene(live(DRIVERS["container"], container_pair(), client, server))

    called = goal(of, ReachPlace.PAIR, ReachPlace.PAIR)
    assert called == ConnectAttempt("tcp", 4, "198.18.0.2", of.ports[ReachPlace.CONTAINER])
    assert of.ports[ReachPlace.CONTAINER] != of.ports[ReachPlace.PAIR]


def test_the_gateway_of_a_network_on_the_lan_is_the_outside_client() -> None:
    facts = replace(bridge_pair(), ipam=Ipam("lan", "198.18.9.0/24", LAN, None, parent="nblan1"))
    ends = (endpoint(Role.CLIENT, "198.18.9.2"), endpoint(Role.SERVER, "198.18.9.3"))
    of = scene(live(DRIVERS["macvlan:bridge"], facts, *ends))

    called = ConnectAttempt("tcp", 4, LAN, of.ports[ReachPlace.LAN])
    assert goal(of, ReachPlace.CONTAINER, ReachPlace.GATEWAY) == called
    assert goal(of, ReachPlace.LAN, ReachPlace.PUBLISHED) == (
        "publishes no port: it has addresses of its own on the LAN"
    )


def test_a_gateway_of_somebody_elses_is_not_called() -> None:
    facts = replace(bridge_pair(), ipam=Ipam("net", "198.18.0.0/24", "198.18.0.77", None))
    ends = (endpoint(Role.CLIENT, "198.18.0.2"), endpoint(Role.SERVER, "198.18.0.3"))
    of = scene(live(DRIVERS["overlay"], facts, *ends))

    called = goal(of, ReachPlace.CONTAINER, ReachPlace.GATEWAY)
    assert isinstance(called, str)
    assert "198.18.0.77 is no address of the host's" in called


def test_ports_that_the_host_uses_are_left_alone() -> None:
    used = frozenset(range(20101, 20105))

    ports = choose_ports(bridge().live, used)

    assert ports[ReachPlace.PUBLISHED] == 20001
    assert not used & set(ports.values())
    assert len(set(ports.values())) == len(ports) == len(SOURCES) + 1


def test_servers_in_the_host_listen_on_the_addresses_that_are_called_and_no_other() -> None:
    of = bridge()
    port = of.ports[ReachPlace.HOST]

    found = sockets(of, ReachPlace.HOST)

    assert {(one.protocol, one.bind) for one in found} == {
        *(("tcp", HOST_ON_LAN), ("tcp", GATEWAY), ("tcp", "2001:2:9::1")),
        *(("udp", HOST_ON_LAN), ("udp", GATEWAY), ("udp", "2001:2:9::1")),
    }
    assert {one.port for one in found} == {port}


def test_a_container_listens_on_all_of_its_own_addresses_and_on_what_it_publishes() -> None:
    of = bridge()
    own = of.ports[ReachPlace.PAIR]

    assert sockets(of, ReachPlace.PAIR) == (
        *(Socket("tcp", own, None), Socket("udp", own, None)),
        *(Socket("tcp", 20001, None), Socket("udp", 20001, None)),
    )


ARGV = [
    (Socket("tcp", 9, None), "TCP4-LISTEN:9,fork,reuseaddr"),
    (Socket("tcp", 9, None, dual=True), "TCP6-LISTEN:9,fork,reuseaddr,ipv6-v6only=0"),
    (Socket("udp", 9, "198.18.0.1"), "UDP4-RECVFROM:9,fork,bind=198.18.0.1"),
    (Socket("udp", 9, "2001:2::1"), "UDP6-RECVFROM:9,fork,bind=[2001:2::1]"),
]


@pytest.mark.parametrize(("socket", "address"), ARGV, ids=[text for _, text in ARGV])
def test_an_echo_servers_command(socket: Socket, address: str) -> None:
    *start, answer = socket.argv

    assert start == ["socat", "-t40", "-T40", address]
    assert answer.startswith("EXEC:sh -c ")
    assert "$SOCAT_PEERADDR" in answer


@pytest.mark.parametrize(
    ("source", "seen", "expected"),
    [
        (ReachPlace.CONTAINER, "198.18.0.3", "own"),
        (ReachPlace.CONTAINER, GATEWAY, "host"),
        (ReachPlace.CONTAINER, "198.18.0.2", "other"),
        (ReachPlace.OTHER, OTHER, "own"),
        (ReachPlace.OTHER, GATEWAY, "host"),
        (ReachPlace.HOST, GATEWAY, "own"),
        (ReachPlace.HOST, "203.0.113.1", "other"),
    ],
)
def test_whose_address_a_server_saw(source: ReachPlace, seen: str, expected: str) -> None:
    assert whose(bridge(), source, seen) == expected


def test_addresses_whose_check_for_duplicates_still_runs_are_found() -> None:
    text = (
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "20010002000000000000000000000001 03 40 00 82       a0\n"
        "20010002000000000000000000000002 03 40 00 c0       a0\n"
    )

    assert tentative(text, ["198.18.0.1", "2001:2::1", "2001:2::2"]) == ["2001:2::2"]


SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 010012C6:4E85 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 71 1
   1: 010112C6:4E85 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 72 1
   2: 010112C6:4E85 FE0112C6:9000 01 00000000:00000000 00:00000000 00000000 65534        0 73 1
   3: 010112C6:4E86 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 74 1
"""


def test_each_address_that_is_listened_on_counts() -> None:
    assert listeners(SOCKETS, 20101, tcp=True) == 2
    assert listeners(SOCKETS, 20101, tcp=False) == 3
    assert listeners(SOCKETS, 20103, tcp=True) == 0
    assert listeners("", 20101, tcp=True) == 0
