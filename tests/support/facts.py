"""Facts of pairs as a reader would return them, built by hand, and ways to bend them.

Here are the pairs that need no emulated LAN; the others are in `support.pairs`.
"""

from dataclasses import replace
from functools import cache
from typing import Any

from netbench.record import (
    Address,
    EndpointFacts,
    Ipam,
    Link,
    LinkCounters,
    Namespaces,
    PairFacts,
    Route,
)
from netbench.spec import Role

HOST_NET, CLIENT_NET, SERVER_NET = 4026531840, 4026532001, 4026532002
LAN_NET, SANDBOX_NET = 4026532003, 4026532004
GATEWAY, CLIENT, SERVER = "198.18.0.1", "198.18.0.3", "198.18.0.2"
CLIENT_NSID, SERVER_NSID = 1, 0
HOST_NSID = 0
"""By which every endpoint knows the host's namespace."""
_CLIENT_SIDE = {Role.CLIENT_HOST.value: "host", Role.CLIENT_SANDBOX.value: "sandbox"}
"""Where a pair on two machines keeps what is around its client."""
_OTHERS = {role: 100 * number for number, role in enumerate(Role, start=1)}


@cache
def link(name: str, index: int, **changes: Any) -> Link:
    """A link that is up and has carried nothing."""
    plain = Link(
        name=name,
        index=index,
        kind=None,
        mode=None,
        parent=None,
        peer=None,
        peer_nsid=None,
        master=None,
        mtu=1500,
        mac=f"02:00:00:00:00:{index:02x}",
        up=True,
        qdisc="noqueue",
        txqlen=1000,
        gso_max_size=65536,
        gro_max_size=65536,
        tso_max_size=None,
        offloads=("rx-gro", "tx-tcp-segmentation"),
        counters=LinkCounters(0, 0, 0, 0, 0, 0),
    )
    return replace(plain, **changes)


def loopback() -> Link:
    return link("lo", 1, mtu=65536, mac="00:00:00:00:00:00")


def end(
    role: Role,
    net: int | None,
    *,
    links: tuple[Link, ...] = (),
    addresses: tuple[Address, ...] = (),
    routes: tuple[Route, ...] = (),
    nsids: tuple[tuple[str, int], ...] = (),
) -> EndpointFacts:
    """A namespace set of its own but for `net`, with `lo` and what is given."""
    first = _OTHERS[role]
    own = Namespaces(
        cgroup=1,
        ipc=first + 1,
        mnt=first + 2,
        net=net,
        pid=first + 3,
        user=2,
        uts=first + 4,
        time=3,
    )
    return EndpointFacts(
        role=role,
        pid=first,
        namespaces=own,
        links=(loopback(), *links),
        addresses=(Address("lo", "127.0.0.1", 8), *addresses),
        routes=routes,
        nsids=nsids,
        congestion_control="cubic",
    )


def none_pair() -> PairFacts:
    return PairFacts(
        client=end(Role.CLIENT, CLIENT_NET),
        server=end(Role.SERVER, SERVER_NET),
        host=host_end(),
        target=None,
        ipam=None,
        reader="netlink",
    )


def host_pair() -> PairFacts:
    uplink = link("eth0", 2)
    client, server, host = (
        end(role, HOST_NET, links=(uplink,)) for role in (Role.CLIENT, Role.SERVER, Role.HOST)
    )
    return PairFacts(client, server, host, target="127.0.0.1", ipam=None, reader="netlink")


def container_pair() -> PairFacts:
    """The client in the server's namespace, which the host knows by one id."""
    pair = bridge_pair()
    same = (("client", SERVER_NSID), ("server", SERVER_NSID))
    client = replace(
        end(Role.CLIENT, SERVER_NET),
        links=pair.server.links,
        addresses=pair.server.addresses,
        routes=pair.server.routes,
    )
    host = replace(without_link(pair, "host", "vethc").host, nsids=same)
    return replace(pair, client=client, host=host, target="127.0.0.1")


