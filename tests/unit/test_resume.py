"""A run that is resumed or extended: what counts, what is measured anew, and by which plan."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.plans import plan_of, record_of
from support.running import Run, records
from support.synthetic import run_of

from netbench.analysis import analyse
from netbench.errors import ConfigurationError, RunFolderError
from netbench.plan import Extension, Options, build, parse, read_extension, restore
from netbench.record import Record, Resumed, ResumeDifference, Ruling, Settled, Why
from netbench.runner.run_state import RunState, span
from netbench.spec import Cell, CpuTopology, Placement
from netbench.store import RunFolder, load
from netbench.workflow.resume_checks import option_problems

TOPOLOGY = CpuTopology((0, 1), ((0,), (1,)))
KINDS = (("tcp-throughput", Placement.CROSS), ("tcp-throughput", Placement.SAME))
PLAN = plan_of("host", "bridge", kinds=KINDS, blocks=3)
PER_BLOCK = 6
Place = tuple[int, Cell, int]
Leaving = tuple[int, Placement, Why]
"""After which block cells of this placement settle, and why."""


def place(record: Record) -> Place:
    return record.block, record.cell, record.replica


def measured(state: RunState, blocks: int = 3) -> list[Record]:
    """Return the records of what a course still plans, to a number of blocks."""
    found: list[Record] = []
    for number in range(state.block + 1, blocks + 1):
        block = state.plan(number)
        for step in block.steps:
            state.number += 1
            attempt = 1 + state.attempts(number)
            record = record_of(step, number, state.number, attempt=attempt)
            state.take(record)
            found.append(record)
        if not block.steps:
            break
        state.close(block, 1.0)
    return found


@pytest.fixture(scope="module")
def whole() -> tuple[Record, ...]:
    """The records of the run as it would have been."""
    return tuple(measured(RunState(PLAN)))


def gone_on(kept: Sequence[Record], *, lost: bool = False) -> tuple[list[Record], int, RunState]:
    """Return what is measured after these records, and how many of them do not count."""
    state = RunState(PLAN)
    aside = state.recall(kept, lost=lost)
    return measured(state), aside, state


@pytest.mark.parametrize("cut", range(3 * PER_BLOCK + 1))
def test_wherever_it_was_cut_off_every_block_is_whole_and_nothing_is_there_twice(
    whole: tuple[Record, ...], cut: int
) -> None:
    anew, aside, _ = gone_on(whole[:cut])
    counting = [*whole[: cut - aside], *anew]

    assert aside == cut % PER_BLOCK
    assert [place(record) for record in counting] == [place(record) for record in whole]
    assert [record.number for record in anew] == [cut + n + 1 for n in range(len(anew))]


def test_a_block_that_is_measured_again_says_so_each_time(whole: tuple[Record, ...]) -> None:
    first = whole[:8]
    anew, _, _ = gone_on(first)
    second = anew[:1]
    third, _, _ = gone_on([*whole[:6], *second])

    assert {record.attempt for record in anew if record.block == 2} == {2}
    assert {record.attempt for record in third if record.block == 2} == {3}
    assert {record.attempt for record in third if record.block == 3} == {1}
    every = Counter((*place(record), record.attempt) for record in (*first, *second, *third))
    assert set(every.values()) == {1}


def test_the_block_in_which_the_engine_went_away_is_measured_anew(
    whole: tuple[Record, ...],
) -> None:
    """Even where the lost record was its last."""
    anew, aside, _ = gone_on(whole[: 2 * PER_BLOCK], lost=True)

    assert aside == PER_BLOCK
    assert {record.block for record in anew} == {2, 3}


def test_a_run_of_which_every_block_is_there_has_nothing_left(whole: tuple[Record, ...]) -> None:
    anew, aside, state = gone_on(whole)

    assert (anew, aside) == ([], 0)
    assert (state.block, state.number, state.done) == (3, len(whole), len(whole))


class Script:
    """Settles what it is told to, each cell once."""

    def __init__(self, *settles: Leaving) -> None:
        self._settles = settles
        self.taken: list[Record] = []

    def take(self, record: Record) -> None:
        self.taken.append(record)

    def rule(self, block: int) -> Ruling:
        gone = (
            Settled(cell, block, why)
            for after, placement, why in self._settles
            for cell in PLAN.cells
            if (after, placement, "bridge") == (block, cell.placement, cell.driver)
        )
        return Ruling(tuple(gone), ())


SAME_LEAVES: Leaving = (1, Placement.SAME, "decided")


@pytest.mark.parametrize("cut", [6, 7, 9, 12])
def test_what_had_left_stays_away_and_the_judge_has_seen_what_counts(cut: int) -> None:
    first = Script(SAME_LEAVES)
    uncut = measured(RunState(PLAN, first))
    judge = Script(SAME_LEAVES)
    state = RunState(PLAN, judge)
    aside = state.recall(uncut[:cut], lost=False)
    settled = state.settled
    anew = measured(state)

    assert [place(r) for r in (*uncut[: cut - aside], *anew)] == [place(r) for r in uncut]
    assert [place(r) for r in judge.taken] == [place(r) for r in first.taken]
    assert [(one.cell.driver, one.cell.placement) for one in settled] == [
        ("bridge", Placement.SAME)
    ]


def test_time_spent_before_counts_towards_the_limit(whole: tuple[Record, ...]) -> None:
    state = RunState(replace(PLAN, max_time=1000.0), spent=999.9)
    state.recall(whole[:PER_BLOCK], lost=False)
    late = Run(replace(PLAN, max_time=1000.0), state=state)
    state.eta.close(PLAN.block(1).steps, 60.0)

    assert records(late.events()) == []


def test_cells_that_had_not_settled_go_on_alone_in_an_extended_run() -> None:
    state = RunState(PLAN, Script(SAME_LEAVES))
    state.recall(measured(RunState(PLAN, Script(SAME_LEAVES))), lost=False)
    more = measured(state, blocks=5)

    assert {record.block for record in more} == {4, 5}
    assert {record.cell.placement for record in more} == {Placement.CROSS}


EVERY_CELL_LEAVES: tuple[Leaving, ...] = (
    (1, Placement.CROSS, "precise"),
    (2, Placement.SAME, "decided"),
)


def test_settled_cells_come_back_and_stay_through_any_further_cut() -> None:
    """A run whose cells had all settled by block 2, extended by three blocks, and cut off there."""
    before = measured(RunState(PLAN, Script(*EVERY_CELL_LEAVES)))
    state = RunState(PLAN, Script(*EVERY_CELL_LEAVES))
    state.recall(before, lost=False)
    assert measured(state, blocks=9) == []
    state.reopen()
    more = measured(state, blocks=5)

    assert {record.block for record in before} == {1, 2}
    assert {one.block for one in state.settled} == {1, 2}
    assert Counter(record.block for record in more) == dict.fromkeys((3, 4, 5), PER_BLOCK)
    for cut in range(len(more) + 1):
        again = RunState(PLAN, Script(*EVERY_CELL_LEAVES), reopened={3})
        aside = again.recall([*before, *more[:cut]], lost=False)
        anew = measured(again, blocks=5)
        assert aside == cut % PER_BLOCK
        assert [place(r) for r in (*more[: cut - aside], *anew)] == [place(r) for r in more]


@pytest.mark.parametrize(
    ("settles", "back"),
    [
        (((1, Placement.CROSS, "no-contrast"), (1, Placement.SAME, "decided")), {Placement.SAME}),
        (((1, Placement.CROSS, "described"), (1, Placement.SAME, "precise")), {Placement.SAME}),
        (
            ((1, Placement.CROSS, "no-contrast"), (1, Placement.SAME, "no-contrast")),
            {Placement.CROSS, Placement.SAME},
        ),
    ],
)
def test_cells_without_a_contrast_come_back_only_where_there_is_no_other(
    settles: tuple[Leaving, ...], back: set[Placement]
) -> None:
    state = RunState(PLAN, Script(*settles))
    measured(state)
    state.reopen()

    assert {step.cell.placement for step in state.plan(2).steps} == back


def test_an_extension_counts_blocks_and_seconds_from_what_is_there() -> None:
    plan = replace(PLAN, max_time=100.0, unhurried=3)
    both = Extension(10, 600.0).of(plan, blocks=3, spent=70.0)
    blocks = Extension(blocks=10).of(plan, blocks=3, spent=70.0)
    seconds = Extension(seconds=600.0).of(plan, blocks=3, spent=70.0)

    assert (both.blocks, both.max_time) == (13, 670.0)
    assert (blocks.blocks, blocks.max_time) == (13, None)
    assert (seconds.blocks, seconds.max_time) == (1003, 670.0)
    for extended in (both, blocks, seconds):
        assert (extended.cap, extended.least, extended.unhurried) == (3, PLAN.least, 0)
        assert extended.block(2) == PLAN.block(2)


@pytest.mark.parametrize(
    ("asked", "extension"),
    [
        ({}, Extension()),
        ({"blocks": "12", "max-time": "60"}, Extension()),
        ({"blocks": "+12"}, Extension(12)),
        ({"blocks": " +1", "max-time": "+1.5e2"}, Extension(1, 150.0)),
    ],
)
def test_a_plus_extends(asked: dict[str, str], extension: Extension) -> None:
    found: list[str] = []

    assert read_extension(asked, found) == extension
    assert bool(extension) == any(value.strip().startswith("+") for value in asked.values())
    assert found == []


@pytest.mark.parametrize("text", ["+", "+0", "+-1", "++1", "+1001", "+2.5", "+many", "+\u00b2"])
def test_blocks_that_cannot_be_added_are_named(text: str) -> None:
    found: list[str] = []
    read_extension({"blocks": text, "max-time": "+x"}, found)

    assert found == [
        f"--blocks +N takes a whole number from 1 to 1000, not {text!r}",
        "--max-time +S takes seconds above 0, at most 1e9, not '+x'",
    ]


@pytest.mark.parametrize("text", ["+", "+0", "+-1", "++1", "+inf", "+nan"])
def test_seconds_that_cannot_be_added_are_named(text: str) -> None:
    found: list[str] = []
    read_extension({"max-time": text}, found)

    assert found == [f"--max-time +S takes seconds above 0, at most 1e9, not {text!r}"]


def test_a_number_without_a_plus_must_be_the_runs_and_the_error_names_the_plus() -> None:
    info = replace(RUN.info, options=(("blocks", "8"),))
    found = option_problems(
        info, {"blocks": "12", "max-time": "60", "drivers": "none, host", "engine": "netns"}
    )

    assert option_problems(info, {"blocks": "8", "max-time": "+60"}) == []
    assert option_problems(info, {"blocks": "+12"}) == []
    assert option_problems(info, {"paths": "east-west"}) == []
    assert option_problems(info, {"paths": "hairpin"}) != []
    assert found == [
        "--blocks: 8 when the run began, 12 now; --blocks +N adds N blocks to the run",
        "--max-time: not given when the run began, 60 now; --max-time +S adds S seconds to it",
        f"--drivers: {','.join(info.plan.drivers)} when the run began, none,host now",
    ]


def test_sessions_side_by_side_take_the_sum_of_their_shares(whole: tuple[Record, ...]) -> None:
    """Three sessions of one place, each begun within the first second, share nine seconds."""
    group = [
        replace(record, clock=replace(record.clock, started_monotonic=100.0 + n / 10, seconds=3.0))
        for n, record in enumerate(whole[:3])
    ]
    after = [
        replace(record, clock=replace(record.clock, started_monotonic=110.0 + n, seconds=1.0))
        for n, record in enumerate(whole[3:6])
    ]

    assert span([]) == 0.0
    assert span(group) == 9.0
    assert span([*group, *after]) == 13.0


REQUESTS = [
    Options(),
    Options(drivers="bridge:user,bridge:user@mtu=9000", paths="east-west,north-south", seed="5"),
    Options(suite="full", blocks="3", pin="same", cc="cubic"),
    Options(suite="standard", max_time="3000", require=("bridge.throughput >= 0.5 host",)),
]


@pytest.mark.parametrize("options", REQUESTS, ids=[options.suite for options in REQUESTS])
def test_a_plan_is_restored_from_what_the_folder_keeps_of_it(
    options: Options, tmp_path: Path
) -> None:
    plan = build(parse(options), TOPOLOGY)
    info = replace(run_of(blocks=1).info, plan=plan.summary())
    folder = RunFolder.create(tmp_path, ("host",), info)
    restored = restore(load(folder.path).info.plan, TOPOLOGY)
    extended = Extension(5).of(plan, blocks=plan.blocks, spent=0.0)

    assert restored.summary() == plan.summary()
    assert restore(extended.summary(), TOPOLOGY).summary() == extended.summary()
    assert [restored.block(n) for n in (1, 2, 3)] == [plan.block(n) for n in (1, 2, 3)]
    assert restored.unhurried == plan.unhurried


def test_a_placement_that_was_not_possible_stays_so() -> None:
    one_core = CpuTopology((0,), ((0,),))
    plan = build(parse(Options(seed="1")), one_core)

    assert restore(plan.summary(), one_core).impossible == plan.impossible
    assert Placement.CROSS in restore(plan.summary(), TOPOLOGY).impossible


def test_everything_that_cannot_be_carried_out_is_told_at_once() -> None:
    plan = build(parse(Options(seed="1")), TOPOLOGY).summary()
    (first, *others) = plan.probes
    strange = replace(
        plan,
        drivers=(*plan.drivers, "bridge:nobody"),
        probes=(replace(first, kind="telepathy"), *others),
    )
    with pytest.raises(ConfigurationError) as caught:
        restore(strange, CpuTopology((0,), ((0,),)))

    for word in ("nobody", "telepathy", "CPU 1"):
        assert sum(word in problem for problem in caught.value.problems) == 1


RUN = run_of(blocks=2)


def resumed_at(block: int, number: int, *differences: ResumeDifference) -> Resumed:
    return Resumed(
        "2026-01-01T00:00:00+00:00", ("netbench",), "1", block, number, 1, 9.0, differences
    )


def test_records_that_are_set_aside_stay_on_disk_and_count_for_nothing(tmp_path: Path) -> None:
    second = [record.number for record in RUN.records if record.block == 2]
    info = replace(RUN.info, resumed=(resumed_at(2, second[3]),))
    folder = RunFolder.create(tmp_path, ("host",), info)
    for record in RUN.records:
        folder.append(record)
    loaded = load(folder.path)
    found = [record.number for record in loaded.records()]

    assert found == [r.number for r in RUN.records if r.number not in second[:3]]
    assert loaded.notes == []
    assert len((folder.path / "records.jsonl").read_text().splitlines()) == len(RUN.records)


def test_a_folder_is_mended_before_it_is_written_to_again(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, ("host",), RUN.info)
    for record in RUN.records[:2]:
        folder.append(record)
    whole = (folder.path / "records.jsonl").read_bytes()
    (folder.path / "records.jsonl").write_bytes(whole + b'{"number":3,"bl')
    for name in ("00002-client.txt", "00003-client.txt", "00003-server-2.txt"):
        (folder.path / "raw" / name).write_text("printed")
    folder.mend(2)
    folder.append(RUN.records[2])
    loaded = load(folder.path)

    assert list(loaded.records()) == list(RUN.records[:3])
    assert loaded.notes == []
    assert [raw.name for raw in (folder.path / "raw").iterdir()] == ["00002-client.txt"]


def test_two_cannot_measure_into_one_folder(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, ("host",), RUN.info)
    with (
        folder.held(),
        pytest.raises(RunFolderError, match="by another netbench"),
        RunFolder(folder.path).held(),
    ):
        pass
    with folder.held():
        pass  # the first has let go of it


def test_a_forced_break_is_a_warning_that_names_what_changed() -> None:
    changed = ResumeDifference("kernel.release", "6.1.0", "6.12.1")
    info = replace(RUN.info, resumed=(resumed_at(2, 99, changed),))
    kinds = {w.kind: w.message for w in analyse(info, RUN.records).warnings}
    calm = replace(RUN.info, resumed=(resumed_at(2, 99),))

    assert "kernel.release: 6.1.0 when the run began, 6.12.1 now" in kinds["resumed-changed"]
    assert "from block 2" in kinds["resumed-changed"]
    assert "resumed-changed" not in {w.kind for w in analyse(calm, RUN.records).warnings}
