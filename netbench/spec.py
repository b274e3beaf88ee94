"""What we ask for: networks, endpoints, cells. Plain values; nothing here touches the system."""

import re
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, Literal

Protocol = Literal["tcp", "udp"]
GatewayMode = Literal["nat", "nat-unprotected", "routed", "isolated"]
FirewallRules = Literal["none", "iptables", "nftables"]
"""What has made a host's firewall rules, in the words of Docker's `--firewall-backend`."""
CNI_PATH: Final = "/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni"  # unless CNI_PATH is set


def options_of(driver: str) -> dict[str, str]:
    """Return the options in a driver's full name: `bridge@cc=bbr+family=6` has two."""
    words = driver.partition("@")[2].split("+")
    return {key: value for key, equals, value in (w.partition("=") for w in words) if equals}


VXLAN_HEADERS: Final = 50  # bytes: 20 + 8 + 8, and the inner 14; RFC 7348 §4.3
USUAL_MTU: Final = 1500  # MTU of links that are given none, of bridges and of the emulated LAN
FIXED_PORTS: Final = range(18001, 20001)  # of containers, published at the same number
PUBLISHED_PORTS: Final = range(20001, 20401)  # ports of containers that are published
SPARE_PORTS: Final = 2  # of them beyond one a server: one may wait for old connections
REACH_PORTS: Final = range(20401, 21000)  # ports of the echo servers of a reach matrix
TOOL_PORTS: Final = range(21001, 31000)  # ports of the servers of sessions and trials
HOST_PORTS: Final = range(30001, 32768)  # ports of the host's that the netns engine publishes at
CONTROL_PORTS: Final = range(31001, 32000)  # of services that control plane trials wait for


class Family(IntEnum):
    """The version of IP that the traffic uses."""

    V4 = 4
    V6 = 6


class Attach(StrEnum):
    """How an endpoint gets its network namespace."""

    NONE = "none"  # its own with nothing but `lo`
    HOST = "host"  # that of the engine's host
    DEFAULT = "default"  # the engine's default bridge network
    NETWORK = "network"  # a network made for the run
    PEER = "peer"  # that of the pair's other endpoint


class Placement(StrEnum):
    """Where client and server run relative to each other."""

    CROSS = "cross"  # on two physical cores
    SAME = "same"  # both on one CPU
    NONE = "none"  # unpinned: the scheduler decides


class Path(StrEnum):
    """Which way the traffic goes."""

    EAST_WEST = "east-west"  # from container to container
    NORTH_SOUTH = (
        "north-south"  # from a client on the emulated LAN, as the driver exposes a service
    )
    HAIRPIN = "hairpin"  # from a container to a published port of the container beside it
    ACROSS = "across"  # from a container to one of the same driver on another machine
    OUTSIDE = "outside"  # from the machine's own network namespace to a published port
    TO_OUTSIDE = "to-outside"  # from a container to a server in that namespace


USER_MODE: Final = ("pasta", "slirp4netns")  # networks of one container each, in user space
MACHINE_PATHS: Final = (Path.OUTSIDE, Path.TO_OUTSIDE)  # paths between containers and the machine


class Node(StrEnum):
    """On which of a run's machines something is."""

    FIRST = "first"  # that of `--context`, or the only one
    PEER = "peer"  # that of `--peer-context`

    @property
    def other(self) -> "Node":
        """The other one."""
        return Node.PEER if self is Node.FIRST else Node.FIRST


class Via(StrEnum):
    """By which address a client reaches the service."""

    ADDRESS = "address"  # the server's own
    LOOPBACK = "loopback"  # of the namespace that both share
    HOST = "host"  # the host's own address on the emulated LAN, or between machines
    PUBLISHED = "published"  # a port of that address, published for the server
    ROUTED = "routed"  # a published port of the server's own address, to which the host routes
    MACHINE = "machine"  # an address of the machine's own, where the server is outside

    @property
    def publishes(self) -> bool:
        """Tell whether only ports that are published lead to the server."""
        return self in (Via.PUBLISHED, Via.ROUTED)


