"""Engine-level facts: what the Docker Engine says of itself, by registry name."""

from collections.abc import Mapping
from typing import Any

from netbench.engines.docker.client import Target
from netbench.engines.docker.image import Image
from netbench.record import Absent, FactValue


def engine_facts(
    info: Mapping[str, Any], version: Mapping[str, Any], target: Target
) -> dict[str, FactValue]:
    """Return the facts in the answers of `/info` and `/version`."""
    security = tuple(map(str, info.get("SecurityOptions") or ()))
    return {
        "engine.name": "docker",
        "engine.version": _text(info, "ServerVersion"),
        "engine.api": _text(version, "ApiVersion"),
        "engine.kernel": _text(info, "KernelVersion"),
        "engine.os": _text(info, "OperatingSystem"),
        "engine.arch": _text(info, "Architecture"),
        "engine.rootless": "name=rootless" in security,
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
