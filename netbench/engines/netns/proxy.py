"""Published ports served by docker-proxy, the user-land way."""

import selectors
import subprocess
import time
from collections.abc import Callable
from typing import Final

from netbench.engines.local_process import find_program
from netbench.engines.netns.rules import Forward
from netbench.engines.netns.spawner import end
from netbench.errors import EngineError

_PROGRAM: Final = "docker-proxy"
_FOLDERS: Final = ("/usr/bin", "/usr/sbin", "/usr/libexec/docker", "/usr/lib/docker")
"""Where distributions keep it; few of these are on everybody's PATH."""
_WITHIN: Final = 5.0
"""Seconds a proxy may take to listen."""
_REPORT_ON_OUTPUT: Final = ("sh", "-c", 'exec "$0" "$@" 3>&1')
"""It tells on file descriptor 3 whether it listens, `0` or `1` and why not."""
_PROTOCOLS: Final = ("tcp", "udp")

Start = Callable[[tuple[str, ...]], subprocess.Popen[str]]


def unavailable() -> str | None:
    """Return why there can be no proxies, None where there can."""
    if find_program(_PROGRAM, *_FOLDERS):
        return None
    return "published=proxy needs docker-proxy (package docker.io)"


def start_proxies(forwards: tuple[Forward, ...], start: Start) -> list[subprocess.Popen[str]]:
    """Start a proxy for each port, protocol and family, and see all of them listen.

    Args:
        forwards: the ports.
        start: starts a program in the world's network namespace.

    Raises:
        EngineError: one does not; none is left then.
    """
    program = find_program(_PROGRAM, *_FOLDERS)
    if program is None:
        raise EngineError(unavailable() or "")
    begun: list[subprocess.Popen[str]] = []
    try:
        begun += [start((*_REPORT_ON_OUTPUT, program, *a)) for one in forwards for a in _argvs(one)]
        for process in begun:
            _see_it_listen(process)
    except BaseException:
        end_proxies(begun)
        raise
    return begun


def end_proxies(proxies: list[subprocess.Popen[str]]) -> None:
    """End them."""
    for process in proxies:
        end(process)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def _argvs(one: Forward) -> list[tuple[str, ...]]:
    pairs = [(one.host.v4, one.to.v4)]
    if one.host.v6 and one.to.v6:
        pairs.append((one.host.v6, one.to.v6))
    return [
        (
            *("-proto", protocol, "-host-ip", host, "-host-port", str(one.host_port)),
            *("-container-ip", address, "-container-port", str(one.port)),
        )
        for host, address in pairs
        for protocol in _PROTOCOLS
    ]


def _see_it_listen(process: subprocess.Popen[str]) -> None:
    output = process.stdout
    deadline = time.monotonic() + _WITHIN
    said = ""
    with selectors.DefaultSelector() as selector:
        if output is not None and selector.register(output, selectors.EVENT_READ):
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            said = output.readline().strip() if ready else "no answer"
        if said == "0":
            return
        why = output.readline().strip() if output is not None and said == "1" else said
    raise EngineError(f"docker-proxy does not serve the port: {why or 'it ended'}")
