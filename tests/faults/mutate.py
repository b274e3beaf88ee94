"""Does the suite notice? Takes one safeguard out of a copy of the program, and runs its tests.

    python tests/faults/mutate.py [NAME ...]

Each mutation must make a test fail; exit code 1 where one survives. Takes minutes, changes nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Mutation:
    """One safeguard, gone."""

    name: str
    file: str
    there: str
    """Must stand in the file exactly once."""
    instead: str
    tests: tuple[str, ...]


SIGNALS = "tests/faults/test_signals_faults.py"
DOCKER = "tests/faults/test_docker_faults.py"
SYSTEM = "tests/faults/test_system_faults.py"
MISSING = "tests/faults/test_missing.py"
DAMAGED = "tests/faults/test_damaged_folders.py"
OUTPUT = "tests/unit/test_output_files.py"
COMMANDS = "tests/unit/test_cli_commands.py"
RESUMED = "tests/netns/test_resume_netns.py"
COST = "tests/netns/test_cost_netns.py"
MOVED = "tests/netns/test_moved_netns.py"
BROKEN = "test_a_tool_that_does_not_work_is_a_failure_with_evidence"
ENDED = "test_a_signal_ends_a_run_in_good_order"
MUTATIONS = (
    Mutation(
        "a record is not synchronised",
        "netbench/store/writing.py",
        "                    _write_all(file.fileno(), line)\n"
        "                    os.fsync(file.fileno())\n",
        "                    _write_all(file.fileno(), line)\n",
        (f"{SYSTEM}::test_a_record_is_on_disk_before_anything_else_happens",),
    ),
    Mutation(
        "run.json is not flushed before it is synchronised",
        "netbench/store/output.py",
        "            file.flush()\n",
        "",
        (f"{SYSTEM}::test_a_record_is_on_disk_before_anything_else_happens",),
    ),
    Mutation(
        "a line that does not fit stays",
        "netbench/store/writing.py",
        "                        file.truncate(length)\n",
        "                        pass\n",
        ("tests/unit/test_store.py",),
    ),
    Mutation(
        "cgroups stay",
        "netbench/engines/netns/spawner.py",
        "        for group in (*left, *self._parents):\n            remove_group(group)\n",
        "",
        (
            f"{COST}::test_groups_go_with_their_endpoints_and_the_last_with_the_engine",
            f"{SIGNALS}::{ENDED}[SIGINT-probe]",
        ),
    ),
    Mutation(
        "a block's pairs stay",
        "netbench/topology/pairs.py",
        "        if not self.keep:\n            self.remove()\n",
        "",
        ("tests/unit/test_runner.py",),
    ),
    Mutation(
        "a client works on while others are measured",
        "netbench/runner/session.py",
        "        finally:\n            prepared.hold()\n",
        "        finally:\n            pass\n",
        ("tests/unit/test_runner_sessions.py",),
    ),
    Mutation(
        "bytes of others prove a path",
        "netbench/topology/proof.py",
        "    problems += [p for one in slices for p in _short_slice(hops, one, kept=_kept(now))]\n",
        "",
        ("tests/unit/test_runner_sessions.py",),
    ),
    Mutation(
        "from inside, links are not read again",
        "netbench/facts/inside.py",
        "    links, addresses = held\n    known",
        "    links, addresses = seen.links, seen.addresses\n    known",
        ("tests/unit/test_facts_inside.py",),
    ),
    Mutation(
        "what is changed and changed back proves a path",
        "netbench/topology/proof.py",
        "    problems += _passing(driver.hops(path, before), heard)\n",
        "",
        ("tests/unit/test_link_events.py",),
    ),
    Mutation(
        "who is dead lives until somebody asks how it ended",
        "netbench/engines/local_process.py",
        "return None if state in _DEAD or flags & _EXITING or killed else ticks",
        "return ticks",
        ("tests/unit/test_owner.py",),
    ),
    Mutation(
        "pairs that are to be kept end with netbench",
        "netbench/engines/netns/spawner.py",
        "self._bound = () if keep else BOUND",
        "self._bound = BOUND",
        ("tests/netns/test_keep_netns.py",),
    ),
    Mutation(
        "a second signal cuts the cleaning short",
        "netbench/system/interrupts.py",
        "        pending.append(number)\n",
        "        raise KeyboardInterrupt\n",
        (f"{DOCKER}::test_a_second_signal_does_not_cut_the_cleaning_short",),
    ),
    Mutation(
        "a signal is raised while a library has taken a lock",
        "netbench/cli/__init__.py",
        "    if _amid not in ([], before):",
        "    if False:",
        ("tests/unit/test_interrupts.py",),
    ),
    Mutation(
        "SIGHUP kills",
        "netbench/system/interrupts.py",
        "signal.SIGTERM, signal.SIGHUP)",
        "signal.SIGTERM)",
        (f"{SIGNALS}::{ENDED}[SIGHUP-probe]",),
    ),
    Mutation(
        "a torn line is written on to",
        "netbench/store/writing.py",
        "file.truncate(length - len(last))",
        "pass",
        ("tests/unit/test_resume.py",),
    ),
    Mutation(
        "control characters reach the terminal",
        "netbench/units.py",
        'c if c.isprintable() or c == "\\n" else escape(c) for c',
        "c or escape(c) for c",
        ("tests/unit/test_cli_output.py", "tests/unit/test_hostile.py"),
    ),
    Mutation(
        "a name begins a line of its own",
        "netbench/cli/output.py",
        r'return _LINE_END.sub(r"\\n", printable(text))',
        "return printable(text)",
        ("tests/unit/test_cli_output.py::test_what_is_in_a_name_begins_no_line",),
    ),
    Mutation(
        "names reach the page as HTML",
        "netbench/report/html_env.py",
        "select_autoescape(default=True, default_for_string=True)",
        "False",
        ("tests/unit/test_hostile.py", "tests/unit/test_report_page.py"),
    ),
    Mutation(
        "names reach the summary as Markdown",
        "netbench/report/summary.py",
        r'return _SPECIAL.sub(r"\\\1", plain(text))',
        "return plain(text)",
        ("tests/unit/test_hostile.py", "tests/unit/test_report_summary.py"),
    ),
    Mutation(
        "names reach a spreadsheet as formulas",
        "netbench/report/tables.py",
        """return f"'{clean}" if clean.startswith(_FORMULA) else clean""",
        "return clean",
        ("tests/unit/test_hostile.py", "tests/unit/test_report_tables.py"),
    ),
    Mutation(
        "records that are missing change no exit code",
        "netbench/analysis/model.py",
        "return INCOMPLETE if self.missing else self.tally.exit_code",
        "return self.tally.exit_code",
        (f"{MISSING}::test_every_command_tells_what_a_folder_has_lost",),
    ),
    Mutation(
        "a run that lost records is complete",
        "netbench/workflow/resume.py",
        "not extended and not missing(info, run.records()):",
        "not extended:",
        (f"{RESUMED}::test_what_got_lost_of_a_run_that_ended_is_measured_again",),
    ),
    Mutation(
        "a comparison takes a run that lost records for whole",
        "netbench/workflow/compare.py",
        "return INCOMPLETE if missing else 0",
        "return 0",
        (f"{MISSING}::test_a_comparison_that_misses_a_record_ends_with_3",),
    ),
    Mutation(
        "a report that says less replaces one that says more",
        "netbench/workflow/reporting.py",
        "    if not unknown and (before or 0) <= now:\n",
        "    if now >= 0:\n",
        (f"{MISSING}::test_a_report_is_not_replaced_by_one_that_says_less",),
    ),
    Mutation(
        "a damaged line is told on stderr alone",
        "netbench/workflow/reporting.py",
        "judged(info, collector.frames(info.plan), run.damage)",
        "judged(info, collector.frames(info.plan))",
        (f"{MISSING}::test_damaged_lines_leave_their_trace_in_every_output",),
    ),
    Mutation(
        "a link is replaced by a file",
        "netbench/store/output.py",
        "_replace(Path(os.path.realpath(path)), content, found)",
        "_replace(path, content, found)",
        (OUTPUT,),
    ),
    Mutation(
        "a pipe is replaced by a file",  # a device would be, too: do not try it with root's own
        "netbench/store/output.py",
        "elif found is None or stat.S_ISREG(found.st_mode):",
        "elif content:",
        (f"{OUTPUT}::test_a_pipe_is_written_to_and_stays",),
    ),
    Mutation(
        "a file is written where it stands",
        "netbench/store/output.py",
        'partial = target.with_name(f".{target.name[:200]}.partial")',
        "partial = target",
        ("tests/unit/test_store.py::test_run_json_is_replaced_whole_and_nothing_else_is_left",),
    ),
    Mutation(
        "what was measured is overwritten by what is asked for",
        "netbench/store/output.py",
        "    if measured and real.exists()",
        "    if False and real.exists()",
        (f"{OUTPUT}::test_what_a_run_has_measured_is_not_overwritten",),
    ),
    Mutation(
        "a place is not looked at before something is written there",
        "netbench/store/output.py",
        "        if exc.errno in {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}:\n",
        "        if exc.errno is None:\n",
        (OUTPUT,),
    ),
    Mutation(
        "an empty name is the current folder",
        "netbench/cli/commands/__init__.py",
        "    if not str(named).strip():\n",
        "    if named is None:\n",
        (OUTPUT,),
    ),
    Mutation(
        "by netlink, links are not read again",
        "netbench/facts/netlink.py",
        "        (now,) = self.read([pair])\n",
        "        now = seen\n",
        (f"{MOVED}::test_ports_that_are_moved_to_another_bridge_within_a_slice_are_a_failure",),
    ),
    Mutation(
        "nobody listens to the kernel between two readings",
        "netbench/facts/netlink.py",
        "sockets[one.role] = in_netns(one.where, _listening)",
        "pass",
        (f"{MOVED}::test_what_is_changed_and_changed_back_between_the_readings_is_a_failure",),
    ),
    Mutation(
        "a queue that is replaced and put back is not heard of",
        "netbench/facts/netlink.py",
        "one.bind((0, RTMGRP_LINK | RTMGRP_TC))",
        "one.bind((0, RTMGRP_LINK))",
        (f"{MOVED}::test_what_is_changed_and_changed_back_between_the_readings_is_a_failure",),
    ),
    Mutation(
        "what is read once is not told",
        "netbench/facts/inside.py",
        "read_once=(f",
        "read_once=() and (f",
        ("tests/unit/test_facts_inside.py",),
    ),
    Mutation(
        "an option without effect is taken",
        "netbench/cli/commands/__init__.py",
        "    if given:\n",
        "    if given is None:\n",
        (f"{COMMANDS}::test_an_option_without_effect_is_an_error",),
    ),
    Mutation(
        "of an option that is given twice the last value counts",
        "netbench/cli/__init__.py",
        "        if twice and not ctx",
        "        if False and not ctx",
        (f"{COMMANDS}::test_an_option_of_one_value_is_given_once",),
    ),
    Mutation(
        "digits of other scripts are a number",
        "netbench/plan/extend.py",
        'r"[+-]?[0-9]{1,20}"',
        'r"[+-]?\\d{1,20}"',
        (COMMANDS,),
    ),
    Mutation(
        "a record is not checked against its plan",
        "netbench/store/records.py",
        "        problem = check.problem(record)\n        if record.number",
        '        problem = ""\n        if record.number',
        (DAMAGED,),
    ),
    Mutation(
        "a number of a record stands twice",
        "netbench/store/records.py",
        "        if record.number in self.reading.numbers:\n",
        "        if record.number < 0:\n",
        (DAMAGED, "tests/unit/test_store.py"),
    ),
    Mutation(
        "a plan is not checked",
        "netbench/store/__init__.py",
        "    if problem := run_problem(info):\n",
        '    if problem := "":\n',
        (f"{DAMAGED}::test_a_plan_that_cannot_be_is_refused",),
    ),
    Mutation(
        "a throughput of 0 is a measurement",
        "netbench/record/checks.py",
        "metric.compared and not one.value > 0:",
        "metric.compared and one.value < 0:",
        (f"{DAMAGED}::test_a_throughput_of_0_has_no_logarithm_and_is_no_record",),
    ),
    Mutation(
        "a FIFO is read",
        "netbench/system/files.py",
        "    if not stat.S_ISREG(mode):\n",
        "    if stat.S_ISDIR(mode):\n",
        (
            f"{DAMAGED}::test_a_file_that_becomes_a_fifo_once_it_is_open_is_not_waited_for",
            f"{DAMAGED}::test_a_page_of_runs_that_is_a_fifo_holds_nobody_up",
        ),
    ),
    Mutation(
        "pairs that are to be kept are removed",
        "netbench/topology/pairs.py",
        "        if not self.keep:\n            self.remove()\n",
        "        self.remove()\n",
        ("tests/netns/test_keep_netns.py",),
    ),
    Mutation(
        "what stays in use by others is no matter to `clean`",
        "netbench/cli/commands/lists.py",
        "    return 3 if used or any(",
        "    return 3 if any(",
        ("tests/faults/test_cli_cleaning.py",),
    ),
    Mutation(
        "all that a flooding tool printed is kept",
        "netbench/engines/local_process.py",
        "most = KEPT_OF_FLOOD if flooded else MOST_OUTPUT",
        "most = MOST_OUTPUT",
        (f"{SYSTEM}::{BROKEN}[floods its output]",),
    ),
    Mutation(
        "a text of any length is recorded",
        "netbench/store/writing.py",
        "document = bounded(to_builtins(value))",
        "document = to_builtins(value)",
        (f"{DAMAGED}::test_what_is_written_and_what_is_shown_is_bounded",),
    ),
    Mutation(
        "a text of any length is shown",
        "netbench/errors.py",
        "return text if len(text) <= most else",
        "return text if most else",
        (f"{DAMAGED}::test_a_long_value_is_told_by_its_beginning",),
    ),
)


def survives(mutation: Mutation) -> bool:
    """Tell whether every test passes all the same."""
    with tempfile.TemporaryDirectory(prefix="netbench-mutant-") as name:
        copy = Path(name) / "netbench"
        ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", "reports", ".*_cache")
        shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
        file = copy / mutation.file
        text = file.read_text()
        assert text.count(mutation.there) == 1, f"{mutation.name}: {mutation.file} has changed"
        file.write_text(text.replace(mutation.there, mutation.instead))
        done = subprocess.run(
            (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests),
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        # Neither "passed" nor "failed": there is no such test any more, or nothing runs at all.
        assert done.returncode in (0, 1), done.stdout + done.stderr
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        print(f"{'noticed' if failed else 'SURVIVED':<9} {mutation.name}", flush=True)
        for line in failed:
            print(f"          {line}")
        return not failed


def main() -> int:
    """Try the mutations that are named, else all."""
    wanted = sys.argv[1:]
    chosen = [m for m in MUTATIONS if not wanted or m.name in wanted]
    return 1 if sum(survives(mutation) for mutation in chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
