"""The probe image: made of this host's tools with no registry, named by the user, or built."""

import hashlib
import io
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docker import APIClient
from docker.errors import ImageNotFound

from netbench.engines.base import PROBE_IMAGE
from netbench.engines.docker.client import Clients
from netbench.engines.docker.image_files import collect, find_tools
from netbench.engines.docker.ownership import IMAGE
from netbench.errors import EngineError

BUILD: Final = "build"
"""The value of `--image` that asks for the Dockerfile."""

_BUILD_SECONDS: Final = 600
"""How long the engine may be silent during a build, which downloads."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is there."""

    reference: str
    id: str
    done: str
    """What was done to have it, in words."""


def prepare(clients: Clients, wanted: str | None, architecture: str) -> Image:
    """Return the image that `--image` asks for; None makes it of this host's tools.

    Raises:
        EngineError: it cannot be made, or is not there; says what helps.
    """
    if wanted is None:
        return _from_host(clients, architecture)
    if wanted == BUILD:
        return _built(clients)
    with clients.lend(f"inspect image {wanted}") as api:
        identity = _identity(api, wanted)
    if identity is None:
        raise EngineError(
            f"the engine has no image {wanted}, and nothing is pulled unasked",
            hint=f"docker pull {wanted}",
        )
    return Image(wanted, identity, f"uses the image {wanted}")


def _identity(api: APIClient, reference: str) -> str | None:
    inspect: Callable[[str], dict[str, Any]] = api.inspect_image
    try:
        return str(inspect(reference)["Id"])
    except ImageNotFound:
        return None


def _from_host(clients: Clients, architecture: str) -> Image:
    if architecture != platform.machine():
        raise EngineError(
            f"the engine's machine is {architecture}, this one {platform.machine()}: its tools "
            "cannot run there",
            hint="name an image that has the tools: --image REF, or --image build",
        )
    begun = time.monotonic()
    tree = collect(find_tools())
    archive = tree.tar()
    changes = [
        "ENV PATH=/usr/bin",
        f"ENV LD_LIBRARY_PATH={':'.join(tree.libraries)}",
        f"LABEL {IMAGE}=1",
    ]
    reference = _tagged(archive, *(change.encode() for change in changes))
    with clients.lend(f"import {reference}") as api:
        if identity := _identity(api, reference):
            return Image(reference, identity, f"reuses the probe image {reference}")
        repository, _, tag = reference.partition(":")
        answer = api.import_image_from_data(archive, repository, tag, changes=changes)
        identity = _identity(api, reference)
    if identity is None:
        raise EngineError(f"import {reference}: {answer}")
    seconds = time.monotonic() - begun
    size = len(archive) / 1e6
    return Image(
        reference,
        identity,
        f"made the probe image {reference} of this host's tools ({size:.0f} MB, {seconds:.1f} s)",
    )


def _tagged(*content: bytes) -> str:
    digest = hashlib.sha256(b"\0".join(content)).hexdigest()
    return f"{PROBE_IMAGE}:{digest[:12]}"


def _built(clients: Clients) -> Image:
    recipe = (Path(__file__).parent / "Dockerfile").read_bytes()
    reference = _tagged(recipe)
    with clients.lend(f"build {reference}") as api:
        if identity := _identity(api, reference):
            return Image(reference, identity, f"reuses the built image {reference}")
        steps = api.build(
            fileobj=io.BytesIO(recipe),
            tag=reference,
            timeout=_BUILD_SECONDS,
            labels={IMAGE: "1"},
            rm=True,
            forcerm=True,
            decode=True,
        )
        failures = [str(step["error"]) for step in steps if "error" in step]
        identity = _identity(api, reference)
    if failures or identity is None:
        raise EngineError(
            f"build {reference}: {'; '.join(failures) or 'the engine gave no image'}",
            hint="the engine needs a registry for this; leave --image out to use the host's tools",
        )
    return Image(reference, identity, f"built the image {reference} from the Dockerfile")
