"""What the kernel tells of links between two readings, as `ip monitor` printed it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.facts import bridge_pair, link

from netbench.drivers import DRIVERS
from netbench.errors import FactError
from netbench.facts.base import Heard, LinkEvent
from netbench.facts.inside import MONITOR, monitor, monitored
from netbench.spec import Path, Role
from netbench.topology.proof import prove

FLAGS = "<BROADCAST,MULTICAST,UP,LOWER_UP>"
MAC = "\\    link/ether 66:80:42:5b:38:33"
MOVED = f"""\
Deleted 5: va@vb: {FLAGS} mtu 1500 master br0 state UP {MAC}
5: va@if2: {FLAGS} mtu 1500 qdisc noqueue state UP group default {MAC} brd ff:ff:ff:ff:ff:ff
2: br0: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state UP group default {MAC}
[LINK]5: va@vb: {FLAGS} mtu 1400 qdisc noqueue master br1 state UP group default {MAC}
5: va@vb: <BROADCAST,MULTICAST> mtu 1500 master br0 state DOWN {MAC}
Dump was interrupted
"""
PORT = link("va", 5, master="br0", carrier=True)


def test_what_ip_monitor_prints_is_how_a_link_was() -> None:
    gone, free, bridge, moved, down = monitored(MOVED)

    assert {event.role for event in (gone, free, bridge, moved, down)} == {Role.HOST}
    assert [event.index for event in (gone, free, bridge, moved, down)] == [5, 5, 2, 5, 5]
    assert gone.differs(PORT) == "it left br0"
    assert free.differs(PORT) == "master None"
    assert bridge.differs(link("br0", 2, carrier=True)) == "carrier False"
    assert moved.differs(PORT) == "master br1, mtu 1400"
    assert down.differs(PORT) == "up False, carrier False"


def test_a_message_without_a_change_is_none() -> None:
    (event,) = monitored(f"5: va@vb: {FLAGS} mtu 1500 qdisc noqueue master br0 state UP {MAC}")

    assert event.differs(PORT) is None
    assert event.differs(replace(PORT, carrier=None)) is None


@pytest.mark.parametrize("text", ["", "5: va", "x: va: <> mtu 1", "\0" * 100, "5: va: <UP> mtu"])
def test_what_is_no_message_tells_nothing(text: str) -> None:
    assert list(monitored(text)) == []


def test_a_link_of_the_path_that_was_otherwise_for_a_time_proves_no_path() -> None:
    facts = bridge_pair()
    driver = DRIVERS["bridge"]
    hop = next(x for x in driver.hops(Path.EAST_WEST, facts) if x.role is Role.HOST)
    other = LinkEvent(
        Role.HOST, hop.link.index, False, up=True, carrier=True, mtu=1500, master="other9"
    )
    elsewhere = replace(other, index=999)

    def proof(*events: LinkEvent) -> tuple[bool, tuple[str, ...], str]:
        heard = Heard(events, "somebody")
        found = prove(driver, Path.EAST_WEST, "172.17.0.3", (facts, facts), 0, heard=heard)
        return found.held, found.problems, found.listened

    assert proof(elsewhere) == (True, (), "somebody")
    held, problems, _ = proof(other, other, elsewhere)
    assert not held
    assert problems == (f"host {hop.link.name} was changed between the readings: master other9",)


def test_who_cannot_listen_says_why_and_tells_nothing() -> None:
    def refuses(argv: tuple[str, ...]) -> Callable[[], str]:
        assert argv == MONITOR
        raise FactError("no such tool")

    def ends_badly(argv: tuple[str, ...]) -> Callable[[], str]:
        del argv

        def end() -> str:
            raise FactError("it had ended before")

        return end

    assert monitor(refuses)() == Heard((), "nobody: no such tool")
    assert monitor(ends_badly)() == Heard((), "nobody: it had ended before")
