"""`NetnsEngine`: a small world of namespaces, made with the run and gone with it."""

import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, Literal

from netbench.engines.base import Endpoint, Engine, Lan, Network, Owned
from netbench.engines.local_process import NOT_RUN, call, cpu_topology
from netbench.engines.netns import networks, wiring
from netbench.engines.netns.cni import CniNetwork, CniRuntime
from netbench.engines.netns.holder import NAMESPACES, NamespaceProcess
from netbench.engines.netns.host_namespace import Publication, World, unpublished
from netbench.engines.netns.networks import DEFAULT, BridgeNetwork, ChildNetwork, OverlayNetwork
from netbench.engines.netns.spawner import in_user_namespace
from netbench.engines.owner import leftovers, remove_leftover
from netbench.errors import EngineError, EngineUnavailable, Unsupported
from netbench.record import FactValue, RuleCounters
from netbench.spec import (
    MACHINE_PATHS,
    USER_MODE,
    Attach,
    CpuTopology,
    Family,
    FirewallRules,
    NetworkSpec,
    Path,
    Port,
    Recipe,
    Role,
)
from netbench.system.files import LOCAL

_TOOLS: Final = ("iperf3", "sockperf")
_VERSIONS: Final = {**dict.fromkeys(_TOOLS, "--version"), "netperf": "-V"}
_DRIVERS: Final = ("bridge", "netkit", "macvlan", "ipvlan", "overlay", "cni")
_PUBLISHING: Final = ("bridge", "netkit", "overlay")  # a plug-in publishes the ports of CNI
_NO_MACHINE: Final = (
    "the netns engine's host is a namespace of its own that nothing joins to the machine"
)
LiveNetwork = BridgeNetwork | ChildNetwork | OverlayNetwork | CniNetwork


