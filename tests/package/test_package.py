"""What is released: an sdist and a wheel, installed where nothing else is, and used there."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from support.documented import ROOT, commands
from support.hang import HANG
from support.program import TRICKLE
from support.require import require_or_skip

from netbench.engines.netns.spawner import unavailable

RELEASED = ("*.tar.gz", "*.whl", "*.cdx.json")
UV = (sys.executable, "-m", "uv")
LOWEST = "3.11"
"""The Python of `requires-python`."""
QUICK = ("analysis_stats", "cli_commands", "cli_output", "cli_reports", "docker_parsing")
QUICK += ("docker_stream", "facts_inside", "links", "netns_rules", "plan", "probe_iperf3")
QUICK += ("report_answer", "report_decision", "report_exports", "report_figures", "store")
"""Of the unit tests those that between them, and with one run, use every dependency."""


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


def run(*argv: str, cwd: Path = ROOT, **variables: str) -> str:
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )
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


def tool(package: str, *argv: str) -> str:
    """Run a program of a package that is installed where nothing else is."""
    return run(*UV, "tool", "run", "--quiet", "--python", sys.executable, "--from", package, *argv)


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


def test_two_builds_as_documented_give_one_wheel(tmp_path: Path) -> None:
    """The second of the tree instead of the sdist, by another user in another zone."""
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(tmp_path / "tree"))
    date, first, second, *sums = commands("release")
    mine = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    here = {"TZ": "UTC", "PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", **mine}
    elsewhere = {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "2", "LC_ALL": "C", **mine}

    for mask, variables, lines in ((22, here, [first]), (77, elsewhere, [second, *sums])):
        text = "\n".join([f"umask 0{mask}", date, *lines])
        told = run("bash", "-euc", text, cwd=tmp_path / "tree", **variables)

    assert told.endswith(".whl: OK\n")


def measures(environment: Environment, drivers: str) -> Path:
    """Measure in a moment, and return the run folder."""
    reason = unavailable()
    if reason:
        require_or_skip("netns", reason)
    (environment.folder / "short.toml").write_text(TRICKLE)
    argv = ("run", "--engine", "netns", "--drivers", drivers, "--blocks", "1")
    done = environment("netbench", *argv, "--suite", "short.toml", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    folder: str = json.loads(done.stdout)["folder"]
    return environment.folder / folder


def test_it_measures_and_reports_where_nothing_else_is(clean: Environment) -> None:
    folder = measures(clean, "host,bridge")

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


@pytest.mark.parametrize("command", commands("installers"))
def test_an_installer_of_programs_takes_the_wheel(dist: Path, tmp_path: Path, command: str) -> None:
    (wheel,) = dist.glob("*.whl")
    homes = ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR")
    python = dict.fromkeys(("UV_PYTHON", "PIPX_DEFAULT_PYTHON"), sys.executable)
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    places = {name: str(tmp_path / name) for name in homes}

    run("bash", "-euc", command, cwd=dist, **python, **path, **places)

    (program,) = tmp_path.glob("*_BIN_DIR/netbench")
    assert run(str(program), "version", cwd=tmp_path) == f"netbench {version_of(wheel)}\n"
    linked = (tmp_path / "PIPX_MAN_DIR" / "man1" / "netbench.1").exists()
    assert linked == command.startswith("pipx")  # as docs/install.md says


@pytest.fixture(scope="module")
def lowest(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with exactly the lower bounds of every dependency, on the lowest Python."""
    folder = tmp_path_factory.mktemp("lowest")
    system = ("--no-project", "--no-python-downloads", "--system")
    argv = (*UV, "python", "find", *system, LOWEST)
    found = subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, check=False, timeout=HANG
    )
    if found.returncode != 0:
        require_or_skip("python3.11", f"no Python {LOWEST}: {found.stderr}")
    (wheel,) = dist.glob("*.whl")
    prefix = folder / "venv"
    run(*UV, "venv", "--quiet", "--python", found.stdout.strip(), str(prefix))
    install = (*UV, "pip", "install", "--quiet", "--python", str(prefix))
    bounds = (*install, "--resolution", "lowest-direct", "--all-extras")
    run(*bounds, "--requirements", str(ROOT / "pyproject.toml"))
    run(*install, "--no-deps", str(wheel))
    return Environment(prefix, folder, wheel)


def test_the_oldest_versions_that_are_allowed_do(lowest: Environment) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={LOWEST}"
    extras = [one for group in project["optional-dependencies"].values() for one in group]
    listed = run(*UV, "pip", "list", "--format", "json", "--python", str(lowest.prefix))
    there = {one["name"].replace("_", "-").lower(): one["version"] for one in json.loads(listed)}
    for need in map(Requirement, [*project["dependencies"], *extras]):
        (bound,) = [one.version for one in need.specifier if one.operator == ">="]
        assert Version(there[need.name]) == Version(bound), need

    measures(lowest, "none,host,bridge,macvlan:bridge")

    more = ("pytest>=8.3", "hypothesis>=6.100", "jsonschema>=4.20", "trustme>=1.2")
    run(*UV, "pip", "install", "--quiet", "--python", str(lowest.prefix), *more)
    tests = [str(ROOT / "tests" / "unit" / f"test_{name}.py") for name in QUICK]
    ini = ("--rootdir", str(ROOT), "-p", "no:cacheprovider")
    done = lowest("pytest", "-q", "-x", *ini, *tests, PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_how_to_cite_it_agrees_with_the_package() -> None:
    yaml = pytest.importorskip("yaml")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert cited["cff-version"] == "1.2.0"
    assert cited["title"] == project["name"]
    assert cited["license"] == project["license"]
    assert cited["message"]
    assert all(author.get("name") or author.get("family-names") for author in cited["authors"])


def test_how_to_cite_it_is_right_by_its_schema() -> None:
    argv = ("cffconvert", "--validate", "--infile", str(ROOT / "CITATION.cff"))

    assert "valid according to schema version 1.2.0" in tool("cffconvert==2.0.0", *argv)


def test_a_bill_of_materials_names_the_package_and_all_that_it_needs(
    clean: Environment, dist: Path, tmp_path: Path
) -> None:
    version = version_of(clean.wheel)
    bill = dist / f"netbench-{version}.cdx.json"
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    built = tmp_path / "pyproject.toml"
    built.write_text(text.replace('dynamic = ["version"]', f'version = "{version}"'))

    tool(
        *("cyclonedx-bom>=7", "cyclonedx-py", "environment", "--validate"),
        *("--output-reproducible", "--pyproject", str(built), "--output-file", str(bill)),
        str(clean.prefix / "bin" / "python"),
    )
    made = json.loads(bill.read_text())
    whole = made["metadata"]["component"]
    found = {part["name"].lower().replace("_", "-") for part in made["components"]}

    assert (whole["name"], whole["version"]) == ("netbench", version)
    assert {re.split(r"[<>=]", name)[0] for name in project["dependencies"]} <= found
    assert "pytest" not in found
