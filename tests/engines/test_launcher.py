"""The shell that starts tools in containers, run by this machine's `sh` behind a paper engine."""

import json
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from support.program import wait_for

from netbench.engines.base import BytesRead
from netbench.engines.docker.client import Clients, EngineAddress
from netbench.engines.docker.exec import DockerProcess
from netbench.engines.docker.launcher import Job, Launcher

_VERSION = {"ApiVersion": "1.45"}
_UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n"


class Shells:
    """An engine that knows `exec` alone, and carries it out on this machine."""

    def __init__(self, path: str) -> None:
        self.environment = dict(os.environ)
        self._command: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self.shells: list[subprocess.Popen[bytes]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(peer,), daemon=True).start()

    def _converse(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as requests:
            while first := requests.readline():
                path = first.split()[1]
                body = self._body(requests)
                if path.endswith(b"/start"):
                    peer.sendall(_UPGRADED)
                    self._run(peer, requests)
                    return
                if path.endswith(b"/exec"):
                    self._command = json.loads(body)["Cmd"]
                text = json.dumps({"Id": "made", **_VERSION}).encode()
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)

    @staticmethod
    def _body(requests: BinaryIO) -> bytes:
        length = 0
        while (line := requests.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split()[1])
        return requests.read(length)

    def _run(self, peer: socket.socket, requests: BinaryIO) -> None:
        pipe = subprocess.PIPE
        with subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=pipe, env=self.environment, bufsize=0
        ) as shell:
            self.shells.append(shell)
            assert shell.stdin
            assert shell.stdout
            assert shell.stderr
            for kind, stream in ((1, shell.stdout), (2, shell.stderr)):
                threading.Thread(target=_frames, args=(peer, kind, stream), daemon=True).start()
            with suppress(BrokenPipeError):
                while data := requests.read1(65536):  # type: ignore[attr-defined] # buffered
                    shell.stdin.write(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for shell in self.shells:
            shell.kill()
            shell.wait()
            mark = str(list(shell.args)[-2])  # of its files, which a container would end with
            for output in Path("/tmp").glob(f".netbench-{mark}-*"):  # noqa: S108 - the shell's
                output.unlink()


def _frames(peer: socket.socket, kind: int, stream: BinaryIO) -> None:
    with suppress(OSError):
        while data := os.read(stream.fileno(), 65536):
            peer.sendall(bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data)


@pytest.fixture
def shells(tmp_path: Path) -> Iterator[Shells]:
    serving = Shells(str(tmp_path / "engine.sock"))
    yield serving
    serving.close()


@pytest.fixture
def launch(shells: Shells, tmp_path: Path) -> Iterator[Callable[[], Launcher]]:
    del shells
    clients = Clients(EngineAddress(f"unix://{tmp_path}/engine.sock", "test"))
    yield lambda: Launcher(clients, "container", "65534:65534")
    clients.close()


@pytest.fixture
def reader(launch: Callable[[], Launcher]) -> Iterator[DockerProcess]:
    """A tool that reads and reads."""
    tool = DockerProcess(
        launch(), ("dd", "if=/dev/zero", "of=/dev/null", "bs=1k"), cpu=None, limit=60
    )
    yield tool
    tool.signal("KILL")
    tool.wait(10)


def test_a_tool_is_counted_while_it_runs_and_not_while_it_is_held(reader: DockerProcess) -> None:
    first = wait_for(reader.bytes_read)

    def later() -> BytesRead | None:
        found = reader.bytes_read()
        return found if found is not None and found.total > first.total else None

    second = wait_for(later)
    assert 0 < second.at - first.at < 10
    assert abs(second.at - time.time()) < 10

    reader.signal("STOP")

    def at_rest() -> tuple[BytesRead, BytesRead] | None:
        one, other = reader.bytes_read(), reader.bytes_read()
        return (one, other) if one and other and one.total == other.total else None

    third, fourth = wait_for(at_rest)
    assert third.at < fourth.at


def test_several_ask_at_once(reader: DockerProcess) -> None:
    wait_for(reader.bytes_read)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: reader.bytes_read(), range(40)))

    assert len({answer.at for answer in answers if answer is not None}) == 40


def test_the_shells_latency_is_measured_once(reader: DockerProcess) -> None:
    assert 0 < reader.latency < 1
    assert reader.latency == reader.latency


@pytest.mark.parametrize("date", ["echo 1795984888%N", "echo 1795984888", "exit 127"])
def test_our_own_clock_serves_where_that_of_the_machine_tells_no_nanoseconds(
    shells: Shells, launch: Callable[[], Launcher], tmp_path: Path, date: str
) -> None:
    program = tmp_path / "date"
    program.write_text(f"#!/bin/sh\n{date}\n")
    program.chmod(0o755)
    shells.environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    tool = DockerProcess(launch(), ("sleep", "1234"), cpu=None, limit=60)
    before = time.monotonic()
    read = wait_for(tool.bytes_read)

    assert before < read.at < time.monotonic()
    tool.signal("KILL")
    tool.wait(10)


@pytest.mark.parametrize(("name", "code"), [("TERM", -15), ("ALRM", -14), ("KILL", -9)])
def test_a_held_tool_ends_by_what_it_is_sent(
    launch: Callable[[], Launcher], name: str, code: int
) -> None:
    seconds = f"1234.{secrets.randbelow(10**6):06d}"
    tool = DockerProcess(launch(), ("sleep", seconds), cpu=None, limit=60)
    wait_for(
        lambda: (
            subprocess.run(("pgrep", "-x", "-f", f"sleep {seconds}"), check=False).returncode == 0
        )
    )
    for _ in range(20):
        tool.signal("STOP")
        tool.signal("CONT")
    tool.signal("STOP")
    tool.signal(name)  # type: ignore[arg-type]
    done = tool.wait(20)

    assert (done.exit_code, done.timed_out) == (code, False)
    tool.signal("CONT")
    assert tool.bytes_read() is None


def test_nothing_is_counted_where_the_shell_is_gone(
    shells: Shells, launch: Callable[[], Launcher]
) -> None:
    tool = DockerProcess(launch(), ("sleep", "0.7"), cpu=None, limit=60)
    wait_for(tool.bytes_read)
    (shell,) = shells.shells
    shell.kill()

    assert wait_for(lambda: tool.bytes_read() is None)
    tool.signal("STOP")
    wait_for(lambda: not tool.alive())
    assert tool.latency < 10


class Busy(Launcher):
    """A shell whose answers are read at once, and looked at late, as on a busy machine."""

    def start(self, command: Iterable[str]) -> Job:
        job = super().start(command)
        job.ended.came.wait(20)
        return job


@pytest.mark.parametrize("later", ["", "CONT"])
def test_a_tool_that_has_ended_before_it_is_looked_at_took_no_negative_time(
    shells: Shells, tmp_path: Path, later: str
) -> None:
    del shells
    clients = Clients(EngineAddress(f"unix://{tmp_path}/engine.sock", "test"))
    tool = DockerProcess(Busy(clients, "container", "65534:65534"), ("true",), cpu=None, limit=60)
    if later:
        tool.signal(later)  # type: ignore[arg-type]
    done = tool.wait(20)
    clients.close()

    assert done.exit_code == 0
    assert done.seconds >= 0
