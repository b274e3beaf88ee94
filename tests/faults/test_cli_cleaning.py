"""`netbench clean` beside an engine that is not done yet."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.fakes import FakeEngine

from netbench.cli.commands.lists import clean
from netbench.engines.base import Owned
from netbench.errors import EngineError
from netbench.workflow import clean as cleaning

FIRST = Owned("network", "1", "left", "killed", live=False)
LATE = Owned("container", "2", "made meanwhile", "killed", live=False)
OTHERS = Owned("container", "3", "of a run", "running", live=True)


class Engine(FakeEngine):
    """Has these things at one look after another; a network goes once no container is there."""

    def __init__(self, *looks: tuple[Owned, ...]) -> None:
        super().__init__()
        self.looks: Iterator[tuple[Owned, ...]] = iter(looks)
        self.removed: list[Owned] = []
        self.late: tuple[Owned, ...] = ()
        self.busy: list[Owned] = []

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        del run
        return next(self.looks)

    def remove_owned(self, thing: Owned) -> None:
        if thing in self.busy:
            self.busy.remove(thing)
            raise EngineError("removal is already in progress")
        if thing is FIRST and set(self.late) - set(self.removed):
            raise EngineError("network has active endpoints")
        self.removed.append(thing)


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what there is on the machine itself alone."""
    monkeypatch.setattr(cleaning, "leftovers", lambda _run: ())


def cleaned(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, *, dry_run: bool = False
) -> tuple[int, list[Owned]]:
    monkeypatch.setattr(cleaning, "open_docker", lambda *_: engine)
    code = clean(dry_run=dry_run)
    assert next(engine.looks, None) is None, "it was looked at as often as there was something"
    return code, engine.removed


def test_what_the_engine_made_meanwhile_goes_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine((OTHERS, FIRST), (OTHERS, LATE))

    assert cleaned(monkeypatch, engine) == (3, [FIRST, LATE])
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["removed", "in", "removed"]
    assert "3 found" in said.err


def test_what_others_use_is_left_and_the_last_word_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cleaned(monkeypatch, Engine((OTHERS,))) == (3, [])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("netbench: 1 left: in use by a netbench that still runs")
    assert "(run running); `netbench clean --force` removes" in last


def test_what_could_not_go_because_of_that_goes_after_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine((FIRST,), (FIRST, LATE))
    engine.late = (LATE,)

    assert cleaned(monkeypatch, engine) == (0, [LATE, FIRST])
    assert "failed" not in capsys.readouterr().out


def test_what_an_engine_was_just_removing_by_itself_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine((LATE,), ())
    engine.busy = [LATE]

    assert cleaned(monkeypatch, engine) == (0, [LATE])
    assert capsys.readouterr().out.startswith("removed")


def test_what_cannot_be_removed_at_the_second_try_either_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine((LATE, FIRST), (LATE,))
    engine.busy = [LATE] * 3

    assert cleaned(monkeypatch, engine) == (3, [FIRST])
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in sorted(said)] == ["failed", said[0]]


def test_what_a_netbench_that_was_just_killed_leaves_on_the_machine_goes_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alive = Owned("process", "4", "sleep", "just killed", live=True)
    own = Owned("folder", "5", "of the engine opened here", "", live=True)
    looks = iter([(alive,), (replace(alive, live=False), own)])
    monkeypatch.setattr(cleaning, "leftovers", lambda _run: next(looks))
    ended: list[Owned] = []
    monkeypatch.setattr(cleaning, "remove_leftover", ended.append)

    assert cleaned(monkeypatch, Engine((FIRST,), ())) == (0, [FIRST])
    assert [thing.id for thing in ended] == ["4"]
    assert sorted(capsys.readouterr().out.split("\n")) == [
        "",
        "removed   network   left  run killed",
        "removed   process   sleep  run just killed",
    ]


@pytest.mark.parametrize("dry_run", [False, True])
def test_one_look_is_enough_where_nothing_is_removed(
    monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    engine = Engine((OTHERS, FIRST) if dry_run else (OTHERS,))

    assert cleaned(monkeypatch, engine, dry_run=dry_run) == (0 if dry_run else 3, [])