def bridge_pair(kind: str = "veth") -> PairFacts:
    """Two ends of which each has an `eth0` of that kind with its other end in `docker0`."""
    client = in_network(Role.CLIENT, CLIENT_NET, link("eth0", 10, kind=kind, peer=11), CLIENT)
    server = in_network(Role.SERVER, SERVER_NET, link("eth0", 20, kind=kind, peer=21), SERVER)
    ports = (
        link("docker0", 5, kind="bridge"),
        link("vethc", 11, kind=kind, peer=10, peer_nsid=CLIENT_NSID, master="docker0"),
        link("veths", 21, kind=kind, peer=20, peer_nsid=SERVER_NSID, master="docker0"),
    )
    return PairFacts(
        client=client,
        server=server,
        host=host_end(*ports),
        target=SERVER,
        ipam=Ipam("bridge", "198.18.0.0/24", GATEWAY, "docker0"),
        reader="netlink",
    )


def host_end(*links: Link) -> EndpointFacts:
    """The engine's host with an `eth0` to the world and what is given."""
    nsids = (("client", CLIENT_NSID), ("server", SERVER_NSID))
    return end(Role.HOST, HOST_NET, links=(link("eth0", 2), *links), nsids=nsids)


def in_network(role: Role, net: int, eth0: Link, address: str) -> EndpointFacts:
    """An endpoint with that `eth0`, at an address of the network behind `GATEWAY`."""
    return end(
        role,
        net,
        links=(replace(eth0, peer_nsid=HOST_NSID),),
        addresses=(Address("eth0", address, 24),),
        routes=(Route("default", GATEWAY, "eth0"), Route("198.18.0.0/24", None, "eth0")),
        nsids=(("host", HOST_NSID),),
    )


def with_end(facts: PairFacts, role: str, **changes: Any) -> PairFacts:
    """The same pair with fields of one namespace set changed, by its role's name."""
    changed = replace(found(facts, role), **changes)
    if role in _CLIENT_SIDE:
        assert facts.client_side
        side = replace(facts.client_side, **{_CLIENT_SIDE[role]: changed})
        return replace(facts, client_side=side)
    return replace(facts, **{role: changed})


def found(facts: PairFacts, role: str) -> EndpointFacts:
    """One namespace set of a pair, by its role's name."""
    end = facts.end(Role(role))
    assert end
    return end


def with_namespaces(facts: PairFacts, role: str, **inodes: int | None) -> PairFacts:
    """The same pair with namespaces of one end changed."""
    old = found(facts, role)
    return with_end(facts, role, namespaces=replace(old.namespaces, **inodes))


def with_link(facts: PairFacts, role: str, name: str, **changes: Any) -> PairFacts:
    """The same pair with fields of one link changed."""
    old = found(facts, role)
    assert old.link(name)
    links = tuple(replace(x, **changes) if x.name == name else x for x in old.links)
    return with_end(facts, role, links=links)


def with_links(facts: PairFacts, role: str, *more: Link) -> PairFacts:
    """The same pair with links added to one end."""
    old = found(facts, role)
    return with_end(facts, role, links=(*old.links, *more))


def without_link(facts: PairFacts, role: str, name: str) -> PairFacts:
    """The same pair with one link gone."""
    old = found(facts, role)
    assert old.link(name)
    return with_end(facts, role, links=tuple(x for x in old.links if x.name != name))


def moved(facts: PairFacts, count: int, *, but: tuple[str, str] | None = None) -> PairFacts:
    """The same pair after `count` bytes went from client to server, on every link `but` one."""
    for old in facts.ends:
        role = old.role.value
        links = tuple(
            x if (role, x.name) == but else replace(x, counters=_more(x.counters, count))
            for x in old.links
        )
        esp = old.esp if old.esp is None or but == (role, "esp") else _more(old.esp, count)
        facts = with_end(facts, role, links=links, esp=esp)
    return facts


def _more(counters: LinkCounters, count: int) -> LinkCounters:
    return replace(counters, rx_bytes=counters.rx_bytes + count, tx_bytes=counters.tx_bytes + count)
