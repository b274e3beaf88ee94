"""Packages of others that add a driver and a probe: those of the documentation, and broken ones."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.documented import shown
from support.hang import HANG
from support.require import require_or_skip

from netbench.engines.netns.spawner import unavailable

DRIVER, PROBE = "netbench_container_none", "netbench_tcp_zerocopy"
SHORT = """
[probes.tcp-zerocopy]
rounds = 4
slice = 0.1

[[cell]]
probe = "tcp-zerocopy"
placement = "same"
"""


def run(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=HANG)


class FreshEnvironment:
    """An environment that has this netbench and what packages are put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = str(folder / "venv/bin/python")
        made = run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
        assert made.returncode == 0, made.stderr
        site = run(
            self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder
        )
        # Its own packages come first; netbench, and what it needs, are those of here.
        line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (Path(site.stdout.strip()) / "beside.pth").write_text(line)

    def install(self, pyproject: str, module: str, code: str) -> None:
        """Build a package as its author would, and install it."""
        source = self.folder / f"source-{module}"
        source.mkdir()
        (source / "pyproject.toml").write_text(pyproject)
        (source / f"{module}.py").write_text(code)
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.python)
        options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
        done = run(*pip, "install", *options, str(source), cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def __call__(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return run(self.python, "-m", "netbench", *argv, cwd=self.folder)


@pytest.fixture
def fresh(tmp_path: Path) -> FreshEnvironment:
    reason = unavailable()
    if reason:
        require_or_skip("netns", reason)
    return FreshEnvironment(tmp_path)


def template(page: str) -> tuple[str, str]:
    """Return the project file and the module that a page shows."""
    return shown(page, "toml")[-1], shown(page, "python")[0]


def test_the_documented_packages_work_outside_of_the_tree(fresh: FreshEnvironment) -> None:
    for page, module in (("write-a-driver.md", DRIVER), ("write-a-probe.md", PROBE)):
        project, code = template(page)
        fresh.install(project, module, code)
    (fresh.folder / "short.toml").write_text(SHORT)

    listed = fresh("drivers", "--engine", "netns", "--json")

    assert listed.returncode == 0, listed.stderr
    document = json.loads(listed.stdout)
    found = {row["name"]: row for row in (*document["drivers"], *document["probes"])}
    assert found["container:none"]["possible"] is True
    for name, origin in (
        ("container:none", "netbench-container-none"),
        ("tcp-zerocopy", "netbench-tcp-zerocopy"),
        ("bridge", "netbench"),
    ):
        assert found[name]["distribution"] == origin
    assert found["container:none"]["version"] == "1.0"

    seen = fresh("inspect", "--drivers", "container:none", "--engine", "netns", "--json")

    assert seen.returncode == 0, seen.stderr
    promises = json.loads(seen.stdout)["promises"]
    assert len(promises) == 5
    assert all(promise["held"] for promise in promises)

    where = ("--engine", "netns", "--suite", "short.toml", "--blocks", "1", "--quiet", "--json")
    done = fresh("run", "--drivers", "host,container:none", *where)

    assert done.returncode == 0, done.stderr
    info = json.loads((fresh.folder / json.loads(done.stdout)["folder"] / "run.json").read_text())
    told = "netbench-container-none 1.0, netbench-tcp-zerocopy 1.0"
    assert ["netbench.third_party", told] in info["facts"]


def test_broken_packages_and_taken_names_are_one_error(fresh: FreshEnvironment) -> None:
    project, code = template("write-a-driver.md")
    other = project.replace("container-none", "clash").replace("container_none", "clash")
    fresh.install(other.replace('"container:none" =', '"bridge" ='), "netbench_clash", code)
    broken, _ = template("write-a-probe.md")
    fresh.install(broken, PROBE, "import no_such_module\n")
    before = set(fresh.folder.iterdir())

    for argv in (
        ("drivers",),
        ("verify", "--drivers", "none"),
        ("run", "--drivers", "host,bridge", "--blocks", "1"),
    ):
        done = fresh(*argv, "--engine", "netns", "--json")

        assert done.returncode == 2, done.stderr
        problems = json.loads(done.stdout)["error"]["problems"]
        assert len(problems) == 2
        assert "'bridge' of netbench-clash 1.0: netbench itself has one" in problems[0]
        assert "'tcp-zerocopy' of netbench-tcp-zerocopy 1.0" in problems[1]
        assert "ModuleNotFoundError: No module named 'no_such_module'" in problems[1]
        assert "Traceback" not in done.stderr
    assert set(fresh.folder.iterdir()) == before
    assert fresh("runs", "--json").returncode == 0  # what only reads does without them
