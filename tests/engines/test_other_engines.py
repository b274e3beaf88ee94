"""The same run on engines other than root's dockerd."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from support.other_engines import MACHINE, OtherEngine
from support.outcomes import check, facts_of, measured, ways
from support.program import ONE_SECOND, Program, records

from netbench.spec import MACHINE_PATHS

OUTER = ("--paths", ",".join(MACHINE_PATHS), "--blocks", "1")
LO = (("machine", None, "tx"),)
INTO_A_BRIDGE = (("client", "veth", "tx"), ("host", "veth", "rx"), ("host", "bridge", "rx"))
FROM_A_BRIDGE = (("host", "bridge", "tx"), ("host", "veth", "tx"), ("server", "veth", "rx"))
TO_THE_MACHINE = (("host", "tun", "tx"), *LO)
Users = Callable[..., Program]


def of_user(engine: OtherEngine, plain_user: Users) -> Program:
    """Return netbench as the user calls it who runs the engine."""
    user = plain_user()
    environment = {**(user.environment or {}), **engine.environment}
    before = (*engine.spaces.at(user.folder), *user.before)
    return replace(user, before=before, environment=environment)


def trial_facts(program: Program, driver: str, path: str) -> dict[str, object]:
    """Return the facts of a driver's trials on one path, which all have a figure."""
    found = records(program.run_folder())
    mine = [r for r in found if (r["cell"]["driver"], r["cell"]["path"]) == (driver, path)]

    assert {one["outcome"]["kind"] for one in mine} == {"sample"}
    return dict(map(tuple, mine[0]["facts"]))


def test_a_rootless_engine_is_measured_by_the_user_who_runs_it(
    rootless: OtherEngine, plain_user: Users
) -> None:
    program = of_user(rootless, plain_user)
    found = measured(program)

    facts = facts_of(program)
    assert facts["engine.rootless"] is True
    assert facts["engine.rootless_network"] == "slirp4netns"
    assert facts["engine.port_driver"] == "builtin"
    check("rootless Docker, as its user", "from inside", found)


def test_traffic_between_a_rootless_engine_and_its_machine_is_proved_both_ways(
    rootless: OtherEngine, plain_user: Users
) -> None:
    program = of_user(rootless, plain_user)
    drivers = ("--engine", "docker", "--drivers", "host,bridge,container,none")
    done = program("run", *drivers, *OUTER, "--suite", program.suite())
    found = ways(records(program.run_folder()))

    assert found["bridge", "outside"] == (*LO, *FROM_A_BRIDGE), done.stderr
    assert found["container", "outside"] == (*LO, *FROM_A_BRIDGE)
    assert found["bridge", "to-outside"] == (*INTO_A_BRIDGE, *TO_THE_MACHINE)
    assert found["host", "to-outside"] == TO_THE_MACHINE
    assert "a namespace that the machine does not reach" in str(found["host", "outside"])
    assert "isolated by design" in str(found["none", "outside"])
    published = trial_facts(program, "bridge", "outside")
    assert published["trial.published_via"] == "proxy"
    assert "127.0.0.1:" in str(published["trial.published_evidence"])
    assert isinstance(published["trial.user_network_cpu"], float)
    assert MACHINE in trial_route(program, "to-outside")


def trial_route(program: Program, path: str) -> str:
    found = (r["path"] for r in records(program.run_folder()) if r["cell"]["path"] == path)
    return next(str(proof["route"]) for proof in found if proof)


def test_what_passes_a_port_on_is_a_fact_and_its_proxy_is_found(
    rootless_by_slirp4netns: OtherEngine, plain_user: Users
) -> None:
    program = of_user(rootless_by_slirp4netns, plain_user)
    # Of UDP this one passes no answer back to the machine's loopback.
    suite = ("--suite", program.suite(ONE_SECOND))
    program("run", "--engine", "docker", "--drivers", "bridge", *OUTER, *suite)
    found = ways(records(program.run_folder()))

    assert found["bridge", "outside"] == (*LO, *FROM_A_BRIDGE)
    assert facts_of(program)["engine.port_driver"] == "slirp4netns"
    assert trial_facts(program, "bridge", "outside")["trial.published_via"] == "proxy"


def test_rootless_podman_is_measured_within_and_to_and_from_its_machine(
    rootless_podman: OtherEngine, plain_user: Users
) -> None:
    program = of_user(rootless_podman, plain_user)
    paths = ("--paths", ",".join(("east-west", "north-south", *MACHINE_PATHS)), "--blocks", "1")
    drivers = ("--engine", "docker", "--drivers", "host,bridge,macvlan,pasta,slirp4netns")
    done = program("run", *drivers, *paths, "--suite", program.suite())
    found = ways(records(program.run_folder()))

    across = (*INTO_A_BRIDGE[:2], ("host", "bridge", "none"), *FROM_A_BRIDGE[1:])
    assert found["bridge", "east-west"] == across, done.stderr
    assert found["bridge", "outside"] == (*LO, ("server", None, "rx")), "not by the bridge"
    assert found["bridge", "to-outside"] == (*INTO_A_BRIDGE, *TO_THE_MACHINE)
    assert found["host", "outside"] == found["host", "to-outside"] == (("host", None, "tx"),)
    for stack in ("pasta", "slirp4netns"):
        assert found[stack, "outside"] == (*LO, ("server", None, "rx"))
        assert found[stack, "to-outside"] == (("client", "tun", "tx"), *LO)
        assert "each container has a network of its own" in str(found[stack, "east-west"])
        assert trial_facts(program, stack, "outside")["trial.published_via"] == "proxy"
    assert "the emulated LAN does not reach them" in str(found["bridge", "north-south"])
    assert "the machine itself" in str(found["host", "north-south"])
    assert "the parent link" in str(found["macvlan", "outside"])
    assert "leftovers" not in done.stderr
    facts = facts_of(program)
    assert (facts["engine.name"], facts["engine.rootless"]) == ("podman", True)
    assert facts["engine.rootless_network"] == "pasta"
    assert facts["engine.port_driver"] == "rootlessport"
    assert trial_facts(program, "bridge", "outside")["trial.published_via"] == "proxy"
    left = rootless_podman.spaces.run(
        *("curl", "-s", "--unix-socket", rootless_podman.socket),
        "http://engine/v1.41/containers/json?all=true",
    )
    assert left.strip() == "[]"


def test_podman_is_measured_through_its_compatible_socket(
    podman: OtherEngine, tmp_path: Path
) -> None:
    program = Program(tmp_path, before=podman.spaces.at(tmp_path), environment=podman.environment)
    found = measured(program)

    assert facts_of(program)["engine.name"] == "podman"
    check("Podman, as root", "netlink", found)
