"""Runtimes of an engine: which there are, in which version, and which can start endpoints."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Final

from netbench.engines.docker.client import PODMAN
from netbench.engines.docker.endpoints import Maker, Sharing
from netbench.errors import EngineError

_FEATURES: Final = "org.opencontainers.runtime-spec.features"
_KERNEL: Final = "/proc/version"  # its third word is the kernel's release
_RELEASE: Final = 2


class Runtimes:
    """Says which runtimes can start endpoints; safe to use from several threads."""

    def __init__(self, info: Mapping[str, Any], maker: Maker) -> None:
        """Nothing is tried yet."""
        self._info = info
        self._maker = maker
        self._lock = threading.Lock()
        self._tried: dict[str, str | None] = {}  # why not, by name

    def lacks(self, name: str) -> str | None:
        """Return why no endpoint can be started by a runtime, found by trying; None if one can."""
        known, usual = sorted(self._info.get("Runtimes") or {}), self._info.get("DefaultRuntime")
        if name not in known:
            has = ", ".join(known) or "none"
            return f"the engine has no runtime {name}; it has {has} (`runtimes` of its daemon.json)"
        if self._maker.clients.dialect is PODMAN and name != usual:
            return f"Podman starts all containers by one runtime, {usual} here: podman --runtime"
        with self._lock:
            if name not in self._tried:
                self._tried[name] = self._try(name)
            return self._tried[name]

    def _try(self, name: str) -> str | None:
        order = self._maker.order("runtime", Sharing("none"), ("cat", _KERNEL))
        try:
            printed = self._maker.once(replace(order, runtime=name)).split()
        except EngineError as error:
            return f"the runtime {name} starts no container here: {error}"
        own, engines = printed[_RELEASE : _RELEASE + 1], self._info.get("KernelVersion")
        if own == [engines]:
            return None
        return (
            f"the runtime {name} gives a container a kernel of its own ({' '.join(own)}): the "
            "engine's kernel does not show its addresses, routes and sockets, by which a path is "
            "proved"
        )


def runtime_versions(info: Mapping[str, Any]) -> str:
    """Return every runtime that the engine lists, with its version where the engine tells it."""
    found = sorted((info.get("Runtimes") or {}).items())
    return ", ".join(f"{name} {_version(one) or ''}".strip() for name, one in found)


def _version(listed: Mapping[str, Any]) -> str | None:
    """Return a runtime's version by its own word of its features; None if there is none."""
    program = PurePath(str(listed.get("path") or "")).name
    return next(_said(listed, f".{program}.version"), None)


def _said(listed: Mapping[str, Any], end: str) -> Iterator[str]:
    with suppress(ValueError, AttributeError):
        features = json.loads((listed.get("status") or {}).get(_FEATURES) or "{}")
        for key, value in (features.get("annotations") or {}).items():
            if key.endswith(end):
                yield str(value)
