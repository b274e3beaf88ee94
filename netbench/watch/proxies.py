"""Processes that serve published ports of an engine's host: `docker-proxy`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netbench.facts.base import NamespaceSet
from netbench.facts.cpu_time import TICK
from netbench.facts.procfs import SocketAddress, cpu_ticks
from netbench.spec import Protocol
from netbench.system.files import Files

_NAME: Final = "docker-proxy"
_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 -- what a proxy may listen on


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy process of one published port."""

    pid: int
    to: str
    """Address that it leads to."""
    ticks: int
    """CPU time it had used when it was found, in clock ticks."""
    files: Files
    """In which it is seen."""

    def used(self) -> float | None:
        """Return the CPU time, in seconds, it has used since; None where it is gone."""
        now = cpu_ticks(self.pid, self.files)
        return None if now is None else (now - self.ticks) * TICK


def find_proxies(
    target: SocketAddress, port: int, host: NamespaceSet, protocol: Protocol = "tcp"
) -> tuple[Proxy, ...]:
    """Return the processes that serve a port of the engine's host.

    Args:
        target: what clients connect to.
        port: that it leads to.
        host: the engine's host; a proxy of another engine's, where that can be seen, is left out.
        protocol: of the port.
    """
    found = []
    for pid, argv in _running(host.files):
        said = dict(zip(argv[1::2], argv[2::2], strict=False))
        if (
            said.get("-proto") == protocol
            and said.get("-host-port") == str(target.port)
            and said.get("-container-port") == str(port)
            and said.get("-host-ip") in (target.address, *_ANYWHERE)
            and _may_be_in(pid, host)
        ):
            ticks = cpu_ticks(pid, host.files)
            if ticks is not None:
                found.append(Proxy(pid, said.get("-container-ip", ""), ticks, host.files))
    return tuple(found)


def _running(files: Files) -> Iterator[tuple[int, Sequence[str]]]:
    """Return every process of that program, with its command line."""
    lines = {pid: f"/proc/{pid}/cmdline" for pid in files.processes(_NAME)}
    there = files.read(*lines.values())
    for pid, path in lines.items():
        if path in there:  # else it has ended
            yield pid, there[path].decode(errors="replace").split("\0")


def _may_be_in(pid: int, host: NamespaceSet) -> bool:
    """Tell whether a process is in the host's network namespace, as far as we may see that."""
    if not host.here:
        return True
    try:
        one, other = (Path(f"/proc/{where}/ns/net").stat() for where in (pid, host.pid))
    except OSError:
        return True
    return one.st_ino == other.st_ino
