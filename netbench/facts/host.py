"""Facts of host and kernel: from files that every user may read, and the host's firewall by nft."""

import hashlib
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from netbench.errors import FactError
from netbench.facts.procfs import ReadText
from netbench.record import Absent, FactValue
from netbench.units import cpu_list

Parse = Callable[[str], FactValue]
_NET: Final = "/proc/sys/net/"
_CPU: Final = "/sys/devices/system/cpu/"
_CLOCK: Final = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
_NO_TURBO: Final = f"{_CPU}intel_pstate/no_turbo"
_BOOST: Final = f"{_CPU}cpufreq/boost"
_PREEMPT: Final = "/sys/kernel/debug/sched/preempt"
_HOSTNAME: Final = "/proc/sys/kernel/hostname"
_COUNTERS: Final = ("packets", "bytes", "handle")  # differ between two listings
_SPEED_PARAMETERS = re.compile(
    r"^(isolcpus|nohz|nohz_full|rcu_nocbs|mitigations|idle|processor\.|intel_pstate|intel_idle"
    r"|amd_pstate|cpuidle|haltpoll|preempt|threadirqs|nosmt|hugepages|hugepagesz|tsc|clocksource"
    r"|transparent_hugepage|irqaffinity|skew_tick|nosoftlockup|pcie_aspm|spectre|pti|kpti)"
)
_MODES: Final = {  # by the kernel's configuration, kernel/sched/cputime.c
    "CONFIG_TICK_CPU_ACCOUNTING": "tick",
    "CONFIG_VIRT_CPU_ACCOUNTING_GEN": "virtual",
    "CONFIG_VIRT_CPU_ACCOUNTING_NATIVE": "virtual",
}


def _first(text: str) -> FactValue:
    """Return the first number of a line; raises `ValueError` if it is none, or not a finite one."""
    value = float(text.split(maxsplit=1)[0])
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that a kernel counts")
    return value


def _flag(text: str) -> FactValue:
    return int(text) != 0


def _words(text: str) -> FactValue:
    return " ".join(text.split())


def _memory(text: str) -> FactValue:
    total = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(total[1]) * 1024 if total else Absent("/proc/meminfo has no MemTotal")


_SYSCTLS: Final[tuple[tuple[str, Parse], ...]] = (
    ("ipv4/tcp_congestion_control", str),
    ("ipv4/tcp_available_congestion_control", str),
    ("ipv4/tcp_allowed_congestion_control", str),
    ("core/default_qdisc", str),
    ("core/rmem_max", int),
    ("core/wmem_max", int),
    ("ipv4/tcp_rmem", _words),
    ("ipv4/tcp_wmem", _words),
    ("core/netdev_budget", int),
    ("core/netdev_max_backlog", int),
    ("core/rps_sock_flow_entries", int),
    ("ipv4/ip_forward", _flag),
    ("bridge/bridge-nf-call-iptables", _flag),
    ("netfilter/nf_conntrack_count", int),
    ("netfilter/nf_conntrack_max", int),
)
_SIMPLE: Final[tuple[tuple[str, str, Parse], ...]] = (  # facts with a file of their own
    ("host.uptime", "/proc/uptime", _first),
    ("host.load1", "/proc/loadavg", _first),
    ("host.smt", f"{_CPU}smt/active", _flag),
    ("host.governor", f"{_CPU}cpu0/cpufreq/scaling_governor", str),
    ("host.clocksource", _CLOCK, str),
    ("host.numa_nodes", "/sys/devices/system/node/online", lambda text: len(cpu_list(text))),
    ("kernel.release", "/proc/sys/kernel/osrelease", str),
    ("kernel.version", "/proc/sys/kernel/version", str),
    *(
        (f"net.{Path(path).name.removeprefix('nf_').replace('-', '_')}", f"{_NET}{path}", parse)
        for path, parse in _SYSCTLS
    ),
    ("host.memory", "/proc/meminfo", _memory),
)
FILES: Final = (  # what is read of every host
    *(path for _, path, _ in _SIMPLE),
    *("/proc/cpuinfo", "/proc/cmdline", _HOSTNAME, _NO_TURBO, _BOOST, _PREEMPT),
)


def host_facts(read: ReadText, *, identify: bool) -> Mapping[str, FactValue]:
    """Return `host.*`, `kernel.*` and `net.*` facts; what is unreadable is absent, with why.

    `read` returns files of the engine's host; `identify` records its name and all parameters.
    """
    facts: dict[str, FactValue] = {
        name: _parsed(read(path), path, parse) for name, path, parse in _SIMPLE
    }
    facts |= _cpu(read("/proc/cpuinfo"))
    facts["host.turbo"] = _turbo(read)
    facts |= _kernel(read, identify=identify)
    name = read(_HOSTNAME)
    redacted = Absent("redacted; --identify records it")
    facts["host.name"] = name.strip() if name and identify else redacted
    return facts


