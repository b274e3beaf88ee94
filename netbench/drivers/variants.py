"""Variants of a driver: `bridge:user@mtu=9000+family=6`, as text and as what it changes."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, cast, get_args

from netbench.drivers.base import Closed, Driver, PathClaim, Proof, ReachPlace, reach
from netbench.drivers.links import lan_to_published, past_rules
from netbench.drivers.promises import (
    BARE_BRIDGE,
    DEFAULT_ROUTE,
    NO_DEFAULT_ROUTE,
    ROUTED_BY_DEVICE,
    mtu_is,
    rules_are,
)
from netbench.errors import ConfigurationError
from netbench.spec import Attach, Family, FirewallRules, GatewayMode, NetworkSpec, Path, Via

_SMALLEST, _LARGEST = 68, 65535  # the least MTU of IPv4, RFC 791, and the most that a link takes
_LEAST_IPV6 = 1280  # RFC 8200 §5
_WHOLE: Final = re.compile(r"[1-9][0-9]{0,4}")  # one spelling for each number
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,14}")  # a congestion control, TCP_CA_NAME_MAX
_RUNTIME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")  # as in a daemon.json
_NETWORKS: Final = frozenset(
    {"mtu", "icc", "internal", "gateway", "rules"}
)  # options of a network made for the run


def varied(driver: Driver, given: Mapping[str, str]) -> Driver:
    """Return a driver with its options and their names; raises ConfigurationError with all."""
    problems = [p for key, value in given.items() if (p := _problem(driver, key, value))]
    if given.get("family") == "6" and not problems and int(given.get("mtu", "1500")) < _LEAST_IPV6:
        problems.append(f"IPv6 needs an MTU of at least {_LEAST_IPV6}")
    problems += _contradictions(given)
    if problems:
        raise ConfigurationError(*(f"{driver.name}: {problem}" for problem in problems))
    found = driver
    for key, value in sorted(given.items()):
        found = _CHANGES[key](found, value) if key in _CHANGES else _option(found, key, value)
    label = "+".join(f"{key}={value}" for key, value in sorted(given.items()))
    return replace(found, name=f"{driver.name}@{label}") if label else driver


def _contradictions(given: Mapping[str, str]) -> Iterator[str]:
    """Yield which options rule each other out."""
    gateway, internal = given.get("gateway"), given.get("internal")
    if gateway == "isolated" and internal == "false":
        yield "gateway=isolated is for internal networks alone, not for internal=false"
    if gateway in ("routed", "nat-unprotected") and internal == "true":
        yield f"internal=true has no way in or out that gateway={gateway} could open"
    if gateway in ("routed", "isolated") and "published" in given:
        yield f"gateway={gateway} publishes no port of the host's: it takes no `published`"


def _problem(driver: Driver, key: str, value: str) -> str | None:
    engines = "-o" in driver.options and ("." in key or driver.name.startswith("plugin:"))
    if key not in driver.options and not (engines and key not in _CHANGES):
        if driver.recipe.client is Attach.DEFAULT and (key in _NETWORKS or "." in key):
            return (
                f"it is the engine's default network, whose {key} is not netbench's to set; "
                f"use bridge:user@{key}={value}"
            )
        known = sorted(driver.options - {"-o"})
        if "-o" in driver.options:
            known.append("any option of the engine's own, with a dot in its name")
        return f"unknown option {key!r}; it takes: {', '.join(known) or 'none'}"
    return _wrong(key, value)


def _wrong(key: str, value: str) -> str | None:
    offered = _VALUES.get(key)
    if offered and value not in offered:
        return f"{key} must be {' or '.join(offered)}, not {value!r}"
    if key == "mtu" and not (_WHOLE.fullmatch(value) and _SMALLEST <= int(value) <= _LARGEST):
        return f"mtu must be a whole number from {_SMALLEST} to {_LARGEST}, not {value!r}"
    if key == "cc":
        return no_congestion_control(value)
    if key == "runtime" and not _RUNTIME.fullmatch(value):
        return f"runtime must be the name of one of the engine's runtimes, not {value!r}"
    return None if value else f"{key} has no value"


def no_congestion_control(name: str) -> str | None:
    """Return why this cannot be a congestion control's name; whether there is one shows later."""
    if _WORD.fullmatch(name):
        return None
    return f"cc must be the name of a congestion control, such as cubic, not {name!r}"


_VALUES: Final = {
    "family": ("4", "6"),
    "icc": ("true", "false"),
    "internal": ("true", "false"),
    "gateway": get_args(GatewayMode),
    "published": ("proxy", "nat"),
    "rules": get_args(FirewallRules),
    "encrypted": ("true",),
}


def _network(driver: Driver, change: Callable[[NetworkSpec], NetworkSpec]) -> Driver:
    network, other = driver.recipe.network, driver.other
    return replace(
        driver,
        recipe=replace(driver.recipe, network=change(network) if network else None),
        other=change(other) if other else None,
    )


def _mtu(driver: Driver, value: str) -> Driver:
    changed = _network(driver, lambda network: replace(network, mtu=int(value)))
    return replace(changed, promises=(*changed.promises, mtu_is(int(value))))


def _family(driver: Driver, value: str) -> Driver:
    if value == "4":
        return driver
    changed = _network(driver, lambda network: replace(network, ipv6=True))
    recipe = replace(changed.recipe, family=Family.V6)
    if Attach.PEER in (recipe.client, recipe.server):
        # The engine's default network rarely has IPv6; without it a container may have no ::1.
        bridge = NetworkSpec("bridge", ipv6=True)
        recipe = replace(recipe, server=Attach.NETWORK, network=bridge)
    return replace(changed, recipe=recipe)


