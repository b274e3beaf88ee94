"""The docker engine: containers and networks of a Docker Engine, through its API."""

import os
from collections.abc import Mapping

from netbench.engines.base import Engine, EngineOptions
from netbench.engines.docker.client import Clients, resolve
from netbench.engines.docker.engine import DockerEngine
from netbench.errors import ENGINE_FAILURES, EngineUnavailable

NO_WISHES = EngineOptions()

__all__ = ["DockerEngine", "open_docker"]


def open_docker(
    run: str, wishes: EngineOptions = NO_WISHES, environment: Mapping[str, str] = os.environ
) -> Engine:
    """Return the engine that a context, DOCKER_HOST or the current docker context names.

    `run` is the id that labels everything made, `wishes` what the user says of its use,
    `environment` holds DOCKER_HOST and its like.

    Raises:
        EngineUnavailable: it cannot be used; says why and what helps.
    """
    clients = Clients(resolve(environment, wishes.context))
    try:
        return DockerEngine(clients, run, wishes)
    except ENGINE_FAILURES as error:
        clients.close()
        raise EngineUnavailable(error.message, hint=error.hint) from error
    except BaseException:
        clients.close()
        raise
