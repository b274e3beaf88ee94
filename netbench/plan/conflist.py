"""CNI network configuration lists: read and checked before anything is made."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from netbench.errors import ConfigurationError
from netbench.spec import CNI_PATH

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
"""Network names, CNI specification 1.0 §1."""
_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.\d+")
_OLDEST: Final = (0, 3)
"""The first version in which plug-ins hand results on; older results have another shape."""
_PACKAGE: Final = "apt-get install containernetworking-plugins"

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def load_conflist(path: str) -> tuple[str, bool]:
    """Return a list's text, and whether one of its plug-ins maps ports.

    A single configuration, `.conf`, becomes a list of one. The text is JSON with sorted keys: the
    same for every way of writing the same list.

    Raises:
        ConfigurationError: with everything that is wrong with it, each with the file's name.
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
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return text, any(_maps_ports(plugin) for plugin in _objects(found.get("plugins")))


def _read(path: str) -> dict[str, Json]:
    """Return the list of a file."""
    file = Path(path).expanduser()
    if file.exists() and not file.is_file():
        raise ConfigurationError(f"{path}: is not a file; cni: takes a network configuration list")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror}") from exc
    except json.JSONDecodeError as exc:
        where = f"{path}:{exc.lineno}:{exc.colno}"
        raise ConfigurationError(f"{where}: not JSON: {exc.msg}") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{path}: not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path}: must be a JSON object, with `name` and `plugins`")
    if "plugins" in found or "type" not in found:
        return found
    ours = ("name", "cniVersion")
    single: Json = {key: value for key, value in found.items() if key not in ours}
    return {**{key: found[key] for key in ours if key in found}, "plugins": [single]}


def _problems(found: Mapping[str, Json]) -> Iterator[str]:
    name, plugins = found.get("name"), found.get("plugins")
    if name is None:
        yield "has no `name`, the network's"
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        yield (
            "`name` must be letters, digits, dots, hyphens and underscores, "
            f"a letter or digit first; not {json.dumps(name)}"
        )
    problem = _of_version(found.get("cniVersion"))
    if problem:
        yield problem
    if plugins is None:
        yield "has no `plugins` (nor a `type`, as a single configuration has)"
    elif not isinstance(plugins, list) or not plugins:
        yield "`plugins` must be a list of at least one plug-in's configuration"
    else:
        for number, plugin in enumerate(plugins, start=1):
            yield from _of_plugin(f"plug-in {number}", plugin)


def _of_version(version: Json) -> str | None:
    if version is None:
        return 'has no `cniVersion`, such as "1.0.0"'
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        return f'`cniVersion` must be a version such as "1.0.0", not {json.dumps(version)}'
    if (int(match[1]), int(match[2])) < _OLDEST:
        return f"`cniVersion` {version} is older than 0.3.0, the first with chains of plug-ins"
    return None


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
    """Return what is wrong with a plug-in's name, which is that of its program."""
    if kind is None:
        yield f"{which} has no `type`, the plug-in's name"
    elif not isinstance(kind, str) or not kind or "/" in kind:
        yield f"{which}: `type` must be the name of a plug-in, not {json.dumps(kind)}"
    else:
        looked = os.environ.get("CNI_PATH") or CNI_PATH
        folders = [Path(folder) for folder in looked.split(":") if folder]
        if not any(os.access(f / kind, os.X_OK) and (f / kind).is_file() for f in folders):
            yield f"{which}: no plug-in {kind!r} in {looked} ({_PACKAGE}, or set CNI_PATH)"


def _objects(plugins: Json) -> Iterator[dict[str, Json]]:
    for plugin in plugins if isinstance(plugins, list) else ():
        if isinstance(plugin, dict):
            yield plugin


def _maps_ports(plugin: Mapping[str, Json]) -> bool:
    capabilities = plugin.get("capabilities")
    return isinstance(capabilities, dict) and capabilities.get("portMappings") is True
