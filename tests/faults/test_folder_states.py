"""Run folders through any sequence of commands and damages: a state machine, without an engine.

`NETBENCH_TEST_FOLDER_CASES=3000 pytest tests/faults/test_folder_states.py` tries so many sequences;
a few, always the same, are tried each time.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.damages import DAMAGES, Damage, drop_lines, regular, told_values, truncate
from support.synthetic import run_of

from netbench.analysis.missing import missing
from netbench.cli import run_command_line
from netbench.errors import NetbenchError
from netbench.plan import Extension, restore
from netbench.plan.model import parameters
from netbench.probes import PROBES
from netbench.record import ProbeSummary, Record, RunInfo, Status
from netbench.spec import CpuTopology
from netbench.store import RECORDS, RUN, SUMMARY, RunFolder, load
from netbench.workflow.reporting import recounted
from netbench.workflow.resume import _extended, _recalled

CASES = int(os.environ.get("NETBENCH_TEST_FOLDER_CASES", "0"))
TOPOLOGY = CpuTopology((0, 1), ((0,), (1,)))
MADE = run_of(blocks=2, drivers=("host", "bridge"))
PLANNED = 18
READ = (RUN, RECORDS, SUMMARY)
"""Files that netbench reads."""
WRITTEN = ("report", "summary", "index")
"""Beginnings of the names of files that `report` and `runs --html` may write."""
SHARED = Path("/dev", "shm")
MEMORY = SHARED if os.access(SHARED, os.W_OK) else None
"""A folder that is no disk: every record is synchronised."""
DONE: Counter[str] = Counter()
HOW = st.integers(0, 1 << 32)
Harm = tuple[Damage, str, int]
HARMS = st.tuples(st.sampled_from(DAMAGES), st.sampled_from((RECORDS, RECORDS, *READ)), HOW)
"""What happens, to which file, and how."""


def whole_info(status: Status) -> RunInfo:
    """Return the run's information with the probes that a resumed run needs."""
    probes = tuple(
        ProbeSummary(name, name, PROBES[name]().metrics, parameters(PROBES[name]()))
        for name in ("tcp-throughput", "tcp-rr")
    )
    return replace(MADE.info, status=status, plan=replace(MADE.info.plan, probes=probes))


def written(parent: Path, status: Status) -> Path:
    """Return the folder of a new run, and one after another two of them in one parent."""
    info = whole_info(status)
    folder = RunFolder.create(parent, info.plan.drivers, info)
    (folder.path / RECORDS).write_bytes(b"".join(map(encoded, MADE.records)))
    (folder.path / "raw" / "00001-client.txt").write_text("what a tool printed")
    return folder.path


@cache
def encoded(record: Record) -> bytes:
    """Return the line of a record."""
    with tempfile.TemporaryDirectory() as parent:
        folder = RunFolder(Path(parent))
        folder.append(record)
        return (folder.path / RECORDS).read_bytes()


@pytest.fixture(scope="module", autouse=True)
def _counted() -> Iterator[None]:
    """Print how often each thing was done, where more than a few sequences are tried."""
    yield
    if CASES:
        sys.stderr.write(f"\n{DONE.total():,} steps: {dict(DONE.most_common())}\n")


