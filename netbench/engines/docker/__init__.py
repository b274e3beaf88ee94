"""The docker engine: containers and networks of a Docker Engine, through its API.

Whatever asks the engine raises `EngineError` or `EngineLost`, as `Clients.lend` does.
"""

from netbench.engines.docker.engine import DockerEngine, open_docker

__all__ = ["DockerEngine", "open_docker"]
