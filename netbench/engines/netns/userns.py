"""Whether and how namespaces can be made by this user."""

import os
import shutil
import subprocess
import sys

_IN_USER_NAMESPACE = "NETBENCH_IN_USER_NAMESPACE"
_UTILITIES = ("unshare", "nsenter", "setpriv", "taskset", "sleep")


def unavailable() -> str | None:
    """Return why this engine cannot work for this user, None where it can; found by trying."""
    missing = [name for name in _UTILITIES if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found (util-linux, coreutils)"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *user, "--net", "--mount", "--propagation=unchanged", "--pid", "--fork"]
    tried = subprocess.run([*argv, "true"], capture_output=True, text=True, timeout=10, check=False)
    return None if tried.returncode == 0 else f"`{' '.join(argv)} true`: {tried.stderr.strip()}"


def in_user_namespace() -> bool:
    """Tell whether this program was started again as root of a user namespace."""
    return bool(os.environ.get(_IN_USER_NAMESPACE))


def reexec_in_user_namespace() -> None:
    """Where we are not root, start this program again as root of a user namespace of its own.

    Returns at once where we are root, or already there.
    """
    if os.geteuid() == 0 or in_user_namespace():
        return
    os.environ[_IN_USER_NAMESPACE] = "1"
    argv = ["unshare", "--user", "--map-root-user", "--", sys.executable, "-m", "netbench"]
    os.execvp("unshare", [*argv, *sys.argv[1:]])  # noqa: S606 -- replaces this process, no shell
