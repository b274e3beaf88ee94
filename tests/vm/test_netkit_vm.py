"""netkit under Debian's kernel for virtual machines, the only one at hand that has it."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from support.vm import CHECKOUT, CLOUD, Job, Results, lab, python

PATHS = ("east-west", "north-south")
_LIMIT = 600
"""Seconds that the run may take; on an idle machine it takes forty, this one emulates."""
_RUN = (
    *("run", str(_LIMIT), "run", "--engine", "netns", "--drivers", "netkit"),
    *("--paths", ",".join(PATHS), "--blocks", "1"),
    *("--suite", str(CHECKOUT / "tests/support/trickle.toml"), "--json"),
)


@pytest.fixture(scope="module")
def guest() -> Iterator[Results]:
    """What one run there left."""
    calls = f"{python()} {CHECKOUT / 'tests/lab/calls.py'} $SHARE {shlex.join(_RUN)}"
    with lab([Job("calls", calls, _LIMIT)], _LIMIT + 60, engine=False, kernel=CLOUD) as results:
        yield results


def test_netkit_is_measured_on_both_paths_and_every_promise_held(guest: Results) -> None:
    found = guest.records("run")

    assert guest["run"].code == 0, guest["run"].stderr
    assert {record["outcome"]["kind"] for record in found} == {"sample"}
    assert {record["cell"]["path"] for record in found} == {*PATHS}
    for record in found:
        assert all(check["held"] for check in record["promises"]), record["promises"]
        assert any("netkit whose peer is in" in check["promise"] for check in record["promises"])


@pytest.mark.parametrize("path", PATHS)
def test_the_bytes_are_proved_on_both_ends_of_netkit_pairs(guest: Results, path: str) -> None:
    for record in guest.records("run"):
        if record["cell"]["path"] == path:
            hops: list[dict[str, Any]] = record["path"]["hops"]
            counted = [hop for hop in hops if hop["kind"] == "netkit"]

            assert record["path"]["held"], record["path"]
            assert len(counted) == (4 if path == "east-west" else 2)
            assert all(hop["moved"] >= record["path"]["required"] > 0 for hop in counted)
