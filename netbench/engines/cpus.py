"""The CPUs of this machine, as far as this process may use them."""

import os
from pathlib import Path

from netbench.spec import CpuTopology


def local_topology() -> CpuTopology:
    """Return usable CPUs grouped by physical core; no groups where sysfs does not tell."""
    usable = tuple(sorted(os.sched_getaffinity(0)))
    cores: dict[tuple[str, str], list[int]] = {}
    for cpu in usable:
        folder = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        try:
            package = (folder / "physical_package_id").read_text().strip()
            core = (folder / "core_id").read_text().strip()
        except OSError:
            return CpuTopology(usable)
        cores.setdefault((package, core), []).append(cpu)
    return CpuTopology(usable, tuple(tuple(core) for core in cores.values()))
