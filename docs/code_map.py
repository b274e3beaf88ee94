"""The map of the code in CONTRIBUTING.md, made from the imports: `python docs/code_map.py`."""

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "CONTRIBUTING.md"
_MAP: Final = re.compile(r"(?<=```mermaid\n).*?(?=```)", re.DOTALL)
_LEAVES: Final = ("errors", "units", "version", "system", "spec", "__init__", "__main__")
"""What nearly every package imports, and who imports all: arrows there say nothing."""


def imports() -> dict[str, set[str]]:
    """Return the packages that each package below netbench imports."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "netbench").rglob("*.py")):
        own = path.relative_to(ROOT / "netbench").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("netbench"):
                names = [node.module] if node.module != "netbench" else []
                names += [f"netbench.{a.name}" for a in node.names if node.module == "netbench"]
                found[own] |= {name.split(".")[1] for name in names if name}
    return {
        name: {other for other in others - {name} if other not in _LEAVES}
        for name, others in found.items()
        if name not in _LEAVES
    }


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return a graph without the arrows that a longer way implies."""

    def reached(name: str) -> set[str]:
        direct = graph.get(name, set())
        return direct.union(*map(reached, direct))

    return {
        name: {other for other in others if not any(other in reached(o) for o in others - {other})}
        for name, others in graph.items()
    }


def code_map() -> str:
    """Return the map as a Mermaid graph: who imports whom."""
    arrows = [
        f"  {name} --> {other}"
        for name, others in sorted(reduced(imports()).items())
        for other in sorted(others)
    ]
    return "\n".join(["graph TD", *arrows, ""])


def main() -> None:
    """Write the map into the page; with `--print` only print it."""
    if "--print" in sys.argv:
        sys.stdout.write(code_map())
        return
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_MAP.sub(code_map().replace("\\", r"\\"), page), encoding="utf-8")


if __name__ == "__main__":
    main()
