"""Two Docker Engines, each on a machine of its own, as one: clients on one, servers on the other.

Contexts lead to the engines and Swarm joins them; nothing else is distributed here.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Final, Literal

from netbench.engines.base import Endpoint, Engine, EngineOptions, Lan, Network, Owned, Process
from netbench.engines.docker import DockerEngine, open_docker
from netbench.engines.docker.networks import OVERLAY
from netbench.engines.docker.overlay import OverlaySpan
from netbench.engines.docker.routes import Between, host_of, way
from netbench.engines.docker.swarm_nodes import JointSwarm
from netbench.engines.subnets import SubnetPool
from netbench.errors import ConfigurationError, EngineError, EngineLost
from netbench.record import FactValue
from netbench.spec import Attach, CpuTopology, NetworkSpec, Node, Path, Port, Recipe, Role
from netbench.system.files import Files
from netbench.system.interrupts import deferred_signals

_NO_ADDRESS: Final = (
    "the address of the peer's machine is not known: its context names no host; give it by "
    "--peer-address ADDRESS, an address of that machine which this engine's machine reaches"
)


class TwoNodes(Engine):
    """`Engine` of two for one run."""

    name = "docker"

    def __init__(
        self, first: DockerEngine, peer: DockerEngine, *, address: str | None, init_swarm: bool
    ) -> None:
        """Take both engines and `--peer-address`; ConfigurationError if they cannot be a pair."""
        if first.id == peer.id:
            raise ConfigurationError(
                "--peer-context names the engine that --context names",
                hint="name the engine of another machine: docker context ls",
            )
        self._engines = {Node.FIRST: first, Node.PEER: peer}
        self._address = address or host_of(peer.url)
        if self._address is None:
            raise ConfigurationError(_NO_ADDRESS)
        self.why = f"{first.why}; the peer: {peer.why}"
        self._clients = Node.FIRST
        self._lock = threading.RLock()
        self._between: Mapping[Node, Between] | None = None
        makers = {node: engine.maker for node, engine in self._engines.items()}
        addresses = {node: engine.taken_subnets for node, engine in self._engines.items()}
        self._subnets = SubnetPool(
            lambda: [one for taken in addresses.values() for one in taken()], reuse=True
        )
        self._swarm = JointSwarm(makers, wanted=init_swarm, addresses=self.addresses)
        self._leases: dict[str, ExitStack] = {}  # of subnets that both give addresses of
        self._homes: dict[str, Node] = {}  # where the server's end of a network is
        self._spans = OverlaySpan(self._engines, self.addresses)
        self._owners: dict[str, Node] = {}
        for engine in self._engines.values():
            engine.join(self._swarm, self._subnets)

    @property
    def nodes(self) -> Mapping[Node, Engine]:
        """The engine of each machine."""
        return dict(self._engines)

    def turn(self, block: int) -> None:
        """Have clients on the first machine in odd blocks, on the peer's in even ones."""
        self._clients = Node.FIRST if block % 2 else Node.PEER

    def addresses(self) -> Mapping[Node, str]:
        """Return the addresses by which the machines reach each other; errors as `meet`."""
        return {node: one.address for node, one in self.meet().items()}

    def meet(self) -> Mapping[Node, Between]:
        """Find by which links and addresses the machines reach each other, once.

        EngineError where one has no way to the other.
        """
        with self._lock:
            if self._between is None:
                assert self._address is not None  # noqa: S101 -- or it was not made
                first, peer = self._engines[Node.FIRST], self._engines[Node.PEER]
                here = way(first, first.url, self._address)
                there = way(peer, peer.url, here.address)
                # A machine may have several addresses: what it answers by is what is used.
                here = way(first, first.url, there.address)
                self._between = {Node.FIRST: here, Node.PEER: there}
                for node, one in self._between.items():
                    self._engines[node].meet(one)
            return self._between

    def prepare(self) -> tuple[str, ...]:
        """Prepare both engines, and see that the machines reach each other."""
        done = [
            f"{node} machine: {text}"
            for node, engine in self._engines.items()
            for text in engine.prepare()
        ]
        ways = self.meet()
        first, peer = ways[Node.FIRST], ways[Node.PEER]
        joined = (
            f"the machines reach each other by {first.link} ({first.address}) of the first and "
            f"{peer.link} ({peer.address}) of the peer"
        )
        return (*done, joined)

    def facts(self) -> Mapping[str, FactValue]:
        """Return the facts `engine.*` of the first machine's engine."""
        return self._engines[Node.FIRST].facts()

    def tools(self) -> Mapping[str, str]:
        """Return each tool's version, of the first machine; the peer's too where it is another."""
        first, peer = (engine.tools() for engine in self._engines.values())
        return {**first, **{f"peer {k}": v for k, v in peer.items() if first.get(k) != v}}

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs that both machines have: endpoints change places."""
        first, peer = (engine.cpu_topology() for engine in self._engines.values())
        both = tuple(cpu for cpu in first.usable if cpu in peer.usable)
        cores = (tuple(cpu for cpu in core if cpu in both) for core in first.cores)
        return CpuTopology(both, tuple(core for core in cores if core))

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        """Return why a recipe cannot be made on both, or has no way from one to the other."""
        if path not in (Path.ACROSS, Path.EAST_WEST):
            return f"{path} is a path of one machine; between two there is {Path.ACROSS}"
        if path is Path.ACROSS:
            self.meet()
        for node, engine in self._engines.items():
            if why := engine.unsupported(recipe, path):
                return f"on the {node} machine: {why}"
        return None

    def lan(self) -> Lan:
        """Raise EngineError: there is none."""
        raise EngineError("two machines have no emulated LAN")

    def host(self) -> Endpoint:
        """Return a container in the namespaces of the first machine's host."""
        return self.host_of(Node.FIRST)

    def host_of(self, node: Node) -> Endpoint:
        """Return one in those of either machine's."""
        return replace(self._engines[node].host(), node=node)

    @property
    def local(self) -> bool:
        """Tell whether the processes of both are in our own /proc."""
        return all(engine.local for engine in self._engines.values())

    @property
    def files(self) -> Files:
        """Files of the first machine."""
        return self._engines[Node.FIRST].files

    @property
    def ask(self) -> Callable[[str, float], str] | None:
        """Run a script on the first machine, if that is another one."""
        return self._engines[Node.FIRST].ask

    def _node(self, role: Role) -> Node:
        return self._clients if role is Role.CLIENT else self._clients.other

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network on both machines, or an overlay that spans them."""
        if spec.driver == OVERLAY:
            return self._overlay(name, spec)
        with self._lock:
            return self._of_each(name, spec)

    def _of_each(self, name: str, spec: NetworkSpec) -> Network:
        lease = ExitStack()
        with deferred_signals(), ExitStack() as undo:
            undo.push(lease)
            made: dict[Node, Network] = {}
            # Of a LAN both give out addresses of one subnet, each those of a half of it.
            subnet = self._subnets.take(lease, ipv6=spec.ipv6) if spec.on_lan else None
            for half, (node, engine) in enumerate(self._engines.items()):
                network = (
                    engine.create_network(name, spec)
                    if subnet is None
                    else engine.create_halved(name, spec, (subnet, half))
                )
                undo.callback(engine.remove_network, network)
                made[node] = network
            undo.pop_all()
        server, client = made[self._node(Role.SERVER)], made[self._node(Role.CLIENT)]
        if server.id in self._leases:  # a parent takes one network, which others use by now
            lease.close()
        else:
            self._leases[server.id] = lease
        self._homes[server.id] = self._node(Role.SERVER)
        return replace(server, there=client)

    def _overlay(self, name: str, spec: NetworkSpec) -> Network:
        self._swarm.ensure()
        made = self._engines[self._swarm.manager].create_network(name, spec)
        server, client = (
            replace(self._engines[self._node(role)].with_sandbox(made), took=made.took)
            for role in (Role.SERVER, Role.CLIENT)
        )
        return replace(server, there=client)

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
        """Make and start a container on the machine of its role, or where its peer is."""
        node = peer.node if peer else self._node(role)
        far = network is not None and network.there is not None and node is self._clients
        made = self._engines[node].create_endpoint(
            name,
            role,
            attach,
            network=network.there if far and network else network,
            peer=peer,
            cpus=cpus,
            publish=publish,
            published=published,
            runtime=runtime,
        )
        made = replace(made, node=node)
        if network is not None and network.there and network.there.id == network.id:
            return self._spans.met(made, network)
        return made

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove a container with every process in it."""
        self._engines[endpoint.node].remove_endpoint(endpoint)

    def remove_network(self, network: Network) -> float | None:
        """Remove a network of both machines; return the seconds that the server's took."""
        self._spans.forget(network)
        there = network.there
        if there is None or there.id == network.id:
            return self._engines[self._swarm.manager].remove_network(network)
        home = self._homes[network.id]
        with ExitStack() as undo:
            undo.callback(self._engines[home.other].remove_network, there)
            took = self._engines[home].remove_network(network)
        if took is not None:
            self._leases.pop(network.id).close()
        return took

    def visit(self, name: str) -> Endpoint:
        """Look at any container of the first machine's engine."""
        return self._engines[Node.FIRST].visit(name)

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> Process:
        """Start a tool by the shell in its container."""
        return self._engines[endpoint.node].start(endpoint, argv, cpu=cpu, limit=limit)

    def way_in(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the `docker exec` that a user types."""
        return self._engines[endpoint.node].way_in(endpoint)

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return everything that carries netbench's label, of both engines."""
        found: list[Owned] = []
        for node, engine in self._engines.items():
            with suppress(EngineLost):
                own = engine.owned(run)
                self._owners.update((thing.id, node) for thing in own)
                found += own
        return tuple(found)

    def remove_owned(self, thing: Owned) -> None:
        """Remove one of `owned`."""
        self._engines[self._owners.get(thing.id, Node.FIRST)].remove_owned(thing)

    def close(self, *, keep: bool = False) -> None:
        """Remove what was made for the run on both, and let go; no error if an engine is lost."""
        with ExitStack() as closed:
            for engine in self._engines.values():
                closed.callback(engine.close, keep=keep)
            if not keep:
                closed.enter_context(suppress(EngineLost))
                closed.callback(self._swarm.undo)


def open_both(run: str, options: EngineOptions) -> TwoNodes:
    """Return the engines of two contexts as one; errors as `open_docker`, and of `TwoNodes`."""
    with ExitStack() as undo:
        first = open_docker(run, options)
        undo.callback(first.close)
        peer = open_docker(run, options.peer)
        undo.callback(peer.close)
        both = TwoNodes(first, peer, address=options.peer_address, init_swarm=options.init_swarm)
        undo.pop_all()
    return both
