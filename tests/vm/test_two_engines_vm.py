"""Two engines under a kernel that encrypts and has ipvlan: what crosses the wire between them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.crossing import (
    LAN,
    MEGABYTE,
    SERVER,
    carries,
    carrying,
    crossed,
    neighbours,
    overlay,
    replies,
)
from support.two_engines import WIRE, Side, TwoEngines

pytestmark = pytest.mark.guest

_STATE = re.compile(
    r"^src (\S+) dst (\S+)$.*?lifetime current:\s+(\d+)\(bytes\)", re.MULTILINE | re.DOTALL
)


def encrypted(side: Side) -> dict[tuple[str, str], int]:
    """Bytes that this machine has encrypted or decrypted, by source and destination."""
    found: dict[tuple[str, str], int] = {}
    for source, destination, size in _STATE.findall(side.inside("ip", "-s", "xfrm", "state")):
        ends = (source, destination)
        found[ends] = found.get(ends, 0) + int(size)
    return found


@contextmanager
def seen(side: Side) -> Iterator[Callable[[], tuple[int, int]]]:
    """What counts the packets that come by the wire as ESP, and as VXLAN in the clear."""
    kinds = ("-p esp", "-p udp --dport 4789 -m policy --dir in --pol none")
    rules = [f"PREROUTING -i {WIRE} {kind}".split() for kind in kinds]

    def counts() -> tuple[int, int]:
        lines = side.inside(*table, "--list-rules", "PREROUTING", "--verbose").splitlines()
        esp, clear = (int(line.split("-c ")[1].split()[0]) for line in lines if WIRE in line)
        return esp, clear

    table = ("iptables", "--table", "raw")
    try:
        for rule in rules:
            side.inside(*table, "--append", *rule)
        yield counts
    finally:
        side.inside(*table, "--flush", "PREROUTING")


@contextmanager
def flushed(two: TwoEngines) -> Iterator[None]:
    """Remove what encrypts on both sides at last: the engine's states outlive its network."""
    try:
        yield
    finally:
        for side in two.sides:
            side.inside("ip", "xfrm", "state", "flush")
            side.inside("ip", "xfrm", "policy", "flush")


def test_an_encrypted_overlay_crosses_the_wire_as_esp(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    there, back = (a.address, b.address), (b.address, a.address)
    encrypting = overlay(two_engines, "--opt", "encrypted")
    with seen(b) as counts, flushed(two_engines), encrypting as network:
        carrying(two_engines, network)
        before = [side.counters() for side in two_engines.sides]
        earlier = [encrypted(side) for side in two_engines.sides]

        assert carries(a, SERVER)
        crossed(two_engines, before)
        for side, former in zip(two_engines.sides, earlier, strict=True):
            now = encrypted(side)
            assert set(now) == {there, back}
            assert now[there] - former[there] > 15 * MEGABYTE
            assert now[back] > former[back]
        esp, clear = counts()
        assert esp > 15 * MEGABYTE / 1500
        assert clear == 0


def test_ipvlans_on_the_wire_are_neighbours(two_engines: TwoEngines) -> None:
    a, b = two_engines.sides
    before = [side.counters() for side in two_engines.sides]
    with neighbours(two_engines, "ipvlan", "--opt", "ipvlan_mode=l2"):
        assert replies(a, LAN["b"], "client")
        assert carries(a, LAN["b"])
        crossed(two_engines, before)
        assert not replies(b, LAN["b"])
