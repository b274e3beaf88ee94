"""What the engine's machine offers, read through a container on the host's namespaces."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from netbench.engines.docker.image_files import OTHER_WAY, REQUIRED
from netbench.errors import EngineError
from netbench.record import Completed
from netbench.spec import CpuTopology
from netbench.system.interrupts import Pool
from netbench.units import cpu_list

Run = Callable[[tuple[str, ...]], Completed]
"""Runs a command in the container to its end."""

_SIBLINGS: Final = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
_VERSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "iperf3": ("iperf3", "--version"),
    "sockperf": ("sockperf", "--version"),
    "ip": ("ip", "-V"),
    "taskset": ("taskset", "--version"),
    "timeout": ("timeout", "--version"),
}
_OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {"netperf": ("netperf", "-V")}
_NOT_RUNNABLE: Final = (126, 127)
_AT_ONCE: Final = 4
_CLAIM: Final = 5.0
"""Seconds that a link may take to know that its addresses are its own."""
_POLL: Final = 0.1


def cpu_topology(run: Run) -> CpuTopology:
    """Return the CPUs that containers can be pinned to, by core where the kernel tells.

    Raises:
        EngineError: they are unreadable.
    """
    printed = run(("cat", "/proc/self/status")).stdout
    try:
        allowed = printed.partition("Cpus_allowed_list:")[2].splitlines()[0]
        usable = cpu_list(allowed)
    except (IndexError, ValueError) as error:
        raise EngineError(
            f"the CPUs of the engine's machine are unreadable: {printed!r}"
        ) from error
    siblings = run(("cat", *(_SIBLINGS.format(cpu) for cpu in usable)))
    lines = siblings.stdout.splitlines()
    if siblings.exit_code != 0 or len(lines) != len(usable):
        return CpuTopology(usable)
    try:
        cores = {tuple(cpu for cpu in cpu_list(line) if cpu in usable) for line in lines}
    except ValueError:
        return CpuTopology(usable)
    return CpuTopology(usable, tuple(sorted(cores)))


def await_ipv6(run: Run, link: str) -> None:
    """Wait until a link's IPv6 addresses can be used: nobody else has claimed them, RFC 4862 §5.4.

    A bridge begins to ask with its first port; until then the host sends nothing through it.
    """
    deadline = time.monotonic() + _CLAIM
    while time.monotonic() < deadline:
        printed = run(("ip", "-j", "-6", "addr", "show", "dev", link, "tentative")).stdout
        if '"tentative":true' not in printed:
            return
        time.sleep(_POLL)


def tool_versions(run: Run) -> dict[str, str]:
    """Return the first line of each tool's version; of an optional one only where it is there.

    Raises:
        EngineError: a tool is not there, or not one that we can work with.
    """
    done = _all(run, {**_VERSIONS, **_OPTIONAL})
    absent = {name for name, one in done.items() if one.exit_code in _NOT_RUNNABLE}
    _complain((name for name in _VERSIONS if name in absent), done)
    done = {name: one for name, one in done.items() if name not in absent}
    versions = {name: (one.stdout or one.stderr).strip() for name, one in done.items()}
    if "coreutils" not in versions["timeout"]:
        raise EngineError(
            f"the image's `timeout` is not that of coreutils: {versions['timeout'][:200]}",
            hint=f"use an image with coreutils; {OTHER_WAY}",
        )
    return {name: (text.splitlines() or [""])[0] for name, text in versions.items()}


def check_tools(run: Run) -> None:
    """Check that every tool we call is there.

    Raises:
        EngineError: some are not; all of them are named.
    """
    done = _all(run, {name: (name, "--version") for name in REQUIRED if name not in _VERSIONS})
    _complain((name for name, one in done.items() if one.exit_code in _NOT_RUNNABLE), done)


def _all(run: Run, commands: Mapping[str, tuple[str, ...]]) -> dict[str, Completed]:
    with Pool(_AT_ONCE) as pool:
        return dict(zip(commands, pool.map(run, commands.values()), strict=True))


def _complain(missing: Iterable[str], done: Mapping[str, Completed]) -> None:
    names = tuple(missing)
    if names:
        first = done[names[0]]
        raise EngineError(
            f"the image lacks {', '.join(names)}: {(first.stderr or first.stdout).strip()}",
            hint="use an image with iperf3, sockperf, socat, iproute2, util-linux, coreutils, "
            "procps and sh",
        )
