"""Tables to which other distributions add: found when needed, refused with a reason."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbench.drivers import DRIVERS, unknown, unsound
from netbench.drivers.bridge import BRIDGE
from netbench.probes import PROBES, Probe, Sliced, TcpThroughput, unfit
from netbench.system.entry_points import Registry

DRIVER = """
from dataclasses import replace
from netbench.drivers.bridge import BRIDGE
GOOD = replace(BRIDGE, name="weave:fast")
SILENT = replace(GOOD, promises=(), ways={})
NUMBER = 3
"""
PROBE = """
from dataclasses import dataclass
from typing import ClassVar
from netbench.probes import Sliced, TcpThroughput

@dataclass(frozen=True, slots=True)
class Good(TcpThroughput):
    name: ClassVar[str] = "tcp-good"

class Odd(Good):
    metrics = ("retransmits", "colour")

class Half(Sliced):
    name = "tcp-half"
"""


class Site:
    """A folder on Python's path in which distributions can be put."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, distribution: str, group: str, name: str, value: str, code: str = "") -> None:
        module = value.partition(":")[0]
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("added_"):
            del sys.modules[name]


def drivers() -> Registry[object]:
    return Registry("netbench.drivers", {"bridge": BRIDGE}, unsound)


def probes() -> Registry[object]:
    return Registry("netbench.probes", {"tcp-throughput": TcpThroughput}, unfit)


def test_a_driver_of_another_distribution_is_found_with_its_origin(site: Site) -> None:
    site.add("netbench-weave", "netbench.drivers", "weave:fast", "added_a:GOOD", DRIVER)
    table = drivers()

    assert list(table) == ["bridge", "weave:fast"]
    assert len(table) == 2
    assert str(table.origin("weave:fast")) == "netbench-weave 1.2"
    assert table.origin("bridge").distribution == "netbench"
    added = table.added(["bridge", "weave:fast", "weave:fast", "none"])
    assert [str(origin) for origin in added] == ["netbench-weave 1.2"]
    assert table.problems == ()


def test_what_is_netbenchs_own_does_not_wait_for_others(site: Site) -> None:
    site.add("netbench-slow", "netbench.drivers", "slow", "added_b:X", "raise ValueError('no')")
    table = drivers()

    assert table["bridge"] is BRIDGE
    assert "added_b" not in sys.modules
    assert "slow" not in table
    (problem,) = table.problems
    assert "'slow' of netbench-slow 1.2" in problem
    assert "ValueError: no" in problem
    assert "pip uninstall netbench-slow" in problem


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("weave:slow", "added_c:GOOD", ["own name is 'weave:fast'"]),
        ("weave:fast", "added_c:SILENT", ["promises nothing", "east-west, north-south, hairpin"]),
        ("weave:fast", "added_c:NUMBER", ["no netbench.drivers.Driver but a int"]),
        ("weave:fast", "added_c:MISSING", ["cannot be loaded: AttributeError"]),
        ("cni:own", "added_c:GOOD", ["own name", "NAME or NAME:MODE"]),
        ("bridge", "added_c:GOOD", ["netbench itself has one of that name"]),
    ],
)
def test_a_driver_that_cannot_be_is_refused_with_every_reason(
    site: Site, name: str, value: str, said: list[str]
) -> None:
    site.add("netbench-weave", "netbench.drivers", name, value, DRIVER)
    table = drivers()

    assert list(table) == ["bridge"]
    assert len(table.problems) == len(said)
    for problem, words in zip(table.problems, said, strict=True):
        assert words in problem
        assert "netbench-weave 1.2" in problem


def test_two_distributions_with_one_name_are_both_refused(site: Site) -> None:
    site.add("netbench-weave", "netbench.drivers", "weave:fast", "added_d:GOOD", DRIVER)
    site.add("other-weave", "netbench.drivers", "weave:fast", "added_e:GOOD", DRIVER)
    table = drivers()

    assert list(table) == ["bridge"]
    assert ["netbench-weave" in one or "other-weave" in one for one in table.problems] == [True] * 2
    assert all("2 installed entry points" in one for one in table.problems)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("tcp-good", "added_f:Good", None),
        ("tcp-odd", "added_f:Good", "own name is 'tcp-good'"),
        ("tcp-good", "added_f:Odd", "no metric 'colour'"),
        ("tcp-half", "added_f:Half", "lacks cannot, read_session, server_argv, session_argv"),
        ("tcp-good", "added_f:dataclass", "derives from netbench.probes.Sliced or Probe"),
    ],
)
def test_a_probe_of_another_distribution_is_taken_or_refused(
    site: Site, name: str, value: str, said: str | None
) -> None:
    site.add("netbench-good", "netbench.probes", name, value, PROBE)
    table = probes()

    assert ("tcp-good" in table) == (said is None)
    assert [said in problem for problem in table.problems if said] == [True] * len(table.problems)


def test_netbenchs_own_keep_the_same_rules() -> None:
    for name, driver in DRIVERS.items():
        assert list(unsound(name, driver)) == []
    for name, kind in PROBES.items():
        if issubclass(kind, Probe | Sliced):
            assert list(unfit(name, kind)) == []


def test_a_name_that_nobody_has_is_still_told_with_what_is_near() -> None:
    assert "did you mean 'bridge'?" in (unknown("brigde") or "")
