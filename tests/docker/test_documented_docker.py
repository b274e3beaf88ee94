"""The documented commands that need a Docker Engine, on one of our own."""

import re
import shlex
from pathlib import Path

import pytest
from support.dockerd import Lab
from support.documented import commands
from support.program import TRICKLE, Program

ELSEWHERE = re.compile(r"^(?:DOCKER_\w+=\S+ )+")
"""Where a page's engine is; ours takes its place."""


@pytest.mark.parametrize(
    "command", dict.fromkeys(ELSEWHERE.sub("", text) for text in commands("docker"))
)
def test_it_does_what_it_says(lab: Lab, tmp_path: Path, command: str) -> None:
    _, *argv = shlex.split(command)
    program = lab.beside(Program(tmp_path))
    short = ("--suite", program.suite(TRICKLE), "--blocks", "1") if argv[0] == "run" else ()

    done = program(*argv, *short)

    assert done.code == 0, done.stderr
