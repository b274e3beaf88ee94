"""What we ask for: networks, endpoints, cells. Plain values; nothing here touches the system."""

from dataclasses import dataclass, field
from enum import StrEnum


class Attach(StrEnum):
    """How an endpoint gets its network namespace."""

    NONE = "none"
    """Its own namespace with nothing but `lo`."""
    HOST = "host"
    """The namespace of the engine's host."""
    DEFAULT = "default"
    """The engine's default bridge network."""
    NETWORK = "network"
    """A network made for the run."""
    PEER = "peer"
    """The namespace of the pair's other endpoint."""


class Placement(StrEnum):
    """Where client and server run relative to each other."""

    CROSS = "cross"
    """On two physical cores."""
    SAME = "same"
    """Both on one CPU."""
    NONE = "none"
    """Unpinned: the scheduler decides."""


class Path(StrEnum):
    """Which way the traffic goes."""

    EAST_WEST = "east-west"


class Role(StrEnum):
    """Whose namespaces these are."""

    CLIENT = "client"
    SERVER = "server"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network to make."""

    driver: str
    """The kind of network, in the engine's words: `bridge`."""
    options: tuple[tuple[str, str], ...] = ()
    """Driver options, `-o key=value`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a driver attaches its pair."""

    client: Attach
    server: Attach
    network: NetworkSpec | None = None
    """The network to make, where an endpoint has `Attach.NETWORK`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination that is measured."""

    driver: str
    """Driver name with mode, `bridge:user`."""
    path: Path
    probe: str
    """Probe name, a key of `PROBES`."""
    placement: Placement


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """One pair of a block. The baseline has two arms: their contrast must show nothing (A/A)."""

    driver: str
    replica: int = 0
    """0 for the arm that is compared, 1 for the baseline's second pair."""

    def __str__(self) -> str:
        """Return the driver's name, marked where it is the second baseline."""
        return f"{self.driver} (A/A)" if self.replica else self.driver


@dataclass(frozen=True, slots=True)
class Cpus:
    """CPUs of one placement."""

    client: int | None
    server: int | None
    """None where the placement is `none`."""


@dataclass(frozen=True, slots=True)
class CpuTopology:
    """What the engine's host offers for pinning."""

    usable: tuple[int, ...]
    """Logical CPUs we may run on, ascending."""
    cores: tuple[tuple[int, ...], ...] = field(default=())
    """Logical CPUs grouped by physical core, only usable ones; empty where unknown."""
