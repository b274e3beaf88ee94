"""Boots of the VM lab: one for commands, whose tests look at what they left, and one for each file
of tests with the mark `guest`, which a pytest in it runs."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import in_guest
from support.two_engines import TwoEngines
from support.vm import Job, Results, lab, python

DRIVERS = "ipvlan:l2,ipvlan:l3,ipvlan:l3s"
_TOTAL = 900
"""Seconds that the whole boot may take; it is done in two minutes beside other tests."""
_TESTS = Path(__file__).parent.parent
_LAB = _TESTS / "lab"
_RUN = (
    *("--drivers", DRIVERS, "--paths", "east-west,north-south", "--blocks", "1"),
    *("--suite", str(_TESTS / "support/trickle.toml"), "--json"),
)
_VERIFY = ("verify", "--drivers", "ipvlan:l2", "--json", "--engine")
CALLS = {
    "docker-run": (400, "run", "--engine", "docker", *_RUN),
    "docker-verify": (300, *_VERIFY, "docker"),
    "netns-run": (200, "run", "--engine", "netns", *_RUN),
    "netns-verify": (300, *_VERIFY, "netns"),
}
"""What is called there, with the seconds that it may take."""


def _calls() -> str:
    words = " + ".join(shlex.join((name, *map(str, call))) for name, call in CALLS.items())
    return f"{python()} {_LAB / 'calls.py'} $SHARE {words}"


JOBS = (
    Job("before", str(_LAB / "state"), 30),
    Job("calls", _calls(), _TOTAL),
    Job("after", str(_LAB / "state"), 30),
)


@pytest.fixture(scope="session")
def guest() -> Iterator[Results]:
    """What the boot left."""
    with lab(JOBS, _TOTAL) as results:
        yield results


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the guest run its tests, of those that are chosen."""
    items[:] = in_guest.rerouted(items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell what came of a test in the guest."""
    in_guest.leave(report)


@pytest.fixture(scope="module")
def two_engines() -> Iterator[TwoEngines]:
    """Two engines and their wire, for tests with the mark `guest`; see `support.two_engines`.

    Each side has its engine's socket (`side.socket`), its end of the wire (the link `wire0`) and
    its address there: 198.51.100.1 of A, 198.51.100.2 of B. `side.before` puts a command on it.
    """
    two = TwoEngines.start()
    yield two
    two.stop()
