from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.drivers import DRIVERS, Closed
from netbench.engines.base import Endpoint, Lan, OwnMachine, Published
from netbench.errors import EngineError
from netbench.plan.drivers import driver_named
from netbench.spec import Arm, Attach, Path, Port, Recipe, Role
from netbench.topology.pairs import stems, target_of
from netbench.topology.paths import Call, call_of, own_address, ports_for

OPENED = (Published(Port(20001), 30001), Published(Port(20002), 30002))
CLIENT = Endpoint("c", "c", Role.CLIENT, 10, "198.18.0.3", None, address6="2001:2::3")
SERVER = Endpoint(
    "s", "s", Role.SERVER, 20, "198.18.0.2", None, address6="2001:2::2", published=OPENED
)
OUTSIDE = Endpoint("lan", "lan", Role.LAN, 30, "198.18.9.254", None, address6="2001:2:0:9::fe")
LAN = Lan(OUTSIDE, "nblan0", "198.18.9.1", "2001:2:0:9::1")
EW, NS, HP = Path.EAST_WEST, Path.NORTH_SOUTH, Path.HAIRPIN


@pytest.mark.parametrize(
    ("driver", "path", "call"),
    [
        ("host", EW, Call(CLIENT, SERVER, "127.0.0.1", "127.0.0.1", None)),
        ("host", NS, Call(OUTSIDE, SERVER, "198.18.9.1", "198.18.9.1", None)),
        ("bridge", EW, Call(CLIENT, SERVER, "198.18.0.2", "198.18.0.2", None)),
        ("bridge", NS, Call(OUTSIDE, SERVER, "0.0.0.0", "198.18.9.1", OPENED)),  # noqa: S104
        ("bridge:user", HP, Call(CLIENT, SERVER, "0.0.0.0", "198.18.9.1", OPENED)),  # noqa: S104
        ("container", EW, Call(CLIENT, SERVER, "127.0.0.1", "127.0.0.1", None)),
        ("container", NS, Call(OUTSIDE, SERVER, "0.0.0.0", "198.18.9.1", OPENED)),  # noqa: S104
        ("macvlan:passthru", NS, Call(OUTSIDE, SERVER, "198.18.0.2", "198.18.0.2", None)),
        ("ipvlan:l3", EW, Call(CLIENT, SERVER, "198.18.0.2", "198.18.0.2", None)),
        ("overlay", NS, Call(OUTSIDE, SERVER, "0.0.0.0", "198.18.9.1", OPENED)),  # noqa: S104
        ("host@family=6", EW, Call(CLIENT, SERVER, "::1", "::1", None)),
        ("host@family=6", NS, Call(OUTSIDE, SERVER, "2001:2:0:9::1", "2001:2:0:9::1", None)),
        ("container@family=6", EW, Call(CLIENT, SERVER, "::1", "::1", None)),
        ("bridge:user@family=6", EW, Call(CLIENT, SERVER, "2001:2::2", "2001:2::2", None)),
        ("bridge:user@family=6", HP, Call(CLIENT, SERVER, "::", "2001:2:0:9::1", OPENED)),
        ("ipvlan:l2@family=6", NS, Call(OUTSIDE, SERVER, "2001:2::2", "2001:2::2", None)),
    ],
)
def test_who_connects_to_what(driver: str, path: Path, call: Call) -> None:
    assert call_of(driver_named(driver), path, CLIENT, SERVER, LAN) == call


THERE = replace(SERVER, outside="192.0.2.2", uplink="eth0")


@pytest.mark.parametrize(
    ("driver", "call"),
    [
        ("host", Call(CLIENT, THERE, "192.0.2.2", "192.0.2.2", None)),
        ("bridge", Call(CLIENT, THERE, "0.0.0.0", "192.0.2.2", OPENED)),  # noqa: S104
        ("bridge:user@published=nat", Call(CLIENT, THERE, "0.0.0.0", "192.0.2.2", OPENED)),  # noqa: S104
        ("macvlan:bridge", Call(CLIENT, THERE, "198.18.0.2", "198.18.0.2", None)),
        ("ipvlan:l2", Call(CLIENT, THERE, "198.18.0.2", "198.18.0.2", None)),
        ("overlay", Call(CLIENT, THERE, "198.18.0.2", "198.18.0.2", None)),
    ],
)
def test_who_connects_to_what_on_another_machine(driver: str, call: Call) -> None:
    assert call_of(driver_named(driver), Path.ACROSS, CLIENT, THERE, None) == call


MACHINE = Endpoint("machine", "this machine", Role.MACHINE, 40, "198.51.100.1", None)
APART = OwnMachine(MACHINE, "127.0.0.1")


@pytest.mark.parametrize(
    ("driver", "path", "call"),
    [
        ("bridge", Path.OUTSIDE, Call(MACHINE, SERVER, "0.0.0.0", "127.0.0.1", OPENED)),  # noqa: S104
        ("host", Path.OUTSIDE, Call(MACHINE, SERVER, "127.0.0.1", "127.0.0.1", None)),
        ("bridge", Path.TO_OUTSIDE, Call(CLIENT, MACHINE, "198.51.100.1", "198.51.100.1", None)),
        ("host", Path.TO_OUTSIDE, Call(CLIENT, MACHINE, "198.51.100.1", "198.51.100.1", None)),
    ],
)
def test_who_connects_to_what_from_and_to_the_machine(driver: str, path: Path, call: Call) -> None:
    assert call_of(driver_named(driver), path, CLIENT, SERVER, LAN, machine=APART) == call