class NetnsEngine(Engine):
    """Makes a host namespace, networks and endpoints; needs root, of the machine or a namespace."""

    name = "netns"
    local = True
    files = LOCAL
    ask = None

    def __init__(self, run: str, why: str, *, keep: bool = False) -> None:
        """Make the world, or raise EngineUnavailable; with `keep` it may outlive netbench."""
        self.why = why
        self._endpoints: dict[str, ExitStack] = {}  # what undoes each endpoint
        self._networks: dict[str, tuple[LiveNetwork, ExitStack]] = {}  # with what undoes each
        try:
            self._world = World(run, keep=keep)
        except EngineError as exc:
            raise EngineUnavailable(str(exc), hint="run as root, or allow user namespaces") from exc
        self._worlds: dict[FirewallRules | None, World] = {None: self._world}  # by their rules
        self._lock = threading.Lock()
        self._cni = CniRuntime(self._world)
        try:
            spec = NetworkSpec("bridge", ipv6=self._world.no_ipv6 is None)
            self._default = BridgeNetwork(self._world, "bridge", spec, ExitStack(), link=DEFAULT)
        except BaseException as exc:
            self._world.spawner.close()
            if isinstance(exc, EngineError):
                raise EngineUnavailable(str(exc), hint="the kernel needs bridges and veth") from exc
            raise

    def prepare(self) -> tuple[str, ...]:
        """Check that the tools are on PATH; return what differs from the network of Docker."""
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing:
            names = " ".join(missing)
            raise EngineUnavailable(f"{names} not found", hint=f"apt-get install {names}")
        lacking = []
        if self._world.firewall.lacking is not None:
            lacking.append(f"no firewall rules as Docker's: {self._world.firewall.lacking}")
        if not wiring.passes_firewall(self._world.pid):
            lacking.append(
                "bridged frames pass no firewall, as they do with Docker: br_netfilter is not "
                "loaded (modprobe br_netfilter) or may not be enabled here"
            )
        return tuple(lacking)

    def facts(self) -> Mapping[str, FactValue]:
        """Return what distinguishes this engine."""
        return {
            "engine.name": "netns (kernel namespaces, no daemon)",
            "engine.arch": os.uname().machine,
            "engine.kernel": os.uname().release,
            "engine.rootless": in_user_namespace(),
            "engine.user_namespace": in_user_namespace(),
            "engine.firewall": self._world.firewall.backend,
            "engine.security": "seccomp" if self._world.spawner.confinement.options else "none",
            "engine.bridge_nf_iptables": wiring.passes_firewall(self._world.pid),
        }

    def tools(self) -> Mapping[str, str]:
        """Return version lines of the tools on PATH."""
        found = {}
        for tool, option in _VERSIONS.items():
            path = shutil.which(tool)
            if path is None:
                continue
            done = call(path, option)
            said = (done.stdout or done.stderr).strip().splitlines()
            if said and done.returncode != NOT_RUN:
                found[tool] = said[0]
        return found

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs this process may use."""
        return cpu_topology(LOCAL)

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        """Try what the recipe and the path need."""
        if recipe.runtime:
            return "runtimes are a container engine's: --engine docker"
        spec = recipe.network
        lacking = self._lacks(spec) if spec else None
        world = self._world_of(spec.rules) if spec and lacking is None else self._world
        if lacking is None and recipe.family == Family.V6:
            lacking = self._world.no_ipv6
        if spec:
            publishes = spec.driver in _PUBLISHING and not spec.internal
        else:
            publishes = recipe.server is Attach.DEFAULT
        if path in MACHINE_PATHS:
            return lacking or _NO_MACHINE
        if lacking is not None or path is Path.EAST_WEST or not publishes:
            return lacking
        return unpublished(world.firewall, recipe.published)

    def _world_of(self, rules: FirewallRules | None) -> World:
        """Return the world whose host has such rules, made at the first call; EngineError."""
        with self._lock:
            if rules not in self._worlds:
                self._worlds[rules] = World(self._world.run, beside=self._world, rules=rules)
            return self._worlds[rules]

    def _lacks(self, spec: NetworkSpec) -> str | None:
        """Return why a network cannot be made here, or None if it can."""
        if spec.driver in USER_MODE:
            return f"{spec.driver} is a network of rootless Podman's containers: --engine docker"
        if spec.driver not in _DRIVERS:
            return f"plugin:{spec.driver} needs a Docker Engine: the netns engine has no plug-ins"
        if spec.gateway:
            return "gateway modes are a Docker Engine's: --engine docker"
        if spec.options:
            named = ", ".join(f"{key}={value}" for key, value in spec.options)
            return f"the netns engine knows no options of an engine's own ({named})"
        return networks.unsupported(self._world_of(spec.rules), spec)

    def lan(self) -> Lan:
        """Return the emulated LAN."""
        return self._world.lan()

    def host(self) -> Endpoint:
        """Return the world's host namespace."""
        return self._world.host

    def rules(self, host: Endpoint, bridge: str) -> RuleCounters:
        """Read them by the program that made them."""
        world = next(one for one in self._worlds.values() if one.pid == host.pid)
        return world.firewall.read(bridge)

    def visit(self, name: str) -> Endpoint:
        """Refuse: there is no container here but those of this run."""
        raise EngineError(
            f"the netns engine has no named containers, so there is no {name}",
            hint="name the engine whose container it is: --engine docker",
        )

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network."""
        lacking = self._lacks(spec)
        if lacking:
            raise Unsupported(lacking)
        with ExitStack() as undo:
            made = self._make(name, spec, undo)
            self._networks[made.network.id] = (made, undo.pop_all())
        return made.network

    def _make(self, name: str, spec: NetworkSpec, undo: ExitStack) -> LiveNetwork:
        if spec.driver == "overlay":
            return OverlayNetwork(self._world, name, spec, undo, self._default)
        if spec.driver == "cni":
            return CniNetwork(self._cni, name, spec, undo)
        kind = ChildNetwork if spec.on_lan else BridgeNetwork
        return kind(self._world_of(spec.rules), name, spec, undo)

    def create_endpoint(
        self,
        name: str,
        role: Role,
        attach: Attach,
        *,
        network: Network | None,
        peer: Endpoint | None,
        cpus: tuple[int, ...],
        publish: tuple[Port, ...] = (),
        published: Literal["proxy", "nat"] | None = None,
        runtime: str | None = None,
    ) -> Endpoint:
        """Make namespaces and wire them."""
        del cpus, runtime  # tools are pinned one by one; there is no cgroup to confine
        shared = {Attach.HOST: self._world.pid, Attach.PEER: peer.pid if peer else None}
        with ExitStack() as undo:
            holder = self._world.spawner.hold(shared.get(attach))
            undo.callback(self._world.spawner.release, holder)
            endpoint = Endpoint(name, name, role, holder, None, None)
            if attach not in shared:
                wiring.make_ready(holder, wiring.CONTAINER)
            if joined := self._joined(attach, network):
                endpoint = joined.attach(endpoint, Publication(publish, published), undo)
            self._endpoints[name] = undo.pop_all()
        return endpoint

    def _joined(self, attach: Attach, network: Network | None) -> LiveNetwork | None:
        """Return the network that an endpoint is attached to."""
        if attach is Attach.DEFAULT:
            return self._default
        if attach is not Attach.NETWORK or network is None:
            return None
        if network.id not in self._networks:
            raise EngineError(f"the network {network.id} is gone")
        return self._networks[network.id][0]

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """End its processes; its namespaces and links go with them."""
        self._endpoints.pop(endpoint.id, ExitStack()).close()

    def remove_network(self, network: Network) -> float | None:
        """Remove it."""
        _, undo = self._networks.pop(network.id, (None, None))
        started = time.monotonic()
        if undo:
            undo.close()
        return time.monotonic() - started if undo and network.took is not None else None

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> NamespaceProcess:
        """Start a tool in the endpoint's namespaces."""
        del limit  # it ends with the holder
        return self._world.spawner.tool(endpoint.pid, argv, cpu)

    def way_in(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the `nsenter` that a user types."""
        # An ordinary user is root in there already; becoming root once more is not allowed.
        own = ("--user", "--preserve-credentials") if in_user_namespace() else ()
        return ("nsenter", f"--target={endpoint.pid}", *own, *NAMESPACES, "sh")

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return holders that were kept, and cgroups, which outlive a netbench that is killed."""
        return leftovers(run, "process", "cgroup")

    def remove_owned(self, thing: Owned) -> None:
        """End a holder, or remove a cgroup."""
        remove_leftover(thing)

    def close(self, *, keep: bool = False) -> None:
        """End the world, unless it is kept."""
        try:
            if not keep:
                self._cni.close()
        finally:
            self._world.spawner.close(keep=keep)
