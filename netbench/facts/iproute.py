"""What `ip -j -d -s addr show` prints, as typed values: iproute2's JSON, ip(8)."""

from typing import Any

from netbench.record import Address, Counters, Link

ARGV = ("ip", "-j", "-d", "-s", "addr", "show")
"""The command whose rows are parsed here."""
_MODES = ("macvlan", "ipvlan")
"""Kinds of link that have a mode."""


def links_and_addresses(
    rows: list[dict[str, Any]],
) -> tuple[tuple[Link, ...], tuple[Address, ...]]:
    """Return the links by index and the addresses by link name.

    Raises:
        LookupError, AttributeError, TypeError: a row lacks what every link has.
    """
    indices = {row["ifname"]: row["ifindex"] for row in rows if "ifname" in row}
    links, addresses = [], []
    for row in rows:
        if "ifname" not in row:
            continue
        links.append(_link(row, indices))
        addresses += [
            Address(row["ifname"], a["local"], a["prefixlen"])
            for a in row.get("addr_info", [])
            if "local" in a
        ]
    return tuple(sorted(links, key=lambda link: link.index)), tuple(sorted(addresses))


def _link(row: dict[str, Any], indices: dict[str, int]) -> Link:
    info = row.get("linkinfo", {})
    kind = info.get("info_kind")
    # A lower link elsewhere is told by index and netnsid, one in the same namespace by name.
    lower = row.get("link_index") or indices.get(row.get("link", ""))
    stats = row["stats64"]
    return Link(
        name=row["ifname"],
        index=row["ifindex"],
        kind=kind,
        mode=info.get("info_data", {}).get("mode") if kind in _MODES else None,
        parent=None if kind == "veth" else lower,
        peer=lower if kind == "veth" else None,
        peer_nsid=row.get("link_netnsid"),
        master=row.get("master"),
        mtu=row["mtu"],
        mac=row.get("address", ""),
        up="UP" in row["flags"],
        carrier="LOWER_UP" in row["flags"],
        qdisc=row["qdisc"],
        txqlen=row.get("txqlen", 0),
        gso_max_size=row.get("gso_max_size"),
        gro_max_size=row.get("gro_max_size"),
        tso_max_size=row.get("tso_max_size"),
        offloads=None,
        counters=Counters(
            stats["rx"]["bytes"],
            stats["tx"]["bytes"],
            stats["rx"]["packets"],
            stats["tx"]["packets"],
            stats["rx"]["dropped"],
            stats["tx"]["dropped"],
        ),
    )
