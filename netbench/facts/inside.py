"""The reader from inside: read-only tools run in the endpoint through the engine.

For users who may use the engine but not enter namespaces (most of them), and for engines on
another machine. Everything is read once when a pair comes up; for each trial the counters and
routes are read again, from the world-readable /proc/<pid>/net of a local engine, else by the
same means from inside.
"""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from netbench.errors import FactError
from netbench.facts.base import Pair, Subject
from netbench.facts.procfs import net_dev, net_route, read_local, start_ticks
from netbench.facts.registry import OFFLOADS
from netbench.record import (
    NAMESPACE_KINDS,
    Address,
    Counters,
    EndpointFacts,
    Link,
    Namespaces,
    PairFacts,
    Route,
)

_ETHTOOL_NAMES = {
    "generic-receive-offload": "rx-gro",
    "generic-segmentation-offload": "tx-generic-segmentation",
    "large-receive-offload": "rx-lro",
    "rx-checksumming": "rx-checksum",
}
"""ethtool's older names of kernel features, ethtool(8)."""


class InsideReader:
    """Runs `ip`, `readlink`, `cat` and `ethtool` where the namespaces are."""

    def __init__(self, *, local: bool) -> None:
        """`local` tells whether the pids of subjects are those of our own /proc."""
        self._local = local
        self._started: dict[int, int | None] = {}

    def read(self, pair: Pair) -> PairFacts:
        """Return everything, by a handful of commands in each endpoint, side by side."""
        with ThreadPoolExecutor(max_workers=3) as pool:
            client, server = pool.map(self._endpoint, (pair.client, pair.server))
        host = self._endpoint(pair.host)
        near = {link.peer for end in (client, server) for link in end.links if link.peer}
        host = _with_offloads(host, pair.host, [x.name for x in host.links if x.index in near])
        if self._local:
            self._started |= {s.pid: start_ticks(s.pid) for s in _subjects(pair)}
        note = "namespace ids cannot be resolved to processes through the engine"
        return PairFacts(
            client, server, host, pair.target, pair.ipam, reader="engine", notes=(note,)
        )

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return the facts with counters and routes of now.

        A process keeps its namespaces, so where pid and start time are unchanged, so are they.
        """
        if self._local:
            for subject in _subjects(pair):
                if start_ticks(subject.pid) != self._started.get(subject.pid):
                    raise FactError(f"the {subject.role} (process {subject.pid}) is gone")
        return replace(
            seen,
            client=self._refresh(pair.client, seen.client),
            server=self._refresh(pair.server, seen.server),
            host=self._refresh(pair.host, seen.host),
        )

    def _endpoint(self, subject: Subject) -> EndpointFacts:
        links, addresses = _links(_json(subject, ("ip", "-j", "-d", "-s", "addr", "show")))
        names = [link.name for link in links] if subject.role != "host" else []
        congestion = subject.run(("cat", "/proc/sys/net/ipv4/tcp_congestion_control")).strip()
        facts = EndpointFacts(
            role=subject.role,
            pid=subject.pid,
            namespaces=_namespaces(subject),
            links=links,
            addresses=addresses,
            routes=_routes(_json(subject, ("ip", "-j", "route", "show", "table", "main"))),
            congestion_control=congestion or None,
        )
        return _with_offloads(facts, subject, names)

    def _text(self, subject: Subject, name: str) -> str:
        text = read_local(f"/proc/{subject.pid}/net/{name}") if self._local else None
        return text if text is not None else subject.run(("cat", f"/proc/net/{name}"))

    def _refresh(self, subject: Subject, seen: EndpointFacts) -> EndpointFacts:
        counters = net_dev(self._text(subject, "dev"))
        gone = [link.name for link in seen.links if link.name not in counters]
        if gone:
            raise FactError(f"link {', '.join(gone)} of the {subject.role} is gone")
        links = tuple(replace(link, counters=counters[link.name]) for link in seen.links)
        return replace(seen, links=links, routes=net_route(self._text(subject, "route")))


def _subjects(pair: Pair) -> tuple[Subject, ...]:
    return pair.client, pair.server, pair.host


def _json(subject: Subject, argv: tuple[str, ...]) -> list[dict[str, Any]]:
    text = subject.run(argv)
    try:
        found = json.loads(text or "[]")
    except ValueError as exc:
        raise FactError(f"unreadable output of {' '.join(argv)}: {text[:200]!r}") from exc
    if not isinstance(found, list):
        raise FactError(f"unreadable output of {' '.join(argv)}: {text[:200]!r}")
    return [item for item in found if isinstance(item, dict)]


def _namespaces(subject: Subject) -> Namespaces:
    paths = tuple(f"/proc/self/ns/{kind}" for kind in NAMESPACE_KINDS)
    found = dict(re.findall(r"^(\w+):\[(\d+)\]$", subject.run(("readlink", *paths)), re.MULTILINE))
    return Namespaces(**{kind: int(found[kind]) for kind in NAMESPACE_KINDS if kind in found})


def _links(rows: list[dict[str, Any]]) -> tuple[tuple[Link, ...], tuple[Address, ...]]:
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
    return tuple(links), tuple(addresses)


def _link(row: dict[str, Any], indices: dict[str, int]) -> Link:
    info = row.get("linkinfo", {})
    kind = info.get("info_kind")
    lower = row.get("link_index") or indices.get(row.get("link", ""))
    stats = row["stats64"]
    return Link(
        name=row["ifname"],
        index=row["ifindex"],
        kind=kind,
        mode=info.get("info_data", {}).get("mode") if kind in ("macvlan", "ipvlan") else None,
        parent=None if kind == "veth" else lower,
        peer=lower if kind == "veth" else None,
        peer_nsid=row.get("link_netnsid"),
        master=row.get("master"),
        mtu=row["mtu"],
        mac=row.get("address", ""),
        up="UP" in row["flags"],
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


def _routes(rows: list[dict[str, Any]]) -> tuple[Route, ...]:
    return tuple(
        Route(
            destination=_cidr(row["dst"]),
            gateway=row.get("gateway"),
            link=row.get("dev", "?"),
        )
        for row in rows
        if row.get("type", "unicast") == "unicast" and "dst" in row
    )


def _cidr(destination: str) -> str:
    plain = destination == "default" or "/" in destination
    return destination if plain else f"{destination}/32"


def _with_offloads(facts: EndpointFacts, subject: Subject, names: list[str]) -> EndpointFacts:
    """Add the offloads of the named links; where there is no ethtool they stay None."""
    found = {name: _offloads(subject.run, name) for name in names}
    links = (replace(x, offloads=found.get(x.name, x.offloads)) for x in facts.links)
    return replace(facts, links=tuple(links))


def _offloads(run: Callable[[tuple[str, ...]], str], name: str) -> tuple[str, ...] | None:
    try:
        rows = json.loads(run(("ethtool", "--json", "-k", name)))
        features = {
            _ETHTOOL_NAMES.get(key, key)
            for key, value in rows[0].items()
            if isinstance(value, dict) and value.get("active")
        }
    except (ValueError, LookupError, AttributeError, FactError):
        return None
    return tuple(wanted for wanted in OFFLOADS if wanted in features)
