"""Completion as people use it: a shell at a terminal, a command begun, one Tab."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.require import require_or_skip

ROOT = Path(__file__).parent.parent.parent
PROMPT = "READY> "
START = {
    "bash": 'PS1="READY> "\nbind "set enable-bracketed-paste off"\n',
    "zsh": 'PS1="READY> "\nunsetopt prompt_sp\nunset zle_bracketed_paste\n',
}
BEFORE = {"bash": "", "zsh": "autoload -Uz compinit; compinit -u\n"}
"""What a shell's own start-up file has before netbench comes to it."""
SHELLS = {"bash": ("bash", "--noprofile", "-i"), "zsh": ("zsh", "-o", "noglobalrcs", "-i")}
FILES = {"bash": ".bashrc", "zsh": ".zshrc"}
LINES = {
    "netbench cl": "netbench clean ",
    "netbench run --suite qui": "netbench run --suite quick ",
    "netbench run --suite=qui": "netbench run --suite=quick ",
    "netbench run --drivers host,bridge:u": "netbench run --drivers host,bridge:user ",
    "netbench run --require 'a < b' --suite qui": "netbench run --require 'a < b' --suite quick ",
    "netbench report fol": "netbench report folder/",
}
"""What stands at the prompt, and what after a Tab."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with this netbench on its PATH, and a folder."""
    program = tmp_path / "bin" / "netbench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m netbench "$@"\n')
    program.chmod(0o755)
    (tmp_path / "folder").mkdir()
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "TERM": "dumb"}


class Terminal:
    """The other side of a shell's terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def read_until(self, text: str, seconds: float = 120) -> str:
        """Return what was shown, at the latest when time is up."""
        shown, end = "", time.monotonic() + seconds
        while text not in shown and (left := end - time.monotonic()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                shown += os.read(self._fd, 4096).decode()
        return shown


@contextmanager
def opened(shell: str, home: Path) -> Iterator[Terminal]:
    """Open a shell that reads the start-up file of a home."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        ("setsid", "--ctty", "--wait", *SHELLS[shell]),
        cwd=home,
        env=environment(home),
        stdin=its,
        stdout=its,
        stderr=its,
    )
    try:
        yield Terminal(ours)
    finally:
        with suppress(OSError):
            os.write(ours, b"\x03\x15 exit\r")
        os.close(its)
        os.close(ours)  # hangs up on a shell that does not listen
        process.wait(120)


def installed(shell: str, home: Path, how: str) -> None:
    """Give a shell netbench's completion in one of both ways."""
    start = home / FILES[shell]
    start.write_text(BEFORE[shell])
    if how == "shown":
        start.write_text(f'{BEFORE[shell]}eval "$(netbench --show-completion)"\n')
    else:
        subprocess.run(
            (shell, "-c", "netbench --install-completion; exit $?"),
            cwd=home,
            env=environment(home),
            capture_output=True,
            check=True,
        )
    with start.open("a") as file:
        file.write(START[shell])


@pytest.mark.parametrize("how", ["installed", "shown"])
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_first_tab_completes(home: Path, shell: str, how: str) -> None:
    if not shutil.which(shell):
        require_or_skip(shell, f"no {shell} (apt-get install {shell})")
    installed(shell, home, how)

    for begun, whole in LINES.items():
        with opened(shell, home) as terminal:
            terminal.read_until(PROMPT)
            terminal.type(f"{begun}\t")
            shown = terminal.read_until(whole.rstrip())

        assert whole.rstrip() in shown, f"{begun}: {shown!r}"


def test_fish_is_told_what_to_complete(home: Path) -> None:
    done = subprocess.run(
        ("netbench",),
        env={
            **environment(home),
            "_NETBENCH_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_ARGS": "netbench run --suite qui",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.fullmatch(r"quick\n?", done.stdout)
