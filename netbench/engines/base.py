"""The protocol of an engine: it makes namespaces, and runs commands in them.

Engines know nothing of drivers, probes or plans. Everything they create is labelled with the
run's id (docker) or lives only as long as its processes (netns), and `owned` finds what is left.
`create_*` and `remove_*` may be called from several threads at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from netbench.errors import Unsupported
from netbench.record import Completed, FactValue, Ipam, LinkCounters, RuleCounters
from netbench.spec import (
    Attach,
    CpuTopology,
    NetworkSpec,
    Node,
    Path,
    Port,
    Recipe,
    Role,
    option_problem,
)
from netbench.system.files import Files

Signal = Literal["STOP", "CONT", "TERM", "ALRM", "KILL"]
PROBE_IMAGE: Final = "netbench-probe"  # repository of images made here; a tag is a digest
MOST_OUTPUT: Final = 128 * 1024**2  # bytes that a tool may print before it is killed
KEPT_OF_FLOOD: Final = 64 * 1024  # bytes that are kept of each output of a tool that printed more
FLOODED: Final = f"killed by netbench: it printed more than {MOST_OUTPUT // 1024**2} MiB"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The user's options, all but the last for docker alone."""

    context: str | None = None  # None for DOCKER_HOST or the current context
    image: str | None = None  # a reference, `build`, or None for one of the host's tools
    parent: str | None = None  # the host's link for macvlan and ipvlan, instead of an emulated LAN
    init_swarm: bool = False  # whether a swarm may be formed for the run
    keep: bool = False  # whether what is made may outlive this process: `Engine.close` decides
    peer_context: str | None = None  # the engine of a second machine; None for one machine
    peer_address: str | None = None  # of that machine, as the first one reaches it
    peer_parent: str | None = None  # as `parent`, there; None for one of the same name

    @property
    def given(self) -> tuple[str, ...]:
        """Those for docker alone that are given, as on the command line."""
        found = {
            "--context": self.context,
            "--image": self.image,
            "--parent": self.parent,
            "--peer-context": self.peer_context,
        }
        given = [option for option, value in found.items() if value is not None]
        return (*given, *(["--init-swarm"] if self.init_swarm else []))

    def problems(self) -> list[str]:
        """Return what is wrong with the names."""
        named = {
            "context": self.context,
            "image": self.image,
            "parent": self.parent,
            "peer-context": self.peer_context,
            "peer-address": self.peer_address,
            "peer-parent": self.peer_parent,
        }
        return [problem for one in named.items() if (problem := option_problem(*one))]

    @property
    def peer(self) -> "EngineOptions":
        """The options of the second machine's engine."""
        parent = self.peer_parent or self.parent
        return replace(self, context=self.peer_context, parent=parent, peer_context=None)


NO_OPTIONS: Final = EngineOptions()


@dataclass(frozen=True, slots=True)
class Lan:
    """The emulated LAN, or one more wire of it: a veth pair from the host to the outside client."""

    client: "Endpoint"  # with its address on this wire
    link: str  # the host's end, with the addresses `host` and `host6`
    host: str
    host6: str | None
    done: str = ""  # what was made for it, and with which rights, in words


@dataclass(frozen=True, slots=True)
class Network:
    """A network that exists."""

    id: str
    ipam: Ipam | None
    lan: Lan | None = None  # its wire to the LAN; None if it has none, or a real parent
    sandbox: "Endpoint | None" = None  # an overlay's own namespace, if this process may enter it
    took: float | None = field(default=None, compare=False)
    """Seconds that making it took, without what is prepared for it (a subnet, a wire, a swarm);
    None if it existed before or is made with its first endpoint."""
    there: "Network | None" = None  # its counterpart on the client's machine, if that is another
    routed: bool = False  # whether ports are published at its containers' own addresses
    host: "Endpoint | None" = None  # where its bridge is, if that is not `Engine.host`


@dataclass(frozen=True, slots=True)
class Published:
    """A port of the server's own that clients reach at another of the host's LAN address."""

    port: Port
    host_port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A live endpoint."""

    id: str
    name: str
    role: Role
    pid: int  # of the process that holds its namespaces, as the engine's host numbers it
    address: str | None  # its own in the pair's network; None for `none`, `host` and `peer`
    ipam: Ipam | None
    stands_in: tuple[tuple[str, int | None], ...] = ()
    """Kinds of namespace that `pid` does not share with what it represents, with the inode of
    the right one; None if that is not visible."""
    address6: str | None = None
    published: tuple[Published, ...] = ()
    netns: str | None = None  # path of its network namespace, if that is not the one of `pid`
    sandbox_key: str | None = None  # docker's name of its network namespace, a file
    node: Node = Node.FIRST  # the machine that it is on
    outside: str | None = None  # address of that machine towards the other one, if there are two
    uplink: str | None = None  # the machine's link that has this address


@dataclass(frozen=True, slots=True)
class OwnMachine:
    """The network namespace that netbench itself is in, as one end of a path."""

    endpoint: Endpoint  # with the address at which containers reach its servers, None without one
    published: str  # its address at which ports of containers are published
    entry: str | None = None
    """The container's link by which the bytes of its published ports arrive, where they do not
    come over its network's: `lo` with Podman's rootlessport."""


@dataclass(frozen=True, slots=True)
class Owned:
    """Something that carries netbench's label."""

    kind: Literal[
        "container", "network", "bridge", "rules", "image", "process", "swarm", "folder", "cgroup"
    ]
    id: str
    name: str
    run: str  # id in its label; empty if it has none: a probe image, what an engine forgot
    live: bool  # whether the netbench process that made it still runs


