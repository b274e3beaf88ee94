"""A Docker Engine, its containers, networks and images that fail a run."""

import io
import json
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import Any

import docker
import pytest
from support.dockerd import Lab
from support.faults import (
    SESSIONS,
    TRIALS,
    Bed,
    Running,
    assert_kept,
    assert_one_error,
    docker_bed_of,
    failures,
    held,
    nothing_left,
    stages,
    trickle,
)
from support.program import assert_cleaned, wait_for

from netbench.record import Sample
from netbench.store import LoadedRun, load

LABEL = "netbench.run"


@pytest.fixture
def api(lab: Lab) -> Iterator[docker.APIClient]:
    client = docker.APIClient(base_url=f"unix://{lab.socket}")
    yield client
    client.close()


@pytest.mark.parametrize(
    ("number", "stage"),
    [
        (signal.SIGINT, "create"),
        (signal.SIGHUP, "settle"),
        (signal.SIGTERM, "probe"),
        (signal.SIGINT, "teardown"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_signal_ends_a_run_in_good_order(docker_bed: Bed, number: Signals, stage: str) -> None:
    with nothing_left(docker_bed):
        run = docker_bed.start()
        run.until(stages(docker_bed)[stage])
        run.signal(number)

        assert run.end() == 130, run.said
        assert_one_error(run, f"stopped by {number.name}")
        assert_kept(run)


@pytest.mark.parametrize("stage", ["probe", "teardown"])
def test_a_second_signal_does_not_cut_the_cleaning_short(docker_bed: Bed, stage: str) -> None:
    """Containers do not go with netbench's own process."""
    with nothing_left(docker_bed):
        run = docker_bed.start()
        run.until(stages(docker_bed)[stage])

        assert run.insist(signal.SIGINT) == 130, run.said
        assert "Traceback" not in run.said
        assert_kept(run)


@pytest.mark.parametrize("stage", ["build", "create", "probe", "teardown"])
def test_a_killed_run_is_cleaned_up_after(docker_bed: Bed, stage: str) -> None:
    with nothing_left(docker_bed):
        run = docker_bed.start()
        run.until(stages(docker_bed)[stage])
        run.signal(signal.SIGKILL)

        assert run.end() == -signal.SIGKILL
        assert_kept(run, truncated=True)
        cleaned = docker_bed.program("clean")
        assert_cleaned(cleaned)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda value: value.name)
def test_tools_that_are_held_go_with_the_run(docker_bed: Bed, number: Signals) -> None:
    with nothing_left(docker_bed):
        run = docker_bed.start(cell=SESSIONS)
        run.until(lambda _: held(docker_bed))
        run.signal(number)

        if number is signal.SIGKILL:
            assert run.end() == -signal.SIGKILL
            assert_kept(run, truncated=True)
            cleaned = docker_bed.program("clean")
            assert_cleaned(cleaned)
        else:
            assert run.end() == 130, run.said
            assert_one_error(run, f"stopped by {number.name}")
            assert_kept(run)


@pytest.mark.parametrize("stage", ["create", "settle", "probe", "record", "teardown"])
def test_a_daemon_that_is_killed_loses_no_record_and_is_cleaned_once_it_is_back(
    docker_bed: Bed, lab: Lab, stage: str
) -> None:
    # After the last block's teardown nothing would be lost.
    blocks = 2 if stage == "teardown" else 1
    with nothing_left(docker_bed):
        run = docker_bed.start(blocks=blocks)
        code = killed_at(stage, docker_bed, lab, run)

        assert code == 3, run.said
        assert "Traceback" not in run.said
        assert "the engine went away" in run.said
        loaded = assert_kept(run)
        assert loaded is not None
        assert loaded.info.status == "engine-lost"
        cleaned = docker_bed.program("clean")
        assert_cleaned(cleaned)
        again = docker_bed.call("run", "--resume", str(loaded.path), name="again-")
        # A busy machine may spoil a trial, which is no verdict on what was lost.
        assert again.end() in (0, 3), again.said
        assert_whole(run, blocks)


def test_a_daemon_that_is_killed_before_anything_is_measured_is_one_error(
    docker_bed: Bed, lab: Lab
) -> None:
    with nothing_left(docker_bed):
        run = docker_bed.start()
        code = killed_at("build", docker_bed, lab, run)

        assert code in (3, 4), run.said
        assert_one_error(run, "the Docker Engine at")
        assert_kept(run)
        cleaned = docker_bed.program("clean")
        assert_cleaned(cleaned)


def test_a_daemon_that_is_killed_when_all_is_measured_costs_nothing(
    docker_bed: Bed, lab: Lab
) -> None:
    with nothing_left(docker_bed):
        run = docker_bed.start()
        code = killed_at("report", docker_bed, lab, run)

        assert code == 0, run.said
        assert "Traceback" not in run.said
        loaded = assert_kept(run)
        assert loaded is not None
        assert loaded.info.status == "complete"
        assert (loaded.path / "report.html").exists()
        cleaned = docker_bed.program("clean")
        assert_cleaned(cleaned)


def killed_at(stage: str, bed: Bed, lab: Lab, run: Running) -> int:
    """Kill the daemon at a stage, start it again once the run has ended, return its code."""
    run.until(stages(bed)[stage])
    run.lines()
    lab.kill()
    try:
        return run.end()
    finally:
        lab.restart()


def assert_whole(run: Running, blocks: int) -> None:
    """Every block is there, once."""
    loaded = assert_kept_again(run)
    assert sorted((r.block, r.cell.driver, r.replica) for r in loaded.records()) == sorted(
        (block, driver, replica)
        for block in range(1, blocks + 1)
        for driver, replica in (("host", 0), ("host", 1), ("bridge:user", 0))
    )


def assert_kept_again(run: Running) -> LoadedRun:
    assert run.folder is not None
    return load(run.folder)


def server(api: docker.APIClient, run: Running) -> str:
    """Return the container of the bridge's server."""
    loaded = assert_kept_again(run)
    filters = {"label": f"{LABEL}={loaded.info.id}"}
    (found,) = [
        c["Id"] for c in api.containers(filters=filters) if "bridge-user-s" in c["Names"][0]
    ]
    return str(found)


def network_gone(api: docker.APIClient, container: str) -> None:
    seen = api.inspect_container(container)
    (network,) = [n["NetworkID"] for n in seen["NetworkSettings"]["Networks"].values()]
    for other in api.inspect_network(network)["Containers"]:
        api.disconnect_container_from_network(other, network, force=True)
    api.remove_network(network)


def out_of_memory(api: docker.APIClient, container: str) -> None:
    """Fill what a limit leaves, until the kernel kills the largest: the tool."""
    limit = 12 * 2**20
    api.update_container(container, mem_limit=limit, memswap_limit=limit)
    filling = ("dd", "if=/dev/zero", "of=/tmp/filler", "bs=64k", "count=160")
    api.exec_start(api.exec_create(container, list(filling))["Id"], detach=True)


HURT: dict[str, tuple[Callable[[docker.APIClient, str], Any], str]] = {
    "killed": (lambda api, container: api.kill(container), ""),
    "removed": (lambda api, container: api.remove_container(container, force=True), ""),
    "paused": (lambda api, container: api.pause(container), ""),
    "off its network": (network_gone, ""),
    "out of memory": (out_of_memory, "out of memory (OOM)"),
}
"""What is done to a container, and the evidence that must be told of it."""


@pytest.mark.parametrize("cell", [trickle(3), SESSIONS], ids=["trial", "session"])
@pytest.mark.parametrize("how", HURT)
def test_a_container_that_is_hurt_is_a_failure_and_the_others_are_measured(
    docker_bed: Bed, api: docker.APIClient, how: str, cell: str
) -> None:
    with nothing_left(docker_bed):
        run = docker_bed.start(cell=cell)
        run.until(lambda _: bridged(docker_bed) and (cell != SESSIONS or held(docker_bed)))
        hurt, words = HURT[how]
        hurt(api, server(api, run))
        code = run.end()

        assert code == 3, run.said
        assert "Traceback" not in run.said
        kept = assert_kept(run)
        assert kept
        found = failures(kept)
        wounds = [one for record, one in found if record.cell.driver == "bridge:user"]
        assert wounds
        assert all(words in failure.evidence for failure in wounds)
        samples = [one for one in kept.records() if isinstance(one.outcome, Sample)]
        assert "host" in {record.cell.driver for record in samples}
        # Beside a busy neighbour a sender may be too slow for its rate; nothing else fails.
        others = [one for _, one in found if one not in wounds]
        assert [one for one in others if "were to be sent" not in one.reason] == []


def bridged(bed: Bed) -> list[int]:
    """Return the iperf3 clients whose server is on the bridge."""
    with suppress(OSError):  # it may end between two looks
        clients = bed.tools("iperf3", "-c")
        return [p for p in clients if "198.18." in Path(f"/proc/{p}/cmdline").read_text()]
    return []


def test_an_image_that_is_removed_in_the_middle_fails_what_comes_after(
    docker_bed: Bed, api: docker.APIClient
) -> None:
    with nothing_left(docker_bed):
        run = docker_bed.start(blocks=2)
        run.until(Running.lines)
        for image in api.images(filters={"label": "netbench.image"}):
            api.remove_image(image["RepoTags"][0], force=True)
        code = run.end()

        assert code in (0, 3), run.said
        assert "Traceback" not in run.said
        found = failures(assert_kept(run))
        assert all(failure.stage == "create" for _, failure in found)


def test_a_subnet_that_is_taken_meanwhile_is_passed_over(
    docker_bed: Bed, api: docker.APIClient
) -> None:
    pool = docker.types.IPAMPool(subnet="198.18.0.0/24")
    with nothing_left(docker_bed):
        run = docker_bed.start()
        run.until(stages(docker_bed)["build"])
        taken = api.create_network("taken", ipam=docker.types.IPAMConfig(pool_configs=[pool]))
        try:
            code = run.end()
        finally:
            api.remove_network(taken["Id"])

        assert code == 0, run.said
        loaded = assert_kept(run)
        assert loaded is not None
        assert all(record.outcome.kind == "sample" for record in loaded.records())


def test_an_image_without_the_tools_is_told_with_what_it_lacks(
    docker_bed: Bed, api: docker.APIClient
) -> None:
    busybox = Path("/usr/bin/busybox").read_bytes()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("bin/sleep", "bin/sh"):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(busybox), 0o755
            tar.addfile(entry, io.BytesIO(busybox))
    api.import_image_from_data(archive.getvalue(), repository="bare", tag="1")
    try:
        with nothing_left(docker_bed):
            run = docker_bed.start("--image", "bare:1")

            assert run.end() == 4, run.said
            assert_one_error(run, "lacks", "iperf3")
            assert_kept(run)
    finally:
        api.remove_image("bare:1", force=True)


def test_two_runs_at_once_touch_nothing_of_each_other(docker_bed: Bed, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = replace(docker_bed, program=replace(docker_bed.program, folder=folder))
    with nothing_left(docker_bed):
        first = docker_bed.start("--json", blocks=2)
        second = other.start("--json", blocks=2)
        codes = first.end(), second.end()

        assert codes == (0, 0), first.said + second.said
        for run in (first, second):
            loaded = assert_kept(run)
            assert loaded is not None
            assert len(list(loaded.records())) == 2 * TRIALS
            kinds = [w["kind"] for w in json.loads(run.stdout.read_text())["warnings"]]
            assert "another-run" in kinds


@pytest.fixture
def full_lab(root: None) -> Iterator[Lab]:
    """An engine on a disk of its own, whose sockets' paths are short enough."""
    del root
    folder = Path(tempfile.mkdtemp(prefix="netbench-full-", dir="/tmp"))
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", folder), check=True)
    try:
        started = Lab.start(folder=folder / "lab")
        yield started
        started.stop()
    finally:
        subprocess.run(("umount", "--lazy", folder), check=True)
        folder.rmdir()


def test_an_engine_without_room_is_one_error(full_lab: Lab, tmp_path: Path) -> None:
    bed = docker_bed_of(full_lab, tmp_path)
    with (full_lab.folder / "filler").open("wb", buffering=0) as file:
        wait_for(lambda: filled(file))
    run = bed.start()
    code = run.end()

    assert code == 4, run.said
    assert_one_error(run, "no space left on device")
    assert_kept(run)


def filled(file: Any) -> bool:
    """Write until there is no room."""
    try:
        while True:
            file.write(b"\0" * 65536)
    except OSError:
        return True
