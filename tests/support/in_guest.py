"""Tests under the VM lab's kernel: a pytest in the guest runs them, the one outside tells of it."""

import json
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from support.vm import CHECKOUT, Job, lab, python

INSIDE: Final = os.environ.get("NETBENCH_TEST_GUEST", "")
"""Where the guest's pytest leaves its reports; not set outside."""
_REQUIRED: Final = "NETBENCH_TEST_REQUIRE"
_LIMIT: Final = 900
"""Seconds that all tests of one file may take."""


class InGuest(pytest.Item):
    """A test of the guest: here it has no fixtures, and what came of it there comes of it."""

    def runtest(self) -> None:
        """Boot a guest that runs all such tests of the file, if none has; see what came of this."""
        chosen = (one for one in self.session.items if isinstance(one, InGuest))
        there = _there(tuple(one.nodeid for one in chosen if one.path == self.path))
        if isinstance(there, AssertionError):
            raise FailedThereError(there)
        reports = [one for one in there.reports if one["nodeid"] == self.nodeid]
        for report in reports:
            if report["outcome"] == "failed":
                raise FailedThereError(f"{report['when']}, in the guest:\n{report['text']}")
        if "teardown" not in {report["when"] for report in reports}:
            raise FailedThereError(f"the guest's pytest did not end it\n{there.said}")
        for report in reports:
            if report["outcome"] == "skipped":
                pytest.skip(report["text"])

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name it in what is told of its failure."""
        return self.path, None, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what failed there, and not where it was told here."""
        if isinstance(excinfo.value, FailedThereError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class FailedThereError(AssertionError):
    """A test failed in the guest, or the guest did."""


def rerouted(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the tests of a session, those for the guest as such."""
    if INSIDE:
        return list(items)
    return [_rerouted(one) if one.get_closest_marker("guest") else one for one in items]


def _rerouted(item: pytest.Item) -> pytest.Item:
    assert item.parent
    return InGuest.from_parent(item.parent, name=item.name)


def leave(report: pytest.TestReport) -> None:
    """Leave a report for the pytest outside."""
    if not INSIDE:
        return
    text = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr or "")
    fields = {"nodeid": report.nodeid, "when": report.when, "outcome": report.outcome, "text": text}
    with Path(INSIDE).open("a") as file:
        file.write(json.dumps(fields) + "\n")


@dataclass(frozen=True)
class _There:
    reports: Sequence[dict[str, str]]
    said: str
    """What the guest's pytest printed."""


@cache
def _there(nodes: tuple[str, ...]) -> _There | AssertionError:
    """Return what came of these tests, or why nothing did: no second boot is tried."""
    required = f"{_REQUIRED}={os.environ.get(_REQUIRED, '')}"
    options = f"-p no:cacheprovider -p no:xdist {shlex.join(nodes)}"
    command = f"NETBENCH_TEST_GUEST=$SHARE/reports {required} {python()} -m pytest {options} >&2"
    job = Job("pytest", f"cd {shlex.quote(str(CHECKOUT))}; {command}", _LIMIT)
    try:
        with lab([job], 2 * _LIMIT, engine=False) as results:
            path = results.share / "reports"
            lines = path.read_text().splitlines() if path.exists() else []
            return _There([json.loads(line) for line in lines], results["pytest"].stderr)
    except AssertionError as error:
        return error
