"""The docker engine: `Engine` over the Docker Engine API."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Literal

from netbench.engines.base import Endpoint, EngineOptions, Lan, Network, Owned, Published
from netbench.engines.docker import facts, foreign_container, machine, ownership
from netbench.engines.docker.bridges import BridgeNames
from netbench.engines.docker.client import Clients, dialect_of
from netbench.engines.docker.container_factory import ImageWish, Maker
from netbench.engines.docker.endpoints import (
    ROOT,
    USER,
    EndpointContainer,
    Order,
    Sharing,
    address_in,
    main_process,
)
from netbench.engines.docker.exec import DockerProcess, start
from netbench.engines.docker.host import ROOTS_FILES, EngineHost
from netbench.engines.docker.lan import EmulatedLan
from netbench.engines.docker.launcher import Launchers
from netbench.engines.docker.link_kinds import LinkKinds
from netbench.engines.docker.network_info import OVERLAY, default
from netbench.engines.docker.networks import Networks
from netbench.engines.docker.port_publishing import create_published, why_not
from netbench.engines.docker.subnets import SubnetAllocator
from netbench.engines.docker.support import EngineSupport
from netbench.engines.docker.swarm import Swarm
from netbench.errors import EngineError, EngineLost
from netbench.record import Completed, FactValue
from netbench.spec import Attach, CpuTopology, NetworkSpec, Path, Port, Recipe, Role
from netbench.system.files import Files

_QUICK: Final = 20.0
"""Seconds that a command which only reads may take."""


class DockerEngine:
    """One run's hold on a Docker Engine.

    `local` is known once the host endpoint is made (`prepare`, `host`); it is False before.
    """

    name = "docker"

    def __init__(self, clients: Clients, run: str, wishes: EngineOptions) -> None:
        """Ask the engine what it is.

        Raises:
            EngineError: it refuses to tell.
        """
        with clients.lend("ask the engine what it is") as api:
            self._info: Mapping[str, Any] = api.info()
            self._version: Mapping[str, Any] = api.version()
        clients.dialect = dialect_of(self._version)
        target = clients.target
        self.why = f"the Docker Engine answers at {target.url} ({target.origin})"
        self.local = False
        self._clients = clients
        self._wishes = wishes
        labels = ownership.labels(run)
        image = ImageWish(wishes.image, facts.architecture(self._info))
        init = facts.component(self._version, "docker-init") is not None
        self._maker = Maker(clients, run, labels, image, init=init)
        self._launchers = Launchers(clients)
        self._hosting = EngineHost(clients, self._maker, self._launchers)
        subnets = SubnetAllocator(clients, self._host_routes)
        kinds = LinkKinds(self._maker)
        self._lan = EmulatedLan(self._maker, subnets)
        self._swarm = Swarm(clients, labels, wanted=wishes.init_swarm)
        self._networks = Networks(
            clients,
            labels,
            bridges=BridgeNames(run),
            subnets=subnets,
            lan=self._lan,
            kinds=kinds,
            swarm=self._swarm,
            parent=wishes.parent,
        )
        self._possible = EngineSupport(
            self._info,
            kinds,
            self._swarm,
            default=self._default,
            ipv6=self._has_ipv6,
            publishing=self._unpublished,
            parent=wishes.parent,
        )
        self._lock = threading.RLock()
        self._ports = threading.Lock()
        """Held while ports are published: several that seek numbers at once take each other's."""
        self._host: Endpoint | None = None
        self._visits: set[str] = set()
        self._tools: Mapping[str, str] | None = None
        self._topology: CpuTopology | None = None
        self._publishes: str | Literal[True] | None = None
        """Whether ports are published on the emulated LAN, or why not; None before it is tried."""

    def prepare(self) -> tuple[str, ...]:
        """Make the probe image and the host endpoint, and check the tools in it."""
        image = self._maker.image()
        self.host()
        if self._wishes.image is not None:
            machine.check_tools(self._in_host())
        self.tools()
        return (image.done, self._hosting.describe())

    def facts(self) -> Mapping[str, FactValue]:
        """Return the facts `engine.*`."""
        return {
            **facts.engine_facts(self._info, self._version, self._clients.target),
            **facts.image_facts(self._maker.made_image),
            "engine.local": self.local,
        }

    def tools(self) -> Mapping[str, str]:
        """Return the first line that each tool in the image says of its version."""
        with self._lock:
            if self._tools is None:
                self._tools = machine.tool_versions(self._in_host())
            return self._tools

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs containers can be pinned to."""
        with self._lock:
            if self._topology is None:
                self._topology = machine.cpu_topology(self._in_host())
            return self._topology

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        """Return why there is no such thing here."""
        return self._possible.refusal(recipe, path)

    def lan(self) -> Lan:
        """Return the emulated LAN."""
        return self._lan.get()

    def host(self) -> Endpoint:
        """Return a container in the host's namespaces: all but mnt, where the engine allows it."""
        with self._lock:
            if self._host is None:
                self._host = self._hosting.make()
                self.local = self._hosting.local
            return self._host

    @property
    def files(self) -> Files:
        """Files of the engine's machine."""
        self.host()
        return self._hosting.files

    @property
    def ask(self) -> Callable[[str, float], str] | None:
        """Carry out a script on the engine's machine, where that is not ours."""
        self.host()
        return self._hosting.shell.ask if self._hosting.shell else None

    def _in_host(self) -> machine.Run:
        # The endpoint is fetched first: the commands may run in threads, which must not wait for
        # the lock that their starter holds.
        host = self.host()
        return lambda argv: self.run(host, argv, timeout=_QUICK)

    def _host_routes(self) -> tuple[str, ...]:
        done = self._in_host()(("sh", "-c", "ip -j -4 route; ip -j -6 route"))
        return tuple(line for line in done.stdout.splitlines() if line.strip())

    def _has_ipv6(self) -> bool:
        setting = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
        return self._in_host()(("cat", setting)).stdout.strip() == "0"

    def _unpublished(self) -> str | None:
        """Return why no port is published on the emulated LAN; None where they are."""
        if facts.is_rootful(self._info):
            return None  # its host is where its daemon binds ports: nothing to try
        with self._lock:
            if self._publishes is None:
                order = self._maker.order("publish", Sharing("bridge"), main_process())
                maker = self._maker
                why = why_not(order, self.lan().host, create=maker.create, remove=maker.remove)
                self._publishes = why or True
            return None if self._publishes is True else self._publishes

    def _default(self) -> Network | None:
        return default(self._clients)

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network with free subnets."""
        made = self._networks.create(self._maker.unique(name), spec)
        sandbox = self._hosting.sandbox(made, self.host()) if spec.driver == OVERLAY else None
        return replace(made, sandbox=sandbox)

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
        """Make and start a container."""
        del published  # who serves a port is the engine's to say: the trial's evidence shows it
        joined = self._default() if attach is Attach.DEFAULT else network
        order = replace(
            self._maker.order(name, Sharing(_mode(attach, network, peer)), main_process()),
            cpus=cpus,
        )
        made, ports = self._publishing(order, publish, joined)
        if joined and joined.ipam and joined.ipam.subnet6 and joined.ipam.bridge:
            machine.await_ipv6(self._in_host(), joined.ipam.bridge)
        return Endpoint(
            id=made.id,
            name=made.name,
            role=role,
            pid=made.pid,
            address=address_in(joined, made.addresses),
            ipam=joined.ipam if joined else None,
            address6=address_in(joined, made.addresses6),
            published=ports,
            sandbox_key=made.sandbox_key,
        )

    def _publishing(
        self, order: Order, ports: tuple[Port, ...], network: Network | None
    ) -> tuple[EndpointContainer, tuple[Published, ...]]:
        if not ports:
            return self._maker.create(order), ()
        lan = self.lan()
        has_ipv6 = network is not None and network.ipam is not None and network.ipam.subnet6
        addresses = (lan.host, lan.host6) if has_ipv6 and lan.host6 else (lan.host,)
        with self._ports:
            return create_published(
                order, ports, addresses, create=self._maker.create, remove=self._maker.remove
            )

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove a container with every process in it."""
        self._launchers.forget(endpoint.id)
        self._maker.remove(endpoint.id)
        self._visits.discard(endpoint.id)

    def remove_network(self, network: Network) -> float | None:
        """Remove a network, and the wire that was made for it."""
        return self._networks.remove(network)

    def visit(self, name: str) -> Endpoint:
        """Look at any container of the engine, through a helper that shares its namespaces."""
        self.host()
        visited = foreign_container.look_up(self._clients, name, self.files)
        seer = self._maker.create(foreign_container.helper(self._maker, visited))
        self._visits.add(seer.id)
        seen = foreign_container.endpoint(visited, seer)
        try:
            links = [f"/proc/{visited.first}/ns/{kind}" for kind in foreign_container.NOT_SHARED]
            told = self.run(seen, ("readlink", *links), timeout=_QUICK) if visited.first else None
            printed = told.stdout if told else ""
        except BaseException:
            self.remove_endpoint(seen)
            raise
        return replace(seen, stands_in=foreign_container.others(visited, printed, local=self.local))

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> DockerProcess:
        """Start a tool by the shell in its container, which itself is started at the first."""
        for_root = endpoint.id in self._visits or (
            endpoint.role is Role.HOST and argv[0] == "cat" and argv[1:] == ROOTS_FILES
        )
        launcher = self._launchers.of(endpoint.id, ROOT if for_root else USER)
        processes = self._hosting.processes
        return start(launcher, argv, cpu=cpu, limit=limit, processes=processes)

    def run(self, endpoint: Endpoint, argv: tuple[str, ...], *, timeout: float) -> Completed:
        """Run a short command to its end."""
        return self.start(endpoint, argv, cpu=None, limit=timeout).wait(timeout)

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return everything that carries our label."""
        return ownership.owned(self._clients, run)

    def remove_owned(self, thing: Owned) -> None:
        """Remove one of `owned`."""
        ownership.remove(self._clients, thing)

    def close(self) -> None:
        """Remove what the engine made for the run and let go; a lost engine goes in silence."""
        with self._lock:
            host, self._host = self._host, None
        undo: list[Callable[[], None]] = [self._lan.close, self._swarm.undo]
        if host is not None:
            undo.append(lambda: self.remove_endpoint(host))
        try:
            with suppress(EngineLost):
                _all(undo)
        finally:
            self._clients.close()


def _all(steps: list[Callable[[], None]]) -> None:
    """Take every step, even where one before it fails; raise the last failure."""
    try:
        steps[0]()
    finally:
        if steps[1:]:
            _all(steps[1:])


def _mode(attach: Attach, network: Network | None, peer: Endpoint | None) -> str:
    """Return Docker's network mode for an attachment.

    Raises:
        EngineError: it needs a network or a peer, and there is none.
    """
    if attach is Attach.NETWORK and network is not None:
        return network.id
    if attach is Attach.PEER and peer is not None:
        return f"container:{peer.id}"
    if attach in (Attach.NETWORK, Attach.PEER):
        raise EngineError(f"an endpoint attached to a {attach} was asked for without one")
    return {Attach.NONE: "none", Attach.HOST: "host", Attach.DEFAULT: "bridge"}[attach]
