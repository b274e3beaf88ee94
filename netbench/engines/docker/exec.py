"""A tool in a container: started, pinned, bounded, signalled and waited for through the engine."""

import io
import math
import secrets
import shlex
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL, Signals
from typing import Any, Final

from docker.utils.socket import read

from netbench.engines.base import Signal
from netbench.engines.docker import procfs
from netbench.engines.docker.client import Clients
from netbench.errors import EngineError, EngineLost
from netbench.record import Completed

_GRACE: Final = 10.0
"""Seconds that a killed tool may take to be gone."""
_APPEAR: Final = 5.0
"""Seconds that a started tool may take to show in /proc."""
_NEWS: Final = 1.0
"""Seconds that the news of a tool's end may take to reach us."""
_POLL: Final = 0.005


@dataclass(frozen=True, slots=True)
class Launch:
    """What was started, and where."""

    container: str
    argv: tuple[str, ...]
    """The tool's own command."""
    bound: str
    """The argument by which `timeout` bounds it, in seconds; no other process has the same."""
    limit: float
    """The bound that was asked for, in seconds."""
    local: bool
    """Whether the container's processes are visible in our own /proc."""
    user: str
    """Whom it runs as; who signals it from inside must be the same."""


def start(
    clients: Clients,
    container: str,
    argv: tuple[str, ...],
    *,
    cpu: int | None,
    limit: float,
    local: bool,
    user: str = "",
) -> "DockerProcess":
    """Start `argv` in a container, as the container's own user or another; as `Engine.start`."""
    bound = f"{max(1, math.ceil(limit))}.{secrets.randbelow(10**6):06d}"
    pin = () if cpu is None else ("taskset", "-c", str(cpu))
    command = ["timeout", "-s", "KILL", bound, *pin, *argv]
    with clients.lend(f"start {argv[0]}") as api:
        made = api.exec_create(container, command, user=user)["Id"]
        stream = api.exec_start(made, socket=True)
    return DockerProcess(clients, made, stream, Launch(container, argv, bound, limit, local, user))


