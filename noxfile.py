"""What is checked, one session each. `nox` runs all of `nox -l` but `bench` and `calibration`."""

from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.sessions = ["lint", "types", "vm", "tests", "alone"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

NO_TESTS = 5
"""pytest's exit code where nothing of what is asked for is there."""
SPREAD = ("--dist", "loadfile", "--no-loadscope-reorder", "-m", "not alone")
"""Files of tests that are not `alone` spread over processes, in the order they are named."""
PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str) -> None:
    """Install netbench and dependency groups; with `--no-venv` they are expected to be there."""
    if session.venv_backend != "none":
        session.install("-e.", *nox.project.dependency_groups(PYPROJECT, *groups))


def pytest(session: nox.Session, folders: str, *options: str) -> None:
    """Run the tests of these folders, or of what is named after `--` that which lies in them."""
    own = tuple(f"tests/{name}" for name in folders.split())
    named = [word for word in session.posargs if word.startswith("tests/")]
    mine = [word for word in named if word.startswith(own)]
    for word in mine:
        if not Path(word.partition("::")[0]).exists():
            session.error(f"there is no {word}")
    if named and not mine:
        session.skip("what is named lies elsewhere")
    more = [word for word in session.posargs if word not in named]
    codes = (0, NO_TESTS) if session.posargs else (0,)
    argv = ("python", "-m", "pytest", *options, *more, *(mine or own))
    session.run(*argv, success_codes=codes)


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
    session.run("python", "-m", "mypy", "ci/comment.py")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but a few: on real namespaces and engines, in a browser."""
    install(session, "test", "docs", "build")
    # First what needs no more than some time, then the longest files first.
    folders = "browser docs package statistics unit faults docker engines netns"
    pytest(session, folders, "-n", "4", *SPREAD)


@nox.session
def vm(session: nox.Session) -> None:
    """Other kernels, by themselves: each guest has a CPU of its own, and time limits."""
    install(session, "test")
    pytest(session, "vm", "-n", "2", *SPREAD)


def _kind(name: str, what: str) -> None:
    """Add a session for one kind of test."""

    def run(session: nox.Session) -> None:
        install(session, "test", "docs", "build")
        pytest(session, name)

    run.__doc__ = what
    nox.session(run, name=name)


for _name, _what in {
    "unit": "Pure tests, in half a minute.",
    "statistics": "Error rates, over simulated series and campaigns.",
    "docs": "Pages, examples and notebooks.",
    "package": "What would be released.",
    "engines": "Both engines side by side.",
    "netns": "Real namespaces.",
    "docker": "Real Docker Engines.",
    "faults": "Signals, kills, full disks, broken tools.",
    "browser": "The report in a browser.",
}.items():
    _kind(_name, _what)


@nox.session
def alone(session: nox.Session) -> None:
    """Tests that need the machine for themselves."""
    install(session, "test", "docs")
    pytest(session, "docs netns docker", "-m", "alone")


@nox.session
def bench(session: nox.Session) -> None:
    """Figures of the harness itself; nothing is asserted."""
    install(session)
    for name in session.posargs or ("startup", "report", "scale", "fidelity", "share"):
        session.run("python", f"benchmarks/harness/{name}.py")


@nox.session
def calibration(session: nox.Session) -> None:
    """Campaigns with a known truth, simulated ones, and the tables of docs/method.md."""
    install(session)
    session.run("python", "benchmarks/calibration/simulate.py", "--processes", "2")
    session.run("python", "benchmarks/calibration/campaigns.py", *session.posargs)
    session.run("python", "benchmarks/calibration/tables.py")
