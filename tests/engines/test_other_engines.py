"""The same run on engines other than root's dockerd."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from support.other_engines import OtherEngine
from support.outcomes import check, facts_of, measured
from support.program import Program


def test_a_rootless_engine_is_measured_by_the_user_who_runs_it(
    rootless: OtherEngine, plain_user: Callable[..., Program]
) -> None:
    user = plain_user()
    environment = {**(user.environment or {}), **rootless.environment}
    program = replace(
        user, before=(*rootless.spaces.at(user.folder), *user.before), environment=environment
    )
    found = measured(program)

    facts = facts_of(program)
    assert facts["engine.rootless"] is True
    assert facts["engine.rootless_network"] == "slirp4netns"
    check("rootless Docker, as its user", "from inside", found)


def test_podman_is_measured_through_its_compatible_socket(
    podman: OtherEngine, tmp_path: Path
) -> None:
    program = Program(tmp_path, before=podman.spaces.at(tmp_path), environment=podman.environment)
    found = measured(program)

    assert facts_of(program)["engine.name"] == "podman"
    check("Podman, as root", "netlink", found)
