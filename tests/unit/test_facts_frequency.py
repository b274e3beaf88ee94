import pytest

from netbench.facts.cpu_time import frequency
from netbench.record import Absent

FILES = {
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2800000\n",
    "/sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3400000\n",
    "/sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq": "<unknown>\n",
}


@pytest.mark.parametrize(
    ("cpus", "clock"),
    [((0, 1), 2.8e9), ((1, 1), 3.4e9), ((1,), 3.4e9)],
)
def test_the_slowest_cpu_counts(cpus: tuple[int, ...], clock: float) -> None:
    assert frequency(cpus, FILES.get) == clock


@pytest.mark.parametrize(
    ("cpus", "reason"),
    [
        ((None, 0), "unpinned"),
        ((0, 3), "no cpufreq driver tells the clock of CPU 3"),
        ((2, 1), "no cpufreq driver tells the clock of CPU 2"),
    ],
)
def test_an_unknown_clock_is_absent(cpus: tuple[int | None, ...], reason: str) -> None:
    assert frequency(cpus, FILES.get) == Absent(reason)
