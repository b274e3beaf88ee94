"""netbench from the command line, on nothing but the kernel."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.hang import HANG, SOON
from support.program import (
    TRICKLE,
    Ended,
    Program,
    is_held,
    records,
    sampled,
    tool_processes,
    wait_for,
)
from support.require import require_or_skip

from netbench.drivers import DRIVERS, PathClaim
from netbench.record import NAMESPACE_KINDS
from netbench.spec import USER_MODE
from netbench.spec import Path as TrafficPath
from netbench.store import load

ALL = ",".join(DRIVERS)
CARRYING = {
    name for name, one in DRIVERS.items() if isinstance(one.ways[TrafficPath.EAST_WEST], PathClaim)
}
PLACED = """
[probes.tcp-throughput]
rounds = {rounds}
[[cell]]
probe = "tcp-throughput"
placement = "{placement}"
"""
ONE = PLACED.format(rounds=5, placement="cross")
LONG = PLACED.format(rounds=12, placement="cross")
UNSTEADY = """#!/bin/sh
# An iperf3 whose flood is faster or slower than the default bridge's on a user's bridge, which has
# another subnet in every block: in turn, and alike if a trial is run again.
case "$*" in *"-c "*"-b 1000000000 "*) ;; *) exec {real} "$@" ;; esac
subnet=$(echo "$*" | sed "s/.*-c [0-9]*\\.[0-9]*\\.\\([0-9]*\\)\\..*/\\1/")
case "$subnet" in 0) rate=300000000 ;; *[02468]) rate=100000000 ;; *) rate=1000000000 ;; esac
exec {real} $(echo "$*" | sed "s/-b 1000000000 /-b $rate /")
"""
CONTRAST = {
    *("driver", "baseline", "path", "probe", "placement", "metric", "unit", "ratio", "low"),
    *("high", "unshared", "median_ratio", "difference", "verdict", "reason", "by_sign", "blocks"),
    *("noise_floor", "warnings"),
}
CELL = {
    *("driver", "path", "probe", "placement", "metric", "unit", "median", "p25", "p75"),
    *("trials", "failures", "skips", "reasons"),
}
Processes = Callable[[], list[str]]


@pytest.fixture(scope="module")
def whole(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Ended]:
    """One run of every driver."""
    del namespaces
    if len(os.sched_getaffinity(0)) < 2:
        require_or_skip("netns", "one CPU: no cell across two")
    program = Program(tmp_path_factory.mktemp("whole"), environment={"NETBENCH_ENGINE": "netns"})
    argv = ("run", "--drivers", ALL, "--blocks", "1", "--seed", "7", "--json")
    return program, program(*argv, "--suite", program.suite(TRICKLE.replace("none", "cross")))


def lacking(found: list[dict[str, Any]]) -> set[str]:
    """Return the drivers that this kernel, or this engine, has not, as the records tell."""
    return {
        driver
        for r in found
        if r["outcome"]["kind"] == "skip"
        if lacks(driver := r["cell"]["driver"], r["outcome"]["reason"])
    }


def test_every_driver_is_measured_and_its_path_proved(whole: tuple[Program, Ended]) -> None:
    program, done = whole
    found = records(program.run_folder())
    absent = lacking(found)

    assert done.code == (3 if absent else 0), done.stderr
    samples = sampled(found)
    assert {r["cell"]["driver"] for r in samples} == CARRYING - absent
    assert all(r["path"]["held"] for r in samples)
    made = [r for r in found if r["cell"]["driver"] not in absent]
    assert all(r["promises"] and all(c["held"] for c in r["promises"]) for r in made)
    skips = [r["outcome"] for r in found if r["cell"]["driver"] == "none"]
    assert skips
    for skip in skips:
        assert (skip["kind"], skip["by_design"]) == ("skip", True)
        assert "ECONNREFUSED" in skip["evidence"]
        assert "ENETUNREACH" in skip["evidence"]


def test_the_folder_is_as_documented(whole: tuple[Program, Ended]) -> None:
    program, _ = whole
    folder = program.run_folder()
    run = load(folder)
    found = list(run.records())

    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("run.json", "records.jsonl", "raw", "report.html"),
        *("summary.md", "summary.csv", "summary.json"),
    }
    assert run.notes == []
    assert (run.info.status, run.info.engine, run.info.plan.seed) == ("complete", "netns", 7)
    assert run.info.wall
    assert [record.number for record in found] == list(range(1, len(found) + 1))
    kept = {tool.stdout_file for record in found for tool in record.tools if tool.stdout_file}
    assert kept
    assert all((folder / name).stat().st_size > 0 for name in kept)


def test_stdout_is_one_document_with_the_fixed_fields(whole: tuple[Program, Ended]) -> None:
    program, done = whole
    document = json.loads(done.stdout)
    measured = CARRYING - lacking(records(program.run_folder()))

    assert document["schema"] == 2
    assert (document["engine"], document["baseline"], document["seed"]) == ("netns", "host", 7)
    assert document["exit"] == done.code
    assert program.folder / document["folder"] == program.run_folder()
    assert {row["driver"] for row in document["contrasts"]} == measured - {"host"}
    assert all(set(row) >= CONTRAST for row in document["contrasts"])
    assert {row["driver"] for row in document["cells"]} == set(DRIVERS)
    assert all(set(row) >= CELL for row in document["cells"])
    assert {row["verdict"] for row in document["contrasts"]} == {"undecided"}
    isolated = [row for row in document["cells"] if row["driver"] == "none"]
    assert all(row["median"] is None and row["skips"] for row in isolated)
    assert done.stderr.startswith("engine: netns (asked for)\n")


def test_the_trials_ran_where_the_plan_says(whole: tuple[Program, Ended]) -> None:
    program, _ = whole
    run = load(program.run_folder())
    cpus = {row.placement: row for row in run.info.plan.placements}

    for record in run.records():
        if record.outcome.kind == "sample":
            wanted = cpus[record.cell.placement.value]
            assert record.pins.client_observed == str(wanted.client)
            assert record.pins.server_observed == str(wanted.server)


def test_reports_are_made_anew_from_the_records_alone(whole: tuple[Program, Ended]) -> None:
    program, done = whole
    folder = program.run_folder()
    made = ("report.html", "summary.md", "summary.csv", "summary.json")
    before = {name: (folder / name).read_text() for name in made}
    for name in made:
        (folder / name).unlink()
    again = program("report", str(folder), "--json")

    assert again.code == done.code, again.stderr
    assert {**again.json, "folder": ""} == {**json.loads(done.stdout), "folder": ""}
    assert {name: (folder / name).read_text() for name in made} == before
    rows = list(csv.DictReader(io.StringIO(before["summary.csv"])))
    assert {row["driver"] for row in rows} >= CARRYING - lacking(records(folder))


def test_without_json_stdout_is_the_table_and_the_reports_path(
    whole: tuple[Program, Ended],
) -> None:
    program, done = whole
    shown = program("report", str(program.run_folder()))

    assert shown.code == done.code
    assert "bridge:user" in shown.stdout
    end = "".join(shown.stdout.rstrip().splitlines()[-2:])  # a long path wraps
    assert end.endswith(f"report: {program.run_folder() / 'report.html'}")
    assert "\x1b" not in shown.stdout


def test_runs_lists_the_folder(whole: tuple[Program, Ended]) -> None:
    program, _ = whole
    (row,) = program("runs", "--json").json["runs"]

    assert program.folder / row["folder"] == program.run_folder()
    assert (row["status"], row["engine"], row["problem"]) == ("complete", "netns", "")
    assert row["records"] == len(records(program.run_folder()))
    stamp = program.run_folder().name.partition("-")[0]
    assert stamp in program("runs").stdout


def test_a_record_cut_short_is_left_out_and_told(
    whole: tuple[Program, Ended], tmp_path: Path
) -> None:
    program, measured = whole
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("run.json", "records.jsonl"):
        (copy / name).write_bytes((program.run_folder() / name).read_bytes())
    text = (copy / "records.jsonl").read_bytes()
    (copy / "records.jsonl").write_bytes(text[:-40])
    done = program("report", str(copy), "--json")

    assert (measured.code, done.code) == (3, 3)
    assert "cut short" in done.stderr
    assert (copy / "report.html").exists()
    assert done.json["cells"]


def wait_for_record(program: Program, running: subprocess.Popen[str]) -> None:
    """Wait until the first trial is on disk."""

    def seen() -> bool:
        assert running.poll() is None, running.communicate()
        found = (program.folder / "reports").glob("*/records.jsonl")
        return any("\n" in path.read_text() for path in found)

    wait_for(seen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_its_records_and_leaves_nothing(
    program: Program, own_processes: Processes, number: signal.Signals
) -> None:
    running = program.popen("run", "--blocks", "9", "--suite", program.suite(), "--json")
    wait_for_record(program, running)
    running.send_signal(number)
    stdout, stderr = running.communicate(timeout=HANG)

    run = load(program.run_folder())
    assert running.returncode == 130, stderr
    assert run.info.status == "interrupted"
    assert any(number.name in note for note in run.info.notes)
    assert list(run.records())
    assert run.notes == []
    assert json.loads(stdout)["exit"] == 130
    assert (program.run_folder() / "report.html").exists()
    wait_for(lambda: not own_processes(), within=SOON)


def test_a_run_stopped_before_it_measured_anything_says_so(program: Program) -> None:
    running = program.popen("run", "--blocks", "9", "--suite", program.suite())
    wait_for((program.folder / "reports").exists)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 130, stderr
    assert "Traceback" not in stderr


@pytest.mark.cleans
def test_a_killed_run_leaves_its_records_and_at_most_empty_cgroups(
    program: Program, own_processes: Processes
) -> None:
    running = program.popen("run", "--blocks", "9", "--suite", program.suite())
    wait_for_record(program, running)
    running.kill()
    running.communicate(timeout=HANG)
    wait_for(lambda: not own_processes(), within=SOON)

    run = load(program.run_folder())
    assert list(run.records())
    assert run.info.status == "running"
    ours = [r for r in program("clean", "--json").json["clean"] if r["run"] == run.info.id]
    assert all((r["kind"], r["action"]) == ("cgroup", "removed") for r in ours)
    left = program("clean", "--dry-run", "--json").json["clean"]
    assert run.info.id not in {row["run"] for row in left}
    assert program("report", str(program.run_folder())).code == 3


def test_iperf3_killed_in_the_middle_is_a_failure_with_its_evidence(
    program: Program, mark: str
) -> None:
    running = program.popen("run", "--blocks", "1", "--suite", program.suite(LONG), "--json")
    pid = wait_for(lambda: let_go(own_clients(mark)))
    os.kill(pid, signal.SIGKILL)
    stdout, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 3, stderr
    found = records(program.run_folder())
    failures = [r for r in found if r["outcome"]["kind"] == "failure"]
    (failed,) = [r for r in failures if r["outcome"]["evidence"].startswith("iperf3: exit code")]
    assert failed["outcome"]["stage"] == "output"
    assert [tool["role"] for tool in failed["tools"]] == ["client", "server"]
    assert len(found) >= 3
    told = json.loads(stdout)
    assert told["exit"] == 3
    # whichever arm came first: the baseline's second one is told apart
    assert sum(cell["failures"] for cell in (*told["cells"], *told["baseline_again"])) >= 1
    assert (program.run_folder() / "report.html").exists()


def let_go(clients: list[int]) -> int | None:
    """Return the client of a session whose slice it is; None while not all others are held."""
    free = [pid for pid in clients if not is_held(pid)]
    return free[0] if len(clients) > 1 and len(free) == 1 else None


def own_clients(mark: str) -> list[int]:
    """Return the running iperf3 clients of this test."""
    found = []
    for pid in tool_processes("iperf3", ("-c",)):
        try:
            if mark.encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_time_limit_ends_the_run_with_what_was_measured(program: Program) -> None:
    done = program("run", "--blocks", "50", "--max-time", "6", "--suite", program.suite(ONE))
    run = load(program.run_folder())

    assert done.code == 0, done.stderr
    assert run.info.status == "out-of-time"
    assert {record.block for record in run.records()} == {1}


@pytest.mark.alone
def test_what_is_settled_leaves_early_and_what_is_hopeless_stays_to_the_end(
    program: Program,
) -> None:
    """Both bridges carry a trickle whole; which of them gets more of a flood through changes."""
    program = program.with_tool("iperf3", UNSTEADY.format(real=shutil.which("iperf3")))
    sent = {"trickle": ("10M", 1_000_000), "flood": ("1G", 20_000_000)}
    probes = "".join(
        f'[probes.{name}]\nkind = "udp-rate"\nrate = "{rate}"\nvolume = {volume}\n'
        f'[[cell]]\nprobe = "{name}"\nplacement = "none"\n'
        for name, (rate, volume) in sent.items()
    )
    suite = program.suite(f"blocks = {{least = 6, most = 11}}\n{probes}")
    done = program(
        *("run", "--engine", "netns", "--drivers", "bridge,bridge:user", "--json"),
        *("--suite", suite, "--margin", "0.05", "--precision", "0.0001"),
        timeout=400,
    )
    assert done.code == 0, done.stderr
    run = load(program.run_folder())
    ran: dict[str, set[int]] = {}
    for record in run.records():
        ran.setdefault(record.cell.probe, set()).add(record.block)
    (first,) = run.info.settled
    stopped = {c["probe"]: c for c in done.json["contrasts"] if c["primary"]}

    assert (first.cell.driver, first.cell.probe, first.why) == (
        "bridge:user",
        "trickle",
        "decided",
    )
    assert 6 <= first.block < 11
    assert ran["trickle"] == set(range(1, first.block + 1))
    assert ran["flood"] == set(range(1, 12))
    assert stopped["trickle"]["verdict"] == "equivalent"
    assert stopped["trickle"]["stopped"] == "decided"
    assert stopped["trickle"]["stopped_after"] == first.block
    assert stopped["flood"]["stopped"] == "out-of-blocks"
    assert "settled: bridge:user in trickle@none (decided)" in done.stderr
    assert "The block limit was reached after 11 blocks" in done.json["ending"]
    assert "decided: bridge:user in throughput by trickle unpinned" in done.json["ending"]


@pytest.mark.alone
def test_quiet_says_nothing_but_the_result(program: Program) -> None:
    suite = program.suite(PLACED.format(rounds=4, placement="none"))
    done = program("run", "--drivers", "host", "--blocks", "1", "--suite", suite, "--quiet")

    assert done.code == 0
    assert done.stderr == ""
    assert "report: " in done.stdout


BAD = [
    (("--drivers", "host,brigde"), "did you mean 'bridge'?"),
    (("--drivers", "host,host"), "--drivers lists 'host' twice"),
    (("--drivers", ""), "--drivers is empty"),
    (("--drivers", "host", "--baseline", "bridge"), "--baseline 'bridge' is not among"),
    (("--blocks", "0"), "--blocks must be a whole number"),
    (("--blocks", "some"), "--blocks must be a whole number"),
    (("--pin", "0,999999"), "CPU 999999 is not usable"),
    (("--suite", "none.toml"), "no such suite or file"),
    (("--output", "/dev/null/reports"), "--output: "),
    (("--engine", "podman"), "--engine must be one of"),
    (("--speed", "9"), "--speed"),
]


@pytest.mark.parametrize(("argv", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_input_is_one_clear_error_and_makes_nothing(
    program: Program, argv: tuple[str, ...], words: str
) -> None:
    done = program("run", *argv)

    assert done.code == 2
    assert done.stdout == ""
    told = [line for line in done.stderr.splitlines() if not line.startswith("  fix: ")]
    assert len(told) == 1
    assert told[0].startswith("netbench: ")
    assert words in told[0]
    assert list(program.folder.iterdir()) == []


def test_all_mistakes_are_one_error_document(program: Program) -> None:
    (program.folder / "bad.toml").write_text("speed = 1\n[[cell]]\nprobe = 'udp'\n")
    done = program(
        *("run", "--json", "--drivers", "hots,bridge,bridge", "--blocks", "0"),
        *("--suite", "bad.toml", "--output", "/dev/null/reports"),
    )
    error = done.json["error"]

    assert done.code == 2
    assert done.json["schema"] == 1
    assert set(error) == {"kind", "message", "hint", "problems"}
    assert error["kind"] == "configuration"
    words = ("'hots'", "'bridge' twice", "bad.toml:1:", "bad.toml:3:", "--blocks", "--output")
    assert len(error["problems"]) == len(words)
    for word, problem in zip(words, error["problems"], strict=True):
        assert word in problem
    assert not (program.folder / "reports").exists()


def test_settings_in_the_environment_count_as_options(program: Program) -> None:
    environment = {**(program.environment or {}), "NETBENCH_BLOCKS": "0", "NETBENCH_JSON": "1"}
    done = replace(program, environment=environment)("run")

    assert done.code == 2
    assert "--blocks" in done.json["error"]["message"]


def newer(folder: Path) -> None:
    (folder / "run.json").write_text('{"schema": 999}')


FOLDERS: list[tuple[str, Callable[[Path], object], str]] = [
    ("missing", lambda folder: folder.rmdir(), "does not exist"),
    ("empty", lambda _: None, "is empty"),
    ("foreign", lambda folder: (folder / "notes.txt").touch(), "is not a run folder"),
    ("newer", newer, "schema 999"),
]


@pytest.mark.parametrize(("make", "words"), [x[1:] for x in FOLDERS], ids=[x[0] for x in FOLDERS])
def test_a_folder_that_is_no_run_is_a_clear_error(
    program: Program, make: Callable[[Path], object], words: str
) -> None:
    folder = program.folder / "run"
    folder.mkdir()
    make(folder)
    done = program("report", str(folder), "--json")

    assert done.code == 2
    assert done.json["error"]["kind"] == "run-folder"
    assert words in done.json["error"]["message"]
    assert not (folder / "report.html").exists()


def lacks(driver: str, reason: str) -> bool:
    """Return whether it is a reason why there is no such driver here: kernel, or engine."""
    missing = f"the kernel has no {driver.partition(':')[0]}"
    podmans = f"{driver} is a network of rootless Podman's"
    return (podmans if driver in USER_MODE else missing) in reason


@pytest.mark.parametrize("driver", DRIVERS)
def test_inspect_shows_a_pair_and_takes_it_down(
    program: Program, own_processes: Processes, driver: str
) -> None:
    done = program("inspect", "--drivers", driver, "--json")

    if "error" in done.json:
        assert done.code == 3
        assert lacks(driver, done.json["error"]["message"])
    else:
        assert done.code == 0, done.stderr
        assert_inspected(done.json, driver)
    wait_for(lambda: not own_processes(), within=SOON)


def assert_inspected(document: Any, driver: str) -> None:
    assert (document["schema"], document["engine"], document["driver"]) == (1, "netns", driver)
    assert all(check["held"] for check in document["promises"])
    assert [end["role"] for end in document["endpoints"]] == ["client", "server"]
    for end in document["endpoints"]:
        assert set(end) >= {"role", "pid", "namespaces", "links", "addresses", "routes"}
        assert list(end["namespaces"]) == list(NAMESPACE_KINDS)
        shared = {kind: space["shared"] for kind, space in end["namespaces"].items()}
        expected = {"host": "host", "container": "pair"}.get(driver, "own")
        assert shared["net"] == expected
        assert {shared[kind] for kind in ("ipc", "mnt", "pid", "uts")} == {"own"}
        assert {shared["user"], shared["time"], shared["cgroup"]} == {"host"}
        for link in end["links"]:
            assert set(link) >= {"name", "index", "kind", "mode", "parent", "peer", "master"}
            assert set(link) >= {"mtu", "mac"}
    path = [(hop["namespace"], hop["kind"]) for hop in document["path"]]
    assert path == hops_of(driver)
    if driver.startswith("bridge"):
        (eth0,) = [x for x in document["endpoints"][0]["links"] if x["name"] == "eth0"]
        assert set(eth0["peer"]) == {"namespace", "index", "name"}


def hops_of(driver: str) -> list[tuple[str, str | None]]:
    """Return whose links of which kind a driver's path from container to container has."""
    family = driver.partition(":")[0]
    if driver not in CARRYING:
        return []
    if family in ("macvlan", "ipvlan"):
        return [("client", family), ("host", "veth"), ("server", family)]
    into_bridge = [("client", "veth"), ("host", "veth"), ("host", "bridge")]
    entering = [("client", "veth"), ("lan", "veth"), ("lan", "bridge"), ("lan", "vxlan")]
    leaving = [("sandbox", "vxlan"), ("sandbox", "bridge"), ("sandbox", "veth")]
    paths: dict[str, list[tuple[str, str | None]]] = {
        "bridge": [*into_bridge, ("host", "veth"), ("server", "veth")],
        "overlay": [*entering, ("lan", "veth"), ("host", "veth"), *leaving, ("server", "veth")],
    }
    return paths.get(family, [("client", None)])


