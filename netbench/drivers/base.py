"""What a driver is: a recipe, its promises, and the path it claims. All of it pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from netbench.record import EndpointFacts, Link, PairFacts, PromiseCheck
from netbench.spec import Recipe, Role


@dataclass(frozen=True, slots=True)
class Hop:
    """A link of the claimed path, in the direction client to server."""

    role: Role
    """Whose namespace it is seen from."""
    link: Link
    counted: Literal["rx", "tx", "none"]
    """Which of its counters the client's bytes must move."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Something a driver promises, and how facts show it."""

    text: str
    check: Callable[[PairFacts], tuple[bool, str]]
    """Returns whether it holds and the evidence, given in words with the figures seen."""

    def judge(self, facts: PairFacts) -> PromiseCheck:
        """Return the promise with its verdict on these facts."""
        held, evidence = self.check(facts)
        return PromiseCheck(self.text, held, evidence)


@dataclass(frozen=True, slots=True)
class Driver:
    """A network driver under test. Describes; an engine makes it real."""

    name: str
    """As users write it, with mode: `bridge:user`."""
    summary: str
    """What it is, one line."""
    isolates: str
    """What it isolates and what it leaves open, one line."""
    recipe: Recipe
    promises: tuple[Promise, ...]
    path: Callable[[PairFacts], tuple[Hop, ...]]
    """Returns the claimed path; empty where a link of it is missing."""
    isolated: bool = False
    """True where not even the pair can reach each other, by design."""


def hops_over_loopback(facts: PairFacts) -> tuple[Hop, ...]:
    """Return the one hop of a pair that shares a namespace: its `lo`, which counts every byte."""
    loopback = facts.client.link("lo")
    return (Hop(Role.CLIENT, loopback, "tx"),) if loopback else ()


def host_end(end: EndpointFacts, facts: PairFacts, link: Link) -> Link | None:
    """Return the host's end of an endpoint's veth, or None where it is not there.

    The two ends must name each other by index, and, where the reader knows the id by which
    the host's namespace calls the endpoint's, the host's end must carry that id: indices alone
    repeat from namespace to namespace.
    """
    other = facts.host.by_index(link.peer)
    if other is None or other.kind != "veth" or other.peer != link.index:
        return None
    if other.peer_nsid is None:
        return None
    known = dict(facts.host.nsids).get(end.role.value)
    return other if known is None or known == other.peer_nsid else None
