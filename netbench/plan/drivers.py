"""Drivers as the user names them: `bridge:user@mtu=9000`, `plugin:weave`, `cni:FILE`, checked."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from netbench.drivers import DRIVERS, Driver, PathClaim, cni, full_name, plugin, unknown, varied
from netbench.errors import ConfigurationError
from netbench.probes import PROBES
from netbench.spec import CNI_PATH, USUAL_MTU, VXLAN_HEADERS, Via
from netbench.spec import Path as TrafficPath
from netbench.system.files import LARGEST_INPUT, read_regular

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")  # network names, CNI specification 1.0 §1
_PLUGIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,254}")
_VERSION: Final = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})\.[0-9]{1,4}")
_OLDEST: Final = (0, 3)  # the first version in which plug-ins hand results on as they do now
_LOOPBACK_MTU: Final = 65536
_PACKAGE: Final = "apt-get install containernetworking-plugins"
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def parse_drivers(text: str, problems: list[str]) -> tuple[Driver, ...]:
    """Return the drivers of a comma list, noting what is wrong with it."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        problems.append(f"--drivers is empty; known: {', '.join(DRIVERS)}")
    found: list[Driver] = []
    for name in names:
        try:
            driver = driver_named(name)
        except ConfigurationError as exc:
            problems += [f"--drivers: {problem}" for problem in exc.problems]
            continue
        if driver.name in [known.name for known in found]:
            problems.append(f"--drivers lists {driver.name!r} twice")
        else:
            found.append(driver)
    return tuple(found)


def third_party_problems() -> list[str]:
    """Return what other distributions add to drivers and probes and cannot be used."""
    return [*DRIVERS.problems, *PROBES.problems]


def driver_named(text: str) -> Driver:
    """Return the driver of `NAME[:MODE][@key=value[+key=value]]`, or raise ConfigurationError."""
    return driver_with(*split_name(text))


def split_name(text: str) -> tuple[str, dict[str, str]]:
    """Return a driver's name and its variant's options, unchecked; errors as `driver_named`."""
    name, at, variant = text.partition("@")
    options: dict[str, str] = {}
    problems = []
    for word in variant.split("+") if at else ():
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not key:
            problems.append(f"{text!r}: options are written key=value, joined by +; not {word!r}")
        elif key in options:
            problems.append(f"{text!r}: option {key!r} stands twice")
        options[key] = value
    if problems:
        raise ConfigurationError(*problems)
    return name.strip(), options


def driver_with(name: str, options: Mapping[str, str]) -> Driver:
    """Return a driver with its variant's options; errors as `driver_named`."""
    start, colon, rest = name.partition(":")
    if start == "plugin" and colon:
        if not _PLUGIN.fullmatch(rest):
            got = f", not {rest!r}" if rest else ""
            raise ConfigurationError(f"plugin: needs the plug-in's name, as in plugin:weave{got}")
        return varied(plugin(rest), options)
    if start == "cni" and colon:
        text, publishes = load_conflist(rest)
        return varied(cni(rest, text, publishes=publishes), options)
    problem = unknown(name)
    if problem:
        raise ConfigurationError(problem)
    return varied(DRIVERS[full_name(name)], options)


def mtu_of(driver: Driver, path: TrafficPath, parent: str | None) -> int | None:
    """Return a path's MTU; None if it is closed, or its `parent` or a plug-in decides it."""
    way, network = driver.ways[path], driver.recipe.network
    if not isinstance(way, PathClaim) or driver.name.partition(":")[0] in ("cni", "plugin"):
        return None
    if way.via is Via.LOOPBACK:
        return _LOOPBACK_MTU
    if network is None:
        return USUAL_MTU
    if network.mtu is None and network.on_lan and parent:
        return None
    own = network.mtu or (USUAL_MTU - VXLAN_HEADERS if network.driver == "overlay" else USUAL_MTU)
    return own if way.via is Via.ADDRESS else min(own, USUAL_MTU)


