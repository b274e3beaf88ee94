"""Makes the run's containers: of the probe image, named and labelled as its own."""

import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from netbench.engines.docker import endpoints
from netbench.engines.docker.client import Clients
from netbench.engines.docker.endpoints import ROOT, EndpointContainer, Order, Sharing
from netbench.engines.docker.image import Image, prepare
from netbench.engines.docker.veth import cut_wires

NET_ADMIN: Final = "NET_ADMIN"
HOSTS_LINKS: Final = Sharing("host", pids="host", users=True)
"""Namespaces from which a link of the host's can be made, with an end in another container."""


@dataclass(frozen=True, slots=True)
class ImageWish:
    """The probe image that is to be used."""

    reference: str | None
    """As `--image`; None for this host's own tools."""
    architecture: str
    """Of the engine's machine."""


class Maker:
    """Makes containers; safe to use from several threads."""

    def __init__(
        self,
        clients: Clients,
        run: str,
        labels: Mapping[str, str],
        image: ImageWish,
        *,
        init: bool,
    ) -> None:
        """`init` tells whether the engine can put an init process into a container."""
        self._clients = clients
        self._run = run
        self._labels = labels
        self._wish = image
        self._init = init
        self._image: Image | None = None
        self._lock = threading.Lock()

    @property
    def made_image(self) -> Image | None:
        """The probe image, None as long as nobody has asked for it."""
        return self._image

    def image(self) -> Image:
        """Return the probe image, made at the first call."""
        with self._lock:
            if self._image is None:
                self._image = prepare(self._clients, self._wish.reference, self._wish.architecture)
            return self._image

    def unique(self, name: str) -> str:
        """Return a name that is this run's, and nobody else's."""
        plain = re.sub(r"[^a-zA-Z0-9_.-]", "-", f"{self._run}-{name}")
        return f"netbench-{plain}-{secrets.token_hex(3)}"

    def order(self, name: str, sharing: Sharing, command: tuple[str, ...]) -> Order:
        """Return an order of a confined container, which `replace` can refine."""
        return Order(
            name=self.unique(name),
            image=self.image().reference,
            labels=self._labels,
            sharing=sharing,
            command=command,
            init=self._init,
        )

    def create(self, order: Order) -> EndpointContainer:
        """Create and start a container; errors as `endpoints.create`."""
        return endpoints.create(self._clients, order)

    def once(
        self, name: str, sharing: Sharing, command: tuple[str, ...], *, capability: str
    ) -> str:
        """Run one command as root with one capability; errors as `endpoints.once`."""
        order = self.order(name, sharing, command)
        return endpoints.once(
            self._clients, replace(order, user=ROOT, capabilities=(capability,), init=False)
        )

    def links(self, name: str, sharing: Sharing, commands: Iterable[str]) -> str:
        """Run shell commands that change links, until one fails; errors as `endpoints.once`."""
        script = "\n".join(commands)
        return self.once(name, sharing, ("sh", "-ec", script), capability=NET_ADMIN)

    def remove(self, container: str) -> None:
        """Remove a container; quietly nothing where it is gone already."""
        endpoints.remove(self._clients, container)

    def remove_lan(self, container: str) -> None:
        """Remove a LAN client with its wires; quietly nothing where it is gone already."""
        try:
            cut_wires(self._clients, container)
        finally:
            self.remove(container)