def _icc(driver: Driver, value: str) -> Driver:
    if value == "true":
        return driver
    changed = _network(driver, lambda network: replace(network, icc=False))
    shut = Closed("isolated by design: the network's containers are kept apart", Proof.CONNECT)
    changed = replace(changed, ways={**changed.ways, Path.EAST_WEST: shut})
    beside = (ReachPlace.CONTAINER, ReachPlace.PUBLISHED)
    return _promising(changed, "CONTAINER>PAIR", lambda ends: ends == beside)


def _internal(driver: Driver, value: str) -> Driver:
    network = driver.recipe.network
    if value == "false" or (network is not None and network.internal):
        return driver
    changed = _network(driver, lambda network: replace(network, internal=True))
    shut = Closed("isolated by design: an internal network has no way in or out", Proof.PROMISES)
    ways: dict[Path, PathClaim | Closed] = dict.fromkeys(Path, shut)
    inside = [Path.EAST_WEST]
    inside += [Path.ACROSS] if driver.name == "overlay" else []  # its network spans machines
    ways |= {path: changed.ways[path] for path in inside}
    promises = tuple(
        NO_DEFAULT_ROUTE if promise.text == DEFAULT_ROUTE.text else promise
        for promise in changed.promises
        if promise is not ROUTED_BY_DEVICE  # engines differ in that
    )
    changed = replace(changed, ways=ways, promises=promises)
    beyond = {ReachPlace.HOST, ReachPlace.GATEWAY, ReachPlace.PUBLISHED}
    shut_off = "CONTAINER>LAN PAIR>LAN LAN>PAIR"
    return _promising(changed, shut_off, lambda ends: not beyond.isdisjoint(ends))


def _gateway(driver: Driver, value: str) -> Driver:
    mode = cast("GatewayMode", value)
    changed = _network(driver, lambda network: replace(network, gateway=mode))
    match mode:
        case "nat":
            return _promising(changed, "LAN>PAIR")
        case "nat-unprotected":
            return _promising(changed, yes="LAN>PAIR")
        case "routed":
            shut = Closed("by design: no port of the host's leads to a container", Proof.PROMISES)
            by_route = PathClaim(Via.ROUTED, lan_to_published)
            by_port = dict.fromkeys((Path.HAIRPIN, Path.ACROSS, Path.OUTSIDE), shut)
            ways = {**changed.ways, **by_port, Path.NORTH_SOUTH: by_route}
            changed = replace(changed, ways=ways)
            opened = "CONTAINER>PUBLISHED HOST>PUBLISHED LAN>PUBLISHED"
            return _promising(changed, "LAN>PAIR", yes=opened)
        case "isolated":
            changed = _internal(changed, "true")
            changed = replace(changed, promises=(*changed.promises, BARE_BRIDGE))
            return _promising(changed, "CONTAINER>HOST PAIR>HOST HOST>PAIR")


def _promising(
    driver: Driver,
    no: str = "",
    unsaid: Callable[[tuple[ReachPlace, ReachPlace]], bool] = lambda _: False,
    *,
    yes: str = "",
) -> Driver:
    """Return a driver that promises reach or none between some places, and nothing elsewhere."""
    told = dict(reach(yes=yes, no=no))
    promised = {
        family: {ends: was for ends, was in known.items() if not unsaid(ends)} | told
        for family, known in driver.reach.items()
    }
    return replace(driver, reach=promised)


def _published(driver: Driver, value: str) -> Driver:
    if value == "nat":
        return replace(driver, recipe=replace(driver.recipe, published="nat"))
    ways = {
        path: replace(way, hops=past_rules(way.hops))
        if isinstance(way, PathClaim) and way.via is Via.PUBLISHED
        else way
        for path, way in driver.ways.items()
    }
    return replace(driver, recipe=replace(driver.recipe, published="proxy"), ways=ways)


def _rules(driver: Driver, value: str) -> Driver:
    wanted: FirewallRules = next(word for word in get_args(FirewallRules) if word == value)
    changed = _network(driver, lambda network: replace(network, rules=wanted))
    changed = replace(changed, promises=(*changed.promises, rules_are(wanted)))
    if wanted != "none":
        return changed
    # Without them the host neither forwards nor translates.
    beyond = {ReachPlace.OTHER, ReachPlace.LAN, ReachPlace.PUBLISHED}
    return _promising(changed, "", lambda ends: not beyond.isdisjoint(ends))


def _cc(driver: Driver, value: str) -> Driver:
    return replace(driver, recipe=replace(driver.recipe, congestion_control=value))


def _runtime(driver: Driver, value: str) -> Driver:
    return replace(driver, recipe=replace(driver.recipe, runtime=value))


def _option(driver: Driver, key: str, value: str) -> Driver:
    given = ((key, value),)
    return _network(driver, lambda network: replace(network, options=network.options + given))


_CHANGES: Final[Mapping[str, Callable[[Driver, str], Driver]]] = {
    "mtu": _mtu,
    "family": _family,
    "icc": _icc,
    "internal": _internal,
    "published": _published,
    "rules": _rules,
    "cc": _cc,
    "gateway": _gateway,
    "runtime": _runtime,
}
