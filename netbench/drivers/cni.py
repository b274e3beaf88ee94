"""`plugin:NAME` and `cni:CONFLIST`: whatever a plug-in makes, recorded as it is found."""

import hashlib

from netbench.drivers.base import NOT_BEYOND_NETNS, Closed, Driver, PathClaim, Promise, Proof
from netbench.drivers.links import (
    between_ends,
    end_to_machine,
    ends_only,
    lan_to_end,
    machine_to_end,
)
from netbench.drivers.promises import (
    LINK_APPEARS,
    OWN_NETNS,
    by_end,
    eth0_addresses,
    listed,
    within,
)
from netbench.record import PairFacts
from netbench.spec import Attach, NetworkSpec, Path, Recipe, Via


def plugin(name: str) -> Driver:
    """Return the driver for a plug-in by the name that the engine lists it under."""
    network = NetworkSpec(name)
    return Driver(
        name=f"plugin:{name}",
        summary=f"the engine's network plug-in {name}",
        isolates="as the plug-in does: see what was measured",
        recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=network),
        promises=(OWN_NETNS, LINK_APPEARS),
        ways={
            Path.EAST_WEST: PathClaim(Via.ADDRESS, ends_only),
            Path.NORTH_SOUTH: PathClaim(Via.PUBLISHED, lan_to_end),
            Path.HAIRPIN: Closed("what a plug-in publishes is its own affair", Proof.PROMISES),
            Path.ACROSS: PathClaim(Via.ADDRESS, between_ends),
            Path.OUTSIDE: PathClaim(Via.PUBLISHED, machine_to_end),
            Path.TO_OUTSIDE: PathClaim(Via.MACHINE, end_to_machine),
        },
        options=frozenset({"mtu", "family", "cc", "internal", "runtime", "-o"}),
        other=network,
    )


def cni(name: str, text: str, *, publishes: bool) -> Driver:
    """Return the driver `cni:NAME` for a list, JSON that was checked, which may map ports."""
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
            **NOT_BEYOND_NETNS,
        },
        options=frozenset({"family", "cc"}),
    )


def _as_result(text: str) -> Promise:
    """Return the promise that both ends have addresses of the result; a list's file may change."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]

    def check(facts: PairFacts) -> tuple[bool, str]:
        if facts.ipam is None:
            return True, f"list of sha256 {digest}: the result has no IPv4 address"
        subnets = [s for s in (facts.ipam.subnet, facts.ipam.subnet6) if s]
        found = by_end(facts, eth0_addresses)
        held = all(any(within(a, s) for a in own) for own in found.values() for s in subnets)
        gateways = [g for g in (facts.ipam.gateway, facts.ipam.gateway6) if g]
        shown = f"{', '.join(subnets)}, gateway {', '.join(gateways) or 'none'}"
        made = f"list {facts.ipam.network!r} of sha256 {digest}: the result has {shown}"
        seen = {f"{role} eth0": own for role, own in found.items()}
        return held, f"{made}; {listed(seen)}"

    return Promise("eth0 has addresses as the plug-ins' result tells", check)
