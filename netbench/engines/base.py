"""The protocol of an engine: what makes namespaces, and runs commands in them.

Engines know nothing of drivers, probes or plans. Everything they create is labelled with the
run's id (docker) or lives only as long as its processes (netns), and `owned` finds what is left.
`create_*` and `remove_*` may be called from several threads at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from netbench.record import Completed, FactValue, Ipam
from netbench.spec import Attach, CpuTopology, NetworkSpec, Path, Port, Recipe, Role
from netbench.system.files import Files

Signal = Literal["STOP", "CONT", "TERM", "ALRM", "KILL"]
PROBE_IMAGE: Final = "netbench-probe"
"""Repository of the images that netbench makes; their tag is a digest of what is in them."""
MOST_OUTPUT: Final = 128 * 1024**2
"""Bytes that a tool may print before it is killed: several times what ten seconds of round trips,
told one by one, come to."""
KEPT_OF_FLOOD: Final = 64 * 1024
"""Bytes that are kept of each output of a tool that printed more: enough to see what it was."""
FLOODED: Final = f"killed by netbench: it printed more than {MOST_OUTPUT // 1024**2} MiB"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the user says of how an engine is to be used."""

    context: str | None = None
    """docker: the context that names the engine; None for DOCKER_HOST or the current context."""
    image: str | None = None
    """docker: of endpoints; a reference, `build`, or None for one of the host's tools."""
    parent: str | None = None
    """Name of the host's link that macvlan and ipvlan use, instead of one to an emulated LAN."""
    init_swarm: bool = False
    """docker: whether the engine may be made a swarm of one node for the run."""


@dataclass(frozen=True, slots=True)
class Lan:
    """The emulated LAN, or one more wire of it: a veth pair from the host to the outside client."""

    client: "Endpoint"
    """The outside client; its address is the one on this wire."""
    link: str
    """The host's end."""
    host: str
    """The host's address on it."""
    host6: str | None
    done: str = ""
    """What was made for it, and with which rights, in words."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network that exists."""

    id: str
    """The engine's handle."""
    ipam: Ipam | None
    lan: Lan | None = None
    """The wire to the LAN that it is on; None where it is on none, or on a real parent."""
    sandbox: "Endpoint | None" = None
    """An overlay's own namespace, where we may enter it; its `netns` is the way in."""
    took: float | None = field(default=None, compare=False)
    """Seconds that making it took, without what is prepared for it (a subnet, a wire, a swarm);
    None where nothing is made, because it was there or comes with its first endpoint."""


@dataclass(frozen=True, slots=True)
class Published:
    """A port of the server's own that clients reach at another."""

    port: Port
    host_port: int
    """Port of the host's address on the LAN."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A live endpoint."""

    id: str
    """The engine's handle."""
    name: str
    role: Role
    pid: int
    """Process that holds its namespaces, as the engine's host numbers it."""
    address: str | None
    """Its own address in the pair's network; None where it has none (`none`, `host`, `peer`)."""
    ipam: Ipam | None
    """Of the network it is in; None where it is in none."""
    stands_in: tuple[tuple[str, int | None], ...] = ()
    """Kinds of namespace that `pid` does not share with what it stands for, with the inode of
    the right one; None where nobody may see it."""
    address6: str | None = None
    published: tuple[Published, ...] = ()
    netns: str | None = None
    """Path of its network namespace, where that is not the one of `pid`."""
    sandbox_key: str | None = None
    """File that names its network namespace, as the engine tells (Docker's SandboxKey)."""


@dataclass(frozen=True, slots=True)
class Owned:
    """Something that carries our label."""

    kind: Literal[
        "container", "network", "bridge", "rules", "image", "process", "swarm", "folder", "cgroup"
    ]
    id: str
    name: str
    run: str
    """Run id of its label; empty where it has none: a probe image, what an engine forgot."""
    live: bool
    """True where the netbench process that made it still runs."""


@dataclass(frozen=True, slots=True)
class BytesRead:
    """What a tool had read from its files and sockets by some moment (`rchar`, proc_pid_io(5))."""

    at: float
    """Seconds on a clock that two readings of one process share."""
    total: int
    """Bytes."""


