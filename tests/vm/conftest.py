"""One boot of the VM lab: every command runs in it, the tests look at what they left."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
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
