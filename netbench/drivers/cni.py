"""`cni:CONFLIST`: whatever a CNI network configuration list makes, recorded as it is found."""

import hashlib
from ipaddress import ip_address, ip_network

from netbench.drivers.base import Closed, Driver, PathClaim, Promise, Proof
from netbench.drivers.links import ends_only, lan_to_end
from netbench.drivers.promises import LINK_APPEARS, OWN_NETNS
from netbench.record import PairFacts
from netbench.spec import Attach, NetworkSpec, Path, Recipe, Via


def cni(name: str, text: str, *, publishes: bool) -> Driver:
    """Return the driver for a configuration list.

    Args:
        name: what comes after `cni:`.
        text: the list itself, JSON that was checked.
        publishes: whether one of its plug-ins maps ports.
    """
    network = NetworkSpec("cni", conflist=text)
    return Driver(
        name=f"cni:{name}",
        summary=f"the CNI configuration {name}",
        isolates="as its plug-ins do: see what was measured",
        recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=network),
        promises=(OWN_NETNS, LINK_APPEARS, _as_result(text)),
        ways={
            Path.EAST_WEST: PathClaim(Via.ADDRESS, ends_only),
            Path.NORTH_SOUTH: PathClaim(Via.PUBLISHED if publishes else Via.ADDRESS, lan_to_end),
            Path.HAIRPIN: (
                PathClaim(Via.PUBLISHED, ends_only)
                if publishes
                else Closed("none of its plug-ins maps ports", Proof.PROMISES)
            ),
        },
        options=frozenset({"family", "cc"}),
    )


def _as_result(text: str) -> Promise:
    """The addresses in the namespaces are those that the plug-ins' result tells of.

    The evidence names the list by a digest of its text: a file may change from run to run.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]

    def check(facts: PairFacts) -> tuple[bool, str]:
        if facts.ipam is None:
            return True, f"list of sha256 {digest}: the result has no IPv4 address"
        subnets = [s for s in (facts.ipam.subnet, facts.ipam.subnet6) if s]
        held = True
        seen = []
        for end in (facts.client, facts.server):
            own = [a.address for a in end.addresses if a.link == "eth0"]
            for subnet in subnets:
                held = held and any(ip_address(a) in ip_network(subnet) for a in own)
            seen.append(f"{end.role} eth0 {', '.join(own) or 'none'}")
        gateways = [g for g in (facts.ipam.gateway, facts.ipam.gateway6) if g]
        told = f"{', '.join(subnets)}, gateway {', '.join(gateways) or 'none'}"
        made = f"list {facts.ipam.network!r} of sha256 {digest}: the result has {told}"
        return held, "; ".join([made, *seen])

    return Promise("eth0 has addresses as the plug-ins' result tells", check)
