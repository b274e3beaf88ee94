"""What the site adds: links out of `docs` lead to the sample run, or to the repository."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
SAMPLE = ("report.html", "report.png", "standard/report.html", "ipvlan/report.html")
"""What the site has of `reports/sample`, beneath `sample`."""
OUTSIDE = re.compile(r"\]\(\.\./([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add what is shown of the sample run."""
    for name in SAMPLE:
        source = str(ROOT / "reports" / "sample" / name)
        files.append(File.generated(config, f"sample/{name}", abs_src_path=source))
    return files


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Point every link that leaves the documentation to where a reader of the site finds it."""

    def lead(match: re.Match[str]) -> str:
        name = match[1].removeprefix("reports/sample/")
        return (
            f"](sample/{name})" if name in SAMPLE else f"]({config.extra['repository']}{match[1]})"
        )

    return OUTSIDE.sub(lead, markdown)
