"""The firewall of the world: the rules that a Docker Engine would have installed in its place.

They are there from the first moment, so that the host's `lo` and every bridge cost what they cost
beside Docker. Where neither iptables nor nftables can be had there are none, and `backend` says so.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from netbench.engines.local_process import SYSTEM, find_program
from netbench.engines.netns import rule_text
from netbench.engines.netns.allocator import SubnetPair
from netbench.engines.netns.rules import (
    Forward,
    Rule,
    RuleChain,
    bridge_rules,
    container_chains,
    forward_rules,
    host_chains,
    routed_rules,
)
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.spec import Family

Command = Callable[[int, tuple[str, ...], str], Completed]
"""Run a program with an input in the network namespace of a process."""
_WAIT: Final = ("--wait", "5")
"""iptables-legacy has one lock for all; seconds to wait for it."""
_FAMILIES: Final[dict[Family, str]] = {Family.V4: "ip", Family.V6: "ip6"}

Pieces = dict[str, dict[Family, tuple[Rule, ...]]]
"""The rules of each network, port and subnet, the oldest first."""


@dataclass(frozen=True, slots=True)
class Iptables:
    """Rules by `iptables-restore`, the program of the system's that Docker too would use."""

    command: Command
    words: str = "iptables"

    def install(
        self, place: int, family: Family, chains: Sequence[RuleChain], state: Pieces
    ) -> None:
        """Make the tables hold exactly these rules; errors as `run`."""
        pieces = [piece.get(family, ()) for piece in state.values()]
        self.run(place, family, rule_text.restore(chains, pieces))

    def add(self, place: int, family: Family, name: str, state: Pieces) -> None:
        """Add one piece of the state; errors as `run`."""
        rules = state[name].get(family, ())
        if rules:
            self.run(place, family, rule_text.insert(host_chains(family), rules), "--noflush")

    def drop(self, place: int, family: Family, rules: tuple[Rule, ...], state: Pieces) -> None:
        """Take out a piece that is no longer in the state; errors as `run`."""
        del state
        if rules:
            self.run(place, family, rule_text.delete(rules), "--noflush")

    def run(self, place: int, family: Family, text: str, *options: str) -> None:
        """Feed `iptables-restore`.

        Raises:
            EngineError: it is not there, or refused.
        """
        name = f"{_FAMILIES[family]}tables-restore"
        program = find_program(name, *SYSTEM)
        if program is None:
            raise EngineError(f"{name} not found (package iptables)")
        done = self.command(place, (program, *_WAIT, *options), text)
        _check(done, "iptables")


@dataclass(frozen=True, slots=True)
class Nftables:
    """The same rules by `nft`, in tables of our own, which each change makes anew at once."""

    command: Command
    words: str = "nftables"

    def install(
        self, place: int, family: Family, chains: Sequence[RuleChain], state: Pieces
    ) -> None:
        """Replace the tables; errors as `run`."""
        pieces = [piece.get(family, ()) for piece in state.values()]
        self.run(place, rule_text.ruleset(_FAMILIES[family], chains, pieces))

    def add(self, place: int, family: Family, name: str, state: Pieces) -> None:
        """Add one piece of the state; errors as `run`."""
        del name
        self.install(place, family, host_chains(family), state)

    def drop(self, place: int, family: Family, rules: tuple[Rule, ...], state: Pieces) -> None:
        """Take out a piece that is no longer in the state; errors as `run`."""
        del rules
        self.install(place, family, host_chains(family), state)

    def run(self, place: int, text: str) -> None:
        """Feed `nft`.

        Raises:
            EngineError: it is not there, or refused.
        """
        program = find_program("nft", *SYSTEM)
        if program is None:
            raise EngineError("nft not found (package nftables)")
        _check(self.command(place, (program, "-f", "-"), text), "nftables")


def _check(done: Completed, who: str) -> None:
    if done.exit_code != 0:
        said = "timed out" if done.timed_out else done.stderr.strip().partition("\n")[0]
        raise EngineError(f"{who} refused the world's rules: {said or done.exit_code}")


