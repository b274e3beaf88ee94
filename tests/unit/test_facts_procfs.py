from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import FactError
from netbench.facts.procfs import (
    ESTABLISHED,
    LISTEN,
    CpuTimes,
    net_dev,
    net_route,
    read_local,
    tcp_ports,
)
from netbench.record import Counters, Route

GOLDEN = Path(__file__).parent.parent / "golden" / "procfs"


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.txt").read_text()


def test_counters_of_every_link() -> None:
    assert net_dev(golden("dev")) == {
        "lo": Counters(1216006, 1216006, 106, 106, 0, 0),
        "peer0": Counters(516, 516, 6, 6, 0, 0),
        "eth0": Counters(516, 516, 6, 6, 0, 0),
    }


def test_a_fresh_namespace_has_loopback_alone_and_no_routes() -> None:
    assert net_dev(golden("dev-alone")) == {"lo": Counters(0, 0, 0, 0, 0, 0)}
    assert net_route(golden("route-none")) == ()


def test_columns_are_those_of_the_header() -> None:
    text = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
eth0.7:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
"""
    assert net_dev(text) == {
        "eth0.7": Counters(
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


def test_ports_of_one_state_or_of_any() -> None:
    tcp, tcp6 = golden("tcp"), golden("tcp6")

    assert tcp_ports(tcp, LISTEN) == {21001}
    assert tcp_ports(tcp6, LISTEN) == {21002}
    assert tcp_ports(tcp6, ESTABLISHED) == {21002}
    assert tcp_ports(tcp) == {21001, 0xA036, 0xA03A, 0xA048}
    assert tcp_ports(tcp, "0B") == frozenset()


def test_times_of_all_cpus_and_shares_between_two_readings() -> None:
    text = golden("stat")
    fields = [int(word) for word in text.splitlines()[0].split()[1:]]
    earlier = CpuTimes.parse(text)
    later = CpuTimes.parse("cpu  " + " ".join(str(n) for n in later_fields(fields)))

    assert earlier.total == sum(fields[:8])
    assert later.since(earlier) == (pytest.approx(0.75), pytest.approx(0.05))
    assert earlier.since(earlier) is None
    assert earlier.since(later) is None


def later_fields(fields: list[int]) -> list[int]:
    """100 ticks later: 60 user, 10 system, 20 idle, 5 waiting for I/O, 5 stolen."""
    more = [60, 0, 10, 20, 5, 0, 0, 5, 60, 0]
    return [old + new for old, new in zip(fields, more, strict=True)]


PARSERS: list[Callable[[str], object]] = [net_dev, net_route, tcp_ports, CpuTimes.parse]
LINES = st.lists(
    st.lists(
        st.sampled_from(
            ["eth0:", "*", "0A", "x", "-1", "1", "FFFFFFFFFF", "0100007F:1451", ":", "²"]
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


@pytest.mark.parametrize("text", ["", "cpu", "cpu 1 2 3", "cpu a b c d e f g h", "intr 1"])
def test_times_are_never_made_up(text: str) -> None:
    with pytest.raises(FactError, match="/proc"):
        CpuTimes.parse(text)


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_local(str(tmp_path / "none")) is None
    assert read_local(str(tmp_path)) is None
