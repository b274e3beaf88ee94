from dataclasses import replace

import pytest
from support.campaign import Campaign, noisy

from netbench.analysis import Analysis, Contrast, analyse
from netbench.analysis.model import Efficiency
from netbench.record import Absent, FactValue, ProbeSummary, Record
from netbench.report.costs import ceiling_sentences, copies, loopbacks
from netbench.spec import Placement

COPIES: dict[str, FactValue] = {"ceiling.cross.copy": 300e9, "ceiling.cross.copy_memory": 100e9}


def judged(campaign: Campaign, facts: dict[str, FactValue] | None = None) -> Analysis:
    info = replace(campaign.info(), facts=tuple((facts or {}).items()))
    return analyse(info, campaign.records())


def test_the_host_arm_is_the_loopback_of_its_own_probe() -> None:
    analysis = judged(Campaign(noisy({"bridge": 0.78})), COPIES)
    (ceiling,) = analysis.ceilings
    (loopback,) = ceiling.loopbacks

    assert (ceiling.placement, ceiling.copy, ceiling.copy_memory, ceiling.why) == (
        *(Placement.CROSS, 300e9, 100e9, ""),
    )
    assert (loopback.probe, loopback.source) == (
        *("tcp-throughput", "the host driver's, median of 16 values"),
    )
    assert loopback.value == pytest.approx(20e9, rel=0.02)
    assert loopback.efficiencies == (Efficiency("bridge", pytest.approx(0.78, rel=0.02)),)


NO_HOST = Campaign(noisy({"macvlan": 1.3}), drivers=("bridge", "macvlan"), baseline="bridge")


def test_without_a_host_arm_it_is_what_was_measured_once() -> None:
    analysis = judged(NO_HOST, {**COPIES, "ceiling.cross.loopback": 22e9})
    (loopback,) = analysis.ceilings[0].loopbacks

    assert loopback.value == 22e9
    assert "measured once" in loopback.source
    assert {e.driver: e.efficiency for e in loopback.efficiencies}["macvlan"] == pytest.approx(
        26 / 22, rel=0.02
    )
    (beyond,) = [w for w in analysis.warnings if w.kind == "ceiling"]
    assert "driver macvlan carries 2" in beyond.message


def test_what_was_not_measured_has_its_reason_and_no_number() -> None:
    reason = Absent("another machine")
    analysis = judged(
        NO_HOST, dict.fromkeys(("ceiling.cross.copy", "ceiling.cross.loopback"), reason)
    )
    (ceiling,) = analysis.ceilings

    assert (ceiling.copy, ceiling.loopbacks, ceiling.why) == (None, (), "another machine")
    assert ceiling_sentences(analysis) == (
        "Ceiling on two cores: memory copies not measured: another machine.",
    )


def test_the_sentence_names_every_figure() -> None:
    (sentence,) = ceiling_sentences(
        judged(Campaign(noisy({"bridge": 0.5}, deviation=1e-6)), COPIES)
    )

    assert sentence == (
        "Ceiling on two cores: a CPU copies memory at 300 Gbit/s within its caches and 100 Gbit/s "
        "beyond its caches; loopback carries 20.0 Gbit/s in tcp-throughput (the host "
        "driver's, median of 16 values); bridge reaches 50 % of it."
    )


def test_a_table_has_each_drivers_share_of_each_loopback() -> None:
    campaign = Campaign(noisy({"bridge": 0.5}, deviation=1e-6))
    analysis = judged(campaign, COPIES)
    drivers, (row,) = loopbacks(campaign.info(), analysis)

    assert drivers == ("bridge",)
    assert (row.probe, row.placement, row.rate, row.shares) == (
        "tcp-throughput",
        "on two cores",
        "20.0 Gbit/s",
        ("50 %",),
    )
    (sentence,) = copies(analysis)
    assert sentence.startswith("On two cores, a CPU copies memory at 300 Gbit/s within its caches")


def test_a_probe_at_a_rate_has_no_ceiling() -> None:
    analysis = judged_at_a_rate(1e9, 1e9)

    assert analysis.ceilings[0].loopbacks == ()


def judged_at_a_rate(rate: float, reached: float) -> Analysis:
    campaign = Campaign(noisy({}, level=reached, deviation=0.001))
    info = campaign.info()
    probe = ProbeSummary("tcp-throughput", "tcp-throughput", ("throughput",), (("rate", rate),))
    return analyse(replace(info, plan=replace(info.plan, probes=(probe,))), campaign.records())


def busy(client: FactValue, server: FactValue, *, of: str | None = None) -> Contrast:
    """A run in which the CPUs of one driver's trials, or of all, were so busy."""
    campaign = Campaign(noisy({"bridge": 0.78}))

    def with_facts(record: Record) -> Record:
        ours = of in {None, record.cell.driver}
        values = (client, server) if ours else (0.5, 0.5)
        names = ("trial.busy_client_cpu", "trial.busy_server_cpu")
        return replace(record, facts=tuple(zip(names, values, strict=True)))

    records = [with_facts(record) for record in campaign.records()]
    (contrast,) = analyse(campaign.info(), records).contrasts
    return contrast


@pytest.mark.parametrize(
    ("client", "server", "used_up"),
    [
        (0.4, 0.999, "server"),
        (0.985, 0.6, "client"),
        (0.99, 0.99, "both"),
        (0.97, 0.9, "nothing"),
        (Absent("unpinned"), 0.5, "unknown"),
        (Absent("unpinned"), 1.0, "server"),
    ],
)
def test_a_throughput_says_whose_cpu_was_used_up(
    client: FactValue, server: FactValue, used_up: str
) -> None:
    contrast = busy(client, server)

    assert contrast.saturated == used_up
    warned = [w.message for w in contrast.warnings if w.kind == "saturated"]
    assert bool(warned) == (used_up in {"client", "server", "both"})
    assert all("the tools saturate, not the driver" in message for message in warned)


def test_one_saturated_arm_is_flagged_and_no_doubt_about_the_driver() -> None:
    contrast = busy(0.5, 1.0, of="bridge")

    assert contrast.saturated == "server"
    assert contrast.warnings == ()


@pytest.mark.parametrize(("reached", "used_up"), [(0.985e9, "rate"), (0.9e9, "unknown")])
def test_a_rate_that_was_asked_for_is_used_up_too(reached: float, used_up: str) -> None:
    analysis = judged_at_a_rate(1e9, reached)

    assert {c.saturated for c in analysis.contrasts} == {used_up}
    cells = {c.metric: c.saturated for c in analysis.cells if c.driver == "bridge"}
    assert cells == {"throughput": used_up, "retransmits": ""}


def test_only_a_throughput_is_used_up() -> None:
    campaign = Campaign(noisy({}, level=15e-6), metric="rtt_p50", probe="tcp-rr")
    (contrast,) = judged(campaign).contrasts

    assert contrast.saturated == ""