class Role(StrEnum):
    """Whose namespaces these are."""

    CLIENT = "client"
    SERVER = "server"
    MACHINE = "machine"  # that netbench runs on: outside of a rootless engine's host
    HOST = "host"
    LAN = "lan"  # the client on the emulated LAN
    SANDBOX = "sandbox"  # where an overlay network keeps its bridge and its VXLAN link
    CLIENT_HOST = "client's host"  # where the client is on another machine than the server
    CLIENT_SANDBOX = "client's sandbox"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network to make."""

    driver: str  # the kind of network, in the engine's words: `bridge`, `macvlan`, a plug-in's name
    mode: str | None = None  # mode of a macvlan or ipvlan
    mtu: int | None = None  # bytes; None leaves it to the engine
    ipv6: bool = False  # whether it has IPv6 addresses, too
    internal: bool = False
    icc: bool = True  # whether its containers may reach each other, `bridge.enable_icc`
    gateway: GatewayMode | None = None  # of a bridge, for both families; None for the engine's own
    rules: FirewallRules | None = None  # of its host; None for those of the engine's own
    options: tuple[tuple[str, str], ...] = ()  # driver options of the engine, `-o key=value`
    conflist: str = ""  # the text of a CNI network configuration list, where `driver` is `cni`

    @property
    def on_lan(self) -> bool:
        """Whether its links are children of a link to the LAN."""
        return self.driver in ("macvlan", "ipvlan")


@dataclass(frozen=True, slots=True)
class Port:
    """A port to publish, as the server's own namespace numbers it."""

    number: int
    protocols: tuple[Protocol, ...] = ("tcp",)  # all of them at one number of the host's
    fixed: bool = False  # whether that has to be `number` too: a tool tells its client the number


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a driver attaches its pair."""

    client: Attach
    server: Attach
    network: NetworkSpec | None = None  # to make, where an endpoint has `Attach.NETWORK`
    family: Family = Family.V4  # whose addresses the client uses
    published: Literal["proxy", "nat"] | None = None  # None leaves it to the engine
    congestion_control: str | None = None  # of TCP; None leaves it to run and system
    runtime: str | None = None  # of both containers, by the engine's name for it; None: its default


Place = tuple[str, str, Placement]


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination that is measured."""

    driver: str
    """Driver name with mode, `bridge:user`."""
    path: Path
    probe: str
    """Name of a probe of the suite: its kind, or the name of one configuration of it."""
    placement: Placement

    @property
    def place(self) -> Place:
        """The cell without its driver: what all arms of one comparison have in common."""
        return self.path.value, self.probe, self.placement


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """One pair of a block. The baseline has two arms: their contrast must show nothing (A/A)."""

    driver: str
    replica: int = 0  # 0 for the arm that is compared, 1 for the baseline's second pair

    def __str__(self) -> str:
        """Return the driver's name, marked where it is the second baseline."""
        return f"{self.driver} (A/A)" if self.replica else self.driver


@dataclass(frozen=True, slots=True)
class Cpus:
    """CPUs of one placement."""

    client: int | None
    server: int | None  # None if the placement is `none`


@dataclass(frozen=True, slots=True)
class CpuTopology:
    """What the engine's host offers for pinning."""

    usable: tuple[int, ...]  # logical CPUs we may run on, ascending
    cores: tuple[tuple[int, ...], ...] = field(default=())  # of usable ones; empty where unknown


ENGINES: Final = ("auto", "docker", "netns")  # what --engine takes


def engine_problem(kind: str) -> str | None:
    """Return what is wrong with a value of --engine; None if it is one."""
    if kind in ENGINES:
        return None
    return f"--engine must be one of {', '.join(ENGINES)}, not {kind!r}"


_CONTEXT: Final = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,254}"
_LINK: Final = r"(?!\.\.?$)[!-.0-9;-~]{1,15}"
_NAMES: Final = {
    "container": (r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", "the name of a container"),
    "context": (_CONTEXT, "the name of a Docker context"),
    "image": (
        r"[A-Za-z0-9\[][A-Za-z0-9._/:\[\]-]{0,254}(@[a-z0-9]+:[0-9a-f]{32,128})?",
        "a reference such as registry/name:tag, or `build`",
    ),
    "parent": (_LINK, "the name of a link, such as eth1"),
    "peer-context": (_CONTEXT, "the name of a Docker context"),
    "peer-address": (r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", "an IPv4 address, or a host's name"),
    "peer-parent": (_LINK, "the name of a link, such as eth1"),
}
"""Options whose value goes to an engine or to the kernel as a name: what it may be."""


def option_problem(option: str, text: str | None) -> str | None:
    """Return what is wrong with a name that an option is given; None if it may be one."""
    pattern, meaning = _NAMES[option]
    if text is None or re.fullmatch(pattern, text):
        return None
    wrong = f"not {text!r}" if text.strip() else "and is empty"
    return f"--{option} takes {meaning}, {wrong}"
