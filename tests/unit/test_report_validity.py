from dataclasses import replace

import pytest
from support.synthetic import Reported, reported, run_of

from netbench.analysis import QualityWarning, analyse
from netbench.record import Absent, FactValue, Failure
from netbench.report import digest
from netbench.report.conditions import conditions, environment, limits, unread
from netbench.report.validity import Stamp, Validity, stamp


def stamp_of(run: Reported) -> Stamp:
    return stamp(run.info, run.analysis, run.digest)


def reasons(found: Stamp) -> list[str]:
    return [reason.text for reason in found.reasons]


def quiet() -> Reported:
    """Return a run without a failure, on a physical machine."""
    run = run_of(drivers=("host", "bridge"))
    facts = tuple(f for f in run.info.facts if f[0] not in {"host.hypervisor", "host.governor"})
    info = replace(run.info, facts=facts)
    analysis = replace(analyse(info, run.records), warnings=())
    return Reported(info, run.records, analysis, digest(analysis, run.records))


def test_a_quiet_run_is_valid() -> None:
    found = stamp_of(quiet())

    assert found.validity is Validity.VALID
    assert found.reasons == ()
    assert "proved by byte counters" in found.summary


def test_conditions_name_failures_and_the_machine() -> None:
    found = stamp_of(reported())

    assert found.validity is Validity.CONDITIONS
    assert "1 of 120 records failed" in reasons(found)
    assert "virtual machine: the host's share is invisible" in reasons(found)


def test_each_warning_of_the_run_is_a_condition_once() -> None:
    run = quiet()
    steal = QualityWarning("steal", "the hypervisor took time", "run elsewhere")
    unheard = QualityWarning("some-new-doubt", "seen", "look")
    doubted = replace(run, analysis=replace(run.analysis, warnings=(steal, unheard, steal)))

    assert reasons(stamp_of(doubted)) == ["CPU time was stolen by the hypervisor", "some new doubt"]


def test_a_governor_that_saves_power_is_a_condition() -> None:
    run = quiet()
    slow = replace(run.info, facts=(*run.info.facts, ("host.governor", "powersave")))

    assert reasons(stamp_of(replace(run, info=slow))) == ["CPU governor is powersave"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"engine.desktop": "Docker Desktop"}, "the engine's host is a VM (Docker Desktop)"),
        (
            {"engine.rootless": True, "engine.rootless_network": "slirp4netns"},
            "the engine is rootless, behind slirp4netns",
        ),
        ({"engine.local": False}, "the engine's processes are not this machine's"),
    ],
)
def test_where_the_engine_is_counts_as_a_condition(
    facts: dict[str, FactValue], reason: str
) -> None:
    run = quiet()
    others = tuple(f for f in run.info.facts if f[0] not in facts)
    info = replace(run.info, facts=(*others, ("engine.name", "docker"), *facts.items()))

    assert reasons(stamp_of(replace(run, info=info))) == [reason]
    (condition,) = conditions(info)
    assert condition.long in limits(info, run.analysis, run.digest)


def test_each_reason_why_facts_are_absent_is_told_once() -> None:
    run = quiet()
    why = Absent("the ruleset is for root to read")
    absent = (("net.firewall_rules", why), ("net.firewall_hash", why))
    info = replace(run.info, facts=(("host.cpus", 2), *absent))

    assert unread(info) == (
        ("the ruleset is for root to read", "net.firewall_rules and net.firewall_hash"),
    )
    assert [name for name, *_ in environment(info)] == ["host.cpus"]


def test_one_block_cannot_be_compared() -> None:
    found = stamp_of(reported(blocks=1, drivers=("host", "bridge")))

    assert found.validity is Validity.NOT_COMPARABLE
    assert reasons(found)[0] == "1 block is too few for any interval"


def test_a_run_of_failures_cannot_be_compared() -> None:
    run = run_of(drivers=("host", "bridge"))
    failed = tuple(replace(r, outcome=Failure("client", "gone", "")) for r in run.records)
    analysis = analyse(run.info, failed)

    found = stamp(run.info, analysis, digest(analysis, failed))

    assert found.validity is Validity.NOT_COMPARABLE
    assert reasons(found)[0] == "no driver could be compared with host"


def test_an_interrupted_run_says_so() -> None:
    run = quiet()
    cut = replace(run, info=replace(run.info, status="interrupted"))

    assert reasons(stamp_of(cut)) == ["the run is not complete: interrupted"]


def test_a_baseline_that_differs_from_itself_is_a_condition() -> None:
    run = quiet()
    nulls = tuple(replace(null, contains_one=False) for null in run.analysis.nulls)
    doubted = replace(run, analysis=replace(run.analysis, nulls=nulls))

    assert reasons(stamp_of(doubted))[0].startswith("the baseline differs from itself in tcp-")
