"""The paths that `--paths` names, of one machine or between two."""

from netbench.spec import Path


def read_paths(
    text: str | None, usual: tuple[Path, ...], *, two: bool
) -> tuple[tuple[Path, ...], list[str]]:
    """Return the paths of a comma list, and what is wrong with it; `two`: between two machines.

    Without a text they are the usual ones, and between two machines the one path there is.
    """
    if text is None:
        return (Path.ACROSS,) if two else usual, []
    found: list[Path] = []
    names = [part.strip() for part in text.split(",") if part.strip()]
    problems = [] if names else [f"--paths is empty; known: {', '.join(Path)}"]
    for name in names:
        if name not in list(Path):
            problems.append(f"--paths: unknown path {name!r}; known: {', '.join(Path)}")
        elif Path(name) in found:
            problems.append(f"--paths lists {name!r} twice")
        else:
            found.append(Path(name))
    if not two and Path.ACROSS in found:
        problems.append(
            f"--paths {Path.ACROSS} takes two machines: name the other one's engine by "
            "--peer-context NAME"
        )
    elif two and not problems and found != [Path.ACROSS]:
        problems.append(
            f"--paths: between two machines there is one path, {Path.ACROSS}; leave --paths out, "
            "or --peer-context"
        )
    return tuple(found), problems
