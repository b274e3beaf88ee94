"""How long `netbench --help` takes beside a bare interpreter, and three modules to import.

Goal: `netbench --help` within 6 times a bare `python -c pass`.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent.parent
BARE = (sys.executable, "-c", "pass")
HELP = (sys.executable, "-m", "netbench", "--help")
MODULES = ("netbench.cli", "netbench.plan", "netbench.analysis")
IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(argv: tuple[str, ...]) -> float:
    """Return the wall seconds of one process."""
    began = time.perf_counter()
    subprocess.run(argv, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def import_seconds(module: str) -> float:
    """Return what a fresh interpreter needs to import a module, its own start left out."""
    argv = (sys.executable, "-c", IMPORT.format(module))
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Run pairs of both commands, then the imports, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=25, help="pairs of both commands")
    pairs = parser.parse_args().pairs

    seconds(HELP)  # compiles what is not compiled yet
    bare: list[float] = []
    shown: list[float] = []
    for number in range(pairs):
        for argv in (BARE, HELP) if number % 2 else (HELP, BARE):
            (bare if argv is BARE else shown).append(seconds(argv))
    ratio = median(h / b for h, b in zip(shown, bare, strict=True))
    print(f"{'command':32}{'median':>10}{'fastest':>10}")
    for name, values in (("python -c pass", bare), ("python -m netbench --help", shown)):
        print(f"{name:32}{median(values) * 1e3:7.1f} ms{min(values) * 1e3:7.1f} ms")
    print(f"\nratio, median of {pairs} pairs: {ratio:.2f}   (goal: at most 6)\n")

    print(f"{'import':32}{'median of 7':>13}")
    for module in MODULES:
        import_seconds(module)
        print(f"{module:32}{median(import_seconds(module) for _ in range(7)) * 1e3:10.1f} ms")


if __name__ == "__main__":
    main()