def load_conflist(path: str) -> tuple[str, bool]:
    """Return a list's text, and whether one of its plug-ins maps ports.

    A single configuration, `.conf`, becomes a list of one. The text is JSON with sorted keys: the
    same for every way of writing the same list. Raises ConfigurationError with every problem.
    """
    if not path:
        raise ConfigurationError(
            "cni: needs the file of a network configuration list, as in "
            "cni:/etc/cni/net.d/10-bridge.conflist"
        )
    found = _read(path)
    problems = [f"{path}: {problem}" for problem in _problems(found)]
    if problems:
        raise ConfigurationError(*problems)
    plugins = found.get("plugins")
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return text, isinstance(plugins, list) and any(map(_maps_ports, plugins))


def _read(path: str) -> dict[str, Json]:
    try:
        found = json.loads(read_regular(Path(path).expanduser(), LARGEST_INPUT).decode())
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror}") from exc
    except json.JSONDecodeError as exc:
        where = f"{path}:{exc.lineno}:{exc.colno}"
        raise ConfigurationError(f"{where}: not JSON: {exc.msg}") from exc
    except (ValueError, RuntimeError) as exc:  # RecursionError; or ~USER has no home
        raise ConfigurationError(f"{path}: not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path}: must be a JSON object, with `name` and `plugins`")
    if "plugins" in found or "type" not in found:
        return found
    kept = ("name", "cniVersion")
    single: Json = {key: value for key, value in found.items() if key not in kept}
    return {**{key: found[key] for key in kept if key in found}, "plugins": [single]}


def _problems(found: Mapping[str, Json]) -> Iterator[str]:
    name, plugins = found.get("name"), found.get("plugins")
    if name is None:
        yield "has no `name`, the network's"
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        yield (
            "`name` must be letters, digits, dots, hyphens and underscores, "
            f"a letter or digit first; not {json.dumps(name)}"
        )
    yield from _of_version(found.get("cniVersion"))
    if plugins is None:
        yield "has no `plugins` (nor a `type`, as a single configuration has)"
    elif not isinstance(plugins, list) or not plugins:
        yield "`plugins` must be a list of at least one plug-in's configuration"
    else:
        for number, plugin in enumerate(plugins, start=1):
            yield from _of_plugin(f"plug-in {number}", plugin)


def _of_version(version: Json) -> Iterator[str]:
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if version is None:
        yield 'has no `cniVersion`, such as "1.0.0"'
    elif match is None:
        yield f'`cniVersion` must be a version such as "1.0.0", not {json.dumps(version)}'
    elif (int(match[1]), int(match[2])) < _OLDEST:
        yield f"`cniVersion` {version} is older than 0.3.0, the first with chains of plug-ins"


def _of_plugin(which: str, plugin: Json) -> Iterator[str]:
    if not isinstance(plugin, dict):
        yield f"{which} must be a JSON object with a `type`"
        return
    yield from _of_type(which, plugin.get("type"))
    ipam = plugin.get("ipam", {})
    if not isinstance(ipam, dict):
        yield f"{which}: `ipam` must be a JSON object"
    elif ipam:
        yield from _of_type(f"{which}: `ipam`", ipam.get("type"))
    if not isinstance(plugin.get("capabilities", {}), dict):
        yield f"{which}: `capabilities` must be a JSON object"


def _of_type(which: str, kind: Json) -> Iterator[str]:
    if kind is None:
        yield f"{which} has no `type`, the plug-in's name"
    elif not isinstance(kind, str) or not kind or "/" in kind:
        yield f"{which}: `type` must be the name of a plug-in, not {json.dumps(kind)}"
    else:
        looked = os.environ.get("CNI_PATH") or CNI_PATH
        folders = [Path(folder) for folder in looked.split(":") if folder]
        if not any(os.access(f / kind, os.X_OK) and (f / kind).is_file() for f in folders):
            yield f"{which}: no plug-in {kind!r} in {looked} ({_PACKAGE}, or set CNI_PATH)"


def _maps_ports(plugin: Json) -> bool:
    capabilities = plugin.get("capabilities") if isinstance(plugin, dict) else None
    return isinstance(capabilities, dict) and capabilities.get("portMappings") is True
