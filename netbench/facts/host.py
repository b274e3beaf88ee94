"""Facts of host and kernel, from files that every user may read."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from netbench.facts.procfs import ReadText
from netbench.record import Absent, FactValue
from netbench.units import cpu_list

_NO_TURBO: Final = "/sys/devices/system/cpu/intel_pstate/no_turbo"
_BOOST: Final = "/sys/devices/system/cpu/cpufreq/boost"
FILES: Final = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/cmdline",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/version",
    "/proc/sys/kernel/hostname",
    "/sys/devices/system/node/online",
    "/sys/devices/system/cpu/smt/active",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    _NO_TURBO,
    _BOOST,
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "/sys/kernel/debug/sched/preempt",
    "/proc/sys/net/ipv4/tcp_congestion_control",
    "/proc/sys/net/ipv4/tcp_available_congestion_control",
    "/proc/sys/net/ipv4/tcp_allowed_congestion_control",
    "/proc/sys/net/core/default_qdisc",
    "/proc/sys/net/core/rmem_max",
    "/proc/sys/net/core/wmem_max",
    "/proc/sys/net/ipv4/tcp_rmem",
    "/proc/sys/net/ipv4/tcp_wmem",
    "/proc/sys/net/core/netdev_budget",
    "/proc/sys/net/core/netdev_max_backlog",
    "/proc/sys/net/core/rps_sock_flow_entries",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/net/netfilter/nf_conntrack_max",
)
"""What is read of every host."""

_SPEED_PARAMETERS = re.compile(
    r"^(isolcpus|nohz|nohz_full|rcu_nocbs|mitigations|idle|processor\.|intel_pstate|intel_idle"
    r"|amd_pstate|cpuidle|haltpoll|preempt|threadirqs|nosmt|hugepages|hugepagesz|tsc|clocksource"
    r"|transparent_hugepage|irqaffinity|skew_tick|nosoftlockup|pcie_aspm|spectre|pti|kpti)"
)

_MODES: Final = {
    "CONFIG_TICK_CPU_ACCOUNTING": "tick",
    "CONFIG_VIRT_CPU_ACCOUNTING_GEN": "virtual",
    "CONFIG_VIRT_CPU_ACCOUNTING_NATIVE": "virtual",
}
"""What each choice of the kernel's configuration is called, kernel/sched/cputime.c."""

NetFile = tuple[str, str, Callable[[str], FactValue]]


def _int(text: str) -> FactValue:
    return int(text)


def _first(text: str) -> FactValue:
    """Return the first number of a line.

    Raises:
        ValueError: it is none, or not a finite one.
    """
    value = float(text.split(maxsplit=1)[0])
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that a kernel counts")
    return value


def _flag(text: str) -> FactValue:
    return int(text) != 0


_SIMPLE: Final[tuple[NetFile, ...]] = (
    ("host.uptime", "/proc/uptime", _first),
    ("host.load1", "/proc/loadavg", _first),
    ("host.smt", "/sys/devices/system/cpu/smt/active", _flag),
    ("host.governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", str),
    ("host.clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource", str),
    ("host.numa_nodes", "/sys/devices/system/node/online", lambda text: len(cpu_list(text))),
    ("kernel.release", "/proc/sys/kernel/osrelease", str),
    ("kernel.version", "/proc/sys/kernel/version", str),
    ("net.tcp_congestion_control", "/proc/sys/net/ipv4/tcp_congestion_control", str),
    (
        "net.tcp_available_congestion_control",
        "/proc/sys/net/ipv4/tcp_available_congestion_control",
        str,
    ),
    (
        "net.tcp_allowed_congestion_control",
        "/proc/sys/net/ipv4/tcp_allowed_congestion_control",
        str,
    ),
    ("net.default_qdisc", "/proc/sys/net/core/default_qdisc", str),
    ("net.rmem_max", "/proc/sys/net/core/rmem_max", _int),
    ("net.wmem_max", "/proc/sys/net/core/wmem_max", _int),
    ("net.tcp_rmem", "/proc/sys/net/ipv4/tcp_rmem", lambda text: " ".join(text.split())),
    ("net.tcp_wmem", "/proc/sys/net/ipv4/tcp_wmem", lambda text: " ".join(text.split())),
    ("net.netdev_budget", "/proc/sys/net/core/netdev_budget", _int),
    ("net.netdev_max_backlog", "/proc/sys/net/core/netdev_max_backlog", _int),
    ("net.rps_sock_flow_entries", "/proc/sys/net/core/rps_sock_flow_entries", _int),
    ("net.ip_forward", "/proc/sys/net/ipv4/ip_forward", _flag),
    ("net.bridge_nf_call_iptables", "/proc/sys/net/bridge/bridge-nf-call-iptables", _flag),
    ("net.conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_count", _int),
    ("net.conntrack_max", "/proc/sys/net/netfilter/nf_conntrack_max", _int),
)


def host_facts(read: ReadText, *, identify: bool) -> Mapping[str, FactValue]:
    """Return `host.*`, `kernel.*` and `net.*` facts; what is unreadable is absent, with why.

    Args:
        read: returns the text of a file on the engine's host, as seen in its network namespace.
        identify: record the host's name and all boot parameters.
    """
    facts: dict[str, FactValue] = {
        name: _parsed(read(path), path, parse) for name, path, parse in _SIMPLE
    }
    facts |= _cpu(read("/proc/cpuinfo"))
    facts["host.memory"] = _parsed(read("/proc/meminfo"), "/proc/meminfo", _memory)
    facts["host.turbo"] = _turbo(read)
    facts |= _kernel(read, identify=identify)
    name = read("/proc/sys/kernel/hostname")
    redacted = Absent("redacted; --identify records it")
    facts["host.name"] = name.strip() if name and identify else redacted
    return facts


def _parsed(text: str | None, path: str, parse: Callable[[str], FactValue]) -> FactValue:
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


def _memory(text: str) -> FactValue:
    total = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(total[1]) * 1024 if total else Absent("/proc/meminfo has no MemTotal")


def _turbo(read: ReadText) -> FactValue:
    no_turbo = read(_NO_TURBO)
    if no_turbo is not None:
        return _parsed(no_turbo, _NO_TURBO, lambda text: int(text) == 0)
    boost = read(_BOOST)
    if boost is not None:
        return _parsed(boost, _BOOST, _flag)
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
    dynamic = re.search(r"\((\w+)\)", read("/sys/kernel/debug/sched/preempt") or "")
    built = re.search(r"PREEMPT\w*", version)
    preempt = dynamic[1] if dynamic else built[0] if built else None
    return {
        "kernel.parameters": parameters,
        **_accounting(read),
        "kernel.preempt": preempt or Absent("neither debugfs nor the version string says"),
    }
