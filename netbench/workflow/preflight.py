"""Before the first trial: engine and `--parent` checked, host read; afterwards: all removed."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from netbench.drivers import Driver
from netbench.engines.base import NO_OPTIONS, Endpoint, Engine, EngineOptions
from netbench.errors import ENGINE_FAILURES, ConfigurationError, EngineError, EngineUnavailable
from netbench.plan import Plan
from netbench.record import PAIRED, EndpointFacts, FactValue, Link, Redaction
from netbench.spec import CpuTopology, Node, Path
from netbench.system.interrupts import deferred_signals
from netbench.topology.pairs import OUTER, LiveBlock, LivePair
from netbench.workflow.host_facts import facts_of, identity, read_host_facts
from netbench.workflow.options import Observer, RunOptions

_CHILDREN: Final = ("macvlan", "macvtap", "ipvlan", "ipvtap")  # themselves children of a link
_NOT_PROPOSED: Final = (*_CHILDREN, *PAIRED, "bridge", "vxlan", "tun", "dummy", "wireguard")
"""Kinds of link that hardly lead to the network that was meant."""
_DEFAULTS: Final = ("default", "::/0")
_WHY: Final = (
    "benchmarks do not belong on a network in use (RFC 6815), and a macvlan's parent goes "
    "promiscuous and shares its switch port with every child"
)
_ANYWAY: Final = "name an interface that is not in use, or add --parent-in-use"


@dataclass(frozen=True, slots=True)
class PreparedEngine:
    """What was read of an engine before the first trial."""

    helpers: tuple[str, ...]
    tools: Mapping[str, str]
    facts: Mapping[str, FactValue]
    redaction: Redaction | None  # what hides names and addresses of the site, if anything


@dataclass(slots=True)
class Kept:
    """What is left up when a run ends."""

    wanted: bool = False
    options: EngineOptions = NO_OPTIONS  # that name the engines
    block: LiveBlock | None = None  # whose pairs stay up, if any do

    def told(self, engine: Engine, run: str) -> Iterator[str]:
        """Yield lines that name every endpoint which stays up, with the command that enters it."""
        yield "netbench: --keep: the pairs of the last block stay up; to enter them:"
        for name, endpoint in self._endpoints(engine):
            yield f"  {name}: {shlex.join(engine.way_in(endpoint))}"
        named = {"--context": self.options.context, "--peer-context": self.options.peer_context}
        contexts = (word for name, value in named.items() if value for word in (name, value))
        clean = ("netbench", "clean", *contexts)
        yield f"  to remove all of them (run {run}): {shlex.join(clean)}"

    def _endpoints(self, engine: Engine) -> Iterator[tuple[str, Endpoint]]:
        """Yield every endpoint once, with what it is in words."""
        pairs = self.block.pairs.values() if self.block else ()
        up = [pair for pair in pairs if isinstance(pair, LivePair)]
        for pair in sorted(up, key=lambda one: (one.arm.driver, one.arm.replica)):
            yield f"{pair.arm}, client", pair.client
            yield f"{pair.arm}, server", pair.server
        outside = {pair.lan.client.id: pair.lan.client for pair in up if pair.lan}
        for client in outside.values():
            yield "client on the emulated LAN", client
        yield "host of the engine", engine.host()


@contextmanager
def taken_down(
    engine: Engine, run: str, observer: Observer, kept: Kept | None = None
) -> Iterator[None]:
    """Leave nothing of a run on its engine, whatever happens, but what is in `kept` by then."""
    try:
        yield
    finally:
        with deferred_signals():
            stays = kept is not None and kept.block is not None
            if kept and stays:
                for line in kept.told(engine, run):
                    observer.say(line)
            _close(engine, run, observer, keep=stays)


@contextmanager
def needed() -> Iterator[None]:
    """Raise `EngineUnavailable` for an `EngineError` before the first trial."""
    try:
        yield
    except EngineError as exc:
        raise EngineUnavailable(exc.message, hint=exc.hint) from exc


def topology_of(engine: Engine) -> CpuTopology:
    """Return the CPUs of an engine; raise as `needed` if it cannot run anything."""
    with needed():
        try:
            return engine.cpu_topology()
        except EngineError:
            engine.prepare()  # knows better what is missing
            raise


def prepare(engine: Engine, plan: Plan, options: RunOptions, observer: Observer) -> PreparedEngine:
    """Prepare the engine and read its host; errors as `needed`."""
    observer.inform(f"engine: {engine.name} ({engine.why})")
    with needed():
        helpers = engine.prepare()
        _check_parents(engine, options)
        if _needs_lan(engine, plan, options.engine):
            helpers = (*helpers, engine.lan().done)
        return PreparedEngine(
            helpers,
            engine.tools(),
            read_host_facts(engine, identify=options.identify),
            None if options.identify else identity(engine),
        )


def _needs_lan(engine: Engine, plan: Plan, options: EngineOptions) -> bool:
    """Tell whether an emulated LAN is made: for a client on it, or for links beneath its wire."""
    outer = [path for path in plan.paths if path in OUTER]
    wanted: list[tuple[Driver, Path]] = [(one, path) for one in plan.drivers for path in outer]
    if options.parent is None and Path.ACROSS not in plan.paths:
        beneath = (d for d in plan.drivers if d.recipe.network and d.recipe.network.on_lan)
        wanted += [(one, Path.EAST_WEST) for one in beneath]
    return any(engine.unsupported(driver.recipe, path) is None for driver, path in wanted)


def _close(engine: Engine, run: str, observer: Observer, *, keep: bool) -> None:
    """Remove whatever still carries this run's label, unless it is kept, and close the engine."""
    try:
        with ExitStack() as closed:
            closed.callback(engine.close, keep=keep)
            for thing in () if keep else engine.owned(run):
                if thing.kind in ("container", "network"):
                    engine.remove_owned(thing)
    except ENGINE_FAILURES as exc:
        observer.say(f"netbench: leftovers could not be removed: {exc}")
        observer.say("  fix: `netbench clean` once the engine is back")


