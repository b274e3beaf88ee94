"""The documented commands that need two machines, in their order, on two engines of our own."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from support.documented import commands
from support.inventory import difference
from support.program import Program, assert_cleaned, assert_measured, records
from support.two_engines import WIRE, TwoEngines

SHORT = """
name = "short"
[probes.tcp-rr]
rounds = 3
slice = 0.2
[[cell]]
probe = "tcp-rr"
placement = "cross"
"""
ELSEWHERE = re.compile(r"ssh://\S+")
"""Where the page's second machine is; ours takes its place."""


def test_the_page_leads_from_two_machines_to_a_report(
    two_engines: TwoEngines, tmp_path: Path
) -> None:
    two = two_engines
    shown = commands("machines")
    assert [words.split()[0] for words in shown[:2]] == ["docker", "netbench"]
    found = {**os.environ, **two.contexts()}
    create = shlex.split(ELSEWHERE.sub(two.b.ssh, shown[0]))
    subprocess.run(create, env=found, check=True, capture_output=True, timeout=60)
    before = two.inventory()
    program = Program(tmp_path, before=two.a.before, environment=two.contexts())
    runs, seen = tmp_path / "runs", set[Path]()
    short = ("--suite", program.suite(SHORT), "--blocks", "1", "--output", str(runs))
    try:
        for command in shown[1:]:
            name, *argv = shlex.split(command)[1:]
            options = [WIRE if word == "eth1" else word for word in argv]
            more = short if name == "run" else ()
            done = program(name, "--context", "unix-a", *options, *more)
            if name == "clean":
                assert_cleaned(done)
            elif name == "run":
                assert done.code in (0, 3), (command, done.stderr)
                (made,) = {*runs.iterdir()} - seen
                seen.add(made)
                assert_measured(records(made), done)
            else:
                assert done.code == 0, (command, done.stderr)
    finally:
        subprocess.run(
            ("docker", "context", "rm", "--force", create[3]),
            env=found,
            check=True,
            capture_output=True,
            timeout=60,
        )
    assert len(seen) == len([c for c in shown if " run " in c])
    assert dict(difference(before, two.inventory())) == {}