def test_inspect_as_a_tree_names_path_and_promises(program: Program) -> None:
    done = program("inspect", "--drivers", "bridge")

    assert done.code == 0
    assert "engine: netns (asked for)" in done.stderr
    assert "host nb0 (bridge, mtu 1500)" in done.stdout
    assert "net:[" in done.stdout
    assert "BROKEN" not in done.stdout


def test_drivers_and_doctor_say_what_can_run(program: Program) -> None:
    listed = program("drivers", "--json").json
    examined = program("doctor", "--json")

    assert listed["engine"] == "netns"
    rows = {row["name"]: row for row in listed["drivers"]}
    assert set(rows) > set(DRIVERS)
    for name in DRIVERS:
        assert rows[name]["possible"] or lacks(name, rows[name]["reason"])
    assert examined.code == 0
    rows = {row["name"]: row for row in examined.json["doctor"]}
    assert rows["engine netns"]["ok"]
    assert rows["iperf3"]["ok"]
    assert examined.json["measurable"]


def test_without_the_tools_nothing_can_be_measured(
    program: Program, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A PATH with util-linux alone."""
    tools = tmp_path_factory.mktemp("tools")
    for name in ("unshare", "nsenter", "setpriv", "taskset", "sleep", "true", "readlink", "cat"):
        (tools / name).symlink_to(shutil.which(name) or "")
    environment = {**(program.environment or {}), "PATH": str(tools)}
    bare = replace(program, environment=environment)
    done = bare("run", "--json")
    examined = bare("doctor", "--json")

    assert done.code == 4
    assert "iperf3" in done.json["error"]["message"]
    assert "apt-get install" in done.json["error"]["hint"]
    assert not (program.folder / "reports").exists()
    assert examined.code == 4
    assert not examined.json["measurable"]
    missing = {row["name"]: row["fix"] for row in examined.json["doctor"] if not row["ok"]}
    assert "apt-get install iperf3" in missing["iperf3"]


def test_an_ordinary_user_measures_every_driver_the_same(
    rootless: Callable[..., Program], mark: str, own_processes: Processes
) -> None:
    user = rootless()
    user = replace(user, environment={**(user.environment or {}), "NETBENCH_TEST_MARK": mark})
    done = user(
        *("run", "--engine", "netns", "--drivers", ALL, "--blocks", "1", "--json"),
        *("--suite", user.suite()),
    )

    found = records(user.run_folder())
    absent = lacking(found)
    assert done.code == (3 if absent else 0), done.stderr
    samples = sampled(found)
    assert {r["cell"]["driver"] for r in samples} == CARRYING - absent
    assert all(r["path"]["held"] and r["path"]["reader"] == "netlink" for r in samples)
    assert all(c["held"] for r in found for c in r["promises"])
    facts = dict(load(user.run_folder()).info.facts)
    assert facts["engine.user_namespace"] is True
    owner = user.run_folder().stat().st_uid
    assert owner != 0
    wait_for(lambda: not own_processes(), within=SOON)


@pytest.mark.parametrize("driver", ["none", "bridge:user", "container"])
def test_an_ordinary_user_inspects(rootless: Callable[..., Program], driver: str) -> None:
    done = rootless()("inspect", "--engine", "netns", "--drivers", driver, "--json")

    assert done.code == 0, done.stderr
    assert_inspected(done.json, driver)


def test_an_ordinary_user_who_stops_a_run_leaves_nothing(
    rootless: Callable[..., Program], mark: str, own_processes: Processes
) -> None:
    user = rootless()
    user = replace(user, environment={**(user.environment or {}), "NETBENCH_TEST_MARK": mark})
    running = user.popen("run", "--engine", "netns", "--blocks", "9", "--suite", user.suite())
    wait_for_record(user, running)
    running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate(timeout=HANG)

    assert running.returncode == 130, stderr
    assert load(user.run_folder()).info.status == "interrupted"
    wait_for(lambda: not own_processes(), within=SOON)


def test_a_folder_a_user_may_not_write_is_a_mistake(plain_user: Callable[..., Program]) -> None:
    user = plain_user()
    closed = user.folder / "closed"
    closed.mkdir(mode=0o555)
    done = user("run", "--engine", "netns", "--output", str(closed), "--json")

    assert done.code == 2
    (problem,) = done.json["error"]["problems"]
    assert problem.startswith("--output: ")
    assert "Permission denied" in problem
