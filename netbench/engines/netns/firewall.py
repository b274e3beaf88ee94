"""What the world lets through to the LAN and from it, as nftables rules of one table.

Bridges have a way out and none to each other, as an engine's have. What stays within a bridge or on
the host's loopback is not tracked, so that it costs what it does in a bare kernel. The ruleset is
made anew from what is known at each change: one transaction, so that no packet sees half of it.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from netbench.engines.netns.numbers import Addresses, SubnetPool, Subnets
from netbench.engines.programs import SYSTEM, find_program
from netbench.errors import EngineError
from netbench.record import Completed

_T = TypeVar("_T")
LAN_LINK: Final = "nblan"
"""Start of the name of every link from the world to the LAN."""
INTERNAL: Final = "nbi"
"""Start of the name of every bridge that has no way out."""
_MARK: Final = "0x6e620000"
"""Marks packets on their way from a bridge to the LAN, which take the world's address there."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of the host's that leads to an endpoint."""

    host: Addresses
    host_port: int
    to: Addresses
    port: int
    within: Subnets
    """Subnets of the endpoint. Neighbours must come from the gateway, or be answered directly."""


def ruleset(table: str, forwards: Iterable[Forward], allowed: Iterable[str]) -> str:
    """Return the text for `nft -f` that replaces the table, whether or not it is there."""
    ports = list(forwards)
    to_server = "".join(f"    {rule}\n" for one in ports for rule in _translations(one))
    to_neighbour = "".join(f"    {rule}\n" for one in ports for rule in _masquerades(one))
    open_to = "".join(f"    {_family(subnet)} daddr {subnet} accept\n" for subnet in allowed)
    return f"""\
table inet {table}
delete table inet {table}
table inet {table} {{
  chain loopback {{
    type filter hook output priority -300; policy accept;
    ip daddr 127.0.0.0/8 notrack
    ip6 daddr ::1 notrack
  }}
  chain prerouting {{
    type nat hook prerouting priority -100; policy accept;
{to_server}  }}
  chain output {{
    type nat hook output priority -100; policy accept;
{to_server}  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
{to_neighbour}    oifname "{LAN_LINK}*" meta mark {_MARK} counter masquerade
  }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    iifname "{INTERNAL}*" drop
    oifname "{INTERNAL}*" drop
    ct state established,related accept
    ct status dnat accept
    iifname != "{LAN_LINK}*" oifname "{LAN_LINK}*" meta mark set {_MARK} accept
{open_to}  }}
}}
"""


def _family(subnet: str) -> str:
    return "ip6" if ":" in subnet else "ip"


def _pairs(one: Forward) -> list[tuple[str, str, str]]:
    """Return family, the host's address and the endpoint's, bracketed as a port needs it."""
    pairs = [("ip", one.host.v4, one.to.v4)]
    if one.host.v6 and one.to.v6:
        pairs.append(("ip6", one.host.v6, f"[{one.to.v6}]"))
    return pairs


def _translations(one: Forward) -> list[str]:
    return [
        f"{family} daddr {host} {protocol} dport {one.host_port} "
        f"counter dnat {family} to {address}:{one.port}"
        for family, host, address in _pairs(one)
        for protocol in ("tcp", "udp")
    ]


def _masquerades(one: Forward) -> list[str]:
    rules = [
        f"ip saddr {one.within.v4} ip daddr {one.to.v4} ct status dnat counter masquerade",
    ]
    if one.within.v6 and one.to.v6:
        rules.append(
            f"ip6 saddr {one.within.v6} ip6 daddr {one.to.v6} ct status dnat counter masquerade"
        )
    return rules


class Firewall:
    """The table of one world. Nothing is installed before `open`."""

    def __init__(self, command: Callable[[tuple[str, ...], str], Completed]) -> None:
        """Take what runs a command with a standard input in the world's network namespace."""
        self._command = command
        self._lock = threading.Lock()
        self._open = False
        self._forwards: dict[str, tuple[Forward, ...]] = {}
        self._allowed: dict[str, tuple[str, ...]] = {}
        self._lacking: str | None = None
        self._tried = False

    @property
    def is_open(self) -> bool:
        """Whether the rules are installed."""
        return self._open

    def unavailable(self) -> str | None:
        """Return why there can be no rules, None where there can; found by trying, once."""
        with self._lock:
            if not self._tried:
                self._lacking = self._try()
                self._tried = True
            return self._lacking

    def _try(self) -> str | None:
        subnets = SubnetPool().take(ipv6=True)
        example = Forward(subnets.outside, 1, subnets.gateway, 1, subnets)
        text = ruleset("netbench-try", [example], [str(subnets.v4)])
        try:
            self._run(f"{text}delete table inet netbench-try\n")
        except EngineError as exc:
            return exc.message
        return None

    def open(self) -> None:
        """Install the rules, and keep them up to date from now on.

        Raises:
            EngineError: nftables refused.
        """
        with self._lock:
            self._open = True
            try:
                self._apply()
            except BaseException:
                self._open = False
                raise

    def publish(self, name: str, forwards: tuple[Forward, ...]) -> None:
        """Translate ports of the host's to an endpoint's, until `withdraw`; errors as `open`."""
        self._change(self._forwards, name, forwards)

    def withdraw(self, name: str) -> None:
        """Undo `publish`; nothing where it is undone already."""
        if name in self._forwards:
            self._change(self._forwards, name, ())

    def allow(self, network: str, subnets: tuple[str, ...]) -> None:
        """Let everybody reach subnets of a network, until `disallow`; errors as `open`."""
        self._change(self._allowed, network, subnets)

    def disallow(self, network: str) -> None:
        """Undo `allow`; nothing where it is undone already."""
        if network in self._allowed:
            self._change(self._allowed, network, ())

    def _change(self, state: dict[str, tuple[_T, ...]], key: str, value: tuple[_T, ...]) -> None:
        with self._lock:
            before = dict(state)
            state.pop(key, None)
            if value:
                state[key] = value
            try:
                self._apply()
            except EngineError:
                state.clear()
                state.update(before)
                raise

    def _apply(self) -> None:
        if self._open:
            forwards = [one for group in self._forwards.values() for one in group]
            allowed = [subnet for group in self._allowed.values() for subnet in group]
            self._run(ruleset("netbench", forwards, allowed))

    def _run(self, text: str) -> None:
        program = find_program("nft", *SYSTEM)
        if program is None:
            raise EngineError("nft not found (package nftables)")
        done = self._command((program, "-f", "-"), text)
        if done.exit_code != 0:
            said = "timed out" if done.timed_out else done.stderr.strip().partition("\n")[0]
            raise EngineError(f"nftables refused the world's rules: {said or done.exit_code}")
