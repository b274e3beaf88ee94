"""Capture the facts of one live pair of each driver: `python tests/golden/capture_facts.py ENGINE`.

Writes `facts/ENGINE/DRIVER.json`: what the netlink reader saw, and the text of every command that
the reader from inside ran in the same pair at the same time. Needs root; `docker` starts an engine
of its own (tests/lab/dockerd).
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.dockerd import Lab

from netbench.drivers import DRIVERS
from netbench.engines.base import Engine
from netbench.engines.docker import open_docker
from netbench.engines.netns import NetnsEngine
from netbench.facts.base import Pair, Subject
from netbench.facts.inside import InsideReader
from netbench.facts.netlink import NetlinkReader
from netbench.record import PairFacts
from netbench.spec import Arm
from netbench.topology import LiveBlock, LivePair

_QUIET = 3.0
"""Seconds after which IPv6 has announced itself and counters stand still."""


@contextmanager
def engine(kind: str) -> Iterator[Engine]:
    """Return an engine to look at."""
    if kind == "netns":
        made: Engine = NetnsEngine("golden", "asked for")
        try:
            yield made
        finally:
            made.close()
        return
    lab = Lab.start()
    try:
        made = open_docker("golden", environment=lab.environment)
        made.prepare()
        try:
            yield made
        finally:
            for thing in made.owned():
                made.remove_owned(thing)
            made.close()
    finally:
        lab.stop()


def recorded(subject: Subject, said: dict[str, str]) -> Subject:
    """Return a subject that notes what it is asked and what it answers."""

    def run(argv: tuple[str, ...]) -> str:
        text = subject.run(argv)
        said[" ".join(argv)] = compact(text)
        return text

    return replace(subject, run=run)


def compact(text: str) -> str:
    """Return JSON without its white space; other text as it is."""
    try:
        return json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError:
        return text


def capture(kind: str, folder: Path) -> None:
    """Write one file a driver."""
    folder.mkdir(parents=True, exist_ok=True)
    with engine(kind) as live_engine:
        for driver in DRIVERS.values():
            arm = Arm(driver.name)
            with LiveBlock(live_engine, NetlinkReader(), [arm], prefix="golden", cpus=()) as live:
                made = live.pairs[arm]
                assert isinstance(made, LivePair), made
                time.sleep(_QUIET)
                said: dict[str, dict[str, str]] = {"client": {}, "server": {}, "host": {}}
                pair = Pair(
                    recorded(made.pair.client, said["client"]),
                    recorded(made.pair.server, said["server"]),
                    recorded(made.pair.host, said["host"]),
                    made.pair.target,
                    made.pair.ipam,
                )
                InsideReader(local=False).read([pair])
                (facts,) = NetlinkReader().read([pair])
                assert isinstance(facts, PairFacts), facts
            text = json.dumps(
                {"netlink": asdict(facts), "inside": said}, indent=1, ensure_ascii=False
            )
            file = folder / f"{driver.name.replace(':', '-')}.json"
            file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    capture(sys.argv[1], Path(__file__).parent / "facts" / sys.argv[1])
