"""What the engine says of its networks."""

import time
from collections.abc import Mapping
from typing import Any, Final

from docker import APIClient
from docker.errors import APIError

from netbench.engines.base import Network
from netbench.engines.docker.client import Clients, Dialect
from netbench.errors import EngineError
from netbench.record import Ipam

OVERLAY: Final = "overlay"
BRIDGE: Final = "com.docker.network.bridge.name"
"""Option of a network that names its bridge."""
_DEFAULT: Final = "bridge"
"""Name of the engine's default network, which no other can have."""
_VXLAN: Final = "com.docker.network.driver.overlay.vxlanid_list"
_ALLOCATE: Final = 10.0
"""Seconds that a swarm's manager may take to give a network its subnet."""
_POLL: Final = 0.02


def default(clients: Clients) -> Network | None:
    """Return the engine's default bridge network, None where it has none."""
    with clients.lend("list networks") as api:
        found = api.networks(filters={"driver": "bridge"})
    return next((describe(n, clients.dialect) for n in found if n["Name"] == _DEFAULT), None)


def describe(seen: Mapping[str, Any], dialect: Dialect) -> Network:
    """Return a network as the engine's inspection shows it, with the first pool of each family."""
    options: Mapping[str, str] = seen["Options"] or {}
    configured = seen["IPAM"]["Config"] or ()
    pools = [pool for pool in configured if ":" not in pool["Subnet"]]
    pools6 = [pool for pool in configured if ":" in pool["Subnet"] and seen.get("EnableIPv6")]
    if not pools:
        return Network(id=str(seen["Id"]), ipam=None)
    named = seen["Driver"] == "bridge" and dialect.bridge
    bridge = named.format(seen["Id"][:12]) if named else None
    vxlan = options.get(_VXLAN, "").partition(",")[0]
    return Network(
        id=str(seen["Id"]),
        ipam=Ipam(
            network=str(seen["Name"]),
            subnet=str(pools[0]["Subnet"]),
            gateway=pools[0].get("Gateway"),
            bridge=options.get(BRIDGE, bridge),
            subnet6=str(pools6[0]["Subnet"]) if pools6 else None,
            gateway6=pools6[0].get("Gateway") if pools6 else None,
            parent=options.get("parent"),
            vxlan=int(vxlan) if vxlan.isdecimal() else None,
        ),
    )


def allocated(api: APIClient, made: str, driver: str, dialect: Dialect) -> Network:
    """Return a network that was made: a swarm's manager gives out its subnet a moment later."""
    deadline = time.monotonic() + _ALLOCATE
    while True:
        network = describe(api.inspect_network(made), dialect)
        if driver != OVERLAY or (network.ipam and network.ipam.vxlan is not None):
            return network
        if time.monotonic() > deadline:
            raise EngineError(
                f"the swarm's manager gave the network no VXLAN id within {_ALLOCATE:.0f} s",
                hint="see its log: journalctl -u docker",
            )
        time.sleep(_POLL)


def remove(api: APIClient, network: str) -> None:
    """Remove a network; quietly nothing where it is gone already.

    One of a swarm may be listed for a moment after its end, and is then not found with an error
    other than the usual one.
    """
    try:
        api.remove_network(network)
    except APIError as error:
        if "not found" not in str(error.explanation).lower():
            raise