class Folders(RuleBasedStateMachine):
    """One folder that is damaged, and a sound one beside it."""

    @initialize(
        status=st.sampled_from(["complete", "complete", "running", "out-of-time"]),
        reported=st.booleans(),
        harms=st.lists(HARMS, min_size=1, max_size=3),
    )
    def make(self, status: Status, reported: bool, harms: list[Harm]) -> None:
        self.parent = Path(tempfile.mkdtemp(prefix="netbench-test-", dir=MEMORY))
        self.path, self.sound = (written(self.parent, status) for status in (status, "complete"))
        self.lines = (self.path / RECORDS).read_bytes().splitlines()
        self.repaired = {name: (self.path / name).read_bytes() for name in (RUN, RECORDS)}
        if reported:
            self.report(as_json=False)
        for harm in harms:
            self.harm(harm)

    def teardown(self) -> None:
        shutil.rmtree(self.parent)

    def content(self) -> dict[Path, bytes]:
        """Return every regular file that can be read, whole ones of the records' size at most."""
        found = {}
        for path in sorted(self.parent.rglob("*")):
            with contextlib.suppress(OSError):
                if stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_size < 1 << 25:
                    found[path] = path.read_bytes()
        return found

    def call(self, *argv: str) -> tuple[int, str, str]:
        """Call netbench; a command may write its own outputs, and changes nothing else."""
        before = self.content()
        DONE[f"{argv[0]} of a folder"] += 1
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_command_line(argv)
        out.flush()
        stdout = out.buffer.getvalue().decode()  # type: ignore[attr-defined] # of BytesIO
        assert "Traceback" not in err.getvalue(), err.getvalue()
        assert code in (0, 1, 2, 3), err.getvalue()
        assert len(err.getvalue()) < 20_000
        after = self.content()
        for path, content in before.items():
            own = path.name.startswith(WRITTEN) and argv[0] in ("report", "runs")
            assert own or after.get(path) == content, path
        return code, stdout, err.getvalue()

    def intact(self) -> int | None:
        """Return how many whole lines of the run are there; None where that is unknown."""
        if regular(self.path / RUN) != self.repaired[RUN]:
            return None
        content = regular(self.path / RECORDS)
        return len(set(content.splitlines()) & set(self.lines)) if content else None

    @rule(harm=HARMS)
    def harm(self, harm: Harm) -> None:
        damage, name, how = harm
        DONE[f"{damage.__name__} {name}"] += 1
        damage(self.path / name, how)

    @rule(how=HOW)
    def kill_while_writing(self, how: int) -> None:
        truncate(self.path / RECORDS, how)

    @rule(how=HOW)
    def lose_records(self, how: int) -> None:
        drop_lines(self.path / RECORDS, how)

    @rule(name=st.sampled_from((RUN, RECORDS)))
    def mend(self, name: str) -> None:
        path = self.path / name
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(self.repaired[name])

    @rule(as_json=st.booleans())
    def report(self, as_json: bool) -> None:
        before = self.told_by_report()
        page = self.path / "report.html"
        shown = page.read_bytes() if page.exists() else b""
        code, stdout, stderr = self.call("report", str(self.path), *["--json"] * as_json)
        if code != 2 and self.lost():
            assert code == 3
            assert "missing" in stdout
        if code == 0:
            assert (self.told_by_report() or 0) <= PLANNED
        if page.exists() and page.read_bytes() != shown and before is not None:
            after = self.told_by_report()
            assert after is not None
            assert after >= before, stderr

    def told_by_report(self) -> int | None:
        try:
            return recounted(json.loads(regular(self.path / SUMMARY)))
        except (OSError, ValueError, AttributeError, RecursionError):
            return None

    def lost(self) -> int:
        """Return how many records are lost for certain."""
        found = self.intact()
        if found is None:
            return 0
        owed = PLANNED if load(self.path).info.status != "out-of-time" else 0
        return max(0, owed - found) if self.unchanged() else 0

    def unchanged(self) -> bool:
        """Tell whether every line that is there is one of the run's."""
        lines = regular(self.path / RECORDS).splitlines()
        return set(lines) <= set(self.lines)

    @rule()
    def export(self) -> None:
        code, stdout, stderr = self.call("export", str(self.path))
        if code == 2:
            assert stdout == ""
            return
        rows = list(csv.DictReader(io.StringIO(stdout)))
        told = {(int(r["record"]), r["metric"], float(r["value"])) for r in rows if r["value"]}
        assert told <= told_values(self.path / RECORDS)  # no number is invented
        found = self.intact()
        if found is not None:
            assert len({row["record"] for row in rows}) >= found - self.clashes()
            if self.lost():
                assert code == 3
                assert "missing" in stderr

    def clashes(self) -> int:
        """Return how many lines may stand in the way of the run's, by their number."""
        lines = regular(self.path / RECORDS).splitlines()
        return len([line for line in lines if line not in self.lines])

    @rule(kind=st.sampled_from(["json", "openmetrics", "md", "adr"]))
    def export_text(self, kind: str) -> None:
        code, stdout, _ = self.call("export", str(self.path), "--format", kind)
        assert (stdout == "") == (code == 2)
        assert len(stdout) < 2_000_000

    @rule(first=st.booleans())
    def compare(self, first: bool) -> None:
        pair = [str(self.path), str(self.sound)]
        output = str(self.parent / "compare.html")
        code, stdout, _ = self.call("compare", *(pair if first else pair[::-1]), "--output", output)
        (self.parent / "compare.html").unlink(missing_ok=True)
        if code != 2 and self.lost():
            assert code == 3
            assert "missing" in stdout

    @rule(html=st.booleans())
    def runs(self, html: bool) -> None:
        options = ["--html"] * html
        code, stdout, _ = self.call("runs", "--output", str(self.parent), "--json", *options)
        rows = json.loads(stdout)["runs"]
        assert code == 0
        assert self.sound.name in [Path(row["folder"]).name for row in rows]

    @rule()
    def resume(self) -> None:
        """Measure what is missing, as far as records can be had without an engine."""
        before = self.content()
        DONE["resume of a folder"] += 1
        try:
            run = load(self.path)
            plan = restore(run.info.plan, TOPOLOGY)
            state, aside = _recalled(run, plan)
        except NetbenchError:
            assert self.content() == before
            return
        if not (run.info.status == "running" or missing(run.info, run.records())):
            return
        plan, resumed = _extended(run.info, plan, state, Extension(), ("netbench",))
        goes_on = replace(
            run.info,
            status="complete",
            settled=state.settled,
            resumed=(*run.info.resumed, replace(resumed, set_aside=aside)),
        )
        folder = RunFolder(self.path)
        try:
            folder.mend(state.number)
        except NetbenchError:  # a link that leads nowhere
            assert self.content() == before
            return
        folder.finish(goes_on)
        originals = {(r.block, r.cell, r.replica): r for r in MADE.records}
        for number in state.upcoming(plan.blocks):
            for step in state.plan(number).steps:
                state.number += 1
                made = originals.get((number, step.cell, step.arm.replica))
                if made is not None:
                    attempt = state.attempts(number) + 1
                    folder.append(replace(made, number=state.number, attempt=attempt))
        after = load(self.path)
        counted: list[Record] = list(after.records())
        if run.info.plan == whole_info("complete").plan:
            assert not missing(after.info, counted), missing(after.info, counted).words
        assert len({(r.block, r.cell, r.replica) for r in counted}) == len(counted) or (
            run.damage.lines or after.damage.lines
        )
        self.repaired = {name: (self.path / name).read_bytes() for name in (RUN, RECORDS)}
        self.lines = [
            line
            for line in self.repaired[RECORDS].splitlines()
            if b'"number":' in line and self.counts(line, after.info)
        ]

    def counts(self, line: bytes, info: RunInfo) -> bool:
        try:
            record = json.loads(line)
            place = int(record["block"]), int(record["number"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        return not any(one.sets_aside(*place) for one in info.resumed)

    @invariant()
    def the_sound_run_is_as_it_was(self) -> None:
        if hasattr(self, "sound"):
            assert len((self.sound / RECORDS).read_bytes().splitlines()) == PLANNED


Folders.TestCase.settings = settings(
    max_examples=CASES or 30,
    stateful_step_count=8,
    deadline=None,
    derandomize=not CASES,
    database=None,
    phases=[Phase.generate] if CASES else [Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
TestFolders = Folders.TestCase
