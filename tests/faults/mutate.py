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
        "netbench/store/writing.py",
        "file.flush()\n",
        "pass\n",
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
        (f"{SIGNALS}::{ENDED}[SIGINT-probe]",),
    ),
    Mutation(
        "a block's pairs stay",
        "netbench/topology/pairs.py",
        "        if not self.keep:\n            self._creations.remove_all()\n",
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
        "    problems += [problem for one in slices for problem in _short_slice(hops, one)]\n",
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
        "SIGHUP kills",
        "netbench/system/interrupts.py",
        "signal.SIGTERM, signal.SIGHUP)",
        "signal.SIGTERM)",
        (f"{SIGNALS}::{ENDED}[SIGHUP-probe]",),
    ),
    Mutation(
        "a torn line is written on to",
        "netbench/store/writing.py",
        'file.truncate(sum(len(line) for line in file if line.endswith(b"\\n")))',
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
