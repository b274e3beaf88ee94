"""Every fact netbench records: its type, unit, meaning, and whether runs may differ in it.

Runs are compared where `required` facts are recorded by both and equal, and where `confounder`
facts do not differ: one that a run did not record is unknown, and keeps nothing from being
compared. `arms` facts are confounders that must also be equal between the arms of one run;
`varies` facts may differ.
"""

from dataclasses import dataclass
from typing import Final, Literal

from netbench.spec import Placement
from netbench.units import BITS_PER_SECOND, BYTES, COUNT, CPUS, RATIO, SECONDS

PEER: Final = "peer."  # start of names of facts of the machine of `--peer-context`
Match = Literal["required", "confounder", "arms", "varies"]


@dataclass(frozen=True, slots=True)
class FactDef:
    """The declaration of one fact."""

    name: str
    type: type
    unit: str  # empty for text and flags
    match: Match
    meaning: str

    @property
    def confounds(self) -> bool:
        """Whether runs with two values of it are not compared."""
        return self.match != "varies"

    @property
    def required(self) -> bool:
        """Whether a run that did not record it is compared with none that did."""
        return self.match == "required"


def _table(*rows: tuple[str, type, str, Match, str]) -> dict[str, FactDef]:
    return {row[0]: FactDef(*row) for row in rows}


