"""Capture the facts of one live pair of each driver.

    python tests/golden/capture_facts.py ENGINE [DRIVER...]

Writes `facts/ENGINE/DRIVER.json`: what the netlink reader saw, and the text of every command that
the reader from inside ran in the same pair at the same time. Needs root; `docker` starts an engine
of its own (tests/lab/dockerd), and `podman` an ordinary user's Podman. A driver that this machine
cannot make is named and passed over.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.dockerd import Lab
from support.other_engines import rootless_podman

from netbench.drivers import DRIVERS, Driver, PathClaim
from netbench.engines.base import Engine, EngineOptions
from netbench.engines.docker import open_docker
from netbench.engines.netns.engine import NetnsEngine
from netbench.facts.inside import InsideReader
from netbench.facts.netlink import NetlinkReader
from netbench.facts.pair import NamespaceSet, Pair
from netbench.record import PairFacts
from netbench.spec import Arm
from netbench.spec import Path as Direction
from netbench.system.files import NOWHERE
from netbench.topology.pairs import LiveBlock, LivePair

_QUIET = 3.0
"""Seconds after which IPv6 has announced itself and counters stand still."""
_TRIES = 20
"""Readings of one pair: links of the LAN ask for a router now and then, and their counters move."""


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
    if kind == "podman":
        yield from _opened(EngineOptions(), os.environ)
        return
    lab = Lab.start()
    try:
        yield from _opened(EngineOptions(init_swarm=True), lab.environment)
    finally:
        lab.stop()


def _opened(options: EngineOptions, environment: Mapping[str, str]) -> Iterator[Engine]:
    """Give the engine that the environment names."""
    made = open_docker("golden", options, environment)
    made.prepare()
    try:
        yield made
    finally:
        made.close()


def beside_podman(argv: Sequence[str]) -> int:
    """Run this script beside a Podman of an ordinary user; return its exit code."""
    podman = rootless_podman()
    try:
        within = {**os.environ, **podman.environment}
        command = (*podman.spaces.before, sys.executable, __file__, *argv)
        return subprocess.run(command, env=within, check=False).returncode
    finally:
        podman.stop()


def recorded(subject: NamespaceSet, said: dict[str, str]) -> NamespaceSet:
    """Return a subject that notes what it is asked and what it answers, all of it as it is."""

    def run(argv: tuple[str, ...]) -> str:
        text = subject.run(argv)
        said[" ".join(argv)] = compact(text)
        return text

    return replace(subject, stands_in=(), run=run, files=NOWHERE)


def compact(text: str) -> str:
    """Return JSON without its white space; other text as it is."""
    try:
        return json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError:
        return text


def capture(kind: str, folder: Path, names: Sequence[str]) -> None:
    """Write one file a driver."""
    folder.mkdir(parents=True, exist_ok=True)
    with engine(kind) as live_engine:
        for driver in [DRIVERS[name] for name in names or DRIVERS]:
            reason = live_engine.unsupported(driver.recipe, Direction.EAST_WEST)
            if reason is not None:
                print(f"{driver.name}: passed over: {reason}")  # noqa: T201
                continue
            text = json.dumps(look(live_engine, driver), indent=1, ensure_ascii=False)
            file = folder / f"{driver.name.replace(':', '-')}.json"
            file.write_text(text + "\n", encoding="utf-8")


def look(live_engine: Engine, driver: Driver) -> dict[str, object]:
    """Return what both readers see of a driver's pair, with a LAN where the driver uses it."""
    arm = Arm(driver.name)
    outside = isinstance(driver.ways[Direction.NORTH_SOUTH], PathClaim)
    paths = tuple(Direction)[: 2 if outside else 1]
    block = LiveBlock(
        live_engine, NetlinkReader(), [(arm, driver)], prefix="golden", cpus=(), paths=paths
    )
    with block:
        made = block.pairs[arm]
        assert isinstance(made, LivePair), made
        time.sleep(_QUIET)
        for _ in range(_TRIES):
            said: dict[str, dict[str, str]] = {s.role.value: {} for s in made.pair.subjects}
            pair = noted(made.pair, said)
            (before,) = NetlinkReader().read([pair])
            InsideReader().read([pair])
            (after,) = NetlinkReader().read([pair])
            if before == after and isinstance(after, PairFacts):
                return {"netlink": asdict(after), "inside": said}
    raise SystemExit(f"{driver.name}: it does not hold still: {after}")


def noted(pair: Pair, said: dict[str, dict[str, str]]) -> Pair:
    """Return a pair whose subjects note what they are asked."""

    def one(subject: NamespaceSet) -> NamespaceSet:
        return recorded(subject, said[subject.role.value])

    return replace(
        pair,
        client=one(pair.client),
        server=one(pair.server),
        host=one(pair.host),
        lan=one(pair.lan) if pair.lan else None,
        sandbox=one(pair.sandbox) if pair.sandbox else None,
    )


if __name__ == "__main__":
    if sys.argv[1] == "podman" and "DOCKER_HOST" not in os.environ:
        sys.exit(beside_podman(sys.argv[1:]))
    capture(sys.argv[1], Path(__file__).parent / "facts" / sys.argv[1], sys.argv[2:])
