"""`NetnsEngine`: a small world of namespaces, made with the run and gone with it."""

import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network

from netbench.engines.base import Endpoint, Network, Owned
from netbench.engines.cpus import local_topology
from netbench.engines.netns import wiring
from netbench.engines.netns.holder import Holder, NamespaceProcess, hold
from netbench.engines.netns.leftovers import end_owned_process, owned_processes
from netbench.engines.netns.wiring import Bridge
from netbench.engines.owner import this_process
from netbench.errors import EngineError, EngineUnavailable
from netbench.record import Completed, FactValue, Ipam
from netbench.spec import Attach, CpuTopology, NetworkSpec, Recipe, Role

_POOL = IPv4Network("198.18.0.0/15")
"""RFC 2544's block for benchmarks."""
_IN_USER_NAMESPACE = "NETBENCH_IN_USER_NAMESPACE"
_UTILITIES = ("unshare", "nsenter", "setpriv", "taskset", "sleep")
_TOOLS = ("iperf3", "sockperf")


def unavailable() -> str | None:
    """Return why this engine cannot work for this user, None where it can; found by trying."""
    missing = [name for name in _UTILITIES if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found (util-linux, coreutils)"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *user, "--net", "--mount", "--propagation=unchanged", "--pid", "--fork"]
    tried = subprocess.run([*argv, "true"], capture_output=True, text=True, timeout=10, check=False)
    return None if tried.returncode == 0 else f"`{' '.join(argv)} true`: {tried.stderr.strip()}"


def reexec_in_user_namespace() -> None:
    """Where we are not root, start this program again as root of a user namespace of its own.

    Returns at once where we are root, or already there.
    """
    if os.geteuid() == 0 or os.environ.get(_IN_USER_NAMESPACE):
        return
    os.environ[_IN_USER_NAMESPACE] = "1"
    argv = ["unshare", "--user", "--map-root-user", "--", sys.executable, "-m", "netbench"]
    os.execvp("unshare", [*argv, *sys.argv[1:]])  # noqa: S606 -- replaces this process, no shell


class NetnsEngine:
    """Makes a host namespace, bridges and endpoints; needs root, of the machine or a namespace."""

    name = "netns"
    local = True

    def __init__(self, run: str, why: str) -> None:
        """Make the world.

        Raises:
            EngineUnavailable: the kernel refuses namespaces to this user.
        """
        self.why = why
        self._run = run
        self._owner = this_process()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._subnets = _POOL.subnets(new_prefix=24)
        self._addresses: dict[str, itertools.count[int]] = {}
        self._bridges: dict[str, Bridge] = {}
        self._holders: dict[str, Holder] = {}
        self._ports: dict[str, str] = {}
        # One thread that lives as long as this engine starts every process: a parent-death signal
        # is sent when the *thread* that started the process ends, prctl(2) PR_SET_PDEATHSIG.
        self._spawner = ThreadPoolExecutor(max_workers=1)
        try:
            self._world = self._hold(None)
        except EngineError as exc:
            raise EngineUnavailable(str(exc), hint="run as root, or allow user namespaces") from exc
        try:
            wiring.loopback_up(self._world.pid)
            self._default = self._add_bridge("nb0")
        except BaseException:
            self.close()
            raise

    def prepare(self) -> tuple[str, ...]:
        """Check that the tools are on PATH."""
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing:
            names = " ".join(missing)
            raise EngineUnavailable(f"{names} not found", hint=f"apt-get install {names}")
        return ()

    def facts(self) -> Mapping[str, FactValue]:
        """Return what distinguishes this engine."""
        return {
            "engine.name": "netns (kernel namespaces, no daemon, no firewall rules)",
            "engine.arch": os.uname().machine,
            "engine.kernel": os.uname().release,
            "engine.rootless": bool(os.environ.get(_IN_USER_NAMESPACE)),
            "engine.user_namespace": bool(os.environ.get(_IN_USER_NAMESPACE)),
        }

    def tools(self) -> Mapping[str, str]:
        """Return version lines of the tools on PATH."""
        found = {}
        for tool in _TOOLS:
            argv = (shutil.which(tool) or tool, "--version")
            done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
            found[tool] = (done.stdout or done.stderr).strip().splitlines()[0]
        return found

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs this process may use."""
        return local_topology()

    def unsupported(self, recipe: Recipe) -> str | None:
        """Every recipe of bridges and shared namespaces can be made."""
        if recipe.network and recipe.network.driver != "bridge":
            return f"the netns engine makes no {recipe.network.driver} networks"
        if recipe.network and recipe.network.options:
            return f"the netns engine knows no network options ({recipe.network.options[0][0]})"
        return None

    def host(self) -> Endpoint:
        """Return the world's host namespace."""
        return Endpoint("world", "world", Role.HOST, self._world.pid, None, None)

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a bridge; this world has no other routes to collide with."""
        if spec.driver != "bridge":
            raise EngineError(f"the netns engine makes no {spec.driver} networks")
        with self._lock:
            bridge = self._add_bridge(f"nb{next(self._numbers)}")
        return Network(bridge.name, _ipam(name, bridge))

    def create_endpoint(
        self,
        name: str,
        role: Role,
        attach: Attach,
        *,
        network: Network | None,
        peer: Endpoint | None,
        cpus: tuple[int, ...],
    ) -> Endpoint:
        """Make namespaces and wire them."""
        del cpus  # tools are pinned one by one; there is no cgroup to confine
        shared = {Attach.HOST: self._world.pid, Attach.PEER: peer.pid if peer else None}
        holder = self._hold(shared.get(attach))
        try:
            if attach not in shared:
                wiring.loopback_up(holder.pid)
            address, ipam = self._wire(name, holder.pid, attach, network)
        except BaseException:
            holder.close()
            raise
        self._holders[name] = holder
        return Endpoint(name, name, role, holder.pid, address, ipam)

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """End its processes; its namespaces and links go with them."""
        port = self._ports.pop(endpoint.id, None)
        if port:
            wiring.delete_link(self._world.pid, port)
        holder = self._holders.pop(endpoint.id, None)
        if holder:
            holder.close()

    def remove_network(self, network: Network) -> None:
        """Remove its bridge."""
        wiring.delete_link(self._world.pid, network.id)
        self._bridges.pop(network.id, None)

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> NamespaceProcess:
        """Start a tool in the endpoint's namespaces."""
        del limit  # it ends with the holder
        return self._spawner.submit(NamespaceProcess, endpoint.pid, argv, cpu).result()

    def run(self, endpoint: Endpoint, argv: tuple[str, ...], *, timeout: float) -> Completed:
        """Run a command to its end."""
        return self.start(endpoint, argv, cpu=None, limit=timeout).wait(timeout)

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return holders that are left; none survives its netbench, so none should be."""
        return owned_processes(run)

    def remove_owned(self, thing: Owned) -> None:
        """End a holder."""
        end_owned_process(thing)

    def close(self) -> None:
        """End the world."""
        for holder in (*self._holders.values(), self._world):
            holder.close()
        self._holders.clear()
        self._spawner.shutdown()

    def _hold(self, network_of: int | None) -> Holder:
        """Make a holder, from the spawner as everything that must end with us."""
        made = self._spawner.submit(hold, self._run, self._owner, network_of=network_of)
        return made.result()

    def _add_bridge(self, name: str) -> Bridge:
        bridge = Bridge(name, next(self._subnets))
        wiring.add_bridge(self._world.pid, bridge)
        self._bridges[name] = bridge
        self._addresses[name] = itertools.count(2)
        return bridge

    def _wire(
        self, name: str, pid: int, attach: Attach, network: Network | None
    ) -> tuple[str | None, Ipam | None]:
        if attach not in (Attach.DEFAULT, Attach.NETWORK):
            return None, None
        bridge = self._bridges[network.id] if network else self._default
        with self._lock:
            address = str(bridge.subnet[next(self._addresses[bridge.name])])
            port = f"nbv{next(self._numbers)}"
        self._ports[name] = port
        wiring.attach(self._world.pid, pid, bridge, port, address)
        known = network.ipam.network if network and network.ipam else "bridge"
        return address, _ipam(known, bridge)


def _ipam(name: str, bridge: Bridge) -> Ipam:
    return Ipam(name, str(bridge.subnet), bridge.gateway, bridge.name)
