"""Endpoints, links and networks as `inspect` and `verify` show them, as documents and as lines."""

from collections.abc import Iterable

from netbench.documents.inspect_verify import (
    EndpointDocument,
    HopRow,
    LinkRow,
    NetworkRow,
    PromiseRow,
    VethRow,
)
from netbench.drivers import Hop
from netbench.drivers.base import other_end
from netbench.drivers.links import parent_of
from netbench.engines.base import Endpoint
from netbench.record import NAMESPACE_KINDS, EndpointFacts, Ipam, Link, PairFacts, PromiseCheck
from netbench.spec import NetworkSpec


def endpoint_document(
    end: EndpointFacts, other: EndpointFacts, facts: PairFacts, endpoint: Endpoint
) -> EndpointDocument:
    """Return one endpoint: its namespaces and whose they are, its links and where they lead."""
    return {
        "role": end.role.value,
        "pid": end.pid,
        "sandbox_key": endpoint.sandbox_key,
        "namespaces": {
            kind: {
                "inode": end.namespaces.inode(kind),
                "shared": end.namespaces.shared(kind, facts.host.namespaces, other.namespaces),
            }
            for kind in NAMESPACE_KINDS
        },
        "links": [_link(link, end, facts) for link in end.links],
        "veth": [row for link in end.links if (row := _veth(link, end, facts))],
        "addresses": [f"{a.address}/{a.prefix} dev {a.link}" for a in end.addresses],
        "routes": [
            f"{r.destination}{f' via {r.gateway}' if r.gateway else ''} dev {r.link}"
            for r in end.routes
        ],
    }


def _link(link: Link, end: EndpointFacts, facts: PairFacts) -> LinkRow:
    place, peer = _far_end(link, end, facts)
    parent = parent_of(end, facts) if link.name == "eth0" else None
    return {
        "name": link.name,
        "index": link.index,
        "kind": link.kind,
        "mode": link.mode,
        "parent": link.parent,
        "parent_name": parent.name if parent else None,
        "peer": {"namespace": place, "index": peer.index, "name": peer.name} if peer else None,
        "master": peer.master if peer else link.master,
        "mtu": link.mtu,
        "mac": link.mac,
    }


def _veth(link: Link, end: EndpointFacts, facts: PairFacts) -> VethRow | None:
    """Return a line of the veth map: which link of whose namespace is the other end."""
    place, peer = _far_end(link, end, facts)
    if peer is None:
        return None
    return {
        "link": link.name,
        "index": link.index,
        "namespace": place,
        "peer": peer.name,
        "peer_index": peer.index,
        "bridge": peer.master,
    }


def _far_end(link: Link, end: EndpointFacts, facts: PairFacts) -> tuple[str | None, Link | None]:
    """Return where a veth ends, and the link that it ends in; None where it is not seen."""
    if link.kind == "veth" and link.peer_nsid is not None:
        for place in (facts.host, facts.sandbox, facts.lan):
            found = other_end(end, place, link) if place else None
            if place and found:
                return place.role.value, found
    return None, None


def network_document(driver: str, spec: NetworkSpec | None, ipam: Ipam) -> NetworkRow:
    """Return a network with its address management; no `spec` for the engine's default one."""
    return {
        "name": ipam.network,
        "driver": driver,
        "kind": spec.driver if spec else "bridge",
        "mode": spec.mode if spec else None,
        "subnet": ipam.subnet,
        "gateway": ipam.gateway,
        "subnet6": ipam.subnet6,
        "gateway6": ipam.gateway6,
        "parent": ipam.parent,
        "bridge": ipam.bridge,
        "vxlan": ipam.vxlan,
    }


def hops_document(hops: Iterable[Hop]) -> list[HopRow]:
    """Return the links of a path."""
    return [
        {
            "namespace": hop.role.value,
            "link": hop.link.name,
            "kind": hop.link.kind,
            "mtu": hop.link.mtu,
        }
        for hop in hops
    ]


def promise_document(check: PromiseCheck) -> PromiseRow:
    """Return one promise with its verdict."""
    return {"promise": check.promise, "held": check.held, "evidence": check.evidence}


def network_line(network: NetworkRow) -> str:
    """Return a network in words."""
    parts = [f"{network['kind']}{' ' + network['mode'] if network['mode'] else ''}"]
    nets = (
        (network["subnet"], network["gateway"]),
        (network["subnet6"], network["gateway6"]),
    )
    parts += [f"{subnet} by {gateway or 'no gateway'}" for subnet, gateway in nets if subnet]
    more = (
        ("bridge", network["bridge"]),
        ("parent", network["parent"]),
        ("vxlan", network["vxlan"]),
    )
    parts += [f"{key} {value}" for key, value in more if value]
    return f"{network['name']}: {', '.join(parts)}"


def veth_lines(endpoint: EndpointDocument) -> list[str]:
    """Return where an endpoint's links lead, in words."""
    lines = [
        f"{row['link']} (index {row['index']}) <-> {row['namespace']} {row['peer']} "
        f"(index {row['peer_index']}){' in ' + row['bridge'] if row['bridge'] else ''}"
        for row in endpoint["veth"]
    ]
    children = [link for link in endpoint["links"] if link["parent_name"]]
    return lines + [
        f"{link['name']} (index {link['index']}) is {link['kind']} {link['mode']} of host "
        f"{link['parent_name']} (index {link['parent']})"
        for link in children
    ]
