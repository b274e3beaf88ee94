"""axe-core, the accessibility checker, from npm at a pinned version."""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

from support.hang import HANG
from support.require import require_or_skip

PACKAGE: Final = "axe-core@4.14.1"
INTEGRITY: Final = (
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NP"
    "jCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)
"""Of the package's archive, as the registry states it and package-lock.json would hold it."""
_RUN: Final = """
const done = arguments[arguments.length - 1];
axe.run(document, arguments[0]).then(({ violations }) => done(violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`))
  .slice(0, 20)));
"""


def axe_script(folder: Path) -> str:
    """Return axe-core as JavaScript, fetched once into `folder`; skip or fail where npm cannot."""
    npm = shutil.which("npm")
    if npm is None:
        require_or_skip("browser", "npm is missing, which fetches axe-core")
    found = list(folder.glob("axe-core-*.tgz"))
    if not found:
        argv = (npm, "pack", PACKAGE, "--pack-destination", str(folder))
        cache = {"npm_config_cache": str(folder / "npm"), "npm_config_update_notifier": "false"}
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=HANG, env=os.environ | cache
        )
        found = list(folder.glob("axe-core-*.tgz"))
        if done.returncode or not found:
            require_or_skip("browser", f"npm pack {PACKAGE} failed: {done.stderr[-500:]}")
    content = found[0].read_bytes()
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    assert f"sha512-{digest}" == INTEGRITY
    with tarfile.open(found[0]) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def violations(browser: Any, axe: str, **options: object) -> list[str]:
    """Return what axe-core calls serious or critical on the page as it is shown."""
    browser.execute_script(axe)
    found: list[str] = browser.execute_async_script(
        _RUN, {"resultTypes": ["violations"], **options}
    )
    return found
