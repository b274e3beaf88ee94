"""The launchers of a run, by container and user."""

import threading

from netbench.engines.docker.client import Clients
from netbench.engines.docker.launcher import Launcher


class Launchers:
    """The shells of a run, each started when first needed; safe to use from several threads."""

    def __init__(self, clients: Clients) -> None:
        """None is started yet."""
        self._clients = clients
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._made: dict[tuple[str, str], Launcher] = {}

    def of(self, container: str, user: str) -> Launcher:
        """Return the shell in a container as a user; errors as those of `Launcher`."""
        with self._lock:
            lock = self._locks.setdefault(container, threading.Lock())
        with lock:
            found = self._made.get((container, user))
            if found is None or found.gone:
                found = self._made[container, user] = Launcher(self._clients, container, user)
            return found

    def forget(self, container: str) -> None:
        """Forget the shells of a container that is about to be removed; they end with it."""
        with self._lock:
            self._locks.pop(container, None)
            for key in [key for key in self._made if key[0] == container]:
                del self._made[key]
