"""Kinds of links that the kernel of the engine's machine has: found by making one."""

import threading
from typing import Final

from netbench.engines.docker.container_factory import Maker
from netbench.engines.docker.endpoints import Sharing

_MODES: Final = {
    "macvlan": ("bridge", "private", "vepa", "passthru"),
    "ipvlan": ("l2", "l3", "l3s"),
}
_ALONE: Final = {"vxlan": "id 1 dstport 4789", "dummy": ""}
"""Kinds without modes or a parent, with what they are made with."""
_WORKS: Final = "works"
_TRY: Final = f"""
try() {{
    what=$1
    shift
    words=$(ip link add nbtry "$@" 2>&1) && words={_WORKS}
    echo "$what/"$words
    ip link del nbtry 2>/dev/null || :
}}
"""


class LinkKinds:
    """Knows what the kernel lacks after one look."""

    def __init__(self, maker: Maker) -> None:
        """Nothing is tried yet."""
        self._maker = maker
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str], str] = {}

    def lacks(self, kind: str, mode: str | None = None) -> str | None:
        """Return why there can be no such link, in words that name the module; None where it can.

        Raises:
            EngineError: it could not be tried.
        """
        with self._lock:
            if not self._said:
                self._said = _read(self._try())
        key = (kind, mode or (_MODES.get(kind) or ("",))[0])
        said = self._said.get(key, "nobody has tried it")
        if said == _WORKS:
            return None
        others = [m for k, m in self._said if k == kind and self._said[k, m] == _WORKS]
        what = f"{kind} in mode {key[1]}" if others else kind
        return f"the kernel has no {what} (modprobe {kind}): {said}"

    def _try(self) -> str:
        """Make a link of each kind and mode in a container's own network namespace."""
        tries = [
            f"try {kind}/{mode} link nbeth type {kind} mode {mode}"
            for kind, modes in _MODES.items()
            for mode in modes
        ]
        tries += [f"try {kind}/ type {kind} {how}" for kind, how in _ALONE.items()]
        pair = "ip link add nbeth type veth peer name nbpeer"
        return self._maker.links("try", Sharing("none"), (pair, "set +e", _TRY, *tries))


def _read(printed: str) -> dict[tuple[str, str], str]:
    found = {}
    for line in printed.splitlines():
        kind, _, rest = line.partition("/")
        mode, _, words = rest.partition("/")
        found[kind, mode] = words
    return found
