"""What two machines need between them: a way, open ports, room in frames, like clocks."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from netbench.documents import CheckRow
from netbench.engines.base import EngineOptions
from netbench.engines.docker.nodes import TwoNodes, open_both
from netbench.engines.docker.swarm_nodes import PORTS
from netbench.errors import ENGINE_FAILURES, EngineUnavailable
from netbench.record import Absent
from netbench.spec import VXLAN_HEADERS, Node
from netbench.system.interrupts import deferred_signals
from netbench.topology.paths import kernels
from netbench.workflow.host_facts import facts_of
from netbench.workflow.node_facts import clocks, wire_mtu

_QUICK: Final = 20.0  # seconds that a command which only reads may take
_TRY: Final = 2  # seconds that a connection, or a datagram and its answer, may take
_TRIES: Final = 3  # as often as it is tried: a server may be slow to start, a datagram get lost
_LISTENS: Final = 5.0  # seconds that a server of our own may take to end
_WORD: Final = "netbench"
_SAY: Final = 'echo "$0" | socat -T"$1" - "$2"'
_APART: Final = 1.0  # seconds by which clocks may differ: certificates of a swarm live for an hour


def peer_checks(options: EngineOptions) -> Iterator[CheckRow]:
    """Yield what is found between the engines of two contexts; what is made is removed."""
    try:
        both = open_both(f"doctor{secrets.token_hex(3)}", options)
    except EngineUnavailable as exc:
        yield CheckRow("peer engine", ok=False, needed=True, found=exc.message, fix=exc.hint)
        return
    try:
        yield from _between(both)
    except ENGINE_FAILURES as exc:
        hint = getattr(exc, "hint", "") or "give its address: --peer-address ADDRESS"
        yield CheckRow("way to the peer", ok=False, needed=True, found=str(exc), fix=hint)
    finally:
        with deferred_signals(), suppress(*ENGINE_FAILURES):
            both.close()


def _between(both: TwoNodes) -> Iterator[CheckRow]:
    both.prepare()
    ways = both.meet()
    first, peer = ways[Node.FIRST], ways[Node.PEER]
    found = f"{first.address} by {first.link} to {peer.address} by {peer.link}"
    if kernels(both) == 1:
        found += "; both on one kernel: figures will be none of two machines"
    yield CheckRow("way to the peer", ok=True, needed=True, found=found, fix="")
    yield from _versions(both)
    yield _clocks(both)
    yield _frames(both)
    for protocol, number in PORTS:
        for node in (Node.FIRST,) if number == PORTS[0][1] else Node:
            yield _Port(both, node, protocol, number).row()


def _versions(both: TwoNodes) -> Iterator[CheckRow]:
    facts = {node: engine.facts() for node, engine in both.nodes.items()}
    names = ("engine.name", "engine.version", "engine.kernel")
    said = {
        node: ", ".join(str(own.get(name, "?")) for name in names) for node, own in facts.items()
    }
    alike = said[Node.FIRST] == said[Node.PEER]
    found = said[Node.FIRST] if alike else f"{said[Node.FIRST]}; the peer {said[Node.PEER]}"
    fix = "" if alike else "the same engine and kernel on both: else a difference may be theirs"
    yield CheckRow("same versions", ok=alike, needed=False, found=found, fix=fix)


def _clocks(both: TwoNodes) -> CheckRow:
    found = clocks(both)
    offset, sure = found["clock.offset"], found["clock.uncertainty"]
    if isinstance(offset, Absent) or not isinstance(offset, float) or not isinstance(sure, float):
        return CheckRow("clocks", ok=False, needed=False, found=f"{offset}", fix="see `date` there")
    apart = abs(offset) > _APART + sure
    said = f"the peer's is {offset:+.3f} s from the first one's, within {sure:.3f} s"
    fix = "set both by NTP: timedatectl set-ntp true" if apart else ""
    return CheckRow("clocks", ok=not apart, needed=False, found=said, fix=fix)


def _frames(both: TwoNodes) -> CheckRow:
    """Compare the links between the machines; an overlay's packets must fit into their frames."""
    sizes: dict[Node, int] = {}
    for node, way in both.meet().items():
        part = both.nodes[node]
        link = facts_of(part, part.host()).host.link(way.link)
        sizes[node] = link.mtu if link else 0
    least = min(sizes.values())
    carried, said = wire_mtu(both)
    right = len(set(sizes.values())) == 1 and carried == least
    found = f"the links have {sizes[Node.FIRST]} and {sizes[Node.PEER]}; {said}"
    room = (carried if isinstance(carried, int) else least) - VXLAN_HEADERS
    found += f"; an overlay has {room} for its packets"
    fix = "" if right else "ip link set LINK mtu N: the same on both, and what lies between carries"
    return CheckRow("MTU between them", ok=right, needed=False, found=found, fix=fix)


@dataclass(frozen=True, slots=True)
class _Port:
    """A port of one machine's that the other must reach."""

    both: TwoNodes
    node: Node  # whose port it is
    protocol: str
    number: int

    @property
    def address(self) -> str:
        return self.both.meet()[self.node].address

    def row(self) -> CheckRow:
        """Try it: at whatever listens there, else at a server of our own."""
        name = f"{self.number}/{self.protocol} of {self.address}"
        found, reached = self._tried()
        source = self.both.meet()[self.node.other].address
        fix = f"let {source} reach {name}, for overlay networks" if reached is False else ""
        return CheckRow(name, ok=reached is not False, needed=False, found=found, fix=fix)

    def _tried(self) -> tuple[str, bool | None]:
        there, here = self.both.host_of(self.node), self.both.host_of(self.node.other)
        place = f"{self.address}:{self.number}"
        server: tuple[str, ...]
        client: tuple[str, ...]
        if self.protocol == "tcp":
            server = ("socat", "-u", f"TCP4-LISTEN:{self.number},reuseaddr", "STDOUT")
            client = ("socat", "-u", "STDIN", f"TCP4:{place},connect-timeout={_TRY}")
        else:
            server = ("socat", f"UDP4-RECVFROM:{self.number},bind={self.address}", "PIPE")
            client = ("sh", "-c", _SAY, _WORD, str(_TRY), f"UDP4:{place}")
        started = self.both.start(there, server, cpu=None, limit=_LISTENS + _QUICK)
        try:
            said, reached = "", False
            for _ in range(_TRIES):
                done = self.both.run(here, client, timeout=_QUICK)
                said = done.stderr.strip()[:120]
                reached = done.exit_code == 0 and (self.protocol == "tcp" or _WORD in done.stdout)
                if reached or not started.alive():
                    break
        finally:
            started.signal("KILL")
            served = started.wait(_LISTENS)
        if self.protocol == "udp" and "in use" in served.stderr:
            return "in use there, by a swarm's engine or kernel: not tried", None
        return ("reached" if reached else f"no answer: {said}"), reached
