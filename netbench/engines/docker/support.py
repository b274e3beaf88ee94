"""What this engine cannot make, and why: from what it says of itself, and from trying."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from netbench.engines.base import Network
from netbench.engines.docker.link_kinds import LinkKinds
from netbench.engines.docker.network_info import OVERLAY
from netbench.engines.docker.swarm import NO_IPV6, Swarm
from netbench.spec import Attach, Family, NetworkSpec, Path, Recipe

_PROXY_UNUSED: Final = (
    "the engine's DNAT rule takes every packet from the LAN before its proxy: only containers "
    "beside it (--paths hairpin) and the host's own loopback reach docker-proxy"
)


class EngineSupport:
    """Judges recipes for one engine."""

    def __init__(
        self,
        info: Mapping[str, Any],
        kinds: LinkKinds,
        swarm: Swarm,
        *,
        default: Callable[[], Network | None],
        ipv6: Callable[[], bool],
        publishing: Callable[[], str | None],
        parent: str | None,
    ) -> None:
        """Take what to judge by.

        Args:
            info: the engine's answer to `/info`.
            kinds: of links that its kernel has.
            swarm: its state.
            default: returns its default bridge network.
            ipv6: tells whether links that are made on its host have IPv6.
            publishing: tells why no port is published on the emulated LAN, if so.
            parent: the real link that the user named for macvlan and ipvlan, if any.
        """
        self._info = info
        self._kinds = kinds
        self._swarm = swarm
        self._default = default
        self._ipv6 = ipv6
        self._publishing = publishing
        self._parent = parent

    def refusal(self, recipe: Recipe, path: Path) -> str | None:
        """Return why a recipe cannot be made, or has no such path; None where it can."""
        return (
            self._attachment(recipe)
            or (self._network(recipe.network) if recipe.network else None)
            or self._path(recipe, path)
        )

    def _attachment(self, recipe: Recipe) -> str | None:
        attaches = (recipe.client, recipe.server)
        security = tuple(map(str, self._info.get("SecurityOptions") or ()))
        if Attach.HOST in attaches and "name=userns" in security:
            return "the engine remaps users (userns-remap) and then refuses the host's network"
        if Attach.DEFAULT not in attaches:
            return None
        network = self._default()
        if network is None:
            return "the engine has no default bridge network"
        if recipe.family == Family.V6 and (network.ipam is None or network.ipam.subnet6 is None):
            return (
                "the engine's default bridge has no IPv6 (`ipv6` and `fixed-cidr-v6` in its "
                "daemon.json); a network made for the run has: bridge:user@family=6"
            )
        return None

    def _network(self, spec: NetworkSpec) -> str | None:
        if spec.driver == "cni":
            return "cni: is for the netns engine: --engine netns"
        known = (self._info.get("Plugins") or {}).get("Network") or ()
        if spec.driver not in known:
            return (
                f"the engine has no network driver {spec.driver}; "
                f"it has {', '.join(known) or 'none'}"
            )
        if spec.on_lan:
            lacking = self._kinds.lacks(spec.driver, spec.mode)
            return lacking or (self._kinds.lacks("dummy") if spec.internal else None)
        if spec.driver == OVERLAY:
            no_ipv6 = NO_IPV6 if spec.ipv6 else None
            return no_ipv6 or self._swarm.unavailable() or self._kinds.lacks("vxlan")
        return None

    def _path(self, recipe: Recipe, path: Path) -> str | None:
        if path is Path.EAST_WEST:
            return None
        on_lan = recipe.network is not None and recipe.network.on_lan
        if self._parent and on_lan:
            return f"there is no emulated LAN, nor a client on it, behind the parent {self._parent}"
        if recipe.family == Family.V6 and not on_lan and not self._ipv6():
            return (
                "links that are made on the engine's host have no IPv6 there: "
                "sysctl net.ipv6.conf.default.disable_ipv6=0"
            )
        if not on_lan and recipe.server in (Attach.DEFAULT, Attach.NETWORK):
            unpublished = self._publishing()
            if unpublished:
                return unpublished
        # For IPv6 not every engine has DNAT rules: there the trial's evidence tells.
        through_proxy = recipe.published == "proxy" and recipe.family != Family.V6
        return _PROXY_UNUSED if through_proxy and path is Path.NORTH_SOUTH else None
