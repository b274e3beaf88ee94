"""Facts of namespaces, links and routes as typed values; `netbench.facts.registry` has units."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from netbench.spec import FirewallRules, Node, Role

NAMESPACE_KINDS: Final = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts", "time")
"""The eight kinds of Linux namespaces, namespaces(7)."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A fact that could not be read, with the reason. Never a zero or an empty text instead."""

    reason: str
    kind: Literal["absent"] = "absent"


PAIRED: Final = ("veth", "netkit")
"""Kinds of link that are made in pairs: what one end sends, the other receives."""

Sharing = Literal["own", "host", "pair"]  # whose a namespace is, seen from an endpoint

FactValue = str | int | float | bool | tuple[str, ...] | Absent  # its type and unit: the registry


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Inode numbers of a process's namespaces; None if the reader may not see one."""

    cgroup: int | None = None
    ipc: int | None = None
    mnt: int | None = None
    net: int | None = None
    pid: int | None = None
    user: int | None = None
    uts: int | None = None
    time: int | None = None

    def inode(self, kind: str) -> int | None:
        """Return the inode of one of `NAMESPACE_KINDS`."""
        value: int | None = getattr(self, kind)
        return value

    def shared(self, kind: str, host: "Namespaces", pair: "Namespaces") -> Sharing | None:
        """Return whose a namespace is: `own`, `host` (be it the pair's too) or `pair`, if known."""
        mine, hosts, pairs = self.inode(kind), host.inode(kind), pair.inode(kind)
        if mine is None:
            return None
        if mine == hosts:
            return "host"
        if mine == pairs:
            return "pair"
        return None if hosts is None or pairs is None else "own"


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """A link's counters since its creation."""

    rx_bytes: int
    tx_bytes: int
    rx_packets: int
    tx_packets: int
    rx_dropped: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class RuleCounters:
    """The firewall rules of a host, and what those that accept a bridge's packets have counted."""

    backend: FirewallRules
    count: int
    by: str  # the commands that read them
    carried: LinkCounters  # in either direction: one rule counts both


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface as its own namespace sees it."""

    name: str
    index: int
    kind: str | None  # `veth`, `bridge`, `macvlan`, ...; None for hardware and loopback
    mode: str | None  # mode of a macvlan or ipvlan
    parent: int | None  # index of a macvlan's, ipvlan's or vlan's lower link, in `peer_nsid`
    peer: int | None  # index of a veth's or netkit's other end, in the namespace `peer_nsid`
    peer_nsid: int | None  # id of the namespace of peer or parent; None if it is this one
    master: str | None  # name of the bridge or bond this link is a port of
    mtu: int  # bytes
    mac: str
    up: bool
    qdisc: str
    txqlen: int
    gso_max_size: int | None  # bytes
    gro_max_size: int | None  # bytes
    tso_max_size: int | None  # bytes
    offloads: tuple[str, ...] | None  # segmentation and checksum offloads that are on
    counters: LinkCounters
    carrier: bool | None = None  # link at the other end; None if it was not read


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IP address on a link."""

    link: str
    address: str
    prefix: int  # length of the prefix, bits


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the main table."""

    destination: str  # `default` for IPv4's default route, else CIDR (`::/0` for IPv6's)
    gateway: str | None
    link: str


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """One namespace set: an endpoint, or the engine's host."""

    role: Role
    pid: int  # the process whose namespaces these are, as the engine's host numbers it
    namespaces: Namespaces
    links: tuple[Link, ...]  # by index
    addresses: tuple[Address, ...]  # by link name, then address
    routes: tuple[Route, ...]  # by destination, as text
    nsids: tuple[tuple[str, int], ...] = ()  # ids of others of the pair here, by role
    congestion_control: str | None = None  # `net.ipv4.tcp_congestion_control` of this namespace
    node: Node = Node.FIRST  # whose kernel numbers all these
    esp: LinkCounters | None = None  # what this machine's ESP has carried, of an encrypted overlay
    rules: RuleCounters | None = None  # of a host whose firewall rules were asked for

    def link(self, name: str) -> Link | None:
        """Return the link of that name."""
        return next((link for link in self.links if link.name == name), None)

    def by_index(self, index: int | None) -> Link | None:
        """Return the link of that index."""
        return next((link for link in self.links if link.index == index), None)


@dataclass(frozen=True, slots=True)
class Ipam:
    """What the engine's address management says of the pair's network."""

    network: str
    subnet: str
    gateway: str | None
    bridge: str | None  # name of the host's bridge for it; None if the engine does not say
    subnet6: str | None = None
    gateway6: str | None = None
    parent: str | None = None  # name of the host's link whose children its links are
    vxlan: int | None = None  # VXLAN network identifier of an overlay, if the engine tells it
    encrypted: bool = False  # whether the engine was asked to encrypt an overlay
    nodes: tuple[str, ...] = ()  # addresses of machines on which an overlay has endpoints, if asked
    rules: FirewallRules | None = None  # that its host was asked to have


@dataclass(frozen=True, slots=True)
class ClientSide:
    """What is around a client that is on another machine than the server."""

    host: EndpointFacts
    sandbox: EndpointFacts | None  # the overlay network's own namespace there
    uplink: str | None  # the host's link to the server's machine
    ipam: Ipam | None  # of the client's network


@dataclass(frozen=True, slots=True)
class PairFacts:
    """Everything that is known of a live pair at one moment."""

    client: EndpointFacts
    server: EndpointFacts
    host: EndpointFacts  # the server's, where there are two machines
    target: str | None  # address by which the pair's client reaches the server
    ipam: Ipam | None
    reader: Literal["netlink", "engine"]  # in process by netlink, or from inside through the engine
    notes: tuple[str, ...] = field(default=())  # what could not be read, and why
    lan: EndpointFacts | None = None  # the client on the emulated LAN, if the pair needs it
    sandbox: EndpointFacts | None = None  # an overlay network's own namespace, where it may be read
    uplink: str | None = None  # the host's link to the emulated LAN, or to the other machine
    read_once: tuple[str, ...] = ()  # what was read when the pair came up alone, and when that was
    client_side: ClientSide | None = None  # of a client on another machine than the server
    machine: EndpointFacts | None = None  # the one that netbench runs in, if the pair needs it
    entry: str | None = None
    """The server's link by which bytes from the machine arrive, if they do not by its network's."""

    @property
    def outside(self) -> EndpointFacts | None:
        """The machine, where it is outside of the engine's host: not the same network namespace."""
        machine = self.machine
        same = machine is None or machine.namespaces.net == self.host.namespaces.net
        return None if same else machine

    def end(self, role: Role) -> EndpointFacts | None:
        """Return the facts of one of those that were read."""
        return next((end for end in self.ends if end.role is role), None)

    @property
    def by_machine(self) -> tuple["PairFacts", ...]:
        """These facts; of a pair on two machines those of each, whose end is there both ends."""
        side = self.client_side
        if side is None:
            return (self,)
        there = replace(
            self,
            server=self.client,
            host=side.host,
            sandbox=side.sandbox,
            uplink=side.uplink,
            ipam=side.ipam,
            client_side=None,
        )
        return there, replace(self, client=self.server, client_side=None)

    @property
    def ends(self) -> tuple[EndpointFacts, ...]:
        """Everything that was read, in the order of `Role`."""
        near = (self.client, self.server, self.machine, self.host, self.lan, self.sandbox)
        side = self.client_side
        ends = (*near, *((side.host, side.sandbox) if side else ()))
        return tuple(end for end in ends if end is not None)
