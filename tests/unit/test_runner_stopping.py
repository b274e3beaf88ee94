"""Which steps run once cells are settled, over fakes; the judge is the test's own."""

from collections.abc import Mapping

from support.plans import plan_of
from support.running import Run, records

from netbench.record import Left, Record, Ruling, Settled
from netbench.runner.run_state import BlockJudged, BlockStarted, Ended, Event, RunState
from netbench.spec import Cell, Path, Placement

KINDS = (("tcp-throughput", Placement.CROSS), ("tcp-throughput", Placement.SAME))


def cell(driver: str, placement: Placement = Placement.CROSS) -> Cell:
    return Cell(driver, Path.EAST_WEST, "tcp-throughput", placement)


class Script:
    """Settles these cells after these blocks, and says of the others what it is told."""

    def __init__(
        self, settled: Mapping[int, tuple[Cell, ...]], left: tuple[Left, ...] = ()
    ) -> None:
        self._settled = settled
        self._left = left
        self.taken: list[Record] = []

    def take(self, record: Record) -> None:
        self.taken.append(record)

    def rule(self, block: int) -> Ruling:
        found = self._settled.get(block, ())
        return Ruling(tuple(Settled(one, block, "decided") for one in found), self._left)


def ran(events: list[Event]) -> dict[int, set[tuple[str, int, str]]]:
    """Return driver, replica and placement of what ran, block by block."""
    found: dict[int, set[tuple[str, int, str]]] = {}
    for record in records(events):
        place = (record.cell.driver, record.replica, record.cell.placement.value)
        found.setdefault(record.block, set()).add(place)
    return found


def test_a_settled_cell_leaves_and_the_baseline_stays_while_another_needs_it() -> None:
    judge = Script({1: (cell("bridge"),), 2: (cell("container"),)})
    plan = plan_of("host", "bridge", "container", kinds=KINDS, blocks=3)
    events = Run(plan, judge=judge).events()

    everything = {
        (driver, replica, placement)
        for driver, replica in (("host", 0), ("host", 1), ("bridge", 0), ("container", 0))
        for placement in ("cross", "same")
    }
    first_gone = everything - {("bridge", 0, "cross")}
    assert ran(events) == {
        1: everything,
        2: first_gone,
        3: {place for place in everything if place[2] == "same"},
    }
    assert judge.taken == records(events)


def test_a_pair_that_nobody_needs_is_not_brought_up() -> None:
    own = "bridge:user"
    judge = Script({1: tuple(cell(own, p) for p in (Placement.CROSS, Placement.SAME))})
    run = Run(plan_of("host", own, "container", kinds=KINDS, blocks=3), judge=judge)
    events = run.events()

    assert run.engine.tried[own] == 1, "one network, in the first block"
    assert ran(events)[3] == {
        (driver, replica, placement)
        for driver, replica in (("host", 0), ("host", 1), ("container", 0))
        for placement in ("cross", "same")
    }


def test_positions_stay_gapless_and_keep_their_order() -> None:
    plan = plan_of("host", "bridge", "container", kinds=KINDS)
    block = plan.block(1)
    less = block.without({cell("bridge")}, "host")

    assert [step.position for step in less.steps] == list(range(1, len(less.steps) + 1))
    assert [(s.arm, s.cell) for s in less.steps] == [
        (s.arm, s.cell) for s in block.steps if s.cell != cell("bridge")
    ]
    assert less.arms == block.arms


def test_a_run_ends_when_nothing_is_left() -> None:
    run = Run(plan_of("host", "bridge", blocks=9), judge=Script({2: (cell("bridge"),)}))
    events = run.events()

    assert [event.number for event in events if isinstance(event, BlockStarted)] == [1, 2]
    assert events[-1] == Ended("complete")


def test_an_extended_run_measures_settled_cells_again_where_nothing_else_is_left() -> None:
    plan = plan_of("host", "bridge", blocks=4)
    before = records(Run(plan, judge=Script({2: (cell("bridge"),)})).events())
    state = RunState(plan, Script({2: (cell("bridge"),)}))
    state.recall(before, lost=False)
    state.reopen()
    events = Run(plan, state=state).events()

    assert {record.block for record in before} == {1, 2}
    assert {block: len(cells) for block, cells in ran(events).items()} == {3: 3, 4: 3}
    assert events[-1] == Ended("complete")


def test_a_baseline_on_its_own_stays_until_its_own_cell_is_settled() -> None:
    events = Run(plan_of("host", blocks=9), judge=Script({3: (cell("host"),)})).events()

    assert [event.number for event in events if isinstance(event, BlockStarted)] == [1, 2, 3]


def test_without_a_judge_every_block_holds_every_cell() -> None:
    events = Run(plan_of("host", "bridge", blocks=3)).events()

    assert {len(cells) for cells in ran(events).values()} == {3}
    assert not [event for event in events if isinstance(event, BlockJudged)]


def test_what_is_still_to_come_follows_the_forecasts() -> None:
    """Bridge needs no block beyond the third, nothing is known of container."""
    left = (Left(cell("bridge"), 3), Left(cell("container"), None))
    plan = plan_of("host", "bridge", "container", blocks=5)
    events = Run(plan, judge=Script({}, left)).events()

    assert [e.trials for e in events if isinstance(e, BlockJudged)] == [14, 10, 6, 3, 0]
    assert all(e.seconds > 0 for e in events[:-2] if isinstance(e, BlockJudged))


def test_a_limit_of_the_suite_leaves_room_for_the_least_blocks() -> None:
    plan = plan_of("host", blocks=50, max_time=1e-6, adaptive=True, least=3, unhurried=3)
    events = Run(plan, judge=Script({})).events()

    assert [event.number for event in events if isinstance(event, BlockStarted)] == [1, 2, 3]
    assert events[-1] == Ended("out-of-time")
