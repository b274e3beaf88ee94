"""The firewall of the world: the rules that a Docker Engine would have installed in its place.

They are there from the first moment, so that the host's `lo` and every bridge cost what they cost
beside Docker. Without iptables and nftables there are none, and `backend` says so.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from netbench.engines.local_process import SYSTEM, find_program
from netbench.engines.netns import rules as docker_rules
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.spec import Family

Command = Callable[[int, tuple[str, ...], str], Completed]  # in the namespace of a process
_BACKENDS: Final[tuple[Literal["iptables", "nftables"], ...]] = ("iptables", "nftables")


class Firewall:
    """The rules of one world. iptables adds and deletes single ones, nft makes its tables anew."""

    def __init__(self, world: int, command: Command) -> None:
        """Install the chains for IPv4 in the host of `world`, by iptables or else by nft."""
        self._world = world
        self._command = command
        self._lock = threading.RLock()
        self._families: list[Family] = []  # those that have rules
        # The rules of each network, port and subnet, the oldest first.
        self._state: dict[str, Mapping[Family, docker_rules.Piece]] = {}
        self.lacking: str | None = None  # why there are no rules
        self.backend: Literal["iptables", "nftables", "none"] = "none"  # in Docker's words
        refused = []
        for backend in _BACKENDS:
            self.backend = backend
            try:
                self._install(world, Family.V4, docker_rules.host_chains(Family.V4))
            except EngineError as exc:
                refused.append(exc.message)
                continue
            self._families = [Family.V4]
            return
        self.backend = "none"
        self.lacking = "; ".join(refused)

    def open_ipv6(self) -> None:
        """Install the same rules for IPv6, once; raises EngineError if the program refuses."""
        with self._lock:
            if self._families and Family.V6 not in self._families:
                self._install_state(Family.V6)
                self._families.append(Family.V6)

    def add(self, name: str, rules: Mapping[Family, docker_rules.Piece]) -> None:
        """Install rules under a name, in place of those before; errors as `open_ipv6`."""
        with self._lock:
            self.drop(name)
            self._state[name] = rules
            try:
                for family in self._families:
                    chains, piece = docker_rules.host_chains(family), rules.get(family, ())
                    self._change(family, docker_rules.insert(chains, piece))
            except BaseException:
                del self._state[name]
                raise

    def drop(self, name: str) -> None:
        """Undo `add`; does nothing if it is undone already."""
        with self._lock:
            rules = self._state.pop(name, {})
            for family in self._families if rules else ():
                self._change(family, docker_rules.delete(rules.get(family, ())))

    def _change(self, family: Family, text: str) -> None:
        if self.backend == "nftables":
            self._install_state(family)
        elif text:
            self._feed(self._world, family, text, "--noflush")

    def resolve(self, place: int) -> None:
        """Install Docker's rules for its name server in a container: all connections pass them."""
        if self._families:
            self._install(place, Family.V4, docker_rules.container_chains())

    @property
    def tables(self) -> frozenset[tuple[str, str]]:
        """The tables that hold these rules, by family and name."""
        prefix = f"{docker_rules.NFT_TABLE}-" if self.backend == "nftables" else ""
        return frozenset(
            (docker_rules.FAMILIES[family], f"{prefix}{name}")
            for family in self._families
            for name in ("filter", "nat")
        )

    def restore(self) -> None:
        """Make all rules anew, without what others have added to the same tables."""
        with self._lock:
            for family in self._families:
                self._install_state(family)

    def _install_state(self, family: Family) -> None:
        pieces = [rules.get(family, ()) for rules in self._state.values()]
        self._install(self._world, family, docker_rules.host_chains(family), pieces)

    def _install(
        self,
        place: int,
        family: Family,
        chains: Sequence[docker_rules.RuleChain],
        pieces: Sequence[docker_rules.Piece] = (),
    ) -> None:
        """Make the tables hold exactly these rules; errors as `open_ipv6`."""
        if self.backend == "nftables":
            text = docker_rules.ruleset(family, chains, pieces)
        else:
            text = docker_rules.restore(chains, pieces)
        self._feed(place, family, text)

    def _feed(self, place: int, family: Family, text: str, *options: str) -> None:
        """Run the program that makes rules; errors as `open_ipv6`."""
        name, argv = "nft", ["-f", "-"]
        if self.backend == "iptables":
            # iptables-legacy has one lock for all; 5 s to wait for it.
            name, argv = f"{docker_rules.FAMILIES[family]}tables-restore", ["--wait", "5", *options]
        program = find_program(name, *SYSTEM)
        if program is None:
            raise EngineError(f"{name} not found (package {self.backend})")
        done = self._command(place, (program, *argv), text)
        if done.exit_code != 0:
            said = "timed out" if done.timed_out else done.stderr.strip().partition("\n")[0]
            raise EngineError(f"{self.backend} refused the world's rules: {said or done.exit_code}")
