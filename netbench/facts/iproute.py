"""What `ip -j -d -s addr show` prints, as typed values: iproute2's JSON, ip(8)."""

import json
from ipaddress import ip_address
from typing import Any

from netbench.errors import FactError
from netbench.record import Address, Link, LinkCounters

ARGV = ("ip", "-j", "-d", "-s", "addr", "show")
"""The command whose rows are parsed here."""
_MODES = ("macvlan", "ipvlan")
"""Kinds of link that have a mode."""


def links_and_addresses(text: str) -> tuple[tuple[Link, ...], tuple[Address, ...]]:
    """Return the links by index and the addresses by link name.

    Raises:
        FactError: it is not that command's output.
    """
    try:
        rows = json.loads(text or "[]")
        return _everything([row for row in rows if row])
    except (ValueError, RecursionError, LookupError, AttributeError, TypeError) as exc:
        said = f"{exc!r} in {text[:200]!r}"
        raise FactError(f"unreadable output of `{' '.join(ARGV)}`: {said}") from exc


def _everything(
    rows: list[dict[str, Any]],
) -> tuple[tuple[Link, ...], tuple[Address, ...]]:
    indices = {row["ifname"]: row["ifindex"] for row in rows if "ifname" in row}
    links, addresses = [], []
    for row in rows:
        if "ifname" not in row:
            continue
        links.append(_link(row, indices))
        addresses += [
            Address(_text(row["ifname"]), str(ip_address(a["local"])), _whole(a["prefixlen"]))
            for a in row.get("addr_info", [])
            if "local" in a
        ]
    return tuple(sorted(links, key=lambda link: link.index)), tuple(sorted(addresses))


def _link(row: dict[str, Any], indices: dict[str, int]) -> Link:
    info = row.get("linkinfo", {})
    kind = info.get("info_kind")
    # A lower link elsewhere is told by index and netnsid, one in the same namespace by name.
    lower = _if_whole(row.get("link_index") or indices.get(row.get("link", "")))
    mode = info.get("info_data", {}).get("mode") if kind in _MODES else None
    stats = row["stats64"]
    return Link(
        name=_text(row["ifname"]),
        index=_whole(row["ifindex"]),
        kind=_if_text(kind),
        mode=_if_text(mode),
        parent=None if kind == "veth" else lower,
        peer=lower if kind == "veth" else None,
        peer_nsid=_if_whole(row.get("link_netnsid")),
        master=_if_text(row.get("master")),
        mtu=_whole(row["mtu"]),
        mac=_text(row.get("address", "")),
        up="UP" in row["flags"],
        carrier="LOWER_UP" in row["flags"],
        qdisc=_text(row["qdisc"]),
        txqlen=_whole(row.get("txqlen", 0)),
        gso_max_size=_if_whole(row.get("gso_max_size")),
        gro_max_size=_if_whole(row.get("gro_max_size")),
        tso_max_size=_if_whole(row.get("tso_max_size")),
        offloads=None,
        counters=LinkCounters(
            *(
                _whole(stats[way][what])
                for what in ("bytes", "packets", "dropped")
                for way in ("rx", "tx")
            )
        ),
    )


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def _if_whole(value: object) -> int | None:
    return None if value is None else _whole(value)


def _if_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