class DockerProcess:
    """A tool started by `docker exec` under `timeout`, which bounds it even if nobody waits.

    `timeout` runs the tool as its child and is never stopped itself, so that its clock runs on
    while the tool is stopped.
    """

    def __init__(self, clients: Clients, exec_id: str, stream: Any, launch: Launch) -> None:
        """Read `stream` from now on, in a thread of its own: a full pipe would stop the tool."""
        self._clients = clients
        self._exec = exec_id
        self._launch = launch
        self._tool: int | None = None
        self._inner: int | None = None
        self._output = {1: bytearray(), 2: bytearray()}
        self._begun = self._released = time.monotonic()
        self._ended_at = self._begun
        self._ended = threading.Event()
        threading.Thread(
            target=self._drain, args=(stream,), name=f"exec {launch.argv[0]}", daemon=True
        ).start()

    @property
    def argv(self) -> tuple[str, ...]:
        """The tool's own command."""
        return self._launch.argv

    def _drain(self, stream: Any) -> None:
        with suppress(OSError, ValueError):
            for kind, data in _frames(_reader(stream)):
                self._output.setdefault(kind, bytearray()).extend(data)
        self._ended_at = time.monotonic()
        self._ended.set()
        with suppress(OSError):
            getattr(stream, "_response", stream).close()

    def alive(self) -> bool:
        """Tell whether the tool runs, or is stopped."""
        return not self._ended.is_set()

    def cpus(self) -> str | None:
        """Return the kernel's `Cpus_allowed_list` of the tool, None where unreadable."""
        tool = self._find()
        return None if tool is None else procfs.status(tool, "Cpus_allowed_list")

    def pid(self) -> int | None:
        """Return the tool's pid as this machine numbers it, None where it is not to be seen."""
        return self._find()

    def signal(self, name: Signal) -> None:
        """Signal the tool, directly where we may, else by a command inside the container."""
        number = Signals[f"SIG{name}"]
        if not self._directly(number):
            self._inside(number)
        if name == "CONT":
            self._released = time.monotonic()

    def _directly(self, number: Signals) -> bool:
        """Signal the tool by its pid on this machine; False where that is not possible."""
        tool = self._find()
        if tool is None:
            return not self.alive()
        return procfs.send(tool, number)

    def _inside(self, number: Signals) -> None:
        inner = self._inner_pid()
        if inner is None:
            return
        done = self._helper("kill", f"-{number.value}", str(inner))
        if done.exit_code != 0 and not self._ended.wait(_NEWS):
            raise EngineError(f"{shlex.join(done.argv)} in the container: {done.stderr.strip()}")

    def _inner_pid(self) -> int | None:
        """Return the tool's pid in the container's pid namespace, None where it has ended."""
        if self._inner is None and self._tool is not None:
            self._inner = procfs.inner_pid(self._tool)
        deadline = time.monotonic() + _APPEAR
        while self._inner is None and self.alive() and time.monotonic() < deadline:
            wrapper = self._helper("pgrep", "-f", f"^timeout -s KILL {self._launch.bound} ").stdout
            if wrapper.strip().isdecimal():
                child = self._helper("pgrep", "-P", wrapper.strip()).stdout.strip()
                self._inner = int(child) if child.isdecimal() else None
        if self._inner is None and self.alive():
            raise EngineError(f"{self.argv[0]} does not show in its container")
        return self._inner

    def _helper(self, *argv: str) -> Completed:
        container = self._launch.container
        process = start(
            self._clients,
            container,
            argv,
            cpu=None,
            limit=_GRACE,
            local=False,
            user=self._launch.user,
        )
        return process.wait(_GRACE)

    def _find(self) -> int | None:
        """Return the tool's pid as this machine numbers it, None where it is not to be seen."""
        if not self._launch.local:
            return None
        deadline = time.monotonic() + _APPEAR
        while self.alive() and time.monotonic() < deadline:
            if self._tool is None:
                wrapper = int(self._inspect()["Pid"])
                self._tool = procfs.find(wrapper, self.argv) if wrapper else None
            if self._tool is not None:
                return self._tool if procfs.runs(self._tool, self.argv) else None
            time.sleep(_POLL)
        return None

    def _inspect(self) -> dict[str, Any]:
        with self._clients.lend(f"look at {self.argv[0]}") as api:
            return api.exec_inspect(self._exec)

    def wait(self, timeout: float) -> Completed:
        """Return what it left, killing it after `timeout` seconds."""
        late = not self._ended.wait(timeout)
        if late:
            self.signal("KILL")
            self._ended.wait(_GRACE)
        code = self._exit_code()
        seconds = self._ended_at - self._released if self._ended.is_set() else timeout
        bounded = code == -SIGKILL and self._ended_at - self._begun >= self._launch.limit
        return Completed(
            argv=self.argv,
            exit_code=code,
            stdout=self._output[1].decode(errors="replace"),
            stderr=self._output[2].decode(errors="replace"),
            timed_out=late or bounded,
            seconds=seconds,
        )

    def _exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None where the engine knows of none."""
        deadline = time.monotonic() + _GRACE
        while time.monotonic() < deadline:
            state = self._inspect()
            if not state["Running"] and state["ExitCode"] is not None:
                code = int(state["ExitCode"])
                return 128 - code if 128 < code <= 192 else code  # noqa: PLR2004 - as shells do
            time.sleep(_POLL)
        if not self._ended.is_set():
            return None
        raise EngineLost(f"{self.argv[0]}: the engine let go of it before its end")


def _reader(stream: Any) -> Callable[[int], bytes]:
    """Return a function that reads exactly n bytes, fewer only at the end.

    The SDK hands out the raw end of a buffered reader, whose buffer may hold the first bytes
    already, and leaves the request's timeout on it.
    """
    response = getattr(stream, "_response", None)
    buffered = getattr(getattr(getattr(response, "raw", None), "_fp", None), "fp", None)
    if isinstance(buffered, io.BufferedReader):
        plain = getattr(stream, "_sock", stream)
        plain.settimeout(None)
        return buffered.read

    def exactly(size: int) -> bytes:
        data = bytearray()
        while len(data) < size and (more := read(stream, size - len(data))):
            data += more
        return bytes(data)

    return exactly


def _frames(take: Callable[[int], bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield (stream, bytes) of the engine's multiplexed stream; 1 is stdout, 2 stderr."""
    while len(header := take(8)) == 8:  # noqa: PLR2004 - the protocol's header
        kind, size = struct.unpack(">BxxxL", header)
        yield kind, take(size)
