"""What the engine reports of itself, and what its machine has: tools, CPUs, kinds of links."""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from netbench.engines.docker.client import EngineAddress, dialect_of
from netbench.engines.docker.endpoints import Maker, Sharing
from netbench.engines.docker.image import OTHER_WAY, REQUIRED
from netbench.engines.docker.launcher import NOT_RUNNABLE
from netbench.engines.docker.runtimes import runtime_versions
from netbench.engines.local_process import attempts
from netbench.errors import EngineError
from netbench.record import Absent, Completed, FactValue, LinkCounters
from netbench.system.interrupts import Pool

Run = Callable[[tuple[str, ...]], Completed]  # runs a command on the host's namespaces to its end
_VERSIONED: Final = ("iperf3", "sockperf", "ip", "taskset", "timeout")
_OPTIONAL: Final = ("netperf",)
_AT_ONCE: Final = 4
_CLAIM: Final = 5.0  # seconds that a link may take to know that its addresses are its own
_POLL: Final = 0.1
_MODES: Final = {
    "macvlan": ("bridge", "private", "vepa", "passthru"),
    "ipvlan": ("l2", "l3", "l3s"),
}
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
ROOTLESSPORT: Final = "rootlessport"  # Podman's process, for networks that are bridges
_PODMANS: Final = ("4.", "5.")  # versions that have no other
_ALONE: Final = {"vxlan": "id 1 dstport 4789", "dummy": ""}  # kinds without modes or a parent
_NO_BACKEND: Final = "this engine's API does not tell; engines before 29 use iptables"
_WORKS: Final = "works"
_ESP_ENDS: Final = re.compile(r"src (\S+) dst (\S+)\n\s+proto esp ")
_ESP_CARRIED: Final = re.compile(r"lifetime current:\s+(\d+)\(bytes\), (\d+)\(packets\)")
_TRY: Final = f"""
try() {{
    what=$1
    shift
    words=$(ip link add nbtry "$@" 2>&1) && words={_WORKS}
    echo "$what/"$words
    ip link del nbtry 2>/dev/null || :
}}
"""
_DESKTOPS: Final = {
    "docker desktop": "Docker Desktop",
    "rancher desktop": "Rancher Desktop",
    "orbstack": "OrbStack",
    "linuxkit": "a LinuxKit machine",
    "microsoft-standard-wsl2": "WSL 2",
}
"""Words that only an engine in a desktop product's virtual machine answers with."""
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}  # Go's names, and those of `uname -m`


def is_rootful(info: Mapping[str, Any]) -> bool:
    """Tell whether the engine runs with the rights of the machine's root."""
    return "name=rootless" not in security_options(info)


