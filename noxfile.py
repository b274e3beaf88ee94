"""What is checked, one session each. `nox` runs all of `nox -l` but `bench` and `calibration`."""

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "types", "unit", "netns", "docker", "vm", "browser", "docs"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str) -> None:
    """Install netbench and dependency groups; with `--no-venv` they are expected to be there."""
    if session.venv_backend != "none":
        session.install("-e.", *nox.project.dependency_groups(PYPROJECT, *groups))


def pytest(session: nox.Session, *default: str) -> None:
    """Run pytest on what is given after `--`, else on a folder."""
    install(session, "test")
    session.run("python", "-m", "pytest", *(session.posargs or default))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and the direction of imports."""
    install(session, "lint")
    session.run("python", "-m", "ruff", "check")
    session.run("python", "-m", "ruff", "format", "--check")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    install(session, "types")
    session.run("python", "-m", "mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """Pure tests: no network, no namespaces."""
    pytest(session, "-n", "auto", "tests/unit")


@nox.session
def netns(session: nox.Session) -> None:
    """Real namespaces on this kernel, as root and as an ordinary user."""
    pytest(session, "tests/netns")


@nox.session
def docker(session: nox.Session) -> None:
    """A real Docker Engine of our own, in namespaces of its own."""
    pytest(session, "tests/docker")


@nox.session
def vm(session: nox.Session) -> None:
    """Every driver under a stock kernel in a virtual machine, for what this kernel lacks."""
    pytest(session, "tests/vm")


@nox.session
def browser(session: nox.Session) -> None:
    """The report in headless Chromium."""
    pytest(session, "tests/browser")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation against the program."""
    pytest(session, "tests/docs")


@nox.session
def bench(session: nox.Session) -> None:
    """Figures of the harness itself; nothing is asserted."""
    install(session)
    for name in session.posargs or ("startup", "report", "fidelity", "share"):
        session.run("python", f"benchmarks/harness/{name}.py")


@nox.session
def calibration(session: nox.Session) -> None:
    """Campaigns with a known truth, simulated ones, and the tables of docs/method.md."""
    install(session)
    session.run("python", "benchmarks/calibration/campaigns.py", "run", *session.posargs)
    session.run("python", "benchmarks/calibration/campaigns.py", "pack")
    session.run("python", "benchmarks/calibration/simulate.py")
    session.run("python", "benchmarks/calibration/rivals.py")
    session.run("python", "benchmarks/calibration/tables.py")
