"""Several netbench commands in the VM lab, each in a process of its own.

    calls.py SHARE NAME SECONDS ARGUMENT... [+ NAME SECONDS ARGUMENT...]...

Every process begins with all of netbench imported, once, for in the guest that takes a while.
Leaves SHARE/NAME.{out,err,code}, and SHARE/NAME.jsonl where the command was a run.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.forked import Call, be, import_all


def call(share: Path, name: str, limit: float, argv: list[str]) -> None:
    """Run one command for so many seconds at most; its run folder comes into one of its own."""
    folder = tempfile.mkdtemp(dir="/run")
    out, err = (str(share / f"{name}.{kind}") for kind in ("out", "err"))
    sys.stdout.flush()
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        be(Call(argv, folder, dict(os.environ), out, err))
    deadline = time.monotonic() + limit
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    sys.stderr.write(f"{name}: {time.monotonic() - began:.1f} s\n")
    for records in Path(folder).glob("reports/*/records.jsonl"):
        shutil.copy(records, share / f"{name}.jsonl")
    (share / f"{name}.code").write_text(f"{os.waitstatus_to_exitcode(status)}\n")


def main() -> None:
    """Import, then run each command that is named."""
    import_all()
    share, words = Path(sys.argv[1]), sys.argv[2:]
    while words:
        end = words.index("+") if "+" in words else len(words)
        (name, limit, *argv), words = words[:end], words[end + 1 :]
        call(share, name, float(limit), argv)


if __name__ == "__main__":
    main()
