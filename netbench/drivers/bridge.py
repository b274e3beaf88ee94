"""`bridge` and `bridge:user`: a veth pair from the container into a bridge of the host."""

from netbench.drivers.base import Driver, Hop, host_end
from netbench.drivers.promises import (
    ADDRESS_IN_SUBNET,
    DEFAULT_ROUTE,
    OWN_NETNS,
    VETH_INTO_BRIDGE,
)
from netbench.record import PairFacts
from netbench.spec import Attach, NetworkSpec, Recipe, Role

_PROMISES = (OWN_NETNS, VETH_INTO_BRIDGE, ADDRESS_IN_SUBNET, DEFAULT_ROUTE)


def _path(facts: PairFacts) -> tuple[Hop, ...]:
    """Client's eth0, its port, the bridge, the other port, server's eth0.

    A bridge device counts what the host itself sends and receives through it, not what it
    forwards between ports, so the bridge is a hop that is shown but not counted.
    """
    source, sink = facts.client.link("eth0"), facts.server.link("eth0")
    if source is None or sink is None:
        return ()
    ingress = host_end(facts.client, facts, source)
    egress = host_end(facts.server, facts, sink)
    bridge = facts.host.link(ingress.master) if ingress and ingress.master else None
    if ingress is None or egress is None or bridge is None or egress.master != bridge.name:
        return ()
    return (
        Hop(Role.CLIENT, source, "tx"),
        Hop(Role.HOST, ingress, "rx"),
        Hop(Role.HOST, bridge, "none"),
        Hop(Role.HOST, egress, "tx"),
        Hop(Role.SERVER, sink, "rx"),
    )


BRIDGE = Driver(
    name="bridge",
    summary="the engine's default bridge network (docker0)",
    isolates="interfaces, ports and addresses; from outside only published ports",
    recipe=Recipe(client=Attach.DEFAULT, server=Attach.DEFAULT),
    promises=_PROMISES,
    path=_path,
)

BRIDGE_USER = Driver(
    name="bridge:user",
    summary="a user-defined bridge network",
    isolates="as bridge, and from containers of other networks; names resolve",
    recipe=Recipe(client=Attach.NETWORK, server=Attach.NETWORK, network=NetworkSpec("bridge")),
    promises=_PROMISES,
    path=_path,
)
