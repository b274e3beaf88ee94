"""`netbench clean` beside an engine that is not done yet."""

from collections.abc import Iterator

import pytest
from support.fakes import FakeEngine

from netbench.cli import cleaning
from netbench.engines.base import Owned, Wishes
from netbench.errors import EngineError

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

    def owned(self, run: str | None = None) -> tuple[Owned, ...]:
        del run
        return next(self.looks)

    def remove_owned(self, thing: Owned) -> None:
        if thing is FIRST and set(self.late) - set(self.removed):
            raise EngineError("network has active endpoints")
        self.removed.append(thing)


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what there is on the machine itself alone."""
    for name in ("owned_processes", "leftover_folders", "leftover_groups"):
        monkeypatch.setattr(cleaning, name, lambda _run: ())


def cleaned(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, *, dry_run: bool = False
) -> tuple[int, list[Owned]]:
    monkeypatch.setattr(cleaning, "open_docker", lambda *_: engine)
    code = cleaning.clean_up(Wishes(), dry_run=dry_run, images=False, force=False, as_json=False)
    assert next(engine.looks, None) is None, "it was looked at as often as there was something"
    return code, engine.removed


def test_what_the_engine_made_meanwhile_goes_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine((OTHERS, FIRST), (OTHERS, LATE))

    assert cleaned(monkeypatch, engine) == (0, [FIRST, LATE])
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["removed", "in", "removed"]
    assert "3 found" in said.err


def test_what_could_not_go_because_of_that_goes_after_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Engine((FIRST,), (FIRST, LATE))
    engine.late = (LATE,)

    assert cleaned(monkeypatch, engine) == (0, [LATE, FIRST])
    assert "failed" not in capsys.readouterr().out


@pytest.mark.parametrize("dry_run", [False, True])
def test_one_look_is_enough_where_nothing_is_removed(
    monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    engine = Engine((OTHERS, FIRST) if dry_run else (OTHERS,))

    assert cleaned(monkeypatch, engine, dry_run=dry_run) == (0, [])
