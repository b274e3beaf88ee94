"""What is released: an sdist and a wheel, installed where nothing else is, and used there."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.documented import ROOT, commands
from support.hang import HANG
from support.program import TRICKLE
from support.require import require_or_skip

from netbench.engines.netns.spawner import unavailable

RELEASED = ("*.tar.gz", "*.whl", "*.cdx.json")


@dataclass(frozen=True)
class Environment:
    """An environment that has the wheel and what it needs, and a folder to work in."""

    prefix: Path
    folder: Path
    wheel: Path

    def __call__(self, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment; this checkout is out of its sight."""
        outside = ("PYTHONPATH", "DOCKER_HOST", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if name not in outside}
        paths = {"PATH": f"{self.prefix}/bin:{os.environ['PATH']}", "HOME": str(self.folder)}
        return subprocess.run(
            argv,
            cwd=self.folder,
            env={**kept, **paths, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG,
        )


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of this checkout, and the wheel that is built of the sdist; CI keeps both."""
    asked = os.environ.get("NETBENCH_TEST_DIST")
    folder = Path(asked) if asked else tmp_path_factory.mktemp("dist")
    for old in [path for kind in RELEASED for path in folder.glob(kind)]:
        old.unlink()
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """Return what installs a package where nothing else is, and gives the path of its program."""

    def install(package: str, program: str) -> str:
        prefix = tmp_path_factory.mktemp("tool")
        run(sys.executable, "-m", "venv", "--without-pip", str(prefix))
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(prefix))
        run(*pip, "install", "--quiet", package)
        return str(prefix / "bin" / program)

    return install


@pytest.fixture(scope="session")
def clean(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    (wheel,) = dist.glob("*.whl")
    prefix = tmp_path_factory.mktemp("clean") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(prefix))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(prefix))
    run(*pip, "install", "--quiet", "--no-compile", str(wheel))
    return Environment(prefix, tmp_path_factory.mktemp("work"), wheel)


def version_of(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def test_the_sdist_has_what_builds_tests_and_documents_it(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        there = {name.partition("/")[2] for name in archive.getnames()}

    tracked = run("git", "-C", str(ROOT), "ls-files").split() if (ROOT / ".git").exists() else []
    for name in tracked:
        assert name in there or name.startswith(("reports/", ".ci/", ".git")), name


def test_the_wheel_has_the_package_its_data_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())

    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "netbench").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    suites = {f"netbench/suites/{path.name}" for path in (ROOT / "benchmarks").glob("*.toml")}
    extra = {name for name in there if ".dist-info/" not in name} - package - suites
    assert package | suites <= there
    assert "netbench/py.typed" in there
    assert {Path(name).name for name in extra} == {"netbench.1"}


def test_it_measures_and_reports_where_nothing_else_is(clean: Environment) -> None:
    reason = unavailable()
    if reason:
        require_or_skip("netns", reason)
    (clean.folder / "short.toml").write_text(TRICKLE)
    argv = ("run", "--engine", "netns", "--drivers", "host,bridge", "--blocks", "1")

    done = clean("netbench", *argv, "--suite", "short.toml", "--json", "--quiet")

    assert done.returncode == 0, done.stderr
    folder = clean.folder / json.loads(done.stdout)["folder"]
    assert json.loads((folder / "run.json").read_text())["version"] == version_of(clean.wheel)
    (folder / "report.html").unlink()
    again = clean("netbench", "report", str(folder))
    assert again.returncode == 0, again.stderr
    assert "<html" in (folder / "report.html").read_text()[:200]


def test_the_shipped_suites_and_the_manual_page_are_inside(clean: Environment) -> None:
    refused = clean("netbench", "run", "--suite", "no-such")

    assert all(path.stem in refused.stderr for path in (ROOT / "benchmarks").glob("*.toml"))
    assert (clean.prefix / "share/man/man1/netbench.1").exists()


def test_documented_commands_of_an_installed_netbench(clean: Environment) -> None:
    told = commands("package")

    assert told[0] == "pip install ."  # what made the environment
    for command in told[1:]:
        done = clean("bash", "-c", f"{command}; exit $?")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert clean("netbench", "version").stdout == f"netbench {version_of(clean.wheel)}\n"
    assert "netbench" in (clean.folder / ".bashrc").read_text()


def test_how_to_cite_it_agrees_with_the_package() -> None:
    yaml = pytest.importorskip("yaml")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert cited["cff-version"] == "1.2.0"
    assert cited["title"] == project["name"]
    assert cited["license"] == project["license"]
    assert cited["message"]
    assert all(author.get("name") or author.get("family-names") for author in cited["authors"])


def test_how_to_cite_it_is_right_by_its_schema(tool: Callable[[str, str], str]) -> None:
    cffconvert = tool("cffconvert==2.0.0", "cffconvert")

    assert "valid according to schema version 1.2.0" in run(
        cffconvert, "--validate", "--infile", str(ROOT / "CITATION.cff")
    )


def test_a_bill_of_materials_names_the_package_and_all_that_it_needs(
    clean: Environment, dist: Path, tool: Callable[[str, str], str], tmp_path: Path
) -> None:
    version = version_of(clean.wheel)
    bill = dist / f"netbench-{version}.cdx.json"
    cyclonedx = tool("cyclonedx-bom>=7", "cyclonedx-py")
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    built = tmp_path / "pyproject.toml"
    built.write_text(text.replace('dynamic = ["version"]', f'version = "{version}"'))

    run(
        *(cyclonedx, "environment", "--validate", "--output-reproducible"),
        *("--pyproject", str(built), "--output-file", str(bill)),
        str(clean.prefix / "bin" / "python"),
    )
    made = json.loads(bill.read_text())
    whole = made["metadata"]["component"]
    found = {part["name"].lower().replace("_", "-") for part in made["components"]}

    assert (whole["name"], whole["version"]) == ("netbench", version)
    assert {re.split(r"[<>=]", name)[0] for name in project["dependencies"]} <= found
    assert "pytest" not in found
