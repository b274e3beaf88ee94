"""The host's ends of the emulated LAN's wires, cut by name.

A wire ends with the LAN client's network namespace, but that may outlive the container for minutes:
a connection whose other end vanished with it is still being closed there. So wires are cut first.
"""

import re
from typing import Final

from docker.errors import NotFound

from netbench.engines.docker import endpoints
from netbench.engines.docker.client import Clients
from netbench.engines.docker.endpoints import ROOT, Order, Sharing

WIRES: Final = "netbench.wires"
"""Label of a LAN client: how the names of the host's ends of its wires begin."""
STEM: Final = re.compile(r"nb[0-9a-f]{6}l")
"""What such a beginning looks like. An image may carry a label of this name with any text: were
it believed, links of the host's own would be removed."""
_CAPABILITY: Final = "NET_ADMIN"
_SCRIPT: Final = """
ip -br link | while read -r name rest
do case $name in "$0"*) ip link del "${name%%@*}" ;; esac
done
"""


def cut_wires(clients: Clients, container: str) -> None:
    """Remove every wire of a LAN client; quietly nothing where the container is none, or is gone.

    Raises:
        EngineError: the engine refused the container that does it, or that container failed.
        EngineLost: it does not answer.
    """
    with clients.lend("look at a container") as api:
        try:
            config = api.inspect_container(container)["Config"]
        except NotFound:
            return
    stem = (config["Labels"] or {}).get(WIRES)
    if stem is None or not STEM.fullmatch(stem):
        return
    order = Order(
        name=f"netbench-cut-{stem}",
        image=config["Image"],
        labels={k: v for k, v in config["Labels"].items() if k != WIRES},
        sharing=Sharing("host", users=True),
        command=("sh", "-ec", _SCRIPT, stem),
        user=ROOT,
        capabilities=(_CAPABILITY,),
    )
    endpoints.once(clients, order)
