"""What CNI plug-ins leave after DEL by design, and what the LAN's client gets for them."""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any, Final

from netbench.engines.local_process import SYSTEM, find_program
from netbench.engines.netns import wiring
from netbench.engines.netns.cni_result import Result
from netbench.engines.netns.firewall import Firewall
from netbench.errors import EngineError
from netbench.record import Completed

_OURS: Final = ("lo", "nb")
"""Starts of the names of links that no plug-in made."""
_NODAD: Final = 0x02
"""IFA_F_NODAD: nobody else has the address."""

Command = Callable[[tuple[str, ...]], Completed]
"""Run a program in the world's network namespace."""
Gateway = IPv4Interface | IPv6Interface


def kinds_of_links(pid: int) -> dict[str, str | None]:
    """Return the links of a process's network namespace, each with its kind."""

    def work(route: Any) -> dict[str, str | None]:
        return {
            str(link.get("ifname")): link.get(("linkinfo", "kind")) for link in route.get_links()
        }

    return wiring.netlink(pid, "list the world's links", work)


def check_overlap(pid: int, name: str, result: Result) -> None:
    """See that a network's subnets are not the world's own as well.

    Raises:
        EngineError: one is; with both.
    """

    def work(route: Any) -> dict[str, str]:
        names = {link["index"]: str(link.get("ifname")) for link in route.get_links()}
        return {
            f"{address.get('address')}/{address['prefixlen']}": names.get(address["index"], "")
            for address in route.get_addr()
        }

    for text, link in wiring.netlink(pid, "list the world's addresses", work).items():
        own = ip_interface(text)
        for address in result.addresses:
            if link.startswith(_OURS) and own.network.overlaps(address.network):
                raise EngineError(
                    f"CNI network {name!r} has the subnet {address.network}, which overlaps "
                    f"{own.network} of the world's {link}: give it another in its `ipam`"
                )


def remove_link(pid: int, name: str) -> None:
    """Remove a link that a plug-in made, if it is still there: the bridge plug-in's bridge."""
    if not name.startswith(_OURS):
        wiring.delete_link(pid, name)


def add_gateway(pid: int, link: str, gateway: Gateway) -> None:
    """Give a link of the LAN's client the address that containers have their gateway at.

    Raises:
        EngineError: the kernel refused.
    """
    flags = {"flags": _NODAD} if gateway.version == 6 else {}  # noqa: PLR2004 -- IP version

    def work(route: Any) -> None:
        index = wiring.index_of(route, link)
        address, prefix = str(gateway.ip), gateway.network.prefixlen
        route.addr("add", index=index, address=address, prefixlen=prefix, **flags)

    wiring.netlink(pid, f"give the LAN's client the gateway address {gateway}", work)


def remove_gateways(pid: int, link: str, gateways: Iterable[Gateway]) -> None:
    """Undo `add_gateway`."""

    def work(route: Any) -> None:
        index = wiring.index_of(route, link)
        for gateway in gateways:
            address, prefix = str(gateway.ip), gateway.network.prefixlen
            route.addr("del", index=index, address=address, prefixlen=prefix)

    wiring.netlink(pid, "take the gateway addresses from the LAN's client", work)


def remove_rules(command: Command, firewall: Firewall) -> None:
    """Remove the chains that portmap and firewall plug-ins leave empty.

    They would cost every later pair of the run something. The engine's own tables are made anew;
    all others in the world were made by plug-ins, and are removed where there is nft.

    Raises:
        EngineError: iptables or nftables refused.
    """
    firewall.restore()
    program = find_program("nft", *SYSTEM)
    if program is None:
        return
    ours = firewall.tables
    listed = command((program, "list", "tables"))
    for line in listed.stdout.splitlines():
        words = line.split()
        if len(words) == len(("table", "ip", "nat")) and (words[1], words[2]) not in ours:
            done = command((program, "delete", *words))
            if done.exit_code != 0:
                raise EngineError(f"{line} of CNI plug-ins could not be removed: {done.stderr}")
