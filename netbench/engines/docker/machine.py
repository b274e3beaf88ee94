"""The machine that netbench runs on, as seen from an engine: its host, or outside of that."""

import json
import os
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from netbench.engines.base import Endpoint, OwnMachine
from netbench.engines.docker.host import EngineHost
from netbench.engines.docker.lan import LOOPBACK, EmulatedLan
from netbench.engines.local_process import call
from netbench.engines.machine import MachineTools
from netbench.errors import EngineError, Unsupported
from netbench.spec import Attach, Family, Recipe, Role
from netbench.spec import Path as TrafficPath

THIS_MACHINE: Final = "machine"  # id of what stands for it
_NETNS: Final = "/proc/self/ns/net"
_ADDRESSES: Final = ("ip", "-j", "-4", "addr", "show", "up")
_REMOTE: Final = (
    "the engine's processes are not this machine's: what lies between the two is not the engine's"
)
_ELSEWHERE: Final = (
    "netbench is not in the network namespace of the engine's host: run it on the host itself"
)
_IPV4_ALONE: Final = "between containers and the machine netbench measures IPv4 alone"
_UNPUBLISHED: Final = (
    "its ports are those of the engine's own host, a namespace that the machine does not reach "
    "(rootless)"
)
_NO_ADDRESS: Final = (
    "this machine has no IPv4 address beside loopback's that the engine's host has not too: a "
    "rootless engine's network lets nothing through to those"
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How the machine and the engine's host lie to each other."""

    same: bool  # whether they are one network namespace
    address: str | None = None  # of the machine towards the host, if they are two


class MachineAccess:
    """Says what the machine is to the engine, and starts tools there; safe in several threads."""

    def __init__(
        self, hosting: EngineHost, lan: EmulatedLan, *, rootful: bool, podman: bool
    ) -> None:
        """Look at nothing yet."""
        self.tools = MachineTools()
        self._hosting = hosting
        self._lan = lan
        self._rootful = rootful
        self._podman = podman
        self._lock = threading.Lock()
        self._seen: Surroundings | None = None

    def get(self) -> OwnMachine:
        """Return the machine; Unsupported where it is no end of any path of this engine's."""
        seen = self._look()
        if seen is None:
            raise Unsupported(_REMOTE)
        if seen.same:
            lan = self._lan.get()
            return OwnMachine(_endpoint(lan.host), lan.host)
        # Podman's process connects to the port from within the container's own namespace.
        return OwnMachine(_endpoint(seen.address), LOOPBACK, "lo" if self._podman else None)

    def as_host(self) -> Endpoint:
        """Return the machine as the host of endpoints that share its namespace."""
        return replace(_endpoint(None), role=Role.HOST)

    def lacking(self, recipe: Recipe, path: TrafficPath) -> str | None:
        """Return why a recipe has no path from or to the machine here; None if it has one."""
        seen = self._look()
        if seen is None:
            return _REMOTE
        if recipe.family == Family.V6:
            return _IPV4_ALONE
        if seen.same:
            return None
        if self._rootful:
            return _ELSEWHERE
        if path is TrafficPath.OUTSIDE:
            return _UNPUBLISHED if recipe.server is Attach.HOST and not self._podman else None
        return None if seen.address else _NO_ADDRESS

    @property
    def remote(self) -> bool:
        """Whether the engine is on another machine."""
        return self._look() is None

    @property
    def within(self) -> bool:
        """Whether netbench is in the network namespace of the engine's host."""
        seen = self._look()
        return seen is not None and seen.same

    def _look(self) -> Surroundings | None:
        """Return how the two lie to each other; None where the engine is on another machine."""
        with self._lock:
            self._hosting.get()
            if self._seen is None and self._hosting.local:
                there = self._hosting.run(("readlink", _NETNS)).stdout.strip()
                same = there == str(Path(_NETNS).readlink())
                self._seen = Surroundings(same, None if same else self._address())
            return self._seen

    def _address(self) -> str | None:
        """Return the first address of the machine that a container does not take for its host's."""
        taken = _addresses(self._hosting.run(_ADDRESSES).stdout)
        own = _addresses(call(*_ADDRESSES).stdout)
        return next((address for address in own if address not in taken), None)


def _endpoint(address: str | None) -> Endpoint:
    return Endpoint(THIS_MACHINE, "this machine", Role.MACHINE, os.getpid(), address, None)


def _addresses(printed: str) -> tuple[str, ...]:
    """Return the addresses of global scope in the output of `ip -j addr`."""
    try:
        found = [one for link in json.loads(printed or "[]") for one in link.get("addr_info", ())]
        return tuple(str(one["local"]) for one in found if one["scope"] == "global")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"unreadable addresses: {error!r}: {printed[:200]}") from error