@pytest.mark.parametrize("path", [Path.OUTSIDE, Path.TO_OUTSIDE])
def test_without_the_machine_there_is_no_way_from_or_to_it(path: Path) -> None:
    with pytest.raises(EngineError, match=f"^bridge: there is no machine for the path {path}"):
        call_of(DRIVERS["bridge"], path, CLIENT, SERVER, LAN)


@pytest.mark.parametrize("driver", ["host", "bridge"])
def test_a_machine_whose_address_is_unknown_is_not_called(driver: str) -> None:
    with pytest.raises(EngineError, match="no IPv4 address to connect to"):
        call_of(driver_named(driver), Path.ACROSS, CLIENT, SERVER, None)


@pytest.mark.parametrize(
    ("driver", "path"),
    [
        (driver.name, path)
        for driver in DRIVERS.values()
        for path, way in driver.ways.items()
        if isinstance(way, Closed)
    ],
)
def test_there_is_nobody_to_call_on_a_closed_path(driver: str, path: Path) -> None:
    with pytest.raises(EngineError, match=f"^{driver} has no path {path}: "):
        call_of(DRIVERS[driver], path, CLIENT, SERVER, LAN)


@pytest.mark.parametrize(
    ("driver", "path"),
    [("host", NS), ("bridge", NS), ("bridge", HP), ("macvlan:bridge", NS), ("overlay", NS)],
)
def test_without_a_lan_there_is_no_way_from_it_nor_to_the_hosts_address(
    driver: str, path: Path
) -> None:
    with pytest.raises(EngineError, match=f"^{driver}: there is no emulated LAN for the path"):
        call_of(DRIVERS[driver], path, CLIENT, SERVER, None)


@pytest.mark.parametrize(
    ("driver", "path", "lan"),
    [
        ("bridge:user@family=6", EW, LAN),
        ("macvlan:bridge@family=6", NS, LAN),
        ("bridge:user@family=6", NS, replace(LAN, host6=None)),
        ("host@family=6", NS, replace(LAN, host6=None)),
    ],
)
def test_an_address_of_the_family_must_be_there(driver: str, path: Path, lan: Lan) -> None:
    server = replace(SERVER, address6=None)
    with pytest.raises(EngineError, match=f"^{driver}: there is no IPv6 address to connect to"):
        call_of(driver_named(driver), path, CLIENT, server, lan)


def test_an_address_is_never_taken_of_the_other_family() -> None:
    assert own_address(SERVER, 4) == "198.18.0.2"
    assert own_address(SERVER, 6) == "2001:2::2"
    assert own_address(replace(SERVER, address=None), 4) is None
    assert own_address(replace(SERVER, address6=None), 6) is None


@pytest.mark.parametrize(
    ("driver", "paths", "count"),
    [
        ("bridge", (EW,), 0),
        ("bridge", (EW, NS), 3),
        ("bridge", (HP,), 3),
        ("overlay", (NS,), 3),
        ("overlay", (HP,), 0),
        ("host", (EW, NS, HP), 0),
        ("macvlan:bridge", (EW, NS, HP), 0),
        ("none", (EW, NS, HP), 0),
        ("bridge:user@internal=true", (EW, NS, HP), 0),
    ],
)
def test_ports_are_published_only_for_paths_that_lead_through_them(
    driver: str, paths: tuple[Path, ...], count: int
) -> None:
    ports = ports_for(driver_named(driver), paths, 3, ("tcp", "udp"))

    assert len({port.number for port in ports}) == len(ports) == count
    assert all(port.protocols == ("tcp", "udp") for port in ports)


@pytest.mark.parametrize(
    ("driver", "target"),
    [
        ("none", "198.18.0.2"),
        ("host", "127.0.0.1"),
        ("container", "127.0.0.1"),
        ("container@family=6", "::1"),
        ("bridge", "198.18.0.2"),
        ("macvlan:vepa@family=6", "2001:2::2"),
    ],
)
def test_facts_name_the_address_inside_the_pair(driver: str, target: str) -> None:
    assert target_of(driver_named(driver).recipe, SERVER) == target


def test_a_pair_without_addresses_has_no_target() -> None:
    bare = replace(SERVER, address=None, address6=None)

    assert target_of(Recipe(Attach.NONE, Attach.NONE), bare) is None


def test_names_tell_what_they_are_of() -> None:
    arms = (Arm("bridge:user"), Arm("bridge:user", 1), Arm("bridge:user@mtu=9000+icc=false"))

    assert list(stems("b1", arms).values()) == [
        "b1-bridge-user",
        "b1-bridge-user-aa",
        "b1-bridge-user-mtu-9000-icc-false",
    ]


def test_drivers_that_are_written_alike_get_different_names() -> None:
    arms = (Arm("cni:/etc/cni/a.conflist"), Arm("cni:/etc/cni:a.conflist"), Arm("plugin:a/b"))

    assert list(stems("b1", arms).values()) == [
        "b1-cni-etc-cni-a.conflist",
        "b1-cni-etc-cni-a.conflist-2",
        "b1-plugin-a-b",
    ]


@given(st.lists(st.builds(Arm, st.text(), st.integers(0, 1)), unique=True))
def test_any_names_are_apart_short_and_of_letters_that_engines_take(arms: list[Arm]) -> None:
    found = stems("b1", arms)

    assert list(found) == arms
    assert len(set(found.values())) == len(arms)
    for stem in found.values():
        assert len(stem) < 60
        assert stem.isascii()
        assert stem.replace("-", "").replace("_", "").replace(".", "").isalnum()
