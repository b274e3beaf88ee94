import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import FactError
from netbench.facts.cpu_time import machine
from netbench.facts.procfs import (
    ESTABLISHED,
    LISTEN,
    Connection,
    SocketAddress,
    at_work,
    cpu_ticks,
    net_dev,
    net_ipv6_route,
    net_route,
    read_local,
    tcp_connections,
    tcp_ports,
)
from netbench.record import LinkCounters, Route
from netbench.system.files import LOCAL

THREAD_AT_WORK = """
import threading
one = threading.Thread(target=lambda: all(iter(int, 1) for _ in iter(int, 1)))
one.start()
print(flush=True)
one.join()
"""
NONE = "00000000000000000000000000000000"
ROUTES6 = f"""\
20010002000000040000000000000000 40 {NONE} 00 {NONE} 00000400 00000001 00000000 00000001     eth0
{NONE} 00 {NONE} 00 {NONE} ffffffff 00000001 00000000 00200200       lo
20010002000000000000000000000000 40 {NONE} 00 {NONE} 00000100 00000003 00000000 00000001     eth0
20010002000000050000000000000000 40 {NONE} 00 fe800000000000000000000000000001 00000400 00000001 \
00000000 00000003     eth0
20010002000000070000000000000001 80 {NONE} 00 {NONE} 00000400 00000003 00000000 00000001     eth0
20010002000000090000000000000000 40 {NONE} 00 {NONE} 00000400 00000003 00000000 00200200       lo
fe800000000000000000000000000000 40 {NONE} 00 {NONE} 00000100 00000001 00000000 00000001     eth0
{NONE} 00 {NONE} 00 20010002000000000000000000000001 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000001 80 {NONE} 00 {NONE} 00000000 00000003 00000000 80200001       lo
20010002000000000000000000000002 80 {NONE} 00 {NONE} 00000000 00000002 00000000 80200001     eth0
20010002000000000000000000000000 80 {NONE} 00 {NONE} 00000000 00000002 00000000 00100001     eth0
20010002000000000000000000000099 80 {NONE} 00 {NONE} 00000000 00000002 00000000 01000001     eth0
200100020000000b0000000000000000 40 {NONE} 00 {NONE} 00000400 00000003 00000000 00000000     eth0
ff000000000000000000000000000000 08 {NONE} 00 {NONE} 00000100 00000002 00000000 00000001     eth0
"""
"""/proc/net/ipv6_route as kernel 6.18 prints it, with a `blackhole` and an `unreachable`, an
anycast address, a cached route and one that is not up."""
GOLDEN = Path(__file__).parent.parent / "golden" / "procfs"


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.txt").read_text()


def test_counters_of_every_link() -> None:
    assert net_dev(golden("dev")) == {
        "lo": LinkCounters(1216006, 1216006, 106, 106, 0, 0),
        "peer0": LinkCounters(516, 516, 6, 6, 0, 0),
        "eth0": LinkCounters(516, 516, 6, 6, 0, 0),
    }


def test_a_fresh_namespace_has_loopback_alone_and_no_routes() -> None:
    assert net_dev(golden("dev-alone")) == {"lo": LinkCounters(0, 0, 0, 0, 0, 0)}
    assert net_route(golden("route-none")) == ()


def test_columns_are_those_of_the_header() -> None:
    text = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