def security_options(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the engine's security options."""
    return tuple(map(str, info.get("SecurityOptions") or ()))


def engine_facts(
    info: Mapping[str, Any],
    version: Mapping[str, Any],
    target: EngineAddress,
    podman: Mapping[str, Any] = _NOTHING,
) -> dict[str, FactValue]:
    """Return the facts in the answers of `/info` and `/version`, and of Podman's own `info`."""
    rootlesskit = _component(version, "rootlesskit").get("Details") or {}
    network, ports = rootlesskit.get("NetworkDriver"), rootlesskit.get("PortDriver")
    if podman:
        network = (podman.get("host") or {}).get("rootlessNetworkCmd")
        ports = ROOTLESSPORT if str(info.get("ServerVersion")).startswith(_PODMANS) else None
    rootful = Absent("the engine is not rootless") if is_rootful(info) else None
    return {
        "engine.name": dialect_of(version).name,
        "engine.version": _value(info, "ServerVersion"),
        "engine.api": _value(version, "ApiVersion"),
        "engine.kernel": _value(info, "KernelVersion"),
        "engine.os": _value(info, "OperatingSystem"),
        "engine.arch": architecture(info) or _missing("Architecture"),
        "engine.rootless": not is_rootful(info),
        "engine.rootless_network": rootful or _named(network, "the engine does not name it"),
        "engine.port_driver": rootful or _named(ports, "the engine does not name it"),
        "engine.desktop": _desktop(info, version),
        "engine.userland_proxy": Absent("the Engine API does not tell"),
        "engine.firewall": _named((info.get("FirewallBackend") or {}).get("Driver"), _NO_BACKEND),
        "engine.cgroup_version": _value(info, "CgroupVersion"),
        "engine.cgroup_driver": _value(info, "CgroupDriver"),
        "engine.storage_driver": _value(info, "Driver"),
        "engine.security": _named(", ".join(security_options(info)), "the engine lists none"),
        "engine.runtime": _runtime(info, version),
        "engine.runtimes": _named(runtime_versions(info), "the engine lists none"),
        "engine.context": target.origin,
        "engine.cpus": _value(info, "NCPU", int),
        "engine.memory": _value(info, "MemTotal", int),
        "engine.live_restore": _value(info, "LiveRestoreEnabled", bool),
        "engine.bridge_nf_iptables": _value(info, "BridgeNfIptables", bool),
    }


def rootless_netns(podman: Mapping[str, Any]) -> str:
    """Return the network mode that joins the namespace of rootless Podman's bridges."""
    return f"ns:{podman['store']['runRoot']}/networks/rootless-netns/rootless-netns"


def architecture(info: Mapping[str, Any]) -> str:
    """Return the machine's architecture as `uname -m` names it; empty if it is not reported."""
    name = str(info.get("Architecture") or "")
    return _MACHINES.get(name, name)


def component(version: Mapping[str, Any], name: str) -> str | None:
    """Return the version of one of the engine's components, None if it has none."""
    found = str(_component(version, name).get("Version") or "")
    return None if found in ("", "N/A") else found


def _component(version: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    parts = version.get("Components") or ()
    return next((part for part in parts if part["Name"] == name), {})


def _value(
    answer: Mapping[str, Any], key: str, kind: type[str] | type[int] | type[bool] = str
) -> FactValue:
    """Return what an answer holds under a key; absent if it is of another type, 0 or empty."""
    value: FactValue | None = answer.get(key)
    return value if isinstance(value, kind) and (value or kind is bool) else _missing(key)


def _named(value: object, why_not: str) -> FactValue:
    return str(value) if value else Absent(why_not)


def _missing(key: str) -> Absent:
    return Absent(f"the engine's answer has no {key}")


def _desktop(info: Mapping[str, Any], version: Mapping[str, Any]) -> FactValue:
    """Return the desktop product in whose virtual machine the engine runs, as its answers show."""
    platform = (version.get("Platform") or {}).get("Name")
    answers = (info.get("OperatingSystem"), info.get("KernelVersion"), platform)
    text = " ".join(str(answer) for answer in answers if answer).lower()
    found = next((name for word, name in _DESKTOPS.items() if word in text), None)
    return _named(found, "the engine's answers name no desktop product")


def _runtime(info: Mapping[str, Any], version: Mapping[str, Any]) -> FactValue:
    """Return the default runtime with its version if that is known, `runc 1.1.15`."""
    name = info.get("DefaultRuntime")
    if not name:
        return _missing("DefaultRuntime")
    return f"{name} {component(version, str(name)) or ''}".strip()


def await_ipv6(run: Run, link: str) -> None:
    """Wait until a bridge with its first port can use its IPv6 addresses, RFC 4862 §5.4."""
    for _ in attempts(_CLAIM, _POLL):
        printed = run(("ip", "-j", "-6", "addr", "show", "dev", link, "tentative")).stdout
        if '"tentative":true' not in printed:
            return


def tool_versions(run: Run) -> dict[str, str]:
    """Return the first line of each tool's version; of an optional one only if it is there."""
    done = _runnable(run, _VERSIONED, (*_VERSIONED, *_OPTIONAL))
    versions = {name: (one.stdout or one.stderr).strip() for name, one in done.items()}
    if "coreutils" not in versions["timeout"]:
        raise EngineError(
            f"the image's `timeout` is not that of coreutils: {versions['timeout'][:200]}",
            hint=f"use an image with coreutils; {OTHER_WAY}",
        )
    return {name: (text.splitlines() or [""])[0] for name, text in versions.items()}


def check_tools(run: Run) -> None:
    """Check that every tool we call is there; `EngineError` names all that are not."""
    names = [name for name in REQUIRED if name not in _VERSIONED]
    _runnable(run, names, names)


def _runnable(run: Run, needed: Iterable[str], names: Iterable[str]) -> dict[str, Completed]:
    options = {"ip": "-V", "netperf": "-V"}
    commands = {name: (name, options.get(name, "--version")) for name in names}
    with Pool(_AT_ONCE) as pool:
        done = dict(zip(commands, pool.map(run, commands.values()), strict=True))
    found = {name: one for name, one in done.items() if one.exit_code not in NOT_RUNNABLE}
    missing = [name for name in needed if name not in found]
    if missing:
        first = done[missing[0]]
        raise EngineError(
            f"the image lacks {', '.join(missing)}: {(first.stderr or first.stdout).strip()}",
            hint="use an image with iperf3, sockperf, socat, iproute2, util-linux, coreutils, "
            "procps and sh",
        )
    return found


class LinkKinds:
    """Kinds of links that the kernel of the engine's machine has: found by making one of each."""

    def __init__(self, maker: Maker) -> None:
        """Nothing is tried yet."""
        self._maker = maker
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], str] = {}

    def lacks(self, kind: str, mode: str | None = None) -> str | None:
        """Return why there can be no such link, naming the kernel's module; None if there can."""
        with self._lock:
            if not self._found:
                self._found = self._try()
        mode = mode or _MODES.get(kind, ("",))[0]
        found = self._found.get((kind, mode), "unknown mode")
        if found == _WORKS:
            return None
        others = any(words == _WORKS for (k, _), words in self._found.items() if k == kind)
        what = f"{kind} in mode {mode}" if others else kind
        return f"the kernel has no {what} (modprobe {kind}): {found}"

    def _try(self) -> dict[tuple[str, str], str]:
        tries = [
            f"try {kind}/{mode} link nbeth type {kind} mode {mode}"
            for kind, modes in _MODES.items()
            for mode in modes
        ]
        tries += [f"try {kind}/ type {kind} {how}" for kind, how in _ALONE.items()]
        pair = "ip link add nbeth type veth peer name nbpeer"
        printed = self._maker.links("try", Sharing("none"), (pair, "set +e", _TRY, *tries))
        found = re.findall(r"^(\w+)/(\w*)/(.*)$", printed, re.MULTILINE)
        return {(kind, mode): words for kind, mode, words in found}


def esp(printed: str, address: str) -> LinkCounters:
    """Return what ESP states have carried to and from an address, by `ip -s xfrm state`."""
    came, went = [0, 0], [0, 0]
    for state in re.split(r"^(?=src )", printed, flags=re.MULTILINE):
        ends, counted = _ESP_ENDS.match(state), _ESP_CARRIED.search(state)
        if ends is None or counted is None:
            continue
        way = went if ends[1] == address else came if ends[2] == address else None
        if way is not None:
            way[0] += int(counted[1])
            way[1] += int(counted[2])
    return LinkCounters(
        rx_bytes=came[0],
        tx_bytes=went[0],
        rx_packets=came[1],
        tx_packets=went[1],
        rx_dropped=0,
        tx_dropped=0,
    )
