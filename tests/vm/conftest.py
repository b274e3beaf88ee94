"""One boot of the VM lab: every command runs in it, the tests look at what they left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.vm import Job, Results, lab, python

IPVLAN = "ipvlan:l2,ipvlan:l3,ipvlan:l3s"
EVERY = (
    "none,host,bridge,bridge:user,container,"
    f"macvlan:bridge,macvlan:private,macvlan:vepa,macvlan:passthru,{IPVLAN},overlay"
)
_TOTAL = 1800
"""Seconds that the whole boot may take on two CPUs of its own."""
_SUITE = Path(__file__).parent / "tiny.toml"

_STATE = str(Path(__file__).parent.parent / "lab" / "state")


def _netbench(words: str) -> str:
    return f"cd /run && {python()} -m netbench {words} --json"


def _run(name: str, words: str, limit: int) -> Job:
    """Return a run whose records come out beside its document."""
    run = _netbench(f"run --blocks 1 --suite {_SUITE} --output reports {words}")
    keep = f"cp reports/*/records.jsonl $SHARE/{name}.jsonl; rm -r reports"
    return Job(name, f"{run}; code=$?; {keep}; exit $code", limit)


def _verify(name: str, words: str, limit: int) -> Job:
    return Job(name, _netbench(f"verify {words}"), limit)


PATHS = "--paths east-west,north-south"
JOBS = (
    Job("before", _STATE, 30),
    _run("docker-run", f"--engine docker --drivers {EVERY} --init-swarm {PATHS}", 1200),
    _verify("docker-verify", "--engine docker --drivers ipvlan:l2,ipvlan:l3", 600),
    _run("netns-run", f"--engine netns --drivers host,{IPVLAN} {PATHS}", 600),
    Job("after", _STATE, 30),
)


@pytest.fixture(scope="session")
def guest() -> Iterator[Results]:
    """What the boot left."""
    with lab(JOBS, _TOTAL) as results:
        yield results
