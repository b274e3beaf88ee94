"""The reader from inside: read-only tools run in the endpoint through the engine.

For users who may use the engine but not enter namespaces (most of them), and for engines on
another machine. Everything is read once when a pair comes up; for each trial the counters and
routes are read again, all at once from the world-readable /proc/<pid>/net of the engine's machine
where that can be had, else by the same means from inside.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from netbench.errors import FactError
from netbench.facts.base import NamespaceSet, Pair, with_offloads
from netbench.facts.iproute import ARGV, links_and_addresses
from netbench.facts.procfs import in_order, net_dev, net_ipv6_route, net_route, start_ticks
from netbench.facts.registry import OFFLOADS
from netbench.record import (
    NAMESPACE_KINDS,
    Address,
    EndpointFacts,
    Link,
    Namespaces,
    PairFacts,
    Route,
)
from netbench.system.files import NOWHERE, Files, FrozenFiles
from netbench.system.interrupts import Pool

_S = TypeVar("_S")
_T = TypeVar("_T")
_WORKERS = 4
"""Commands run at a time."""
_ROUTES = ("route", "ipv6_route")
"""Files of /proc/net that hold the routes of each family."""
_NOTE = "namespace ids cannot be resolved to processes through the engine"
_NO_SANDBOX = "the overlay's sandbox has no process in it: only root may enter it, by its file"
_ETHTOOL_NAMES = {
    "generic-receive-offload": "rx-gro",
    "generic-segmentation-offload": "tx-generic-segmentation",
    "large-receive-offload": "rx-lro",
    "rx-checksumming": "rx-checksum",
}
"""ethtool's older names of kernel features, ethtool(8)."""


@dataclass(frozen=True, slots=True)
class _Netns:
    """What a network namespace holds, whoever is in it."""

    links: tuple[Link, ...]
    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]
    congestion: str | None


class InsideReader:
    """Runs `ip`, `readlink`, `cat` and `ethtool` where the namespaces are."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._started: dict[int, int | None] = {}

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        """Return everything; a network namespace that several share is read once."""
        subjects = {s.pid: s for pair in pairs for s in _subjects(pair)}
        with Pool(max_workers=_WORKERS) as pool:
            spaces = dict(
                zip(subjects, pool.map(_tried(_namespaces), subjects.values()), strict=True)
            )
            first = {
                found.net: subjects[pid]
                for pid, found in reversed(spaces.items())
                if isinstance(found, Namespaces)
            }
            read = dict(zip(first, pool.map(_tried(self._netns), first.values()), strict=True))
            wanted = [
                (inode, name)
                for inode, found in read.items()
                if isinstance(found, _Netns)
                for name in _offload_names(found, read)
            ]
            offloads = dict(
                zip(
                    wanted,
                    pool.map(lambda key: _offloads(first[key[0]], key[1]), wanted),
                    strict=True,
                )
            )
        self._started |= _starts(subjects)
        everything = _Everything(spaces, read, offloads)
        return [_tried(everything.pair)(pair) for pair in pairs]

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return the facts with counters and routes of now.

        A process keeps its namespaces, so where pid and start time are unchanged, so are they.
        """
        subjects = _subjects(pair)
        names = [s.near(name) for s in subjects for name in (*_ROUTES, "dev")]
        taken = FrozenFiles(pair.host.files, *names, *(f"/proc/{s.pid}/stat" for s in subjects))
        for subject in subjects:
            if start_ticks(subject.pid, taken) != self._started.get(subject.pid):
                raise FactError(f"the {subject.role} (process {subject.pid}) is gone")
        return replace(
            seen,
            client=_refresh(pair.client, seen.client, taken),
            server=_refresh(pair.server, seen.server, taken),
            host=_refresh(pair.host, seen.host, taken),
            lan=_refresh(pair.lan, seen.lan, taken) if pair.lan and seen.lan else None,
        )

    def _netns(self, subject: NamespaceSet) -> _Netns:
        links, addresses = links_and_addresses(subject.run(ARGV))
        congestion = subject.run(("cat", "/proc/sys/net/ipv4/tcp_congestion_control")).strip()
        return _Netns(links, addresses, _routes(subject.net_files(*_ROUTES)), congestion or None)


