"""A run that is gone on with: what counts of it, what is measured anew, and by which plan."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes import FakeEngine
from support.plans import plan_of
from support.running import Run, records
from support.synthetic import run_of

from netbench.analysis import analyse
from netbench.errors import ConfigurationError, EngineLost, RunFolderError
from netbench.plan import Options, build, parse, restore
from netbench.record import Difference, Failure, Record, Resumed, Ruling, Settled
from netbench.runner import Course, TrialFinished
from netbench.spec import Cell, CpuTopology, Placement
from netbench.store import RunFolder, load

TOPOLOGY = CpuTopology((0, 1), ((0,), (1,)))
KINDS = (("tcp-throughput", Placement.CROSS), ("tcp-throughput", Placement.SAME))
PLAN = plan_of("host", "bridge", kinds=KINDS, blocks=3)
PER_BLOCK = 6
Place = tuple[int, Cell, int]


def place(record: Record) -> Place:
    return record.block, record.cell, record.replica


@pytest.fixture(scope="module")
def whole() -> tuple[Record, ...]:
    """The records of the run as it would have been."""
    return tuple(Run(PLAN).records())


def gone_on(kept: Sequence[Record], *, lost: bool = False) -> tuple[list[Record], int, Course]:
    """Return what is measured after these records, and how many of them do not count."""
    course = Course(PLAN)
    aside = course.recall(kept, lost=lost)
    return Run(PLAN, course=course).records(), aside, course


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


def test_the_block_in_which_the_engine_went_away_is_measured_anew() -> None:
    """Even where the lost trial was its last."""
    engine = FakeEngine(lost_at=2 * PER_BLOCK)
    kept: list[Record] = []
    events = iter(Run(PLAN, engine).runner)
    with suppress(EngineLost):
        for event in events:
            kept += [event.record] if isinstance(event, TrialFinished) else []
    last = kept[-1].outcome
    anew, aside, _ = gone_on(kept, lost=True)

    assert isinstance(last, Failure)
    assert aside == len(kept) > 0
    assert {record.block for record in anew} == {1, 2, 3}


def test_a_run_of_which_every_block_is_there_has_nothing_left(whole: tuple[Record, ...]) -> None:
    anew, aside, course = gone_on(whole)

    assert (anew, aside) == ([], 0)
    assert (course.block, course.number, course.done) == (3, len(whole), len(whole))


class Script:
    """Settles the bridge on one CPU after the first block."""

    def __init__(self) -> None:
        self.taken: list[Record] = []

    def take(self, record: Record) -> None:
        self.taken.append(record)

    def rule(self, block: int) -> Ruling:
        gone = [c for c in PLAN.cells if (c.driver, c.placement) == ("bridge", Placement.SAME)]
        return Ruling(tuple(Settled(c, 1, "decided") for c in gone if block == 1), ())


@pytest.mark.parametrize("cut", [6, 7, 9, 12])
def test_what_had_left_stays_away_and_the_judge_has_seen_what_counts(cut: int) -> None:
    first = Script()
    uncut = Run(PLAN, judge=first).records()
    judge = Script()
    course = Course(PLAN, judge)
    aside = course.recall(uncut[:cut], lost=False)
    settled = course.settled
    anew = Run(PLAN, course=course).records()

    assert [place(r) for r in (*uncut[: cut - aside], *anew)] == [place(r) for r in uncut]
    assert [place(r) for r in judge.taken] == [place(r) for r in first.taken]
    assert [(one.cell.driver, one.cell.placement) for one in settled] == [
        ("bridge", Placement.SAME)
    ]


def test_time_spent_before_counts_towards_the_limit(whole: tuple[Record, ...]) -> None:
    course = Course(replace(PLAN, max_time=1000.0), spent=999.9)
    course.recall(whole[:PER_BLOCK], lost=False)
    late = Run(replace(PLAN, max_time=1000.0), course=course)
    course.pace.close(PLAN.block(1).steps, 60.0)

    assert records(late.events()) == []


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

    assert restored.summary() == plan.summary()
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


def resumed_at(block: int, number: int, *differences: Difference) -> Resumed:
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
    changed = Difference("kernel.release", "6.1.0", "6.12.1")
    info = replace(RUN.info, resumed=(resumed_at(2, 99, changed),))
    kinds = {w.kind: w.message for w in analyse(info, RUN.records).warnings}
    calm = replace(RUN.info, resumed=(resumed_at(2, 99),))

    assert "kernel.release: 6.1.0 when the run began, 6.12.1 now" in kinds["resumed-changed"]
    assert "from block 2" in kinds["resumed-changed"]
    assert "resumed-changed" not in {w.kind for w in analyse(calm, RUN.records).warnings}
