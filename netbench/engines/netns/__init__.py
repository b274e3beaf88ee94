"""The engine without a daemon: the same topologies straight from kernel namespaces."""

from netbench.engines.netns.engine import NetnsEngine
from netbench.engines.netns.userns import reexec_in_user_namespace, unavailable

__all__ = ["NetnsEngine", "reexec_in_user_namespace", "unavailable"]