@dataclass(frozen=True, slots=True)
class _Everything:
    """What was read, by process and by network namespace."""

    spaces: dict[int, Namespaces | FactError]
    netns: dict[int | None, _Netns | FactError]
    offloads: dict[tuple[int | None, str], tuple[str, ...] | None]

    def pair(self, pair: Pair) -> PairFacts:
        """Return one pair's share; raises what stands in the way of it."""
        return PairFacts(
            client=self._end(pair.client),
            server=self._end(pair.server),
            host=self._end(pair.host),
            target=pair.target,
            ipam=pair.ipam,
            reader="engine",
            notes=(_NOTE, _NO_SANDBOX) if pair.sandbox else (_NOTE,),
            lan=self._end(pair.lan) if pair.lan else None,
            uplink=pair.uplink,
        )

    def _end(self, subject: NamespaceSet) -> EndpointFacts:
        space = self.spaces[subject.pid]
        if isinstance(space, FactError):
            raise space
        found = self.netns[space.net]
        if isinstance(found, FactError):
            raise found
        links = (replace(x, offloads=self.offloads.get((space.net, x.name))) for x in found.links)
        return EndpointFacts(
            role=subject.role,
            pid=subject.pid,
            namespaces=space,
            links=tuple(links),
            addresses=found.addresses,
            routes=found.routes,
            congestion_control=found.congestion,
        )


def _routes(texts: Mapping[str, str]) -> tuple[Route, ...]:
    """Return the routes in the files of a namespace, which has no `ipv6_route` without IPv6."""
    routes, routes6 = (texts.get(name) for name in _ROUTES)
    if routes is None:
        raise FactError("/proc/net/route is not readable")
    return in_order((*net_route(routes), *net_ipv6_route(routes6 or "")))


def _refresh(subject: NamespaceSet, seen: EndpointFacts, taken: Files) -> EndpointFacts:
    texts = subject.net_files("dev", *_ROUTES, taken=taken)
    if "dev" not in texts:
        raise FactError(f"/proc/net/dev of the {subject.role} is not readable")
    counters = net_dev(texts["dev"])
    links = tuple(
        replace(link, counters=counters[link.name]) for link in seen.links if link.name in counters
    )
    return replace(seen, links=links, routes=_routes(texts))


def _starts(subjects: Mapping[int, NamespaceSet]) -> dict[int, int | None]:
    """Return when each process was started, in clock ticks since boot."""
    files = next((subject.files for subject in subjects.values()), NOWHERE)
    taken = FrozenFiles(files, *(f"/proc/{pid}/stat" for pid in subjects))
    return {pid: start_ticks(pid, taken) for pid in subjects}


def _tried(work: Callable[[_S], _T]) -> Callable[[_S], _T | FactError]:
    """Return `work` with its failure as a value: one pair's must not be every pair's."""

    def attempt(subject: _S) -> _T | FactError:
        try:
            return work(subject)
        except FactError as exc:
            return exc

    return attempt


def _offload_names(found: _Netns, read: dict[int | None, _Netns | FactError]) -> tuple[str, ...]:
    """Return the links of one namespace whose offloads matter."""
    others = [other for other in read.values() if isinstance(other, _Netns) and other is not found]
    return with_offloads(found.links, [link for other in others for link in other.links])


def _subjects(pair: Pair) -> tuple[NamespaceSet, ...]:
    """Return those that can be read from inside: an overlay's sandbox has no process."""
    return tuple(subject for subject in pair.subjects if subject is not pair.sandbox)


def _namespaces(subject: NamespaceSet) -> Namespaces:
    paths = tuple(f"/proc/self/ns/{kind}" for kind in NAMESPACE_KINDS)
    text = subject.run(("readlink", *paths))
    seen = namespaces(text)
    if seen.net is None:
        raise FactError(f"the {subject.role} does not tell its network namespace: {text[:200]!r}")
    return replace(seen, **dict(subject.stands_in))


def namespaces(text: str) -> Namespaces:
    """Parse what `readlink` prints of /proc/self/ns: `net:[4026531840]`."""
    found = dict(re.findall(r"^([a-z]+):\[([0-9]{1,20})\]$", text, re.MULTILINE))
    return Namespaces(**{kind: int(found[kind]) for kind in NAMESPACE_KINDS if kind in found})


def _offloads(subject: NamespaceSet, name: str) -> tuple[str, ...] | None:
    """Return the offloads that are on; None where there is no ethtool, or nothing it can say."""
    try:
        return offloads(subject.run(("ethtool", "--json", "-k", name)))
    except FactError:
        return None


def offloads(text: str) -> tuple[str, ...] | None:
    """Parse what `ethtool --json -k` prints; None where it is not that."""
    try:
        rows = json.loads(text)
        features = {
            _ETHTOOL_NAMES.get(key, key)
            for key, value in rows[0].items()
            if isinstance(value, dict) and value.get("active") is True
        }
    except (ValueError, RecursionError, LookupError, AttributeError, TypeError):
        return None
    return tuple(wanted for wanted in OFFLOADS if wanted in features)
