"""What an engine that was killed forgot: bridges, and rules of its firewall.

An engine makes a network's bridge, its rules and those of its published ports one after the other.
Killed among them, it forgets a network that was not ready, and what it had made of it; of a port
it forgets the rule by which an endpoint reaches itself there. And a rule that translates the
addresses of a subnet waits for the next network that is given the same subnet. Links and rules
carry no label, so bridges have names, and subnets numbers, that tell whose they are.
"""

import hashlib
import itertools
import json
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Final, TypeVar

from netbench.engines.docker.client import Clients, daemon_pid
from netbench.engines.docker.network_info import BRIDGE
from netbench.engines.docker.subnets import BLOCK, BLOCK6
from netbench.engines.local_process import SYSTEM, find_program
from netbench.errors import EngineError, FactError
from netbench.system.setns import in_netns

_T = TypeVar("_T")
_OURS: Final = re.compile(r"br-nb[0-9a-f]{10}")
_TOOLS: Final = ("iptables", "ip6tables")
_TIMEOUT: Final = 20.0
_A_MOMENT: Final = 0.5
"""Seconds after which an engine lists a network whose bridge it has made."""


def stem(run: str) -> str:
    """Return how the names of a run's bridges begin."""
    return f"br-nb{hashlib.sha256(run.encode()).hexdigest()[:5]}"


class BridgeNames:
    """Gives a run's bridges their names, of the 15 characters that a link's name may have."""

    def __init__(self, run: str) -> None:
        """Begin anywhere: bridges of the same run, cut off before, may be left."""
        self._stem = stem(run)
        self._numbers = itertools.count(secrets.randbelow(16**5))

    def next(self) -> str:
        """Return one that this object has not given before."""
        return f"{self._stem}{next(self._numbers) % 16**5:05x}"


@dataclass(frozen=True, slots=True)
class _Rule:
    tool: str
    table: str
    words: tuple[str, ...]
    """What follows `-A`: the chain, then the rule."""

    def _values(self, *options: str) -> Iterator[str]:
        """Yield what follows any of these options."""
        pairs = zip(self.words, self.words[1:], strict=False)
        return (word for option, word in pairs if option in options)

    def value(self, option: str) -> str | None:
        """Return what follows an option."""
        return next(self._values(option), None)

    @property
    def links(self) -> set[str]:
        """The links that it names."""
        return {*self._values("-i", "-o")}

    @property
    def port(self) -> tuple[str | None, ...]:
        """The endpoint's port that it is for: tool, address, protocol and number."""
        return (self.tool, *map(self.value, ("-d", "-p", "--dport")))

    @property
    def itself(self) -> str | None:
        """The endpoint of ours that it lets reach itself by a published port: its address."""
        address = self.value("-d")
        if self.value("-j") != "MASQUERADE" or not address or self.value("-s") != address:
            return None
        alone = ip_interface(address).ip
        return str(alone) if alone in BLOCK or alone in BLOCK6 else None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A bridge of ours by its name, or an endpoint by its address; and what is left of it."""

    name: str
    rules: tuple[_Rule, ...]
    link: bool = False
    """Whether the bridge itself is there."""

    @property
    def is_bridge(self) -> bool:
        """Tell whether it is a bridge."""
        return _OURS.fullmatch(self.name) is not None


def forgotten(clients: Clients) -> tuple[Forgotten, ...]:
    """Return what is left of bridges and endpoints of ours of which the engine knows nothing.

    What is just being made or removed is none of it: everything is looked at twice. Nothing is
    found where the engine's network namespace is not for this process to enter.

    Raises:
        EngineError: the engine does not tell its networks.
    """
    first = {one.name for one in _forgotten(clients)}
    if not first:
        return ()
    time.sleep(_A_MOMENT)
    return tuple(one for one in _forgotten(clients) if one.name in first)


def _forgotten(clients: Clients) -> tuple[Forgotten, ...]:
    found = _there(clients, _left) or ()
    if not found:
        return ()
    with clients.lend("list networks") as api:
        known = {(network["Options"] or {}).get(BRIDGE) for network in api.networks()}
    return tuple(one for one in found if one.name not in known)


def remove(clients: Clients, name: str) -> None:
    """Remove what is left of a bridge or an endpoint; quietly nothing where it is gone.

    Raises:
        EngineError: some of it could not be removed.
    """

    def work() -> None:
        for one in _left():
            if one.name == name:
                _remove(one)

    _there(clients, work)


def _remove(one: Forgotten) -> None:
    """Remove what is left; the engine, being at it too, may have been the first."""
    for rule in one.rules:
        call = _call(rule.tool, "-w", "-t", rule.table, "-D", *rule.words)
        if call.returncode != 0 and rule in _rules(rule.tool):
            raise _refused(call)
    if one.link:
        call = _call("ip", "link", "del", one.name)
        if call.returncode != 0 and one.name in _bridges():
            raise _refused(call)


def _refused(call: "subprocess.CompletedProcess[str]") -> EngineError:
    return EngineError(f"{shlex.join(call.args)}: {call.stderr.strip()}")


def _there(clients: Clients, work: Callable[[], _T]) -> _T | None:
    """Do something in the daemon's network namespace; None where we cannot."""
    path = clients.target.socket
    try:
        daemon = daemon_pid(path) if path is not None else None
        return None if daemon is None else in_netns(daemon, work)
    except (FactError, OSError):
        return None


def _left() -> tuple[Forgotten, ...]:
    """Return bridges and endpoints of ours whose bridge is not up, with the rules of each.

    A bridge that another engine of this host has made for a run is up, and none of ours to remove.
    """
    links = _bridges()
    rules = [rule for tool in _TOOLS for rule in _rules(tool)]
    named = {name for rule in rules for name in rule.links} | {*links}
    down = {name for name in named if _OURS.fullmatch(name) and not links.get(name)}
    served = {rule.port for rule in rules if rule.links - down}
    found = {name: [rule for rule in rules if name in rule.links] for name in sorted(down)}
    for rule in rules:
        if rule.itself and rule.port not in served:
            found.setdefault(rule.itself, []).append(rule)
    return tuple(Forgotten(name, tuple(own), name in links) for name, own in found.items())


def _bridges() -> dict[str, bool]:
    """Return the bridges of the calling thread's network namespace, and whether each is up."""
    printed = _call("ip", "-j", "link", "show", "type", "bridge").stdout
    try:
        return {row["ifname"]: "UP" in row["flags"] for row in json.loads(printed or "[]")}
    except (ValueError, LookupError, TypeError):
        return {}


def _rules(tool: str) -> Iterator[_Rule]:
    """Yield every rule as the tool saves it; none where there is no such tool, or no rights."""
    table = ""
    for line in _call(f"{tool}-save").stdout.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            yield _Rule(tool, table, tuple(shlex.split(line)[1:]))


def _call(tool: str, *words: str) -> "subprocess.CompletedProcess[str]":
    program = find_program(tool, *SYSTEM)
    if program is None:
        return subprocess.CompletedProcess((tool, *words), 127, "", "not found")
    try:
        return subprocess.run(
            (program, *words),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return subprocess.CompletedProcess((tool, *words), 126, "", str(exc))
