"""How engines differ that speak the Docker Engine's API: told by what they say of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an engine calls things, and what it passes over in silence."""

    name: str
    """Of the engine: `docker`, `podman`."""
    mode: str
    """Option of a network that holds the mode of macvlan and ipvlan, with `{}` for the driver."""
    bridge: str | None
    """Name of a network's bridge, with `{}` for the start of the network's id; None where only the
    bridge itself tells."""
    reserves: bool
    """Whether addresses can be kept from containers one by one; else by a range alone."""


DOCKER: Final = Dialect("docker", mode="{}_mode", bridge="br-{}", reserves=True)
PODMAN: Final = Dialect("podman", mode="mode", bridge=None, reserves=False)


def dialect_of(version: Mapping[str, Any]) -> Dialect:
    """Return the dialect of an engine by its answer to `/version`."""
    names = [str(part["Name"]) for part in version.get("Components") or ()]
    return PODMAN if any("podman" in name.lower() for name in names) else DOCKER