eth0.7:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
"""
    assert net_dev(text) == {
        "eth0.7": LinkCounters(
            rx_bytes=1, tx_bytes=9, rx_packets=2, tx_packets=10, rx_dropped=4, tx_dropped=12
        )
    }


def test_routes_that_lead_somewhere() -> None:
    """The captured table holds a `blackhole` and an `unreachable` too: device `*`."""
    assert golden("route").count("*\t") == 2
    assert net_route(golden("route")) == (
        Route("default", "198.18.0.1", "eth0"),
        Route("10.1.0.0/16", "198.18.0.9", "eth0"),
        Route("192.0.2.7/32", None, "eth0"),
        Route("198.18.0.0/24", None, "eth0"),
    )


def test_ipv6_routes_without_what_every_link_has() -> None:
    assert net_ipv6_route(ROUTES6) == (
        Route("2001:2:0:4::/64", None, "eth0"),
        Route("2001:2::/64", None, "eth0"),
        Route("2001:2:0:5::/64", "fe80::1", "eth0"),
        Route("2001:2:0:7::1/128", None, "eth0"),
        Route("::/0", "2001:2::1", "eth0"),
    )


@pytest.mark.parametrize("text", [ROUTES6.replace("0", "x"), "g" * 32 + ROUTES6[32:]])
def test_an_ipv6_route_is_never_made_up(text: str) -> None:
    with pytest.raises(FactError, match="/proc"):
        net_ipv6_route(text)


def test_established_connections_of_a_port_with_both_ends() -> None:
    found = tcp_connections(golden("tcp6"), 21002)

    assert {one.local for one in found} == {SocketAddress("127.0.0.1", 21002)}
    assert tcp_connections(golden("tcp6"), 21001) == ()
    assert tcp_connections(golden("tcp"), 21001) == ()  # it listens
    text = golden("tcp").splitlines()[0] + (
        "\n   1: 0201A8C0:4E21 FE01A8C0:8062 01 00000000:00000000 00:00000000 00000000     0"
        "\n   2: 0000000000000000FFFF00000201A8C0:4E21 0000000000000000FFFF0000FE01A8C0:8064 01 0:0"
        "\n   3: 02000120000000000000000002000000:4E21 02000120000000000000000003000000:8066 01 0:0"
    )
    here = SocketAddress("192.168.1.2", 20001)
    twice = f"{text}\n{text.splitlines()[1]}"
    assert tcp_connections(twice, 20001) == (
        Connection(here, SocketAddress("192.168.1.254", 32866)),
        Connection(here, SocketAddress("192.168.1.254", 32868)),
        Connection(SocketAddress("2001:2::2", 20001), SocketAddress("2001:2::3", 32870)),
    )


def test_a_socket_address_reads_as_people_write_it() -> None:
    assert str(SocketAddress("192.0.2.1", 80)) == "192.0.2.1:80"
    assert str(SocketAddress("2001:2::1", 80)) == "[2001:2::1]:80"


def test_cpu_time_of_a_process_that_lives_and_of_one_that_does_not() -> None:
    assert cpu_ticks(os.getpid()) is not None
    assert cpu_ticks(2**22 + 1) is None


def test_ports_of_one_state_or_of_any() -> None:
    tcp, tcp6 = golden("tcp"), golden("tcp6")

    assert tcp_ports(tcp, LISTEN) == {21001}
    assert tcp_ports(tcp6, LISTEN) == {21002}
    assert tcp_ports(tcp6, ESTABLISHED) == {21002}
    assert tcp_ports(tcp) == {21001, 0xA036, 0xA03A, 0xA048}
    assert tcp_ports(tcp, "0B") == frozenset()


def connections(text: str) -> object:
    return tcp_connections(text, 0x1451)


PARSERS: list[Callable[[str], object]] = [
    net_dev,
    net_route,
    net_ipv6_route,
    tcp_ports,
    connections,
    machine,
]
LINES = st.lists(
    st.lists(
        st.sampled_from(
            ["eth0:", "*", "0A", "01", "x", "-1", "1", "F" * 32, "0100007F:1451", ":1451", ":", "²"]
        )
        | st.text(max_size=5),
        max_size=18,
    ).map(" ".join),
    max_size=6,
).map("\n".join)


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.text() | LINES)
def test_any_text_is_a_value_or_a_fact_error(parse: Callable[[str], object], text: str) -> None:
    with suppress(FactError):
        parse(text)


@pytest.mark.parametrize("parse", PARSERS)
@given(st.data())
def test_a_captured_file_cut_anywhere_is_a_value_or_a_fact_error(
    parse: Callable[[str], object], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["dev", "route", "tcp", "tcp6", "stat"]))
    text = golden(name)
    length = data.draw(st.integers(0, len(text)))
    with suppress(FactError):
        parse(text[:length])


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_local(str(tmp_path / "none")) is None
    assert read_local(str(tmp_path)) is None


def test_a_packed_file_is_unpacked_and_a_torn_one_is_none(tmp_path: Path) -> None:
    whole = gzip.compress(b"CONFIG_HZ=250\n")
    (tmp_path / "config.gz").write_bytes(whole)
    (tmp_path / "torn.gz").write_bytes(whole[:-12])
    (tmp_path / "other.gz").write_bytes(b"CONFIG_HZ=250\n")

    assert read_local(str(tmp_path / "config.gz")) == "CONFIG_HZ=250\n"
    assert read_local(str(tmp_path / "torn.gz")) is None
    assert read_local(str(tmp_path / "other.gz")) is None


def test_a_process_is_at_work_while_any_thread_of_it_runs_or_waits_for_a_cpu() -> None:
    busy = subprocess.Popen([sys.executable, "-c", THREAD_AT_WORK], stdout=subprocess.PIPE)
    assert busy.stdout is not None
    try:
        assert busy.stdout.readline()  # its second thread runs, the first one waits for it
        assert at_work([os.getppid(), busy.pid], LOCAL)
        busy.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, busy.pid, os.WSTOPPED | os.WNOWAIT)
        assert not at_work([busy.pid], LOCAL)
    finally:
        busy.kill()
        busy.communicate()
    assert not at_work([busy.pid], LOCAL)
    assert not at_work([], LOCAL)
