import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.dockerd import Lab
from support.faults import MARK, Bed, docker_bed_of
from support.program import Program
from support.require import require_or_skip
from support.walks import CGROUPS, folders

from netbench.engines.netns.spawner import unavailable


@pytest.fixture(scope="session")
def root() -> None:
    """Faults of a whole machine are for root to make."""
    if os.geteuid() != 0:
        require_or_skip("root", "faults are injected by root")
    reason = unavailable()
    if reason:
        require_or_skip("netns", reason)


def marked(mark: str) -> Callable[[int], bool]:
    """Tell processes that carry a test's mark."""

    def ours(pid: int) -> bool:
        try:
            return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    return ours


def traces(mark: str, started: list[int]) -> dict[str, Any]:
    """Return what runs of the netns engine could leave, named or not; others may run beside us."""
    ours = marked(mark)
    makers = tuple(f":{pid}:" for pid in started)
    groups = (str(path) for path in folders(CGROUPS, "netbench-*:*"))
    links = _shown("ip", "-br", "link").splitlines()
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {
        "processes": [f.name for f in Path("/proc").glob("[0-9]*") if ours(int(f.name))],
        "links": [line.split()[0] for line in links if line.startswith("nb")],
        "mounted namespaces": [m for m in mounts if " nsfs " in m and "netbench" in m],
        "rules": _shown("nft", "list", "tables"),
        "cgroups": sorted(path for path in groups if any(maker in path for maker in makers)),
    }


def _shown(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20).stdout


@pytest.fixture
def bed(root: None, tmp_path: Path) -> Iterator[Bed]:
    """netbench on the netns engine."""
    del root
    mark = secrets.token_hex(8)
    program = Program(tmp_path, environment={MARK: mark, "DOCKER_HOST": "unix:///nowhere.sock"})
    options = ("--engine", "netns", "--drivers", "host,bridge")
    started: list[int] = []
    made = Bed(program, options, marked(mark), lambda: traces(mark, started), started)
    yield made
    made.end()


@pytest.fixture(scope="session")
def lab(root: None) -> Iterator[Lab]:
    """An engine that tests may break, as long as they mend it."""
    del root
    started = Lab.start()
    yield started
    started.stop()


@pytest.fixture
def docker_bed(lab: Lab, tmp_path: Path) -> Iterator[Bed]:
    """netbench on a Docker Engine."""
    made = docker_bed_of(lab, tmp_path)
    yield made
    made.end()