def _check_parents(engine: Engine, options: RunOptions) -> None:
    """Check the parent on every machine; errors as `check_parent`."""
    named = {Node.FIRST: options.engine.parent, Node.PEER: options.engine.peer.parent}
    problems: list[str] = []
    for node, part in engine.nodes.items():
        try:
            check_parent(part, named[node], in_use=options.parent_in_use)
        except ConfigurationError as exc:
            on = f" (on the {node} machine)" if len(engine.nodes) > 1 else ""
            problems += [f"{problem}{on}" for problem in exc.problems]
    if problems:
        raise ConfigurationError(*problems)


def check_parent(engine: Engine, name: str | None, *, in_use: bool) -> None:
    """Raise ConfigurationError with all that speaks against a parent, if one is named."""
    if name is None:
        return
    words = os.environ.get("SSH_CONNECTION", "").split()
    known = engine.local and len(words) == 4  # noqa: PLR2004 -- two addresses, two ports
    login = words[2] if known else None  # the address of this machine
    host = facts_of(engine, engine.host()).host
    problems = parent_problems(host, name, in_use=in_use, login=login)
    if problems:
        raise ConfigurationError(*(f"--parent: {problem}" for problem in problems))


def parent_problems(
    host: EndpointFacts, name: str, *, in_use: bool, login: str | None
) -> list[str]:
    """Return everything that speaks against an interface as a parent, each as one sentence.

    `in_use` allows one that carries the host's own traffic; `login` is the host's address that the
    user is logged in by.
    """
    link = host.link(name)
    instead = _instead(host, login)
    if link is None:
        return [f"{name} is no interface of the engine's host: {instead}"]
    if link.name == "lo":
        return [f"{name} is loopback, which leads nowhere and takes no children: {instead}"]
    return [*_unfit(host, link, instead), *(() if in_use else _needed(host, link, login))]


def _unfit(host: EndpointFacts, link: Link, instead: str) -> Iterator[str]:
    """Return why a link takes no child, or none that carries traffic."""
    name = link.name
    if link.kind in _CHILDREN:
        above = host.by_index(link.parent) if link.peer_nsid is None else None
        better = f"name that parent, {above.name}" if above else instead
        yield (
            f"{name} is itself a {link.kind}, and the kernel would put children beside it, on its "
            f"own parent: {better}"
        )
    if link.master is not None:
        master = host.link(link.master)
        kind = master.kind if master and master.kind else "link"
        yield (
            f"{name} is a port of the {kind} {link.master}, which takes every frame that arrives: "
            f"name {link.master}, or free it with `ip link set {name} nomaster`"
        )
    if not link.up:
        yield f"{name} is down, and so would be every child: `ip link set {name} up`"
    elif link.carrier is False:
        yield f"{name} has no carrier: nothing is up at its other end; plug it in, or name another"


def _needed(host: EndpointFacts, link: Link, login: str | None) -> Iterator[str]:
    routes = [r for r in host.routes if r.link == link.name and r.destination in _DEFAULTS]
    if routes:
        via = f" by {routes[0].gateway}" if routes[0].gateway else ""
        yield f"{link.name} carries the default route{via}, and {_WHY}: {_ANYWAY}"
    with suppress(ValueError):  # no address
        wanted = ip_address((login or "").partition("%")[0])
        own = [ip_address(a.address) for a in host.addresses if a.link == link.name]
        if wanted in own:
            yield f"{link.name} has {login}, the address of your own login, and {_WHY}: {_ANYWAY}"


def _instead(host: EndpointFacts, login: str | None) -> str:
    free = [
        link.name
        for link in host.links
        if link.name != "lo"
        and link.kind not in _NOT_PROPOSED
        and not any(_unfit(host, link, ""))
        and not any(_needed(host, link, login))
    ]
    if not free:
        return "it has none that is up, free and not in use, so leave --parent out"
    return f"name one that could serve, such as {', '.join(free)}"
