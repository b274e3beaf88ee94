"""The firewall of the world: the rules that a Docker Engine would have installed in its place.

They are there from the first moment, so that the host's `lo` and every bridge cost what they cost
beside Docker. Without iptables and nftables there are none, and `backend` says so; nor are there
any where none are wanted.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from netbench.engines.local_process import SYSTEM, find_program
from netbench.engines.netns import rules as docker_rules
from netbench.errors import EngineError
from netbench.record import Completed, LinkCounters, RuleCounters
from netbench.spec import Family, FirewallRules

Command = Callable[[int, tuple[str, ...], str], Completed]  # in the namespace of a process
_BACKENDS: Final[tuple[FirewallRules, ...]] = ("iptables", "nftables")
_RULE: Final = re.compile(r"^\[\d+:\d+\] -A |\bcounter packets \d+", re.MULTILINE)
"""Of each rule that `iptables-save -c` or `nft list ruleset` prints, once."""
_ACCEPTED: Final = (
    r"^\[(\d+):(\d+)\] -A FORWARD .*-[io] {link} .*-j ACCEPT$",
    r'^\s*[io]ifname "{link}" .*\bcounter packets (\d+) bytes (\d+) accept$',
)
"""What either prints of those that accept a bridge's packets, with packets and bytes."""


class Firewall:
    """The rules of one world. iptables adds and deletes single ones, nft makes its tables anew."""

    def __init__(self, world: int, command: Command, wanted: FirewallRules | None = None) -> None:
        """Install the chains for IPv4 in the host of `world`: as wanted, or by what there is."""
        self._world = world
        self._command = command
        self._lock = threading.RLock()
        self._families: list[Family] = []  # those that have rules
        # The rules of each network, port and subnet, the oldest first.
        self._state: dict[str, Mapping[Family, docker_rules.Piece]] = {}
        self.lacking: str | None = None  # why there are no rules
        self.backend: FirewallRules = "none"
        refused = ["no rules are wanted, so no port is translated"] if wanted == "none" else []
        backends = (wanted,) if wanted else _BACKENDS
        for backend in () if refused else backends:
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

    def read(self, bridge: str) -> RuleCounters:
        """Return what is there and what it counted of a bridge's packets; errors as `open_ipv6`."""
        saves: list[tuple[str, ...]] = [
            (f"{docker_rules.FAMILIES[family]}tables-save", "-c") for family in Family
        ]
        lists = [("nft", "list", "ruleset")]
        asked: dict[FirewallRules, list[tuple[str, ...]]] = {
            "iptables": saves[: len(self._families)],
            "nftables": [*lists],
            "none": [argv for argv in (*saves, *lists) if find_program(argv[0], *SYSTEM)],
        }
        argvs = asked[self.backend]
        text = "\n".join(self._run(self._world, argv, "").stdout for argv in argvs)
        forms = (form.format(link=re.escape(bridge)) for form in _ACCEPTED)
        found = [one for form in forms for one in re.findall(form, text, re.MULTILINE)]
        packets, size = (sum(int(one[at]) for one in found) for at in (0, 1))
        by = " and ".join(" ".join(argv) for argv in argvs)
        carried = LinkCounters(size, size, packets, packets, 0, 0)
        return RuleCounters(self.backend, len(_RULE.findall(text)), by, carried)

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
        self._run(place, (name, *argv), text)

    def _run(self, place: int, argv: tuple[str, ...], text: str) -> Completed:
        """Run a program of the firewall's; errors as `open_ipv6`."""
        program = find_program(argv[0], *SYSTEM)
        if program is None:
            raise EngineError(f"{argv[0]} not found (package {self.backend})")
        done = self._command(place, (program, *argv[1:]), text)
        if done.exit_code != 0:
            said = "timed out" if done.timed_out else done.stderr.strip().partition("\n")[0]
            raise EngineError(f"{self.backend} refused the world's rules: {said or done.exit_code}")
        return done
