"""Why an engine cannot make a driver's pairs, or has no such path, before anything is made."""

from collections.abc import Mapping
from typing import Any, Final

from netbench.engines.docker.client import DOCKER
from netbench.engines.docker.facts import security_options
from netbench.engines.docker.host import EngineHost
from netbench.engines.docker.lan import PortPublishing
from netbench.engines.docker.machine import MachineAccess
from netbench.engines.docker.networks import Networks
from netbench.engines.docker.routes import Between
from netbench.engines.docker.runtimes import Runtimes
from netbench.spec import MACHINE_PATHS, USER_MODE, Attach, Family, GatewayMode, Path, Recipe

_PROXY_UNUSED: Final = (
    "the engine's DNAT rule takes every packet from the LAN before its proxy: only containers "
    "beside it (--paths hairpin) and the host's own loopback reach docker-proxy"
)
_GATEWAYS: Final[Mapping[GatewayMode, int]] = {
    "nat": 28,
    "nat-unprotected": 28,
    "routed": 27,
    "isolated": 28,
}
"""The first Docker Engine in which a mode is, and keeps its promises: `nat` is older, but before 28
it did not shut out the LAN."""
_NO_LAN_THERE: Final = (
    "rootless Podman's `host` is the machine itself: the emulated LAN is joined to the namespace "
    "of its bridges"
)
_NO_PARENT: Final = (
    "rootless Podman looks for the parent link in the machine's namespace, where it may make none"
)
_HOST_ELSEWHERE: Final = (
    "rootless Podman's `host` is the machine itself, which netbench reads on that machine alone"
)
_FURTHER: Final = (Path.NORTH_SOUTH, Path.HAIRPIN, Path.ACROSS)


class EngineSupport:
    """Says what one engine can make, by what it is and by trying."""

    def __init__(
        self,
        info: Mapping[str, Any],
        hosting: EngineHost,
        networks: Networks,
        publishing: PortPublishing,
        *,
        runtimes: Runtimes,
        machine: MachineAccess,
        parent: str | None,
    ) -> None:
        """Take the engine's own words of itself, and what makes things on it."""
        self._info = info
        self._hosting = hosting
        self._networks = networks
        self._publishing = publishing
        self._runtimes = runtimes
        self._machine = machine
        self._parent = parent
        self.between: Between | None = None  # what joins it to another engine's machine

    def unsupported(self, recipe: Recipe, path: Path) -> str | None:
        """Return why a recipe cannot be made here, or has no such path here."""
        mode = recipe.network.gateway if recipe.network else None
        return (
            self._no_attachment(recipe)
            or (self._no_gateway(mode) if mode else None)
            or (self._runtimes.lacks(recipe.runtime) if recipe.runtime else None)
            or (self._networks.refusal(recipe.network) if recipe.network else None)
            or (self._of_machine(recipe, path) if path in MACHINE_PATHS else None)
            or (self._no_path(recipe, path) if path in _FURTHER else None)
        )

    def _of_machine(self, recipe: Recipe, path: Path) -> str | None:
        unused = recipe.published == "proxy" and path is Path.OUTSIDE and self._machine.within
        return self._machine.lacking(recipe, path) or (_PROXY_UNUSED if unused else None)

    def _no_attachment(self, recipe: Recipe) -> str | None:
        attaches = (recipe.client, recipe.server)
        if Attach.HOST in attaches and "name=userns" in security_options(self._info):
            return "the engine remaps users (userns-remap) and then refuses the host's network"
        lacks = self._lacks_apart if self._hosting.apart else _lacks_podman
        if lacking := lacks(recipe):
            return lacking
        if Attach.DEFAULT not in attaches:
            return None
        network = self._networks.default()
        if network is None:
            return "the engine has no default bridge network"
        if recipe.family == Family.V6 and (network.ipam is None or network.ipam.subnet6 is None):
            return (
                "the engine's default bridge has no IPv6 (`ipv6` and `fixed-cidr-v6` in its "
                "daemon.json); a network made for the run has: bridge:user@family=6"
            )
        return None

    def _no_gateway(self, mode: GatewayMode) -> str | None:
        version, since = str(self._info.get("ServerVersion") or ""), _GATEWAYS[mode]
        name = self._networks.dialect.name
        if name != DOCKER.name:
            return f"{name} {version} has no gateway modes: they are Docker Engine's"
        major = version.partition(".")[0]
        if not major.isdecimal() or int(major) >= since:
            return None
        return f"gateway={mode} needs Docker Engine {since} or later, and this one is {version}"

    def _lacks_apart(self, recipe: Recipe) -> str | None:
        """Return what a recipe lacks where the engine's `host` is not that of its bridges."""
        if recipe.network is not None and recipe.network.on_lan:
            return _NO_PARENT
        elsewhere = recipe.server is Attach.HOST and self._machine.remote
        return _HOST_ELSEWHERE if elsewhere else None

    def _no_path(self, recipe: Recipe, path: Path) -> str | None:
        on_lan = recipe.network is not None and recipe.network.on_lan
        if path is Path.ACROSS and self.between is None:
            return "it takes two machines: name the other one's engine by --peer-context"
        if path is Path.ACROSS:
            return self._not_across(recipe)
        if no_lan := self._no_lan(recipe):
            return no_lan
        if recipe.family == Family.V6 and not on_lan and not self._hosting.has_ipv6():
            return (
                "links that are made on the engine's host have no IPv6 there: "
                "sysctl net.ipv6.conf.default.disable_ipv6=0"
            )
        routed = recipe.network is not None and recipe.network.gateway == "routed"
        if not (on_lan or routed) and recipe.server in (Attach.DEFAULT, Attach.NETWORK):
            unpublished = self._publishing.unavailable()
            if unpublished:
                return unpublished
        # For IPv6 not every engine has DNAT rules: there the trial's evidence tells.
        through_proxy = recipe.published == "proxy" and recipe.family != Family.V6
        return _PROXY_UNUSED if through_proxy and path is not Path.HAIRPIN else None

    def _no_lan(self, recipe: Recipe) -> str | None:
        if recipe.network is not None and recipe.network.on_lan and self._parent:
            return f"there is no emulated LAN, nor a client on it, behind the parent {self._parent}"
        apart = recipe.server is Attach.HOST and self._hosting.apart
        return _NO_LAN_THERE if apart else None

    def _not_across(self, recipe: Recipe) -> str | None:
        on_lan = recipe.network is not None and recipe.network.on_lan
        if recipe.family == Family.V6:
            return "between machines netbench measures IPv4 alone"
        if on_lan and not self._parent:
            return "between machines it takes a link of each host's as parent: --parent LINK"
        if recipe.published == "proxy":
            return _PROXY_UNUSED
        published = not on_lan and recipe.server in (Attach.DEFAULT, Attach.NETWORK)
        return self._publishing.unavailable() if published else None


def _lacks_podman(recipe: Recipe) -> str | None:
    """Return what a recipe lacks where the engine is not rootless Podman."""
    name = recipe.network.driver if recipe.network else ""
    only = f"{name} is a network of rootless Podman's containers, and of no other engine's"
    return only if name in USER_MODE else None
