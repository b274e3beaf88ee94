"""netbench as an ordinary user: no root, no capability, at most one group."""

import atexit
import os
import shutil
import site
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from support.hang import HANG
from support.program import Program
from support.require import require_or_skip

import netbench

USER = 65534
_IMPORTS = "import docker, netbench.analysis, msgspec, pandas, plotly, pyroute2, rich, typer"


def as_user(group: int | None = None) -> tuple[str, ...]:
    """What runs a command as that user, in one group beside its own if given.

    `env` in between: setpriv itself still has root's rights when it looks its command up.
    """
    groups = ("--clear-groups",) if group is None else (f"--groups={group}",)
    return ("setpriv", f"--reuid={USER}", f"--regid={USER}", *groups, "env")


@cache
def _interpreter() -> tuple[str, str]:
    """Return an interpreter and a PYTHONPATH that the user can read and that run netbench."""
    checkout = str(Path(netbench.__file__).parent.parent)
    if _works(sys.executable, checkout):
        return sys.executable, checkout
    python = os.path.realpath(sys.executable)
    if not _runs((python, "-c", "pass")):
        require_or_skip("user", f"{python} cannot be run by an ordinary user")
    copy = Path(tempfile.mkdtemp(prefix="netbench-user-", dir="/tmp"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    for name in ("netbench", "benchmarks"):  # the suites stand beside the package
        shutil.copytree(Path(checkout) / name, copy / name)
    packages = copy / "packages"
    for folder in filter(os.path.isdir, site.getsitepackages()):
        shutil.copytree(folder, packages, dirs_exist_ok=True, symlinks=True)
    path = f"{copy}:{packages}"
    if not _works(python, path):
        require_or_skip("user", f"netbench cannot be run by an ordinary user with {python}")
    return python, path


def _works(python: str, path: str) -> bool:
    return _runs((f"PYTHONPATH={path}", python, "-c", _IMPORTS))


def _runs(argv: tuple[str, ...]) -> bool:
    done = subprocess.run(
        (*as_user(), *argv), cwd="/", capture_output=True, timeout=HANG, check=False
    )
    return done.returncode == 0


def program_of_user(folder: Path, group: int | None = None) -> Program:
    """Return netbench as that user calls it, in a folder that is made theirs."""
    if os.geteuid() != 0:
        require_or_skip("user", "only root can become another user")
    python, path = _interpreter()
    os.chown(folder, USER, USER)
    settings = {"PYTHONPATH": path, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return Program(folder, before=as_user(group), environment=settings, python=python)
