"""Holders of a netbench that is gone, found by their environment."""

import contextlib
import os
import signal
from pathlib import Path

from netbench.engines.base import Owned
from netbench.engines.owner import maker_lives


def owned_processes(run: str | None) -> tuple[Owned, ...]:
    """Return the processes that carry `NETBENCH_RUN`, of one run or of all."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue
        values = dict(word.decode(errors="replace").partition("=")[::2] for word in words)
        mark = values.get("NETBENCH_RUN")
        if mark and run in (None, mark):
            live = maker_lives(values.get("NETBENCH_OWNER", "")) is not False
            found.append(Owned("process", folder.name, name, mark, live))
    return tuple(found)


def end_owned_process(thing: Owned) -> None:
    """Kill a leftover, if it still is what it was."""
    if any(thing.id == found.id for found in owned_processes(thing.run)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(thing.id), signal.SIGKILL)
