"""netbench with everything imported already: a call of it forks a process instead of starting one.

    forked.py SOCKET      serve calls at a Unix socket until the process that started this one ends;
                          says "ready" once it does

Imports are two thirds of what a short run costs. A connection brings one `Call` as a line of JSON;
back come two lines, the process's pid and, when it has ended, its wait status.
"""

import importlib
import json
import os
import signal
import socketserver
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NoReturn

NEEDED = (
    *("__main__", "cli.commands.run", "cli.commands.verify", "analysis.pipeline", "report.page"),
    *("report.console", "engines.docker", "engines.netns.engine"),
)
"""What commands import when they need it."""


@dataclass(frozen=True)
class Call:
    """One command: what a process would be started with."""

    argv: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    stdout: str
    """The file that its output goes to."""
    stderr: str
    netns: str | None = None
    """The network namespace to be in, a path."""

    def encoded(self) -> bytes:
        """Return it as a line."""
        return json.dumps(asdict(self)).encode() + b"\n"


def import_all() -> None:
    """Import what every command will find imported."""
    # A process of several threads must not be forked; numpy has no need of its own ones here.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for name in NEEDED:
        importlib.import_module(f"netbench.{name}")


def be(call: Call) -> NoReturn:
    """Be netbench, in a process forked for it, as if it had just been started."""
    code = 1
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as from a terminal
        os.environ.clear()
        os.environ.update(call.environment)
        os.chdir(call.folder)
        _redirect(call)
        if call.netns:
            importlib.import_module("netbench.system.setns").enter(call.netns)
        program = importlib.import_module("netbench.__main__")
        if told := call.environment.get("NETBENCH_TEST_EDGE"):
            importlib.import_module("edges").install(told)
        sys.argv = [program.__file__ or "", *call.argv]
        try:
            program.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 -- as an interpreter ends
            sys.excepthook(*sys.exc_info())
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _redirect(call: Call) -> None:
    for descriptor, path in ((0, os.devnull), (1, call.stdout), (2, call.stderr)):
        flags = os.O_WRONLY | os.O_CREAT if descriptor else os.O_RDONLY
        file = os.open(path, flags, 0o644)
        os.dup2(file, descriptor)
        os.close(file)


class _Keeper(socketserver.StreamRequestHandler):
    """Starts one call, in a process of its own, and waits for its end."""

    def handle(self) -> None:
        call = Call(**json.loads(self.rfile.readline()))
        pid = os.fork()
        if not pid:
            be(call)
        self.wfile.write(f"{pid}\n".encode())
        self.wfile.write(f"{os.waitpid(pid, 0)[1]}\n".encode())


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    block_on_close = False

    def __init__(self, path: str) -> None:
        super().__init__(path, _Keeper)
        self._starter = os.getppid()

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != self._starter:
            sys.exit()


def main() -> None:
    """Import, then serve."""
    import_all()
    with _Server(sys.argv[1]) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
