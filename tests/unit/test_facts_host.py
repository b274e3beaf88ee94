import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.facts.host import FILES, cpu_list, host_facts
from netbench.facts.registry import FACTS
from netbench.record import Absent, FactValue

GOLDEN = Path(__file__).parent.parent / "golden" / "host"
Files = Mapping[str, str | None]


def golden(name: str) -> Files:
    files: Files = json.loads((GOLDEN / f"{name}.json").read_text())
    return files


def facts(files: Files, *, identify: bool = False) -> Mapping[str, FactValue]:
    return host_facts(files.get, identify=identify)


def test_a_bare_metal_server() -> None:
    assert facts(golden("server"), identify=False) == {
        "host.name": Absent("redacted; --identify records it"),
        "host.cpu_model": "Intel(R) Xeon(R) Gold 6234 CPU @ 3.30GHz",
        "host.cpus": 8,
        "host.cores": 4,
        "host.sockets": 2,
        "host.numa_nodes": 2,
        "host.smt": True,
        "host.microcode": "0x5003605",
        "host.governor": "performance",
        "host.turbo": False,
        "host.hypervisor": False,
        "host.clocksource": "tsc",
        "host.memory": 131_072_000 * 1024,
        "host.uptime": 86400.25,
        "host.load1": 0.08,
        "kernel.release": "6.1.0-37-amd64",
        "kernel.version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)",
        "kernel.parameters": "isolcpus=2-3 mitigations=off",
        "kernel.hz": 250,
        "kernel.cpu_accounting": "tick",
        "kernel.irq_time_accounting": False,
        "kernel.preempt": "voluntary",
        "net.tcp_congestion_control": "cubic",
        "net.tcp_available_congestion_control": "reno cubic",
        "net.tcp_allowed_congestion_control": "reno cubic",
        "net.default_qdisc": "fq_codel",
        "net.rmem_max": 212992,
        "net.wmem_max": 212992,
        "net.tcp_rmem": "4096 131072 6291456",
        "net.tcp_wmem": "4096 16384 4194304",
        "net.netdev_budget": 300,
        "net.netdev_max_backlog": 1000,
        "net.rps_sock_flow_entries": 0,
        "net.ip_forward": True,
        "net.bridge_nf_call_iptables": Absent(
            "/proc/sys/net/bridge/bridge-nf-call-iptables is not readable"
        ),
        "net.conntrack_count": 14,
        "net.conntrack_max": 262144,
    }


def test_a_virtual_machine_says_what_it_can_and_why_not_the_rest() -> None:
    found = facts(golden("guest"))

    unread = "neither /proc/config.gz nor /boot/config-6.18.44 is readable"
    assert found["host.cpu_model"] == "AMD EPYC"
    assert (found["host.cpus"], found["host.cores"], found["host.sockets"]) == (2, 2, 1)
    assert (found["host.hypervisor"], found["host.smt"]) == (True, False)
    assert found["host.memory"] == 24_684_096 * 1024
    assert found["kernel.preempt"] == "PREEMPT_DYNAMIC"
    assert found["kernel.parameters"] == (
        "mitigations=auto,no_guest_host,no_guest_guest cpuidle_haltpoll.force=1"
    )
    assert {name: value.reason for name, value in found.items() if isinstance(value, Absent)} == {
        "host.name": "redacted; --identify records it",
        "host.governor": ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor is not readable"),
        "host.turbo": "no cpufreq driver tells",
        "kernel.hz": unread,
        "kernel.cpu_accounting": unread,
        "kernel.irq_time_accounting": unread,
    }


def test_what_identifies_a_site_is_recorded_only_when_asked_for() -> None:
    plain, named = facts(golden("server")), facts(golden("server"), identify=True)

    assert named["host.name"] == "rack7"
    assert named["kernel.parameters"] == golden("server")["/proc/cmdline"].strip()  # type: ignore[union-attr] # it is in the file
    assert not any("rack7" in str(value) or "5f0c" in str(value) for value in plain.values())


@pytest.mark.parametrize("name", ["guest", "server"])
def test_every_fact_is_declared_and_of_its_type(name: str) -> None:
    found = facts(golden(name), identify=True)

    assert set(found) == {n for n in FACTS if n.startswith(("host.", "kernel.", "net."))} - {
        "net.firewall_rules",
        "net.firewall_hash",
        "kernel.tick",
    }
    for fact, value in found.items():
        assert isinstance(value, Absent) or type(value) is FACTS[fact].type, fact


def test_a_machine_that_tells_nothing_gives_reasons_and_no_value() -> None:
    found = facts({})

    assert all(isinstance(value, Absent) and value.reason for value in found.values())


@given(
    st.sampled_from(FILES),
    st.none()
    | st.text(max_size=40)
    | st.sampled_from(["", "\n", "0\n", "1", "-1", "maybe", "cpu", "model name\t: \nflags\t: \n"]),
)
def test_any_text_in_any_file_gives_typed_values_or_reasons(path: str, text: str | None) -> None:
    found = facts({**golden("server"), path: text})

    for fact, value in found.items():
        assert isinstance(value, Absent) or type(value) is FACTS[fact].type
        assert value != "" or fact == "kernel.parameters"


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("/sys/devices")])
def test_an_empty_file_is_no_value(path: str) -> None:
    before = facts({**golden("server"), path: None})
    after = facts({**golden("server"), path: "\n"})

    assert {name for name, value in after.items() if isinstance(value, Absent)} >= {
        name for name, value in before.items() if isinstance(value, Absent)
    }


@pytest.mark.parametrize(
    ("boost", "turbo"), [("1\n", True), ("0\n", False), (None, None), ("?", None)]
)
def test_turbo_of_other_drivers_than_intels(boost: str | None, turbo: bool | None) -> None:
    files = {
        **golden("server"),
        "/sys/devices/system/cpu/intel_pstate/no_turbo": None,
        "/sys/devices/system/cpu/cpufreq/boost": boost,
    }
    found = facts(files)["host.turbo"]

    assert isinstance(found, Absent) if turbo is None else found is turbo


def test_the_kernels_list_format() -> None:
    assert cpu_list("0-2,5\n") == (0, 1, 2, 5)
    assert cpu_list("0") == (0,)
