"""The docker engine: `Engine` over the Docker Engine API.

Whatever asks the engine raises `EngineError` or `EngineLost`, as `Clients.lend` does.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, Final, Literal

from netbench.engines.base import (
    NO_OPTIONS,
    Endpoint,
    Engine,
    EngineOptions,
    Lan,
    Network,
    Owned,
    OwnMachine,
)
from netbench.engines.child_process import ChildProcess
from netbench.engines.docker import facts, ownership
from netbench.engines.docker.client import PODMAN, Clients, dialect_of, podman_info, resolve
from netbench.engines.docker.endpoints import HOSTS_LINKS, NET_ADMIN, Maker, Sharing
from netbench.engines.docker.exec import DockerProcess
from netbench.engines.docker.feasibility import EngineSupport
from netbench.engines.docker.host import EngineHost
from netbench.engines.docker.lan import EmulatedLan, PortPublishing
from netbench.engines.docker.machine import THIS_MACHINE, MachineAccess
from netbench.engines.docker.networks import OVERLAY, Networks
from netbench.engines.docker.routes import Between
from netbench.engines.docker.runtimes import Runtimes
from netbench.engines.docker.swarm import Swarm
from netbench.engines.docker.swarm_nodes import JointSwarm
from netbench.engines.local_process import cpu_topology
from netbench.engines.subnets import Subnet, SubnetPair, SubnetPool
from netbench.errors import (
    ENGINE_FAILURES,
    ConfigurationError,
    EngineError,
    EngineLost,
    EngineUnavailable,
)
from netbench.record import Absent, FactValue, LinkCounters
from netbench.spec import Attach, CpuTopology, NetworkSpec, Path, Port, Recipe, Role
from netbench.system.files import Files

_NO_IMAGE: Final = Absent("no image was prepared")


class DockerEngine(Engine):
    """`Engine` for one run."""

    name = "docker"

    def __init__(self, clients: Clients, run: str, options: EngineOptions) -> None:
        """Ask the engine what it is."""
        with clients.lend("ask the engine what it is") as api:
            self._info: Mapping[str, Any] = api.info()
            self._version: Mapping[str, Any] = api.version()
            clients.dialect = dialect_of(self._version)
            self._podman = podman_info(api) if clients.dialect is PODMAN else {}
        target = clients.target
        self.why = f"the Docker Engine answers at {target.url} ({target.origin})"
        self._clients = clients
        self._options = options
        self._maker = Maker(
            clients,
            run,
            image=options.image,
            architecture=facts.architecture(self._info),
            init=facts.component(self._version, "docker-init") is not None,
        )
        self._hosting = EngineHost(self._maker)
        subnets = SubnetPool(self._hosting.taken_subnets, reuse=True)
        self._lan = EmulatedLan(self._maker, subnets)
        self._swarm: Swarm | JointSwarm = Swarm(
            clients, self._maker.labels, wanted=options.init_swarm
        )
        self._networks = Networks(
            self._maker,
            subnets,
            self._lan,
            self._swarm,
            drivers=(self._info.get("Plugins") or {}).get("Network") or (),
            parent=options.parent,
        )
        rootful = facts.is_rootful(self._info)
        if self._podman and not rootful:
            self._maker.host_network = facts.rootless_netns(self._podman)
        self._publishing = PortPublishing(self._maker, self._lan, rootful=rootful)
        self._machine = MachineAccess(
            self._hosting, self._lan, rootful=rootful, podman=bool(self._podman)
        )
        self._feasible = EngineSupport(
            self._info,
            self._hosting,
            self._networks,
            self._publishing,
            runtimes=Runtimes(self._info, self._maker),
            machine=self._machine,
            parent=options.parent,
        )

    @property
    def maker(self) -> Maker:
        """What makes its containers."""
        return self._maker

    @property
    def id(self) -> str:
        """What no other engine has."""
        return str(self._info.get("ID") or self._clients.target.url)

    @property
    def url(self) -> str:
        """Its address."""
        return self._clients.target.url

    def taken_subnets(self) -> list[Subnet]:
        """Return the subnets of its host's routes and of its networks."""
        return self._hosting.taken_subnets()

    def peers_of(self, network: str) -> set[str]:
        """Return the addresses of nodes that an overlay network is known to have endpoints on."""
        with self._clients.lend("look at the network's nodes") as api:
            found = api.inspect_network(network).get("Peers") or ()
        return {str(peer["IP"]) for peer in found}

    def join(self, swarm: JointSwarm, subnets: SubnetPool) -> None:
        """Use a swarm that another engine is in too, and subnets that are free on both."""
        self._swarm = swarm
        self._networks.join(swarm, subnets)

    def meet(self, between: Between) -> None:
        """Publish ports, and say where endpoints are, towards another engine's machine."""
        self._feasible.between = between
        self._publishing.at = between.address

    def prepare(self) -> tuple[str, ...]:
        """Make the probe image and the host endpoint, and check the tools in it."""
        image = self._maker.image()
        self.host()
        if self._options.image is not None:
            facts.check_tools(self._hosting.run)
        self.tools()
        return (image.done, self._hosting.describe())

    def facts(self) -> Mapping[str, FactValue]:
        """Return the facts `engine.*`."""
        image = self._maker.made_image
        return {
            **facts.engine_facts(self._info, self._version, self._clients.target, self._podman),
            "engine.image": image.reference if image else _NO_IMAGE,
            "engine.image_id": image.id if image else _NO_IMAGE,
            "engine.local": self.local,
        }

    def tools(self) -> Mapping[str, str]:
        """Return the first line of each tool's version in the image."""
        return facts.tool_versions(self._hosting.run)

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs containers can be pinned to."""
        return cpu_topology(self._hosting.shell_files())

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        """Return why a recipe cannot be made here, or has no such path here."""
        return self._feasible.unsupported(recipe, path)

    def esp(self) -> LinkCounters:
        """Return what ESP has carried here, by states of the host's kernel; EngineError if unread.

        A short-lived container with CAP_NET_ADMIN asks for them, without their keys.
        """
        argv = ("ip", "-s", "xfrm", "state", "list", "nokeys")
        order = self._maker.order("esp", HOSTS_LINKS, argv, NET_ADMIN)
        between = self._feasible.between
        own = between.address if between else ""
        return facts.esp(self._maker.once(order), own)

    def lan(self) -> Lan:
        """Return the emulated LAN."""
        return self._lan.get()

    def machine(self) -> OwnMachine:
        """Return the machine that netbench runs on."""
        return self._machine.get()

    def host(self) -> Endpoint:
        """Return a container in the host's namespaces: all but mnt, if the engine allows it."""
        return self._hosting.get()

    def host_for(self, attach: Attach) -> Endpoint:
        """Return the host, or the machine: rootless Podman's `host` is that."""
        theirs = self._hosting.apart and attach is Attach.HOST
        return self._machine.as_host() if theirs else self.host()

    @property
    def local(self) -> bool:
        """Tell whether its processes are in our own /proc; False until the host is looked at."""
        return self._hosting.local

    @property
    def files(self) -> Files:
        """Files of the engine's machine."""
        self.host()
        return self._hosting.files

    @property
    def ask(self) -> Callable[[str, float], str] | None:
        """Run a script on the engine's machine, if that is another one."""
        self.host()
        return self._hosting.ask

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network with free subnets."""
        made = self._networks.create(self._maker.unique(name), spec)
        return self.with_sandbox(made) if spec.driver == OVERLAY else made

    def create_halved(self, name: str, spec: NetworkSpec, half: tuple[SubnetPair, int]) -> Network:
        """Make a network on the parent, with one half of the addresses of a subnet."""
        return self._networks.create(self._maker.unique(name), spec, half)

    def with_sandbox(self, network: Network) -> Network:
        """Return an overlay network with its namespace here."""
        return replace(network, sandbox=self._hosting.sandbox(network))

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
        """Make and start a container."""
        del published  # the engine decides what serves a port: the trial's evidence shows it
        joined = self._networks.default() if attach is Attach.DEFAULT else network
        order = self._maker.order(name, Sharing(_mode(attach, network, peer)))
        order = replace(order, role=role, network=joined, cpus=cpus, runtime=runtime)
        made = self._publishing.create(order, publish)
        if between := self._feasible.between:
            made = replace(made, outside=between.address, uplink=between.link)
        if joined and joined.ipam and joined.ipam.subnet6 and joined.ipam.bridge:
            facts.await_ipv6(self._hosting.run, joined.ipam.bridge)
        return made

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove a container with every process in it."""
        self._hosting.remove(endpoint.id)

    def remove_network(self, network: Network) -> float | None:
        """Remove a network, and the wire that was made for it."""
        return self._networks.remove(network)

    def visit(self, name: str) -> Endpoint:
        """Look at any container of the engine, through a helper that shares its namespaces."""
        return self._hosting.visit(name)

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> DockerProcess | ChildProcess:
        """Start a tool by the shell in its container, or on this machine."""
        if endpoint.id == THIS_MACHINE:
            return self._machine.tools.start(argv, cpu)
        return self._hosting.start(endpoint.id, argv, cpu=cpu, limit=limit)

    def way_in(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the `docker exec` that a user types."""
        clients = self._clients
        return (*clients.target.command(clients.dialect.name), "exec", "-it", endpoint.name, "sh")

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return everything that carries netbench's label."""
        return ownership.owned(self._clients, run)

    def remove_owned(self, thing: Owned) -> None:
        """Remove one of `owned`."""
        ownership.remove(self._maker, thing)

    def close(self, *, keep: bool = False) -> None:
        """Remove what the engine made for the run and let go; no error if the engine is lost."""
        if keep:
            self._hosting.forget()
            self._machine.tools.close()
            self._clients.close()
            return
        with ExitStack() as undone:  # in reverse order, each step even if one before it fails
            undone.callback(self._clients.close)
            undone.enter_context(suppress(EngineLost))
            undone.callback(self._hosting.close)
            undone.callback(self._swarm.undo)
            undone.callback(self._lan.close)
            undone.callback(self._machine.tools.close)


def _mode(attach: Attach, network: Network | None, peer: Endpoint | None) -> str:
    """Return Docker's network mode for an attachment; `EngineError` without what it needs."""
    modes = {Attach.NONE: "none", Attach.HOST: "host", Attach.DEFAULT: "bridge"}
    if network is not None:
        modes[Attach.NETWORK] = network.id
    if peer is not None:
        modes[Attach.PEER] = f"container:{peer.id}"
    if attach not in modes:
        raise EngineError(f"an endpoint attached to a {attach} was asked for without one")
    return modes[attach]


def open_docker(
    run: str, options: EngineOptions = NO_OPTIONS, environment: Mapping[str, str] = os.environ
) -> DockerEngine:
    """Return the engine of a context, DOCKER_HOST or the current context.

    Raises EngineUnavailable, or ConfigurationError if an option is no name that it may be.
    """
    if problems := options.problems():
        raise ConfigurationError(*problems)
    clients = Clients(resolve(environment, options.context))
    try:
        return DockerEngine(clients, run, options)
    except BaseException as error:
        clients.close()
        if isinstance(error, ENGINE_FAILURES):
            raise EngineUnavailable(str(error), hint=getattr(error, "hint", "")) from error
        raise
