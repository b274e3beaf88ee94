"""`NetnsEngine`: a small world of namespaces, made with the run and gone with it."""

import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from typing import Final, Literal

from netbench.engines.base import Endpoint, EngineOptions, Lan, Network, Owned
from netbench.engines.local_process import local_topology
from netbench.engines.netns import proxy, wiring
from netbench.engines.netns.confinement import in_user_namespace
from netbench.engines.netns.groups import (
    end_owned_process,
    leftover_groups,
    owned_processes,
    remove_leftover_group,
)
from netbench.engines.netns.holder import Holder, NamespaceProcess
from netbench.engines.netns.host_namespace import World
from netbench.engines.netns.kinds import Attached, Publication
from netbench.engines.netns.network_kinds import NetworkKinds
from netbench.engines.netns.settings import CONTAINER
from netbench.engines.owner import this_process
from netbench.errors import EngineError, EngineUnavailable
from netbench.record import Completed, FactValue
from netbench.spec import Attach, CpuTopology, Family, NetworkSpec, Path, Port, Recipe, Role
from netbench.system.files import LOCAL

_TOOLS: Final = ("iperf3", "sockperf")
_VERSIONS: Final = {**dict.fromkeys(_TOOLS, "--version"), "netperf": "-V"}
_NO_WISHES: Final = EngineOptions()
_NOTHING: Final = Attached(None, None, None)
"""What an endpoint has that is in no network."""


class NetnsEngine:
    """Makes a host namespace, networks and endpoints; needs root, of the machine or a namespace."""

    name = "netns"
    local = True
    files = LOCAL
    ask = None

    def __init__(self, run: str, why: str, wishes: EngineOptions = _NO_WISHES) -> None:
        """Make the world.

        Args:
            run: id of the run, which marks every process.
            why: this engine was chosen, in words.
            wishes: of the user; this engine has no use for any of them.

        Raises:
            EngineUnavailable: the kernel refuses namespaces to this user.
        """
        del wishes
        self.why = why
        self._lock = threading.Lock()
        self._holders: dict[str, Holder] = {}
        try:
            self._world = World(run, this_process())
        except EngineError as exc:
            raise EngineUnavailable(str(exc), hint="run as root, or allow user namespaces") from exc
        try:
            self._kinds = NetworkKinds(self._world)
        except EngineError as exc:
            self._world.close()
            raise EngineUnavailable(str(exc), hint="the kernel needs bridges and veth") from exc
        except BaseException:
            self._world.close()
            raise

    def prepare(self) -> tuple[str, ...]:
        """Check that the tools are on PATH; tell what differs from the network of Docker."""
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing:
            names = " ".join(missing)
            raise EngineUnavailable(f"{names} not found", hint=f"apt-get install {names}")
        return self._differences()

    def _differences(self) -> tuple[str, ...]:
        """Return what the world lacks of what a Docker Engine puts into the traffic's way."""
        lacking = []
        why = self._world.firewall.unavailable()
        if why is not None:
            lacking.append(f"no firewall rules as Docker's: {why}")
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
            argv = (path, option)
            done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
            found[tool] = (done.stdout or done.stderr).strip().splitlines()[0]
        return found

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs this process may use."""
        return local_topology()

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        """Try what the recipe and the path need."""
        spec = recipe.network
        lacking = self._kinds.unsupported(spec) if spec else None
        if lacking is None and recipe.family == Family.V6:
            lacking = self._world.no_ipv6
        if lacking is not None or path is Path.EAST_WEST or not self._publishes(recipe):
            return lacking
        if recipe.published == "proxy":
            return proxy.unavailable()
        return self._world.firewall.unavailable()

    def _publishes(self, recipe: Recipe) -> bool:
        if recipe.network:
            return self._kinds.publishes(recipe.network)
        return recipe.server is Attach.DEFAULT

    def lan(self) -> Lan:
        """Return the emulated LAN."""
        return self._world.lan()

    def host(self) -> Endpoint:
        """Return the world's host namespace."""
        return Endpoint("world", "world", Role.HOST, self._world.pid, None, None)

    def visit(self, name: str) -> Endpoint:
        """Refuse: there is no container here but those of this run."""
        raise EngineError(
            f"the netns engine has no named containers, so there is no {name}",
            hint="name the engine whose container it is: --engine docker",
        )

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network."""
        return self._kinds.create(name, spec)

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
    ) -> Endpoint:
        """Make namespaces and wire them."""
        del cpus  # tools are pinned one by one; there is no cgroup to confine
        shared = {Attach.HOST: self._world.pid, Attach.PEER: peer.pid if peer else None}
        holder = self._world.hold(shared.get(attach))
        try:
            if attach not in shared:
                wiring.make_ready(holder.pid, CONTAINER)
            joined = {Attach.DEFAULT: self._kinds.bridges.default, Attach.NETWORK: network}
            into = joined.get(attach)
            got = _NOTHING
            if into:
                wanted = Publication(publish, published)
                got = self._kinds.attach(into, holder.pid, name, role, wanted)
        except BaseException:
            self._world.release(holder)
            raise
        with self._lock:
            self._holders[name] = holder
        return Endpoint(
            id=name,
            name=name,
            role=role,
            pid=holder.pid,
            address=got.address,
            ipam=got.ipam,
            address6=got.address6,
            published=got.published,
        )

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """End its processes; its namespaces and links go with them."""
        try:
            self._kinds.detach(endpoint.id)
        finally:
            with self._lock:
                holder = self._holders.pop(endpoint.id, None)
            if holder:
                self._world.release(holder)

    def remove_network(self, network: Network) -> float | None:
        """Remove it."""
        return self._kinds.remove(network)

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> NamespaceProcess:
        """Start a tool in the endpoint's namespaces."""
        del limit  # it ends with the holder
        return self._world.tool(endpoint.pid, argv, cpu)

    def run(self, endpoint: Endpoint, argv: tuple[str, ...], *, timeout: float) -> Completed:
        """Run a command to its end."""
        return self.start(endpoint, argv, cpu=None, limit=timeout).wait(timeout)

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return holders, none of which survives its netbench, and cgroups, which do."""
        return (*owned_processes(run), *leftover_groups(run))

    def remove_owned(self, thing: Owned) -> None:
        """End a holder, or remove a cgroup."""
        if thing.kind == "cgroup":
            remove_leftover_group(thing)
        else:
            end_owned_process(thing)

    def close(self) -> None:
        """End the world."""
        try:
            self._kinds.close()
        finally:
            self._world.close()