FACTS: Final[dict[str, FactDef]] = _table(
    ("host.name", str, "", "varies", "host name, only with --identify"),
    ("host.cpu_model", str, "", "required", "CPU model as the kernel names it"),
    ("host.cpus", int, COUNT, "confounder", "logical CPUs online"),
    ("host.cores", int, COUNT, "confounder", "physical cores"),
    ("host.sockets", int, COUNT, "confounder", "CPU packages"),
    ("host.numa_nodes", int, COUNT, "confounder", "NUMA nodes"),
    ("host.smt", bool, "", "confounder", "whether a core runs several threads"),
    ("host.microcode", str, "", "confounder", "CPU microcode revision"),
    ("host.governor", str, "", "confounder", "CPU frequency governor of CPU 0"),
    ("host.turbo", bool, "", "confounder", "whether turbo frequencies are allowed"),
    ("host.hypervisor", bool, "", "confounder", "whether the CPU says it is a guest"),
    ("host.clocksource", str, "", "confounder", "current clock source"),
    ("host.memory", int, BYTES, "confounder", "memory the kernel manages"),
    ("host.uptime", float, SECONDS, "varies", "time since boot"),
    ("host.load1", float, "", "varies", "one-minute load average before the run"),
    ("kernel.release", str, "", "required", "uname -r"),
    ("kernel.version", str, "", "confounder", "uname -v"),
    ("kernel.parameters", str, "", "confounder", "boot parameters that concern speed"),
    ("kernel.hz", int, "1/s", "confounder", "CONFIG_HZ"),
    (
        "kernel.cpu_accounting",
        str,
        "",
        "confounder",
        "tick: CPU time is sampled; virtual: measured",
    ),
    ("kernel.irq_time_accounting", bool, "", "confounder", "CONFIG_IRQ_TIME_ACCOUNTING"),
    ("kernel.tick", float, SECONDS, "confounder", "what /proc/stat counts CPU time in"),
    ("kernel.preempt", str, "", "confounder", "preemption model"),
    ("net.tcp_congestion_control", str, "", "confounder", "congestion control of the host"),
    ("net.tcp_available_congestion_control", str, "", "varies", "those the kernel has"),
    ("net.tcp_allowed_congestion_control", str, "", "varies", "those without CAP_NET_ADMIN"),
    ("net.default_qdisc", str, "", "confounder", "queueing discipline of new links"),
    ("net.rmem_max", int, BYTES, "confounder", "largest receive buffer by setsockopt"),
    ("net.wmem_max", int, BYTES, "confounder", "largest send buffer by setsockopt"),
    ("net.tcp_rmem", str, BYTES, "confounder", "TCP receive buffer: least, default, largest"),
    ("net.tcp_wmem", str, BYTES, "confounder", "TCP send buffer: least, default, largest"),
    ("net.netdev_budget", int, COUNT, "confounder", "packets per softirq poll cycle"),
    ("net.netdev_max_backlog", int, COUNT, "confounder", "backlog queue of a CPU"),
    ("net.rps_sock_flow_entries", int, COUNT, "confounder", "receive flow steering table"),
    ("net.ip_forward", bool, "", "varies", "whether the host routes IPv4"),
    ("net.bridge_nf_call_iptables", bool, "", "confounder", "bridged frames pass iptables"),
    ("net.conntrack_count", int, COUNT, "varies", "connections tracked before the run"),
    ("net.conntrack_max", int, COUNT, "varies", "most connections tracked"),
    ("net.firewall_rules", int, COUNT, "confounder", "rules in the host's nftables ruleset"),
    ("net.firewall_hash", str, "", "varies", "hash of that ruleset without its counters"),
    ("engine.name", str, "", "required", "engine and its variant"),
    ("engine.version", str, "", "required", "version of the engine"),
    ("engine.api", str, "", "varies", "API version negotiated"),
    ("engine.kernel", str, "", "confounder", "kernel the engine reports"),
    ("engine.os", str, "", "varies", "operating system the engine reports"),
    ("engine.arch", str, "", "confounder", "architecture"),
    ("engine.rootless", bool, "", "confounder", "whether the engine runs without root"),
    (
        "engine.rootless_network",
        str,
        "",
        "confounder",
        "user-mode network between a rootless engine's host and the machine",
    ),
    (
        "engine.port_driver",
        str,
        "",
        "confounder",
        "what passes published ports from the machine into a rootless engine",
    ),
    ("engine.desktop", str, "", "confounder", "product whose virtual machine is the engine's host"),
    ("engine.local", bool, "", "varies", "whether the engine's processes are in our own /proc"),
    ("engine.userland_proxy", bool, "", "confounder", "whether published ports use a proxy"),
    ("engine.firewall", str, "", "confounder", "firewall backend of the engine"),
    ("engine.cgroup_version", str, "", "confounder", "cgroup version"),
    ("engine.cgroup_driver", str, "", "varies", "cgroup driver"),
    ("engine.storage_driver", str, "", "varies", "storage driver"),
    ("engine.bridge_nf_iptables", bool, "", "confounder", "engine: bridged frames pass iptables"),
    ("engine.security", str, "", "confounder", "security options, seccomp among them"),
    ("engine.image", str, "", "varies", "image of the endpoints"),
    ("engine.image_id", str, "", "confounder", "content id of that image"),
    ("engine.runtime", str, "", "varies", "default container runtime"),
    ("engine.runtimes", str, "", "varies", "container runtimes that the engine lists"),
    ("engine.context", str, "", "varies", "how the engine was reached"),
    ("engine.cpus", int, COUNT, "confounder", "CPUs the engine sees"),
    ("engine.memory", int, BYTES, "confounder", "memory the engine sees"),
    ("engine.live_restore", bool, "", "varies", "whether containers outlive the engine"),
    ("engine.user_namespace", bool, "", "confounder", "whether it works in a user namespace"),
    ("clock.offset", float, SECONDS, "varies", "the peer's clock less the first machine's"),
    ("clock.uncertainty", float, SECONDS, "varies", "half of the time that comparing them took"),
    (
        "nodes.path_mtu",
        int,
        BYTES,
        "confounder",
        "largest packet that gets to the peer",
    ),
    ("nodes.kernels", int, COUNT, "confounder", "kernels beneath the two engines"),
    ("ceiling.copy_block", int, BYTES, "varies", "block copied that does not fit into the caches"),
    *(
        (f"ceiling.{placement}.{name}", float, BITS_PER_SECOND, "varies", meaning)
        for placement in Placement
        for name, meaning in (
            ("copy", "memory copied within the caches, 128 KiB at a time, on the slower CPU"),
            ("copy_memory", "memory copied beyond the caches, on the slower CPU"),
            ("loopback", "one TCP stream over loopback, measured once where no host arm shows it"),
            ("wire", "one TCP stream from host to host, measured once where no host arm shows it"),
        )
    ),
    ("trial.frequency", float, "Hz", "varies", "clock of the slower of the trial's CPUs, in it"),
    ("trial.load1", float, "", "varies", "one-minute load average after the trial"),
    ("trial.steal", float, RATIO, "varies", "share of CPU time stolen during the trial"),
    ("trial.busy", float, RATIO, "varies", "share of CPU time not idle during the trial"),
    ("trial.cost_window", float, SECONDS, "varies", "window in which CPU time was read"),
    ("trial.cost_resolution", float, CPUS, "varies", "one tick over that window"),
    ("trial.busy_user", float, CPUS, "varies", "all CPUs, in user mode"),
    ("trial.busy_nice", float, CPUS, "varies", "all CPUs, in user mode at low priority"),
    ("trial.busy_system", float, CPUS, "varies", "all CPUs, in the kernel for a process"),
    ("trial.busy_irq", float, CPUS, "varies", "all CPUs, in hardware interrupts"),
    ("trial.busy_softirq", float, CPUS, "varies", "all CPUs, in softirq"),
    ("trial.busy_client_cpu", float, CPUS, "varies", "busy time of the client's CPU"),
    ("trial.busy_server_cpu", float, CPUS, "varies", "busy time of the server's CPU"),
    ("trial.busy_other_cpus", float, CPUS, "varies", "busy time of all other CPUs"),
    ("trial.idle_busy", float, CPUS, "varies", "busy time in the block's idle window"),
    ("trial.busy_above_idle", float, CPUS, "varies", "busy time less that of the idle window"),
    (
        "trial.busy_client_machine",
        float,
        CPUS,
        "varies",
        "of it the client machine's",
    ),
    (
        "trial.busy_server_machine",
        float,
        CPUS,
        "varies",
        "of it the server machine's",
    ),
    ("trial.client_node", str, "", "varies", "which machine the client was on: first or peer"),
    ("trial.softirq_share", float, RATIO, "varies", "softirq's share of the busy time"),
    ("trial.cgroup_source", str, "", "arms", "cgroup, or the processes of the tools"),
    ("trial.cgroup_client", float, CPUS, "varies", "CPU time of the client's cgroup"),
    ("trial.cgroup_server", float, CPUS, "varies", "CPU time of the server's cgroup"),
    ("trial.cgroup_client_system", float, CPUS, "varies", "that in the kernel, as sampled"),
    ("trial.cgroup_server_system", float, CPUS, "varies", "that in the kernel, as sampled"),
    ("trial.unattributed", float, CPUS, "varies", "busy_above_idle less both; may be negative"),
    ("trial.cycles", float, "1/s", "varies", "CPU cycles of all CPUs, by perf"),
    ("trial.congestion_control_client", str, "", "arms", "sysctl in the client's namespace"),
    ("trial.congestion_control_server", str, "", "arms", "sysctl in the server's namespace"),
    ("trial.published_via", str, "", "confounder", "nat, proxy or straight, of a published port"),
    ("trial.published_evidence", str, "", "varies", "what shows which way that port was served"),
    ("trial.proxy_cpu", float, SECONDS, "varies", "CPU time of the port's proxy, in 10 ms ticks"),
    (
        "trial.user_network_cpu",
        float,
        SECONDS,
        "varies",
        "CPU time of the processes of rootless engines' networks and ports, in 10 ms ticks",
    ),
    ("trial.conntrack_before", int, COUNT, "varies", "tracked connections before the trial"),
    ("trial.conntrack_after", int, COUNT, "varies", "tracked connections after it"),
    ("trial.time_wait_before", int, COUNT, "varies", "the server's TIME-WAIT sockets before it"),
    ("trial.time_wait_after", int, COUNT, "varies", "the server's TIME-WAIT sockets after it"),
    ("trial.connect_failures", int, COUNT, "varies", "the client's connects that failed in it"),
    ("path.links", tuple, "", "required", "links of a path, each by its namespace and kind"),
    ("link.name", str, "", "varies", "name in its own namespace"),
    ("link.index", int, "", "varies", "interface index"),
    ("link.kind", str, "", "confounder", "veth, bridge, macvlan, ...; none for hardware"),
    ("link.mode", str, "", "confounder", "mode of a macvlan or ipvlan"),
    ("link.parent", int, "", "varies", "index of the lower link"),
    ("link.peer", int, "", "varies", "index of a veth's other end"),
    ("link.peer_nsid", int, "", "varies", "id of the namespace of peer or parent"),
    ("link.master", str, "", "varies", "bridge or bond it is a port of"),
    ("link.mtu", int, BYTES, "required", "largest packet"),
    ("link.mac", str, "", "varies", "link-layer address"),
    ("link.up", bool, "", "confounder", "administratively up"),
    ("link.carrier", bool, "", "confounder", "something is up at the other end"),
    ("link.qdisc", str, "", "confounder", "queueing discipline"),
    ("link.txqlen", int, COUNT, "confounder", "transmit queue length"),
    ("link.gso_max_size", int, BYTES, "confounder", "largest segment offload packet"),
    ("link.gro_max_size", int, BYTES, "confounder", "largest receive offload packet"),
    ("link.tso_max_size", int, BYTES, "confounder", "largest segment the device takes"),
    ("link.offloads", tuple, "", "confounder", "segmentation and checksum offloads that are on"),
    ("link.counters", int, BYTES, "varies", "bytes and packets each way since creation"),
    ("netbench.version", str, "", "required", "version of what measured"),
    (
        "netbench.third_party",
        str,
        "",
        "confounder",
        "other distributions that the run's drivers and probes come from, with their versions",
    ),
    ("tool.*", str, "", "required", "version of a probe's tool, as it prints it"),
    ("helper.*", str, "", "varies", "version of a tool that carries no traffic, as it prints it"),
    ("probe.*", str, "", "required", "a probe's kind and parameters, as its suite has them"),
    ("probe.seconds", float, SECONDS, "required", "how long a trial of the probe takes"),
    ("probe.slice", float, SECONDS, "required", "how long a session of the probe runs at a time"),
    ("probe.omit", float, SECONDS, "required", "beginning of a trial that does not count"),
    ("probe.interval", float, SECONDS, "required", "time between two readings of a trial"),
    ("probe.size", int, BYTES, "required", "message of a round trip"),
    ("probe.length", int, BYTES, "required", "datagram"),
    ("plan.cpus", str, "", "required", "CPUs that a placement stands for"),
    ("plan.congestion_control", str, "", "required", "congestion control asked for"),
    ("plan.margin", float, RATIO, "varies", "size of effect below which drivers are equivalent"),
    ("plan.precision", float, RATIO, "varies", "half width of an interval that is narrow enough"),
    ("plan.max_time", float, SECONDS, "varies", "time that the run might take at most"),
    ("plan.*", str, "", "varies", "what else was asked for"),
)
"""By name. `link.*` are the fields of `netbench.record.Link`, read for every link of a path. A name
that ends in `*` stands for all that begin so and have no line of their own."""


def declared(name: str) -> FactDef | None:
    """Return a fact's declaration, its own or that of its family; None if there is none.

    A fact of the peer's machine is declared as that of the only machine is.
    """
    name = name.removeprefix(PEER)
    return FACTS.get(name) or FACTS.get(f"{name.partition('.')[0]}.*")


ENDPOINT_LINKS: Final = ("lo", "eth0")  # names of the links whose offloads are read in an endpoint
OFFLOADS: Final = (  # by the kernel's feature names, net/ethtool/common.c
    "rx-checksum",
    "rx-gro",
    "rx-lro",
    "tx-checksum-ip-generic",
    "tx-checksum-ipv4",
    "tx-checksum-ipv6",
    "tx-generic-segmentation",
    "tx-scatter-gather",
    "tx-tcp-segmentation",
    "tx-tcp6-segmentation",
    "tx-udp-segmentation",
)
