"""From placements to CPUs of this machine."""

from netbench.spec import Cpus, CpuTopology, Placement


def place(
    pin: str, wanted: frozenset[Placement], topology: CpuTopology
) -> tuple[dict[Placement, Cpus], dict[Placement, str], list[str]]:
    """Return CPUs by placement, why some are impossible here, and problems of `--pin`.

    Two physical cores for `cross`, the last ones, so that the first, which serves most
    interrupts, is left to them where there are more than two.
    """
    if pin.replace(",", "").replace(" ", "").isdecimal():
        return _given([int(word) for word in pin.split(",")], wanted, topology)
    cores = topology.cores or tuple((cpu,) for cpu in topology.usable)
    last = [core[0] for core in cores[-2:]]
    found = {Placement.NONE: Cpus(None, None)}
    impossible = {}
    found[Placement.SAME] = Cpus(last[-1], last[-1])
    if len(last) > 1:
        found[Placement.CROSS] = Cpus(last[0], last[1])
    else:
        impossible[Placement.CROSS] = "there is one usable physical core: no two to pin to"
    return {p: found[p] for p in wanted if p in found}, impossible, []


def _given(
    cpus: list[int], wanted: frozenset[Placement], topology: CpuTopology
) -> tuple[dict[Placement, Cpus], dict[Placement, str], list[str]]:
    missing = [cpu for cpu in cpus if cpu not in topology.usable]
    problems = []
    if missing:
        usable = ", ".join(map(str, topology.usable))
        problems.append(
            f"--pin: CPU {', '.join(map(str, missing))} is not usable; usable: {usable}"
        )
    client, server = cpus[0], cpus[-1]
    found = {
        Placement.NONE: Cpus(None, None),
        Placement.SAME: Cpus(server, server),
        Placement.CROSS: Cpus(client, server),
    }
    if client == server:
        del found[Placement.CROSS]
        if Placement.CROSS in wanted:
            problems.append(f"--pin {client} names one CPU, and the suite has cells on two cores")
    return {p: found[p] for p in wanted if p in found}, {}, problems