class Process(Protocol):
    """A tool started in an endpoint."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The tool's own command, without what pins or bounds it."""
        ...

    def alive(self) -> bool:
        """Tell whether it still runs (a stopped process does)."""
        ...

    def signal(self, name: Signal) -> None:
        """Send a signal to the tool itself; quietly nothing where it has ended.

        A tool that is held (STOP) and let go on (CONT) again and again takes any number of both.
        """
        ...

    @property
    def latency(self) -> float:
        """Seconds within which a signal reaches the tool, as measured; 0 where we send it by kill.

        Where it goes through an engine, it is measured once for each shell and kept.
        """
        ...

    def bytes_read(self) -> BytesRead | None:
        """Return how much the tool has read by read(2); None where that cannot be read.

        Costs next to nothing, so that it may be asked while the tool is measured.
        """
        ...

    def cpus(self) -> str | None:
        """Return the kernel's `Cpus_allowed_list` of the tool itself, None where unreadable."""
        ...

    def pid(self) -> int | None:
        """Return the tool's own number in `Engine.files`, None where it is not to be seen."""
        ...

    def wait(self, timeout: float) -> Completed:
        """Return what it left, killing it after `timeout` seconds. May be called once."""
        ...


class Engine(Protocol):
    """What makes containers and networks."""

    name: str
    """`docker` or `netns`."""
    why: str
    """Why this engine was chosen, in words; for the first line of terminal and report."""
    local: bool
    """Whether its processes are visible in our own /proc."""

    @property
    def files(self) -> Files:
        """Files of the engine's machine, with processes as `Endpoint.pid` numbers them."""
        ...

    @property
    def ask(self) -> Callable[[str, float], str] | None:
        """Carry out a script of `sh` on the engine's machine, without any right, in seconds.

        None where that is our own machine; `EngineError` where it does not end well.
        """
        ...

    def prepare(self) -> tuple[str, ...]:
        """Make what every endpoint needs (the probe image), return what was done, in words.

        Raises:
            EngineError: it cannot be made; the message says what is missing.
        """
        ...

    def facts(self) -> Mapping[str, FactValue]:
        """Return engine-level facts by registry name (`engine.version`, ...)."""
        ...

    def tools(self) -> Mapping[str, str]:
        """Return version lines of the tools as endpoints see them, by binary name."""
        ...

    def cpu_topology(self) -> CpuTopology:
        """Return the CPUs endpoints can be pinned to."""
        ...

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        """Return why a recipe cannot be made here, or has no such path here; None where it can.

        Found by trying, once a recipe: kernels tell what they lack only when asked for it.
        """
        ...

    def lan(self) -> Lan:
        """Return the emulated LAN, made at the first call and undone by `close`.

        Raises:
            EngineError: it cannot be made; `Unsupported` where kernel or engine lack the means.
        """
        ...

    def host(self) -> Endpoint:
        """Return an endpoint in the namespaces of the engine's host; made once, for reading."""
        ...

    def create_network(self, name: str, spec: NetworkSpec) -> Network:
        """Make a network with subnets that collide with no route of the host.

        Where it is macvlan or ipvlan, its parent is a wire of the LAN made for it alone, or the
        parent that the user named.

        Raises:
            EngineError: the engine refused; `Unsupported` where kernel or engine lack the means.
            EngineLost: it does not answer.
        """
        ...

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
        """Make and start an endpoint.

        Args:
            name: of it.
            role: of it in its pair.
            attach: how it gets its network namespace.
            network: the one it is attached to, with `Attach.NETWORK`.
            peer: whose namespace it shares, with `Attach.PEER`.
            cpus: confine it, empty for all.
            publish: ports of its own to publish at the host's address on the LAN.
            published: how they must be served; None leaves it to the engine.

        Raises:
            EngineError: the engine refused; nothing half-made is left. `Unsupported` where kernel
                or engine lack the means.
            EngineLost: it does not answer.
        """
        ...

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove it with every process in it."""
        ...

    def remove_network(self, network: Network) -> float | None:
        """Remove it; its endpoints are gone by then. Return the seconds, as `Network.took`."""
        ...

    def visit(self, name: str) -> Endpoint:
        """Return an existing container of any owner to look at, and to look at only.

        Commands run beside it in the namespaces that hold its network and processes, by a helper
        that `remove_endpoint` ends. `pid` is the container's own.

        Raises:
            EngineError: there is no such container, it does not run, or this engine has none.
        """
        ...

    def start(
        self, endpoint: Endpoint, argv: tuple[str, ...], *, cpu: int | None, limit: float
    ) -> Process:
        """Start a tool in an endpoint, pinned to `cpu`.

        `limit` seconds is the hard bound even if nobody waits.

        Raises:
            EngineError: it could not be started.
            EngineLost: the engine does not answer.
        """
        ...

    def run(self, endpoint: Endpoint, argv: tuple[str, ...], *, timeout: float) -> Completed:
        """Run a short command to its end, unpinned; errors as `start`."""
        ...

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        """Return everything that carries our label, of one run or of all."""
        ...

    def remove_owned(self, thing: Owned) -> None:
        """Remove one of `owned`; quietly nothing where it is gone already."""
        ...

    def close(self) -> None:
        """Remove what the engine itself made for the run (its host endpoint) and let go."""
        ...
