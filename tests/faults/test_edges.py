"""Every call of netbench that leaves its process fails, hangs or is late once.

`NETBENCH_TEST_EDGES=all` walks all of them, which takes an hour; without it some are walked, always
the same. `NETBENCH_TEST_EDGES=7` walks some others.
"""

import os
import sys
from collections import Counter

import pytest
from support.dockerd import Lab
from support.edge_walks import SHORTEST, Walk, injuries
from support.edges import Injury
from support.faults import Bed
from support.program import ONE_SECOND

WANTED = os.environ.get("NETBENCH_TEST_EDGES") or "1"
SEED = 1 if WANTED == "all" else int(WANTED)
SUITE = ONE_SECOND if WANTED == "all" else SHORTEST
"""A session has everything that a trial has, and takes longer."""
FOUND = {
    "netns": {
        ("read /proc/self/cgroup @ system.files", "fails"),  # an error of no known kind
        ("start setpriv true", "stalls"),  # nothing waited for it
        ("start git describe", "stalls"),
        ("socket family N @ engines.netns.wiring.delete_link", "fails"),  # a finalizer's traceback
        ("signal N @ engines.netns.spawner._end", "fails"),  # the others were not ended
        ("signal N @ engines.netns.spawner.Spawner.release", "fails"),
    },
    "docker": {("DELETE /containers/ID", "fails")},  # of the last one, after which came no report
}
"""What went wrong once, by the beginning of the edge's name: it is walked every time."""


def walked(walk: Walk, engine: str, capsys: pytest.CaptureFixture[str], some: int) -> None:
    """Walk so many edges, or all; tell the count and, together, what is wrong."""
    calls = walk.record()
    every = injuries(calls, SEED, api=walk.lab is not None)
    again = [before(every, calls, *one) for one in sorted(FOUND[engine])]
    others = [one for one in every if one not in again]
    chosen = every if WANTED == "all" else [*again, *others[:some]]
    found = [one for one in map(walk.injure, chosen) if one is not None]
    hows, codes = (Counter(x) for x in zip(*((f.injury.how, f.code) for f in found), strict=True))
    with capsys.disabled():
        sys.stdout.write(
            f"\n{engine}: {len(calls)} edges, {calls.total()} calls, {len(every)} injuries, "
            f"{len(found)} of {len(chosen)} done: {dict(hows)}; exit codes {dict(codes)}; "
            f"{sum(one.cleaned for one in found)} needed `netbench clean`\n"
        )
    wrong = [str(one) for one in found if one.problems]
    assert not wrong, "\n\n".join(wrong)
    assert len(found) > len(chosen) / 2


def before(every: list[Injury], calls: Counter[str], start: str, how: str) -> Injury:
    """Return what went wrong once; of the calls of a name it was the last."""
    names = [one.name for one in every if one.how == how and one.name.startswith(start)]
    assert names, f"there is no such edge any more, so say what it is called now: {start}"
    nth = calls[names[0]] if names[0] == start else 1
    return Injury(names[0], nth, how, "")


def test_every_edge_of_the_netns_engine(bed: Bed, capsys: pytest.CaptureFixture[str]) -> None:
    walked(Walk(bed, SUITE), "netns", capsys, 6)


def test_every_edge_of_the_docker_engine(
    docker_bed: Bed, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    walk = Walk(docker_bed, SHORTEST, lab)
    walk.record()  # which makes the probe image
    walked(walk, "docker", capsys, 6)
