import dataclasses
import json
import math
import re
import resource
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import run_of

from netbench.drivers import DRIVERS
from netbench.errors import RunFolderError, RunFolderLost
from netbench.record import Absent, Failure, Measurement, Record, RunInfo, Sample
from netbench.record.checks import LEAST, MOST
from netbench.spec import Role
from netbench.store import RunFolder, check_writable, list_runs, load

RUN = run_of(blocks=2)
DOCS = Path(__file__).parents[2] / "docs" / "schema.md"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return the folder of a run with every record of a small run in it."""
    made = RunFolder.create(tmp_path / "reports", RUN.info.plan.drivers, RUN.info)
    for record in RUN.records:
        made.append(record)
    return made


def read(folder: RunFolder) -> tuple[list[Record], list[str]]:
    loaded = load(folder.path)
    return list(loaded.records()), loaded.notes


def test_what_was_written_is_read_back_equal(folder: RunFolder) -> None:
    records, notes = read(folder)

    assert load(folder.path).info == RUN.info
    assert tuple(records) == RUN.records
    assert notes == []


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    value=st.floats(LEAST, MOST),
    fact=st.one_of(
        st.booleans(),
        st.integers(-(10**18), 10**18),
        st.floats(-MOST, MOST),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.builds(Absent, st.text(st.characters(exclude_categories=["Cs"]))),
        st.lists(st.just("a")).map(tuple),
    ),
)
def test_any_text_number_and_fact_survives(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    value: float,
    fact: bool | float | str | Absent | tuple[str, ...],
) -> None:
    sample = Sample((Measurement("rtt_p50", value, "s"),), received=1, details=((text, fact),))
    written = (
        replace(RUN.records[0], outcome=sample),
        replace(RUN.records[1], outcome=Failure("output", text, text)),
    )
    folder = RunFolder.create(tmp_path_factory.mktemp("run"), ("host",), RUN.info)
    for record in written:
        folder.append(record)

    records, notes = read(folder)

    assert tuple(records) == written
    assert notes == []
    (outcome, _) = (record.outcome for record in records)
    assert isinstance(outcome, Sample)
    assert type(outcome.details[0][1]) is type(fact)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_never_written(folder: RunFolder, value: float) -> None:
    before = (folder.path / "records.jsonl").read_bytes()
    sample = Sample((Measurement("throughput", value, "bit/s"),), received=1)

    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.append(replace(RUN.records[0], outcome=sample))
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.finish(replace(RUN.info, wall=value))

    assert (folder.path / "records.jsonl").read_bytes() == before
    assert load(folder.path).info == RUN.info


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NaN", "invalid character (byte"),
        ("Infinity", "invalid character (byte"),
        ("1e999", "out of range"),
        ('"1.0"', "clock.measuring: Expected `float`, got `str`"),
        ("null", "clock.measuring: Expected `float`, got `null`"),
        ("true", "clock.measuring: Expected `float`, got `bool`"),
    ],
)
def test_a_number_that_is_none_is_never_read(folder: RunFolder, text: str, words: str) -> None:
    path = folder.path / "records.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = re.sub(r'"measuring":[^,}]+', f'"measuring":{text}', lines[1])
    path.write_text("".join(lines))

    records, notes = read(folder)

    assert len(records) == len(RUN.records) - 1
    assert len(notes) == 1
    assert "line 2" in notes[0]
    assert words in notes[0]


@given(cut=st.integers(1, 400))
def test_a_last_line_cut_short_costs_only_itself(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = RunFolder.create(tmp_path_factory.mktemp("run"), ("host",), RUN.info)
    for record in RUN.records[:3]:
        folder.append(record)
    path = folder.path / "records.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[:-cut])

    records, notes = read(folder)

    if cut == 1:  # only the line's end is missing: the record is whole
        assert (tuple(records), notes) == (RUN.records[:3], [])
    else:
        assert tuple(records) == RUN.records[:2]
        assert len(notes) == 1
        assert "last line (3) is cut short" in notes[0]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file of ours grow beyond `size` bytes: a write then stops in its middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_does_not_fit_is_taken_back(folder: RunFolder) -> None:
    path = folder.path / "records.jsonl"
    content = path.read_bytes()
    with room_for(len(content) + 100), pytest.raises(RunFolderLost, match="File too large"):
        folder.append(RUN.records[0])

    assert path.read_bytes() == content


def test_corrupt_lines_in_the_middle_are_named_and_the_rest_is_read(folder: RunFolder) -> None:
    path = folder.path / "records.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\xff\xfe not JSON\n"
    lines[4] = b"\n"
    lines[5] = b"[" * 100_000 + b"\n"
    path.write_bytes(b"".join(lines))

    records, notes = read(folder)

    kept = [record for number, record in enumerate(RUN.records) if number not in {2, 4, 5}]
    assert records == kept
    assert [note.split(" is unreadable")[0] for note in notes] == [
        f"records.jsonl: line {number}" for number in (3, 5, 6)
    ]


def test_the_slices_of_a_session_are_read_back_and_checked(folder: RunFolder) -> None:
    session = next(record for record in RUN.records if record.slices)
    failed = replace(session.slices[0], value=None, moved=(7, 8), back=(9,), reason="too short")
    written = replace(session, number=1000, slices=(failed, *session.slices[1:]))
    folder.append(written)
    path = folder.path / "records.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1].replace('"round":1,', '"round":"1",', 1)]))

    records, notes = read(folder)

    assert records[-1] == written
    assert len(notes) == 1
    assert "slices[0].round: Expected `int`, got `str`" in notes[0]


def test_selected_records_are_read_whole_in_the_order_of_the_file(folder: RunFolder) -> None:
    wanted = [RUN.records[n].number for n in (3, 1, 7)]

    assert list(load(folder.path).selected(wanted)) == [RUN.records[n] for n in (1, 3, 7)]


def test_a_run_without_records_says_so_once(folder: RunFolder) -> None:
    (folder.path / "records.jsonl").unlink()
    run = load(folder.path)

    assert [*run.records(), *run.selected(())] == []
    assert len(run.notes) == 1


def test_an_outcome_is_told_by_its_kind_wherever_that_stands(folder: RunFolder) -> None:
    path = folder.path / "records.jsonl"
    moved = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        kind = record["outcome"].pop("kind")
        moved.append(json.dumps(record | {"outcome": {"kind": kind} | record["outcome"]}))
    unknown = moved[0].replace('"kind": "', '"kind": "un', 1)
    broken = (
        moved[1]
        .replace('"by_design": true', '"by_design": 1')
        .replace('"received": ', '"received": 0.', 1)
    )
    path.write_text("\n".join([*moved, unknown, broken]) + "\n")

    records, notes = read(folder)

    assert tuple(records) == RUN.records
    assert len(notes) == 2
    assert "outcome.kind: Invalid value 'un" in notes[0]
    assert re.search(r"outcome\.(by_design|received): Expected", notes[1])


def test_a_run_that_has_no_trial_yet_has_no_records_and_says_so(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, ("host",), RUN.info)

    records, notes = read(folder)

    assert records == []
    assert len(notes) == 1
    assert "no records.jsonl" in notes[0]


def test_fields_of_later_releases_are_ignored(folder: RunFolder) -> None:
    for name in ("run.json", "records.jsonl"):
        path = folder.path / name
        text = path.read_text()
        path.write_text(re.sub(r"^\{", '{"later": {"field": 1},', text, flags=re.MULTILINE))

    records, notes = read(folder)

    assert tuple(records) == RUN.records
    assert notes == []
    assert load(folder.path).info == RUN.info


def test_missing_empty_foreign_and_file_are_told_apart(tmp_path: Path) -> None:
    empty, foreign, file = tmp_path / "empty", tmp_path / "foreign", tmp_path / "file"
    empty.mkdir()
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("x")
    file.write_text("x")

    for path, words in (
        (tmp_path / "nowhere", "does not exist"),
        (empty, "is empty"),
        (foreign, "is not a run folder: it holds no run.json"),
        (file, "is a file"),
    ):
        with pytest.raises(RunFolderError) as caught:
            load(path)
        assert words in caught.value.message
        assert str(path) in caught.value.message
        assert "netbench runs" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is damaged"),
        ("{", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("[]", "names no schema"),
        ('{"name": "other"}', "names no schema"),
        ('{"schema": "1"}', "names no schema"),
        ('{"schema": 0}', "names no schema"),
        ('{"schema": 1}', "by netbench's unreleased schema 1; measure again"),
        ('{"schema": 2}', "is damaged"),
        ('{"schema": 3, "anything": "else"}', "was written by schema 3"),
    ],
)
def test_a_run_json_that_cannot_be_read_says_why(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "run.json").write_text(text)

    with pytest.raises(RunFolderError, match=words):
        load(tmp_path)


def test_a_newer_schema_asks_for_an_upgrade(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 3}')

    with pytest.raises(RunFolderError) as caught:
        load(tmp_path)

    assert "this netbench reads 2" in caught.value.message
    assert "upgrade" in caught.value.hint


def test_two_runs_of_one_second_get_two_folders(tmp_path: Path) -> None:
    paths = [RunFolder.create(tmp_path, ("host",), RUN.info).path for _ in range(3)]

    assert [path.name for path in paths] == [
        "20260114T101500Z-host",
        "20260114T101500Z-host-2",
        "20260114T101500Z-host-3",
    ]


@pytest.mark.parametrize(
    ("drivers", "name"),
    [
        (("host", "bridge:user@family=6+mtu=9000"), "host-bridge-user-family-6-mtu-9000"),
        (("cni:/etc/cni/net.d/10-b.r.conflist", "plugin:o/weave:2"), "cni-10-b.r-plugin-weave-2"),
        (("macvlan@com.docker.x=/a/b",), "macvlan-com.docker.x-b"),
        (
            tuple(DRIVERS),
            "none-host-bridge-bridge-user-container-macvlan-bridge-macvlan-private-and-9-more",
        ),
        ((f"bridge:user@com.docker.network.bridge.name={'x' * 99}", "host"), None),
        (("cni:/", "@", "host"), "cni-host"),
    ],
)
def test_folder_names_tell_whole_drivers(
    tmp_path: Path, drivers: tuple[str, ...], name: str | None
) -> None:
    told = RunFolder.create(tmp_path, drivers, RUN.info).path.name.removeprefix("20260114T101500Z-")

    assert name in (None, told)
    assert len(told) <= 81
    assert told.startswith(re.sub(r"\W", "-", drivers[0])[:3])


@given(st.lists(st.text(max_size=60), max_size=8))
def test_folder_names_are_safe_and_bounded_whatever_the_drivers(
    tmp_path_factory: pytest.TempPathFactory, drivers: list[str]
) -> None:
    parent = tmp_path_factory.mktemp("parent")

    path = RunFolder.create(parent, tuple(drivers), RUN.info).path

    assert path.parent == parent
    assert re.fullmatch(r"20260114T101500Z-?[A-Za-z0-9_.-]{0,90}", path.name)


def test_run_json_is_replaced_whole_and_nothing_else_is_left(folder: RunFolder) -> None:
    ended = replace(RUN.info, status="interrupted", wall=12.5)
    reader = (folder.path / "run.json").open()

    folder.finish(ended)

    with reader:  # opened before: still the old one, whole
        assert json.loads(reader.read())["status"] == RUN.info.status
    assert load(folder.path).info == ended
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "raw",
        "records.jsonl",
        "run.json",
    ]


def test_raw_output_is_kept_byte_for_byte(folder: RunFolder) -> None:
    printed = b"\x1b[2;35m caf\xc3\xa9 \xff\xfe\r\n"

    name = folder.save_raw(7, Role.CLIENT, printed.decode("utf-8", "surrogateescape"))

    assert (folder.path / name).read_bytes() == printed
    assert Path(name).parent == Path("raw")
    assert folder.save_raw(7, Role.SERVER, "") == ""


def test_output_that_is_not_unicode_does_not_spoil_the_record(folder: RunFolder) -> None:
    evidence = b"caf\xe9".decode("utf-8", "surrogateescape")

    odd = replace(RUN.records[0], number=1000, outcome=Failure("output", "odd", evidence))
    folder.append(odd)

    records, notes = read(folder)
    assert notes == []
    outcome = records[-1].outcome
    assert isinstance(outcome, Failure)
    assert outcome.evidence.startswith("caf")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, ("host",), RUN.info)
    (folder.path / "records.jsonl").symlink_to("/dev/full")

    with pytest.raises(RunFolderError, match=r"records\.jsonl cannot be written: No space left"):
        folder.append(RUN.records[0])


def test_a_parent_that_is_a_file_is_refused_before_and_at_creation(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")

    for parent in (file, file / "deeper"):
        assert check_writable(parent) == f"{file} is not a directory"
        with pytest.raises(RunFolderError, match="cannot be written"):
            RunFolder.create(parent, ("host",), RUN.info)


def test_checking_a_parent_makes_nothing(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "a" / "b") is None
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_takes_no_files_is_refused() -> None:
    problem = check_writable(Path("/proc/self/reports"))

    assert problem is not None
    assert problem.startswith("/proc/self cannot be written: ")


def test_runs_are_listed_newest_first_with_what_is_wrong_with_them(folder: RunFolder) -> None:
    parent = folder.path.parent
    later = replace(RUN.info, created="2027-01-01T00:00:00Z")
    empty = RunFolder.create(parent, ("host",), later)
    damaged = RunFolder.create(parent, ("host",), replace(RUN.info, created="2025-01-01T00:00:00Z"))
    (damaged.path / "run.json").write_text("{")
    (parent / "notes").mkdir()

    listed = list_runs(parent)

    assert [run.path for run in listed] == [empty.path, folder.path, damaged.path]
    assert [run.records for run in listed] == [0, len(RUN.records), 0]
    assert [run.info for run in listed] == [later, RUN.info, None]
    assert "is damaged" in listed[2].problem
    assert list_runs(parent / "nowhere") == ()


def reachable(kind: object) -> Iterator[type]:
    """Yield every dataclass below a type, the type included."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        yield kind
        for hint in typing.get_type_hints(kind).values():
            yield from reachable(hint)
    for inner in typing.get_args(kind):
        yield from reachable(inner)


def choices(kind: object) -> Iterator[str]:
    """Yield the values that a type lists by name."""
    if typing.get_origin(kind) is typing.Literal:
        yield from typing.get_args(kind)
    elif isinstance(kind, type) and issubclass(kind, StrEnum):
        yield from kind
    else:
        for inner in typing.get_args(kind):
            yield from choices(inner)


KINDS = sorted({*reachable(RunInfo), *reachable(Record)}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_document_has_every_field_and_no_other(kind: type) -> None:
    section = DOCS.read_text().split(f"\n### {kind.__name__}\n")[1].split("\n#")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))
    hints = typing.get_type_hints(kind)

    assert list(rows) == list(hints)
    for name, hint in hints.items():
        assert [choice for choice in choices(hint) if f"`{choice}`" not in rows[name]] == []
        assert ("null" in rows[name]) or type(None) not in typing.get_args(hint)
