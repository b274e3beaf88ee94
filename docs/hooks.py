"""What the site adds: links out of `docs` lead to the sample run, or to the repository.

Where that is, only who publishes the site knows: NETBENCH_REPOSITORY. Without it a link is text.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
SAMPLE = ("report.html", "report.png", "standard/report.html", "ipvlan/report.html")
"""What the site has of `reports/sample`, beneath `sample`."""
OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add what is shown of the sample run."""
    for name in SAMPLE:
        source = str(ROOT / "reports" / "sample" / name)
        files.append(File.generated(config, f"sample/{name}", abs_src_path=source))
    return files


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Point every link that leaves the documentation to where a reader of the site finds it."""
    repository = config.extra["repository"]

    def lead(match: re.Match[str]) -> str:
        text, path = match.groups()
        name = path.removeprefix("reports/sample/")
        if name in SAMPLE:
            return f"[{text}](sample/{name})"
        if repository:
            return f"[{text}]({repository.rstrip('/')}/{path})"
        return text if path in text else f"{text} (`{path}`)"

    return OUTSIDE.sub(lead, markdown)