@dataclass(frozen=True, slots=True)
class BytesRead:
    """What a tool had read from its files and sockets by some moment (`rchar`, proc_pid_io(5))."""

    at: float  # seconds on a clock that two readings of one process share
    total: int  # bytes


class Process(Protocol):
    """A tool started in an endpoint."""

    argv: tuple[str, ...]  # the tool's own command, without what pins or bounds it

    def alive(self) -> bool:
        """Tell whether it still runs; a stopped process does."""

    def signal(self, name: Signal) -> None:
        """Send a signal to the tool itself, any number of times; does nothing if it has ended."""

    @property
    def latency(self) -> float:
        """Seconds within which a signal reaches the tool; 0 if it is sent by kill."""

    def bytes_read(self) -> BytesRead | None:
        """Return how much the tool has read, at next to no cost; None if that cannot be read."""

    def cpus(self) -> str | None:
        """Return the kernel's `Cpus_allowed_list` of the tool itself, None if unreadable."""

    def pid(self) -> int | None:
        """Return the tool's own number in `Engine.files`, None if it is not visible there."""

    def wait(self, timeout: float) -> Completed:
        """Return its result, killing it after `timeout` seconds. May be called once."""


class Engine(Protocol):
    """Makes containers and networks; raises EngineError, or of it `Unsupported`, or EngineLost."""

    name: str  # `docker` or `netns`
    why: str  # it was chosen, in words; for the first line of terminal and report

    @property
    def nodes(self) -> Mapping[Node, "Engine"]:
        """The engine of each machine; of one machine it is this one."""
        return {Node.FIRST: self}

    def turn(self, block: int) -> None:
        """Begin a block: of two machines, clients and servers change places with each."""
        del block

    @property
    def local(self) -> bool:
        """Whether its processes are visible in our own /proc."""

    @property
    def files(self) -> Files:
        """Files of the engine's machine, with processes as `Endpoint.pid` numbers them."""

    @property
    def ask(self) -> Callable[[str, float], str] | None:
        """What runs a `sh` script on the engine's machine, within seconds; None if it is local."""

    def prepare(self) -> tuple[str, ...]:
        """Make what every endpoint needs (the probe image), return what was done, in words."""

    def facts(self) -> Mapping[str, FactValue]:
        """Return engine-level facts by registry name (`engine.version`, ...)."""

    def tools(self) -> Mapping[str, str]:
        """Return version lines of the tools as endpoints see them, by binary name."""

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs endpoints can be pinned to."""

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        """Return why a recipe cannot be made here, or has no such path here; None if it can."""

    def lan(self) -> Lan:
        """Return the emulated LAN, made at the first call and undone by `close`."""

    def machine(self) -> OwnMachine:
        """Return the machine that netbench runs on; nothing is made there."""
        raise Unsupported("this engine's host is joined to nothing outside of it")

    def host(self) -> Endpoint:
        """Return an endpoint in the namespaces of the engine's host; made once, for reading."""

    def host_for(self, attach: Attach) -> Endpoint:
        """Return the host that endpoints so attached belong to: one engine's `host` is another."""
        del attach
        return self.host()

    def esp(self) -> LinkCounters:
        """Return the bytes and packets that ESP has carried on the machine, by its kernel."""
        raise Unsupported("ESP is read of engines that can span machines alone")

    def rules(self, host: Endpoint, bridge: str) -> RuleCounters:
        """Return the firewall rules of a host, and what those for a bridge have counted."""
        del host, bridge
        raise Unsupported("rules are read where netbench made them alone: --engine netns")

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network, with free subnets, and a wire of the LAN as parent if it needs one."""

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
        """Make and start an endpoint, confined to `cpus` (empty for all).

        It is in `network` with `Attach.NETWORK`, and in the namespace of `peer` with `Attach.PEER`.
        The ports `publish` of its own appear at the host's address on the LAN, served as
        `published` says; None leaves that to the engine, and so with `runtime`, what starts it.
        """

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove it with every process in it."""

    def remove_network(self, network: Network) -> float | None:
        """Remove it, after its endpoints. Return the seconds, as `Network.took`."""

    def visit(self, name: str) -> Endpoint:
        """Return a container of any owner to read from, by a helper that `remove_endpoint` ends."""

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> Process:
        """Start a tool in an endpoint, pinned to `cpu`; it is killed after `limit` seconds."""

    def run(self, endpoint: Endpoint, argv: tuple[str, ...], *, timeout: float) -> Completed:
        """Run a short command to its end, unpinned."""
        return self.start(endpoint, argv, cpu=None, limit=timeout).wait(timeout)

    def way_in(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the command by which the user gets a shell in an endpoint, from outside."""

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return everything that carries netbench's label, of one run or of all."""

    def remove_owned(self, thing: Owned) -> None:
        """Remove one of `owned`; does nothing if it is gone already."""

    def close(self, *, keep: bool = False) -> None:
        """Remove what the engine itself made for the run; with `keep`, leave everything up."""
