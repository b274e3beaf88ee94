"""The largest packet that passes a path, by trying; and an MTU that nothing below carries."""

from dataclasses import replace

import pytest
from support.facts import bridge_pair, host_pair, link

from netbench.cli.commands.verify import mtu_line
from netbench.drivers import DRIVERS
from netbench.record import PairFacts, Route
from netbench.spec import Path
from netbench.verify.path_mtu import LARGEST, Passed, PathMtu, largest, mtu_excess


@pytest.mark.parametrize("real", [576, 577, 1280, 1400, 1499])
@pytest.mark.parametrize("otherwise", ["lost", "refused"])
def test_the_largest_packet_is_found_to_the_byte(real: int, otherwise: Passed) -> None:
    tried: list[int] = []

    def passes(size: int) -> Passed:
        tried.append(size)
        return "yes" if size <= real else otherwise

    found, evidence = largest(1500, passes)

    assert found == real
    assert len(tried) < 16
    assert ("vanished" in evidence) == (otherwise == "lost")
    assert PathMtu(Path.EAST_WEST, 1500, found, evidence).short


def test_one_packet_is_enough_where_the_links_own_size_arrives() -> None:
    tried: list[int] = []

    def passes(size: int) -> Passed:
        tried.append(size)
        return "yes"

    assert largest(1500, passes)[0] == 1500
    assert largest(65_536, passes)[0] == LARGEST
    assert tried == [1500, LARGEST]
    assert not PathMtu(Path.EAST_WEST, 65_536, LARGEST, "").short


def test_where_nothing_arrives_there_is_no_size() -> None:
    found, evidence = largest(1500, lambda _: "lost")
    row = PathMtu(Path.NORTH_SOUTH, 1500, found, evidence)

    assert found is None
    assert row.short
    assert (
        mtu_line(row)
        == "SHORT path MTU north-south: unknown of the link's 1500: not even 576 bytes arrived"
    )


def leaving(pair: PairFacts, mtu: int) -> PairFacts:
    """Return facts of a host whose default route is by a link of this MTU."""
    host = pair.host
    uplink = link("eno1", 77, mtu=mtu)
    routes = (Route("default", "192.0.2.1", "eno1"),)
    return replace(pair, host=replace(host, links=(*host.links, uplink), routes=routes))


def test_a_network_whose_mtu_is_above_the_hosts_uplink_is_told() -> None:
    said = mtu_excess(DRIVERS["bridge"], leaving(bridge_pair(), 1400)) or ""

    assert "eth0 has an MTU of 1500" in said
    assert "eno1 of the host" in said
    assert "mtu=1400" in said
    assert mtu_excess(DRIVERS["bridge"], leaving(bridge_pair(), 1500)) is None


def test_an_overlay_needs_room_for_its_headers() -> None:
    assert mtu_excess(DRIVERS["overlay"], leaving(bridge_pair(), 1550)) is None
    assert "carries 1499" in (mtu_excess(DRIVERS["overlay"], leaving(bridge_pair(), 1549)) or "")


def test_the_hosts_own_links_are_no_network_of_a_container() -> None:
    assert mtu_excess(DRIVERS["host"], leaving(host_pair(), 1000)) is None
