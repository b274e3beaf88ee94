"""The VM lab: another kernel, for what the running one lacks.

It is a program of this machine, with one CPU: User-Mode Linux, or where that lacks it too, Debian's
kernel for virtual machines in QEMU, which is slower. The guest sees this machine's files, reads
only, and writes to memory; what it is to leave lies in one shared folder. `python
tests/support/vm.py COMMAND ...` runs shell commands in it, for a look.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.hang import HANG
from support.program import Ended
from support.require import require_or_skip

import netbench

CHECKOUT: Final = Path(netbench.__file__).parent.parent
_GUEST: Final = Path(__file__).parent.parent / "lab" / "guest"
_COMMANDS: Final = "insmod modprobe taskset"
_MEMORY: Final = 3 << 30
"""Bytes that the guest has; this machine gives it what it uses of them."""
_PREPARE_PAGES: Final = """
import sys
from netbench.report.html_env import environment, packed_plotly
sys.dont_write_bytecode = False
packed_plotly()
for name in environment().list_templates(extensions=["j2"]):
    environment().get_template(name)
"""
_LINES: Final = 30
"""Lines of a log that a failure shows."""


@dataclass(frozen=True)
class Kernel:
    """A kernel to boot, and what boots it."""

    packages: str
    tools: str
    modules: str
    """The folder of its modules, as a pattern."""
    command: Callable[[Path, Path], tuple[str, ...]]
    """What boots it: takes the folder of its modules and the shared folder."""
    files: str
    """The kind of file system that the guest has of this machine's files."""

    def folder(self) -> Path | None:
        """Return the folder of the newest one's modules, None if there is none."""
        found = Path("/").glob(self.modules.removeprefix("/"))
        return max(found, key=lambda one: one.stat().st_mtime, default=None)


def _uml(_: Path, share: Path) -> tuple[str, ...]:
    root = ("root=/dev/root", "rootfstype=hostfs", "rootflags=/")
    return ("linux.uml", f"mem={_MEMORY}", f"uml_dir={share.parent}", *root, "con0=null,fd:1")


def _qemu(modules: Path, share: Path) -> tuple[str, ...]:
    """It emulates: it is no faster where there is hardware to help, but the same everywhere."""
    return (str(_GUEST.parent / "qemu"), f"/boot/vmlinuz-{modules.name}", str(share), str(_MEMORY))


UML: Final = Kernel(
    "docker.io iptables kmod user-mode-linux",
    "linux.uml dockerd iptables-legacy update-alternatives",
    "/usr/lib/uml/modules/*",
    _uml,
    "hostfs",
)
CLOUD: Final = Kernel(
    "kmod linux-image-cloud-amd64 qemu-system-x86 virtiofsd",
    "qemu-system-x86_64",
    "/usr/lib/modules/*-cloud-amd64",
    _qemu,
    "virtiofs",
)


@dataclass(frozen=True)
class Job:
    """A shell script to run in the guest."""

    name: str
    script: str
    limit: int
    """Seconds after which it is ended there."""


@dataclass(frozen=True)
class Results:
    """What one boot left."""

    share: Path
    seconds: float
    """From the start of the guest's kernel to its end."""

    def __getitem__(self, name: str) -> Ended:
        """Return what came of a job; the log tells why it is not there."""
        parts = {kind: self._file(name, kind) for kind in ("code", "out", "err")}
        if not parts["code"]:
            raise AssertionError(f"{name} never ended\n{tails(self.share)}")
        return Ended(int(parts["code"]), parts["out"], parts["err"])

    def records(self, name: str) -> list[dict[str, Any]]:
        """Return the records that a job left."""
        path = self.share / f"{name}.jsonl"
        if not path.exists():
            raise AssertionError(f"{name} left no records: {self[name].stderr}")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def _file(self, name: str, kind: str) -> str:
        (path, *_) = (*self.share.glob(f"[0-9][0-9]-{name}.{kind}"), self.share / f"{name}.{kind}")
        return path.read_text(errors="replace") if path.exists() else ""


def missing(kernel: Kernel) -> str | None:
    """Return why no guest can be booted here, None where one can."""
    if os.geteuid() != 0:
        return "the guest's root reads this machine's files as the user who boots it: needs root"
    tools = f"{kernel.tools} {_COMMANDS}".split()
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if kernel.folder() is None:
        absent.append(kernel.modules)
    return f"no {', '.join(absent)}; install: apt-get install {kernel.packages}" if absent else None


def python() -> str:
    """Return what stands before a Python script's arguments in a job: interpreter, settings."""
    return f"env PYTHONPATH=$SOURCE PYTHONDONTWRITEBYTECODE=1 {shlex.quote(sys.executable)}"


