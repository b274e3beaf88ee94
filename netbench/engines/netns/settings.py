"""Settings of the network namespaces that the netns engine makes, as a Docker Engine has them."""

from collections.abc import Mapping
from errno import EACCES, EINVAL, ENOENT, EPERM
from pathlib import Path
from typing import Final

from netbench.spec import Family

READY: Final = {"net/ipv6/conf/default/accept_dad": "0"}
"""A link forwards no IPv6 while its own link-local address is being tried for duplicates, which
takes a second or two; and those tries would fall into the first trial."""
SWITCH: Final = {
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
}
"""Settings of a namespace with bridges. A published port leads back into the bridge that its client
is on: without this the client would be told to go straight to an address that expects nothing of
the kind."""
HOST: Final = {
    **SWITCH,
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/bridge/bridge-nf-call-ip6tables": "1",
}
"""Settings of the host: as a Docker Engine does, have bridged frames pass its firewall."""
CONTAINER: Final = {
    "net/ipv4/ip_unprivileged_port_start": "0",
    "net/ipv4/ping_group_range": "0 2147483647",
}
"""Settings of an endpoint, as a Docker Engine makes them."""
FORWARDING: Final = {Family.V4: "net/ipv4/ip_forward", Family.V6: "net/ipv6/conf/all/forwarding"}
"""Settings that make a namespace a router, for each IP version."""
BRIDGE_NF: Final = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
"""Whether bridged frames pass iptables; there where the kernel has br_netfilter."""


def without_ipv6(link: str) -> Mapping[str, str]:
    """Return the setting of a link that is to have no IPv6, not even a link-local address."""
    return {f"net/ipv6/conf/{link}/disable_ipv6": "1"}


def enabled(path: Path) -> bool:
    """Tell whether a setting of the calling thread's network namespace is there and on."""
    return path.exists() and path.read_text().strip() == "1"


def write_settings(settings: Mapping[str, str]) -> None:
    """Write files of /proc/sys as the calling thread's network namespace sees them.

    Skips those that the kernel does not have, and those that a user namespace may not set.
    """
    for name, value in settings.items():
        path = Path("/proc/sys", name)
        try:
            path.write_text(value)
        except OSError as exc:
            if exc.errno not in {EACCES, EINVAL, ENOENT, EPERM}:
                raise
