from pathlib import Path

from support.campaign import Campaign, noisy
from support.program import children
from support.synthetic import run_of

from netbench.analysis import Analysis, analyse
from netbench.cli.taking import CollectedRun, take
from netbench.record import Record, RunInfo
from netbench.report import Digest, digest
from netbench.store import RECORDS, LoadedRun, RunFolder, load

RUN = run_of(blocks=12)


def folder(parent: Path, info: RunInfo, records: tuple[Record, ...]) -> LoadedRun:
    made = RunFolder.create(parent, info.plan.drivers, info)
    for record in records:
        made.append(record)
    return load(made.path)


def halves(run: LoadedRun) -> tuple[range, ...]:
    content = (run.path / RECORDS).read_bytes()
    middle = content.index(b"\n", len(content) // 2) + 1
    return range(middle), range(middle, len(content))


def told(run: LoadedRun, taken: CollectedRun) -> tuple[Analysis, Digest]:
    judged = analyse(run.info, taken.collector)
    whole = taken.whole(run, taken.gathering.wanted(judged))
    return judged, taken.gathering.digest(judged, whole)


def test_two_processes_take_what_one_does(tmp_path: Path) -> None:
    run = folder(tmp_path, RUN.info, RUN.records)
    judged = analyse(RUN.info, RUN.records)

    for parts in (None, halves(run)):
        taken = take(run, parts)

        assert told(run, taken) == (judged, digest(judged, RUN.records))
        assert taken.notes == []


def test_a_line_that_cannot_be_read_is_numbered_through_both_parts(tmp_path: Path) -> None:
    run = folder(tmp_path, RUN.info, RUN.records)
    path = run.path / RECORDS
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[-2] = b"{}\n"
    path.write_bytes(b"".join(lines))

    notes = take(run, halves(run)).notes

    assert [note.split(" is ")[0] for note in notes] == [
        f"{RECORDS}: line {number}" for number in (2, len(lines) - 1)
    ]
    assert notes == take(run).notes


def test_no_process_is_left(tmp_path: Path) -> None:
    run = folder(tmp_path, RUN.info, RUN.records)
    before = children()

    take(run, halves(run))

    assert children() == before


def test_a_short_run_is_taken_by_one_process_alone(tmp_path: Path) -> None:
    campaign = Campaign(noisy({"bridge": 0.8}))
    run = folder(tmp_path, campaign.info(), tuple(campaign.records()))

    assert run.parts() == (range((run.path / RECORDS).stat().st_size),)