@contextmanager
def lab(
    jobs: Sequence[Job], total: float, *, engine: bool = True, kernel: Kernel = UML
) -> Iterator[Results]:
    """Boot once, run the jobs in their order, and give what they left; skip where it cannot be.

    Jobs find `$SOURCE`, a copy of the package that nobody changes meanwhile, and `$SHARE`, the
    folder that outlives the guest.

    Args:
        jobs: what to run.
        total: seconds that all of it may take; the guest is ended then.
        engine: whether a Docker Engine is to run when the jobs begin.
        kernel: which one to boot.
    """
    reason = missing(kernel)
    if reason:
        require_or_skip("vm", reason)
    with tempfile.TemporaryDirectory(prefix="netbench-vm-", dir="/tmp") as made:
        yield boot(Path(made), jobs, total, engine=engine, kernel=kernel)


def boot(
    folder: Path, jobs: Sequence[Job], total: float, *, engine: bool = True, kernel: Kernel = UML
) -> Results:
    """Boot a guest that lives in `folder`; see `lab`."""
    share, source = folder / "share", folder / "source"
    (share / "jobs").mkdir(parents=True)
    _copy_package(source)
    for number, job in enumerate(jobs, start=1):
        text = f"# limit {job.limit}\nexport SOURCE={source} SHARE={share}\n{job.script}\n"
        (share / "jobs" / f"{number:02}-{job.name}").write_text(text)
    began = time.monotonic()
    code, said = _bounded(_command(kernel, share, engine), folder, total)
    seconds = time.monotonic() - began
    if code != 0 or not (share / "ended").exists():
        ended = f"ended with exit code {code}" if code is not None else "was ended by us"
        raise AssertionError(f"the guest {ended} after {seconds:.0f} s: {said}\n{tails(share)}")
    return Results(share, seconds)


def _copy_package(source: Path) -> None:
    """Copy what runs in the guest and compile it here, where that is a hundred times faster."""
    for name in ("netbench", "benchmarks"):
        shutil.copytree(CHECKOUT / name, source / name)
    for argv in (("-m", "compileall", "-q", str(source / "netbench")), ("-c", _PREPARE_PAGES)):
        subprocess.run((sys.executable, *argv), cwd=source, check=True, timeout=HANG)


def _command(kernel: Kernel, share: Path, engine: bool) -> tuple[str, ...]:
    modules = kernel.folder()
    assert modules
    # The kernel and the guest's processes take turns, at every call: on one CPU that costs half.
    cpus, worker = sorted(os.sched_getaffinity(0)), os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    pinned = ("taskset", "--cpu-list", str(cpus[int(worker.removeprefix("gw")) % len(cpus)]))
    told = (
        f"SHARE={share}",
        f"ENGINE={int(engine)}",
        f"MODULES={modules}",
        f"FILES={kernel.files}",
    )
    words = ("ro", f"init={_GUEST}", "quiet", *told)
    return (*pinned, *kernel.command(modules, share), *words)


def _environment(folder: Path) -> Mapping[str, str]:
    """Return one in which the kernel keeps its memory in a file where there is room for it."""
    shared = Path("/dev/shm")  # noqa: S108 - its files have no names
    fits = shared.is_dir() and shutil.disk_usage(shared).free > _MEMORY
    return {**os.environ, "TMPDIR": str(shared if fits else folder)}


def _bounded(argv: Sequence[str], folder: Path, total: float) -> tuple[int | None, str]:
    """Run the kernel in a session of its own and end all of it after `total` seconds.

    Returns:
        Its exit code, None where it was ended, and what it printed last.
    """
    process = subprocess.Popen(
        argv,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=total)
        return process.returncode, _tail(said)
    except subprocess.TimeoutExpired:
        _end(process)
        return None, ""
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End the kernel and the guest's processes: here they are one process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.communicate(timeout=30)


def tails(share: Path) -> str:
    """Return the end of the guest's log and of its last job's errors."""
    errors = sorted(share.glob("*.err"))
    files = filter(Path.exists, (share / "guest.log", *errors[-1:]))
    return "\n".join(f"--- {path.name}\n{_tail(path.read_text())}" for path in files)


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_LINES:])


def main(commands: Sequence[str]) -> int:
    """Run each command in one guest, show what each printed."""
    jobs = [Job(f"look{n}", command, 1200) for n, command in enumerate(commands, start=1)]
    with lab(jobs, 1800) as results:
        sys.stderr.write(f"{tails(results.share)}\n")
        for job in jobs:
            ended = results[job.name]
            sys.stdout.write(f"$ {job.script}\n{ended.stdout}")
            sys.stderr.write(f"{ended.stderr}exit code {ended.code}\n")
        return max(results[job.name].code for job in jobs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
