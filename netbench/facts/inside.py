"""The reader from inside: read-only tools run in the endpoint through the engine.

For users who may use the engine but not enter namespaces (most of them), and for engines on
another machine. Everything is read once when a pair comes up; for each trial the counters and
routes are read again, from the world-readable /proc/<pid>/net of a local engine, else by the
same means from inside.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from netbench.errors import FactError
from netbench.facts.base import Pair, Subject, with_offloads
from netbench.facts.iproute import ARGV, links_and_addresses
from netbench.facts.procfs import net_dev, net_ipv6_route, net_route, read_local, start_ticks
from netbench.facts.registry import OFFLOADS
from netbench.facts.routes import in_order
from netbench.record import (
    NAMESPACE_KINDS,
    Address,
    EndpointFacts,
    Link,
    Namespaces,
    PairFacts,
    Route,
)

_S = TypeVar("_S")
_T = TypeVar("_T")
_WORKERS = 4
"""Commands run at a time."""
_NOTE = "namespace ids cannot be resolved to processes through the engine"
_NO_SANDBOX = "the overlay's sandbox has no process in it: only root may enter it, by its file"
_NO_FILE = os.strerror(errno.ENOENT)
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

    def __init__(self, *, local: bool) -> None:
        """`local` tells whether the pids of subjects are those of our own /proc."""
        self._local = local
        self._started: dict[int, int | None] = {}

    def read(self, pairs: Sequence[Pair]) -> list[PairFacts | FactError]:
        """Return everything; a network namespace that several share is read once."""
        subjects = {s.pid: s for pair in pairs for s in _subjects(pair)}
        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
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
        if self._local:
            self._started |= {pid: start_ticks(pid) for pid in subjects}
        everything = _Everything(spaces, read, offloads)
        return [_tried(everything.pair)(pair) for pair in pairs]

    def again(self, pair: Pair, seen: PairFacts) -> PairFacts:
        """Return the facts with counters and routes of now.

        A process keeps its namespaces, so where pid and start time are unchanged, so are they.
        """
        if self._local:
            for subject in _subjects(pair):
                started = start_ticks(subject.pid)
                if started is None or started != self._started.get(subject.pid):
                    raise FactError(f"the {subject.role} (process {subject.pid}) is gone")
        return replace(
            seen,
            client=self._refresh(pair.client, seen.client),
            server=self._refresh(pair.server, seen.server),
            host=self._refresh(pair.host, seen.host),
            lan=self._refresh(pair.lan, seen.lan) if pair.lan and seen.lan else None,
        )

    def _netns(self, subject: Subject) -> _Netns:
        rows = _json(subject, ARGV)
        try:
            links, addresses = links_and_addresses(rows)
        except (LookupError, AttributeError, TypeError) as exc:
            raise FactError(f"unreadable output of {' '.join(ARGV)}: {exc!r}") from exc
        congestion = subject.run(("cat", "/proc/sys/net/ipv4/tcp_congestion_control")).strip()
        return _Netns(links, addresses, self._routes(subject), congestion or None)

    def _routes(self, subject: Subject) -> tuple[Route, ...]:
        routes = net_route(self._text(subject, "route"))
        try:
            text = self._text(subject, "ipv6_route")
        except FactError as exc:
            if _NO_FILE not in str(exc):
                raise
            text = ""  # IPv6 is off
        return in_order((*routes, *net_ipv6_route(text)))

    def _text(self, subject: Subject, name: str) -> str:
        text = read_local(f"/proc/{subject.pid}/net/{name}") if self._local else None
        return text if text is not None else subject.run(("cat", f"/proc/net/{name}"))

    def _refresh(self, subject: Subject, seen: EndpointFacts) -> EndpointFacts:
        counters = net_dev(self._text(subject, "dev"))
        links = tuple(
            replace(link, counters=counters[link.name])
            for link in seen.links
            if link.name in counters
        )
        return replace(seen, links=links, routes=self._routes(subject))


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

    def _end(self, subject: Subject) -> EndpointFacts:
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


def _subjects(pair: Pair) -> tuple[Subject, ...]:
    """Return those that can be read from inside: an overlay's sandbox has no process."""
    return tuple(subject for subject in pair.subjects if subject is not pair.sandbox)


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
    text = subject.run(("readlink", *paths))
    found = dict(re.findall(r"^(\w+):\[(\d+)\]$", text, re.MULTILINE))
    if "net" not in found:
        raise FactError(f"the {subject.role} does not tell its network namespace: {text[:200]!r}")
    seen = Namespaces(**{kind: int(found[kind]) for kind in NAMESPACE_KINDS if kind in found})
    return replace(seen, **dict(subject.stands_in))


def _offloads(subject: Subject, name: str) -> tuple[str, ...] | None:
    """Return the offloads that are on; None where there is no ethtool, or nothing it can say."""
    try:
        rows = json.loads(subject.run(("ethtool", "--json", "-k", name)))
        features = {
            _ETHTOOL_NAMES.get(key, key)
            for key, value in rows[0].items()
            if isinstance(value, dict) and value.get("active")
        }
    except (ValueError, LookupError, AttributeError, FactError):
        return None
    return tuple(wanted for wanted in OFFLOADS if wanted in features)
