"""Nothing that netbench reads can become a command: held against its own source."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import netbench

PACKAGE = Path(netbench.__file__).parent
SHELLS = {"sh", "bash", "dash"}
FORBIDDEN = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("eval", "exec", "compile", "__import__", "pickle.loads", "pickle.load", "yaml.load"),
}
BESIDE = re.compile(r"Path\(__file__\)\.with_name\('[a-z]+\.sh'\)\.read_text\(encoding='utf-8'\)")
COMPOSED = {
    "engines/docker/endpoints.py": "script",
    "engines/docker/host.py": "script",
    "verify/matrix.py": "script([*batches[source].values()], patience)",
}
"""Scripts for containers that are put together: of link names, addresses and numbers that are
netbench's own (`Maker.links`), and of quoted words (`verify.places.script`)."""


@cache
def sources() -> list[tuple[str, ast.Module]]:
    return [
        (str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def scripts(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield what stands where a shell expects its script: after `sh -c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List) and len(node.elts) > 1:
            words = [e.value if isinstance(e, ast.Constant) else None for e in node.elts]
            for number, word in enumerate(words[:-2]):
                option = words[number + 1]
                if word in SHELLS and isinstance(option, str) and option.startswith("-"):
                    yield node.elts[number + 2]


def constants(tree: ast.Module) -> dict[str, str]:
    """Return the texts that a module gives names to: its own, or a whole file's beside it."""
    named = ((n.target, n.value) for n in tree.body if isinstance(n, ast.AnnAssign) and n.value)
    plain = ((n.targets[0], n.value) for n in tree.body if isinstance(n, ast.Assign))
    return {
        target.id: value.value if isinstance(value, ast.Constant) else ast.unparse(value)
        for target, value in (*named, *plain)
        if isinstance(target, ast.Name)
        and (
            (isinstance(value, ast.Constant) and isinstance(value.value, str))
            or BESIDE.fullmatch(ast.unparse(value))
        )
    }


def known(tree: ast.Module, everything: dict[str, ast.Module]) -> dict[str, str]:
    """Return the texts that a module has names for: its own, and those it takes from netbench's."""
    texts = constants(tree)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            path = node.module.removeprefix("netbench.").replace(".", "/") + ".py"
            theirs = constants(everything[path]) if path in everything else {}
            names = {alias.asname or alias.name: alias.name for alias in node.names}
            texts |= {own: theirs[name] for own, name in names.items() if name in theirs}
    return texts


def test_no_call_goes_through_a_shell() -> None:
    for name, call in ((name, call) for name, tree in sources() for call in calls(tree)):
        where = f"{name}:{call.lineno}"
        assert ast.unparse(call.func) not in FORBIDDEN, where
        shells = [k.value for k in call.keywords if k.arg == "shell"]
        assert all(isinstance(v, ast.Constant) and v.value is False for v in shells), where
        if ast.unparse(call.func) in {"subprocess.run", "subprocess.Popen", "subprocess.call"}:
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), where


def test_a_script_is_written_here_and_takes_its_values_as_arguments() -> None:
    everything = dict(sources())
    for name, tree in everything.items():
        texts = known(tree, everything)
        for script in scripts(tree):
            where = f"{name}:{script.lineno}: {ast.unparse(script)}"
            if ast.unparse(script) != COMPOSED.get(name):
                assert isinstance(script, ast.Constant | ast.Name), where
                assert not isinstance(script, ast.Name) or script.id in texts, where


def test_scripts_are_found_where_they_are() -> None:
    found = {name for name, tree in sources() for _ in scripts(tree)}

    assert found >= {*COMPOSED, "engines/docker/lan.py", "probes/lifecycle.py"}
