"""Engine-level facts: what the Docker Engine says of itself, by registry name."""

from collections.abc import Mapping
from typing import Any, Final

from netbench.engines.docker.client import EngineAddress, dialect_of
from netbench.engines.docker.image import Image
from netbench.record import Absent, FactValue

_ROOTLESSKIT: Final = "rootlesskit"
_DESKTOPS: Final = {
    "docker desktop": "Docker Desktop",
    "rancher desktop": "Rancher Desktop",
    "orbstack": "OrbStack",
    "linuxkit": "a LinuxKit machine",
    "microsoft-standard-wsl2": "WSL 2",
}
"""Words of an engine's answers that only one in a desktop product's virtual machine says."""
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""Go's names of architectures, which some engines use, and what `uname -m` calls them."""


def is_rootful(info: Mapping[str, Any]) -> bool:
    """Tell whether the engine runs with the rights of the machine's root."""
    return "name=rootless" not in map(str, info.get("SecurityOptions") or ())


def engine_facts(
    info: Mapping[str, Any], version: Mapping[str, Any], target: EngineAddress
) -> dict[str, FactValue]:
    """Return the facts in the answers of `/info` and `/version`."""
    security = tuple(map(str, info.get("SecurityOptions") or ()))
    return {
        "engine.name": dialect_of(version).name,
        "engine.version": _text(info, "ServerVersion"),
        "engine.api": _text(version, "ApiVersion"),
        "engine.kernel": _text(info, "KernelVersion"),
        "engine.os": _text(info, "OperatingSystem"),
        "engine.arch": architecture(info) or _missing("Architecture"),
        "engine.rootless": not is_rootful(info),
        "engine.rootless_network": _rootless_network(version, rootless=not is_rootful(info)),
        "engine.desktop": _desktop(info, version),
        "engine.userland_proxy": Absent("the Engine API does not tell"),
        "engine.firewall": _firewall(info),
        "engine.cgroup_version": _text(info, "CgroupVersion"),
        "engine.cgroup_driver": _text(info, "CgroupDriver"),
        "engine.storage_driver": _text(info, "Driver"),
        "engine.security": ", ".join(security) if security else Absent("the engine lists none"),
        "engine.runtime": _runtime(info, version),
        "engine.context": target.origin,
        "engine.cpus": _number(info, "NCPU"),
        "engine.memory": _number(info, "MemTotal"),
        "engine.live_restore": _flag(info, "LiveRestoreEnabled"),
        "engine.bridge_nf_iptables": _flag(info, "BridgeNfIptables"),
    }


def image_facts(image: Image | None) -> dict[str, FactValue]:
    """Return the facts of the probe image."""
    absent = Absent("no image was prepared")
    return {
        "engine.image": image.reference if image else absent,
        "engine.image_id": image.id if image else absent,
    }


def architecture(info: Mapping[str, Any]) -> str:
    """Return the machine's architecture as `uname -m` names it; empty where it is not told."""
    told = str(info.get("Architecture") or "")
    return _MACHINES.get(told, told)


def _desktop(info: Mapping[str, Any], version: Mapping[str, Any]) -> FactValue:
    """Return the product in whose virtual machine the engine runs, where its answers show one."""
    platform = (version.get("Platform") or {}).get("Name")
    answers = (info.get("OperatingSystem"), info.get("KernelVersion"), platform)
    said = " ".join(str(answer) for answer in answers if answer).lower()
    found = next((name for word, name in _DESKTOPS.items() if word in said), None)
    return found or Absent("the engine's answers name no desktop product")


def _rootless_network(version: Mapping[str, Any], *, rootless: bool) -> FactValue:
    """Return the user-mode network stack between a rootless engine's host and the machine."""
    if not rootless:
        return Absent("the engine is not rootless")
    for part in version.get("Components") or ():
        details = part.get("Details") or {}
        if part["Name"] == _ROOTLESSKIT and details.get("NetworkDriver"):
            return str(details["NetworkDriver"])
    return Absent("the engine does not name it")


def _missing(key: str) -> Absent:
    return Absent(f"the engine's answer has no {key}")


def _text(answer: Mapping[str, Any], key: str) -> FactValue:
    return str(answer[key]) if answer.get(key) else _missing(key)


def _number(answer: Mapping[str, Any], key: str) -> FactValue:
    value = answer.get(key)
    return value if isinstance(value, int) and value > 0 else _missing(key)


def _flag(answer: Mapping[str, Any], key: str) -> FactValue:
    value = answer.get(key)
    return value if isinstance(value, bool) else _missing(key)


def _firewall(info: Mapping[str, Any]) -> FactValue:
    backend = info.get("FirewallBackend")
    if isinstance(backend, Mapping) and backend.get("Driver"):
        return str(backend["Driver"])
    return Absent("this engine's API does not tell; engines before 29 use iptables")


def _runtime(info: Mapping[str, Any], version: Mapping[str, Any]) -> FactValue:
    """Return the default runtime with its version where it is known, `runc 1.1.15`."""
    name = info.get("DefaultRuntime")
    if not name:
        return _missing("DefaultRuntime")
    return f"{name} {component(version, str(name)) or ''}".strip()


def component(version: Mapping[str, Any], name: str) -> str | None:
    """Return the version of one of the engine's components, None where it has none."""
    for part in version.get("Components") or ():
        if part["Name"] == name and part["Version"] not in ("", "N/A"):
            return str(part["Version"])
    return None