def _parsed(text: str | None, path: str, parse: Parse) -> FactValue:
    if text is None:
        return Absent(f"{path} is not readable")
    if not text.strip():
        return Absent(f"{path} is empty")
    try:
        return parse(text.strip())
    except (ValueError, LookupError):
        return Absent(f"{path} reads {text[:60]!r}")


def _cpu(text: str | None) -> dict[str, FactValue]:
    names = ("host.cpu_model", "host.cpus", "host.cores", "host.sockets", "host.microcode")
    if not text:
        return dict.fromkeys((*names, "host.hypervisor"), Absent("/proc/cpuinfo is not readable"))

    def values(key: str) -> list[str]:
        return re.findall(rf"^{key}[ \t]*:[ \t]*(\S.*)$", text, re.MULTILINE)

    packages, cores = values("physical id"), values("core id")
    unsaid = Absent("/proc/cpuinfo does not say")
    pairs = set(zip(packages, cores, strict=False))
    flags = values("flags")
    return {
        "host.cpu_model": next(iter(values("model name")), unsaid),
        "host.cpus": len(values("processor")) or unsaid,
        "host.cores": len(pairs) or unsaid,
        "host.sockets": len(set(packages)) or unsaid,
        "host.microcode": next(iter(values("microcode")), unsaid),
        "host.hypervisor": "hypervisor" in flags[0].split() if flags else unsaid,
    }


def _turbo(read: ReadText) -> FactValue:
    files: Mapping[str, Parse] = {_NO_TURBO: lambda text: int(text) == 0, _BOOST: _flag}
    for path, parse in files.items():
        if (text := read(path)) is not None:
            return _parsed(text, path, parse)
    return Absent("no cpufreq driver tells")


def _accounting(read: ReadText) -> dict[str, FactValue]:
    """Return how the kernel counts CPU time, from the configuration it was built with."""
    release = (read("/proc/sys/kernel/osrelease") or "").strip()
    config = read("/proc/config.gz") or read(f"/boot/config-{release}")
    if config is None:
        names = ("kernel.hz", "kernel.cpu_accounting", "kernel.irq_time_accounting")
        unread = Absent(f"neither /proc/config.gz nor /boot/config-{release} is readable")
        return dict.fromkeys(names, unread)
    hz = re.search(r"^CONFIG_HZ=(\d+)$", config, re.MULTILINE)
    unsaid = Absent("the kernel's configuration does not say")
    return {
        "kernel.hz": int(hz[1]) if hz else unsaid,
        "kernel.cpu_accounting": next(
            (mode for option, mode in _MODES.items() if f"{option}=y" in config), unsaid
        ),
        "kernel.irq_time_accounting": "CONFIG_IRQ_TIME_ACCOUNTING=y" in config,
    }


def speed_parameters(command: str) -> str:
    """Return the words of a boot command line that concern speed: the others may name a site."""
    return " ".join(word for word in command.split() if _SPEED_PARAMETERS.match(word))


def _kernel(read: ReadText, *, identify: bool) -> dict[str, FactValue]:
    command = read("/proc/cmdline")
    parameters: FactValue = Absent("/proc/cmdline is not readable")
    if command is not None:
        parameters = " ".join(command.split()) if identify else speed_parameters(command)
    version = read("/proc/sys/kernel/version") or ""
    dynamic = re.search(r"\((\w+)\)", read(_PREEMPT) or "")
    built = re.search(r"PREEMPT\w*", version)
    preempt = dynamic[1] if dynamic else built[0] if built else None
    return {
        "kernel.parameters": parameters,
        **_accounting(read),
        "kernel.preempt": preempt or Absent("neither debugfs nor the version string says"),
    }


def firewall_facts() -> dict[str, FactValue]:
    """Return rule count and hash of the calling thread's namespace; not of old x_tables."""
    try:
        count, digest = ruleset(_listed())
    except FactError as exc:
        return dict.fromkeys(("net.firewall_rules", "net.firewall_hash"), Absent(exc.message))
    return {"net.firewall_rules": count, "net.firewall_hash": digest}


def _listed() -> str:
    """Return what nft prints of the ruleset."""
    tool = shutil.which("nft")
    if tool is None:
        raise FactError("nft is not installed")
    argv = (tool, "-j", "list", "ruleset")
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise FactError(f"nft: {exc}") from exc
    if done.returncode != 0:
        raise FactError(f"nft: {done.stderr.strip()[:120]}")
    return done.stdout


def ruleset(text: str) -> tuple[int, str]:
    """Return the number of rules of `nft -j list ruleset`, and a hash; raises `FactError`."""
    try:
        items = json.loads(text)["nftables"]
        rules = [item["rule"] for item in items if "rule" in item]
        plain = json.dumps([_without_counters(rule) for rule in rules], sort_keys=True)
    except (ValueError, RecursionError, LookupError, TypeError) as exc:
        raise FactError(f"unreadable output of nft: {exc!r} in {text[:120]!r}") from exc
    return len(rules), hashlib.sha256(plain.encode()).hexdigest()[:16]


def _without_counters(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_counters(v) for k, v in value.items() if k not in _COUNTERS}
    if isinstance(value, list):
        return [_without_counters(item) for item in value]
    return value
