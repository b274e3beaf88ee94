"""Which way a published port was served, judged from sightings; tests/netns has real ones."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import FactError
from netbench.facts.procfs import Connection, SocketAddress
from netbench.record import Absent, FactValue
from netbench.watch.port_verdict import PortReading, Tracked, judge, parse_conntrack
from netbench.watch.ports import PortFacts, together

TARGET = SocketAddress("198.18.1.1", 30001)
SERVER = SocketAddress("198.18.0.2", 20001)
GATEWAY = SocketAddress("198.18.0.1", 51000)
CLIENT = SocketAddress("198.18.1.254", 40000)
NO_PROXY = "no proxy process serves the port"

NAT = PortReading(
    target=TARGET,
    at_server=(Connection(SERVER, CLIENT),),
    at_host=(),
    tracked=(Tracked(CLIENT, TARGET, SERVER, CLIENT),),
    proxy=NO_PROXY,
)
PROXY = PortReading(
    target=TARGET,
    at_server=(Connection(SERVER, GATEWAY),),
    at_host=(Connection(TARGET, CLIENT),),
    tracked=(Tracked(CLIENT, TARGET, TARGET, CLIENT),),
    proxy=0.31,
)
STRAIGHT = PortReading(
    target=TARGET,
    at_server=(Connection(TARGET, CLIENT),),
    at_host=(Connection(TARGET, CLIENT),),
    tracked=(Tracked(CLIENT, TARGET, TARGET, CLIENT),),
    proxy=NO_PROXY,
)


@pytest.mark.parametrize(("seen", "way"), [(NAT, "nat"), (PROXY, "proxy"), (STRAIGHT, "straight")])
def test_each_way_shows_in_what_is_seen_of_it(seen: PortReading, way: str) -> None:
    assert judge(seen)[0] == way


@pytest.mark.parametrize(("seen", "way"), [(NAT, "nat"), (PROXY, "proxy"), (STRAIGHT, "straight")])
def test_sockets_alone_suffice(seen: PortReading, way: str) -> None:
    alone = replace(seen, tracked="Permission denied", proxy="not visible")
    found, evidence = judge(alone)

    assert found == way
    assert "conntrack was not read: Permission denied" in evidence
    assert evidence.endswith("not visible")


def test_the_evidence_quotes_who_spoke_to_whom() -> None:
    assert judge(NAT)[1] == (
        "the server has 198.18.0.2:20001 from 198.18.1.254:40000, the host no socket of "
        "198.18.1.1:30001; conntrack has 198.18.1.254:40000 to 198.18.1.1:30001, answered by "
        "198.18.0.2:20001; no proxy process serves the port"
    )
    assert judge(PROXY)[1] == (
        "the server has 198.18.0.2:20001 from 198.18.0.1:51000, the host itself "
        "198.18.1.1:30001 from 198.18.1.254:40000; conntrack has 198.18.1.254:40000 to "
        "198.18.1.1:30001, answered by 198.18.1.1:30001; the proxy process used 0.31 s of CPU time"
    )


def test_a_connection_from_within_the_servers_own_namespace_is_a_proxys() -> None:
    inside = Connection(SERVER, replace(SERVER, port=43472))
    way, evidence = judge(replace(NAT, at_server=(inside,), tracked=()))

    assert way == "proxy"
    assert evidence.startswith(
        "the server has 198.18.0.2:20001 from 198.18.0.2:43472, made by a process in its own "
        "namespace; "
    )


def test_an_idle_proxy_says_nothing() -> None:
    assert judge(replace(NAT, proxy=0.01))[0] == "nat"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (replace(NAT, proxy=0.4), "nat by sockets, nat by conntrack, proxy by CPU time"),
        (replace(NAT, tracked=PROXY.tracked), "nat by sockets, proxy by conntrack"),
        (replace(PROXY, tracked=NAT.tracked), "proxy by sockets, nat by conntrack"),
        (
            replace(NAT, tracked=(*NAT.tracked, *PROXY.tracked)),
            "nat by sockets, nat and proxy by conntrack",
        ),
    ],
)
def test_what_contradicts_itself_is_no_way(seen: PortReading, said: str) -> None:
    way, _ = judge(seen)

    assert isinstance(way, Absent)
    assert said in way.reason


@pytest.mark.parametrize("at_server", [(), "the server (process 7) is gone"])
def test_without_a_connection_there_is_no_way(at_server: tuple[Connection, ...] | str) -> None:
    seen = replace(NAT, at_server=at_server, tracked=())

    assert judge(seen)[0] == Absent("nothing shows which way the port was served")


def test_the_host_s_sockets_are_not_guessed() -> None:
    seen = replace(NAT, at_host="gone", tracked="closed")

    assert isinstance(judge(seen)[0], Absent)
    assert judge(replace(NAT, at_host="gone"))[0] == "nat"  # conntrack is enough


def test_of_many_connections_a_few_are_quoted() -> None:
    many = tuple(Connection(SERVER, replace(CLIENT, port=port)) for port in range(9))

    assert judge(replace(NAT, at_server=many))[1].count("198.18.0.2:20001 from") == 4
    assert "and 5 more" in judge(replace(NAT, at_server=many))[1]


TABLE = """\
ipv4     2 tcp      6 431999 ESTABLISHED src=198.18.1.254 dst=198.18.1.1 sport=40000 dport=30001 \
src=198.18.0.2 dst=198.18.1.254 sport=20001 dport=40000 [ASSURED] mark=0 zone=0 use=2
ipv4     2 tcp      6 98 TIME_WAIT src=198.18.0.3 dst=198.18.1.1 sport=40002 dport=30001 \
packets=6 bytes=320 src=198.18.0.2 dst=198.18.0.1 sport=20001 dport=40002 packets=4 bytes=216 \
[ASSURED] mark=0 use=1
ipv4     2 udp      17 29 src=198.18.1.254 dst=198.18.1.1 sport=40000 dport=30001 [UNREPLIED] \
src=198.18.0.2 dst=198.18.1.254 sport=20001 dport=40000 mark=0 use=2
ipv4     2 icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.1 \
type=0 code=0 id=7 mark=0 use=1
ipv6     10 tcp      6 431999 ESTABLISHED src=2001:0002:0000:0001:0000:0000:0000:00fe \
dst=2001:0002:0000:0001:0000:0000:0000:0001 sport=40004 dport=30001 \
src=2001:0002:0000:0000:0000:0000:0000:0002 dst=2001:0002:0000:0001:0000:0000:0000:00fe \
sport=20001 dport=40004 [ASSURED] mark=0 zone=0 use=2
"""


def test_conntrack_as_text() -> None:
    assert parse_conntrack(TABLE) == (
        Tracked(CLIENT, TARGET, SERVER, CLIENT),
        Tracked(
            SocketAddress("198.18.0.3", 40002), TARGET, SERVER, SocketAddress("198.18.0.1", 40002)
        ),
        Tracked(
            SocketAddress("2001:2:0:1::fe", 40004),
            SocketAddress("2001:2:0:1::1", 30001),
            SocketAddress("2001:2::2", 20001),
            SocketAddress("2001:2:0:1::fe", 40004),
        ),
    )


@given(st.integers(0, len(TABLE)), st.integers(0, len(TABLE)))
def test_any_part_of_the_table_is_entries_or_an_error(start: int, end: int) -> None:
    with suppress(FactError):
        for entry in parse_conntrack(TABLE[start:end]):
            assert entry.target.port


def test_the_ports_of_several_clients_have_to_agree() -> None:
    def facts(via: FactValue, cpu: FactValue) -> PortFacts:
        names = ("trial.published_via", "trial.published_evidence", "trial.proxy_cpu")
        return tuple(zip(names, (via, f"seen {via}", cpu), strict=True))

    gone = Absent("no proxy process serves the port")
    proxied = dict(together([facts("proxy", 0.25), facts("proxy", 0.5), facts("proxy", gone)]))
    apart = dict(together([facts("proxy", 0.25), facts("nat", gone)]))

    assert proxied["trial.published_via"] == "proxy"
    assert proxied["trial.proxy_cpu"] == 0.75
    assert apart["trial.published_via"] == Absent("clients differ: proxy; nat")
    assert together([facts("nat", gone)]) == facts("nat", gone)
    assert together([]) == ()