class Firewall:
    """The rules of one world."""

    def __init__(self, world: int, command: Command) -> None:
        """Install the chains for IPv4, by iptables or else by nft, or tell by `unavailable`.

        Args:
            world: process in the namespace of the host.
            command: runs programs.
        """
        self._world = world
        self._lock = threading.Lock()
        self._families: list[Family] = []
        """Those that have rules."""
        self._state: Pieces = {}
        self._backend: Iptables | Nftables | None = None
        self._lacking: str | None = None
        refused = []
        for backend in (Iptables(command), Nftables(command)):
            try:
                backend.install(world, Family.V4, host_chains(Family.V4), {})
            except EngineError as exc:
                refused.append(exc.message)
                continue
            self._backend = backend
            self._families = [Family.V4]
            return
        self._lacking = "; ".join(refused)

    @property
    def backend(self) -> str:
        """What made the rules, in Docker's words: `iptables` or `nftables`; else `none`."""
        return self._backend.words if self._backend else "none"

    def unavailable(self) -> str | None:
        """Return why there are no rules, None where there are."""
        return self._lacking

    def open_ipv6(self) -> None:
        """Have the same rules for IPv6 from now on; nothing where they are there.

        Raises:
            EngineError: there is nothing to make them with, or it refused.
        """
        with self._lock:
            if self._backend and 6 not in self._families:  # noqa: PLR2004 -- IP version
                self._backend.install(self._world, Family.V6, host_chains(Family.V6), self._state)
                self._families.append(Family.V6)

    def add_bridge(self, link: str, subnets: SubnetPair, *, internal: bool, icc: bool) -> None:
        """Install the rules of a bridge network, until `remove_bridge`; errors as `open_ipv6`.

        Args:
            link: the bridge.
            subnets: of the network.
            internal: whether it has no way out.
            icc: whether its containers reach each other. Where not, IPv6 needs its rules too.
        """
        piece: dict[Family, tuple[Rule, ...]] = {
            Family.V4: bridge_rules(link, str(subnets.v4), internal=internal, icc=icc)
        }
        if subnets.v6:
            piece[Family.V6] = bridge_rules(link, str(subnets.v6), internal=internal, icc=icc)
            if not icc:
                self.open_ipv6()
        self._add(f"bridge {link}", piece)

    def remove_bridge(self, link: str) -> None:
        """Undo `add_bridge`; nothing where it is undone already."""
        self._drop(f"bridge {link}")

    def publish(self, name: str, forwards: tuple[Forward, ...]) -> None:
        """Translate ports of the host's to an endpoint's, until `withdraw`; errors as above."""
        families: tuple[Family, ...] = (Family.V4, Family.V6)
        self._add(
            f"ports {name}",
            {x: tuple(y for one in forwards for y in forward_rules(one, x)) for x in families},
        )

    def withdraw(self, name: str) -> None:
        """Undo `publish`; nothing where it is undone already."""
        self._drop(f"ports {name}")

    def allow(self, network: str, subnets: tuple[str, ...]) -> None:
        """Let everybody reach subnets of a network, in place of those before, until `disallow`."""
        self.disallow(network)
        v6 = [subnet for subnet in subnets if ":" in subnet]
        v4 = [subnet for subnet in subnets if ":" not in subnet]
        self._add(
            f"subnets {network}",
            {
                Family.V4: tuple(rule for subnet in v4 for rule in routed_rules(subnet)),
                Family.V6: tuple(rule for subnet in v6 for rule in routed_rules(subnet)),
            },
        )

    def disallow(self, network: str) -> None:
        """Undo `allow`; nothing where it is undone already."""
        self._drop(f"subnets {network}")

    def resolve(self, place: int) -> None:
        """Install in a container's namespace what leads to Docker's name server.

        Nothing listens there: the rules are in the way of every connection all the same.
        """
        if self._backend:
            self._backend.install(place, Family.V4, container_chains(), {})

    @property
    def tables(self) -> frozenset[tuple[str, str]]:
        """The tables that hold rules of ours, by family and name."""
        prefix = f"{rule_text.NFT_TABLE}-" if isinstance(self._backend, Nftables) else ""
        names = ("filter", "nat") if self._backend else ()
        return frozenset(
            (_FAMILIES[x], f"{prefix}{name}") for x in self._families for name in names
        )

    def restore(self) -> None:
        """Make all rules anew, without what others have added to the same tables."""
        with self._lock:
            for family in self._families:
                if self._backend:
                    self._backend.install(self._world, family, host_chains(family), self._state)

    def _add(self, name: str, piece: dict[Family, tuple[Rule, ...]]) -> None:
        if self._backend is None:
            return
        with self._lock:
            self._state[name] = piece
            try:
                for family in self._families:
                    self._backend.add(self._world, family, name, self._state)
            except BaseException:
                del self._state[name]
                raise

    def _drop(self, name: str) -> None:
        if self._backend is None:
            return
        with self._lock:
            piece = self._state.pop(name, None)
            for family in self._families if piece else ():
                rules = piece.get(family, ()) if piece else ()
                self._backend.drop(self._world, family, rules, self._state)
