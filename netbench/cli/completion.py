"""Completion: how bash and zsh ask netbench what to offer, and what it offers for a value.

The scripts take the place of typer's, which give nothing behind a `:` in bash, behind `--suite=` in
either, and at the first Tab in zsh. Both ask as fish does, with the line as far as it goes: one
value and its help on a line.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

_ASK: Final = (
    'env _TYPER_COMPLETE_ARGS="$line" _TYPER_COMPLETE_FISH_ACTION=get-args'
    " %(autocomplete_var)s=complete_fish %(prog_name)s 2>/dev/null"
)
BASH: Final = rf"""
%(complete_func)s() {{
  local IFS=$'\n' line="${{COMP_LINE:0:COMP_POINT}}" word
  word="${{line##*[[:space:]]}}"
  [[ $word == --*=* ]] && word="${{word#*=}}"
  COMPREPLY=($({_ASK} | cut -f 1))
  # bash has begun a new word behind each colon, and wants no more than that word.
  [[ $word == *:* && $COMP_WORDBREAKS == *:* ]] &&
    COMPREPLY=("${{COMPREPLY[@]#"${{word%%"${{word##*:}}"}}"}}")
}}

complete -o default -F %(complete_func)s %(prog_name)s
"""
ZSH: Final = rf"""
#compdef %(prog_name)s

%(complete_func)s() {{
  local line="${{words[1,CURRENT]}}" value help
  local -a offered
  while IFS=$'\t' read -r value help; do
    [[ -n $value ]] && offered+=("${{value//:/\\:}}${{help:+:$help}}")
  done < <({_ASK})
  [[ $PREFIX == --*=* ]] && compset -P '*='
  if (( $#offered )); then _describe -V %(prog_name)s offered; else _files; fi
}}

# From a file that zsh loads at the first Tab, this is what that Tab runs.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  %(complete_func)s "$@"
else
  compdef %(complete_func)s %(prog_name)s
fi
"""


def take_over() -> None:
    """Put these scripts where typer looks for its own; where it keeps none there, its own stay."""
    with suppress(ImportError):
        from typer._completion_shared import _completion_scripts as scripts  # noqa: PLC0415

        scripts.update(bash=BASH, zsh=ZSH)


def driver_lists(incomplete: str) -> list[str]:
    """Offer drivers for the last place of a comma list."""
    from netbench.drivers import DRIVERS, OPEN  # noqa: PLC0415 -- `--help` needs none

    return _last(incomplete, (*DRIVERS, *OPEN))


def path_lists(incomplete: str) -> list[str]:
    """Offer paths for the last place of a comma list."""
    from netbench.spec import Path  # noqa: PLC0415

    return _last(incomplete, Path)


def suites(incomplete: str) -> list[str]:
    """Offer the shipped suites; the shell itself adds files."""
    from netbench.plan.suite import shipped  # noqa: PLC0415

    return [name for name in shipped() if name.startswith(incomplete)]


def of(*names: str) -> Callable[[str], list[str]]:
    """Return what offers fixed names."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


def _last(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, begun = incomplete.rpartition(",")
    taken = before.split(",")
    offered = (name for name in names if name.startswith(begun) and name not in taken)
    return [f"{before}{comma}{name}" for name in offered]
