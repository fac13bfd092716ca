"""<TAB> in bash and zsh, with ``name=`` and the values after it; for fish click's own will do.

Bash takes ``name=value`` for three words, so the line is read whole, and of what is offered only
that is given back which follows the last ``=``. Neither shell shall put a blank after ``name=``.
"""

from __future__ import annotations

import os
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' completion type value
    COMPREPLY=()
    for completion in $(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1"); do
        type=${completion%%%%,*} value=${completion#*,}
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                COMPREPLY+=("$value")
                case $value in *=) compopt -o nospace ;; esac
                ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class PosternBash(BashComplete):
    source_template = BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE")
        if line is None:  # what click's own script sets
            return super().get_completion_args()
        words = split_arg_string(line)[1:]
        if not words or line[-1:].isspace():
            return words, ""
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        name, equals, value = str(item.value).partition("=")
        if value and "=" in os.environ.get("COMP_BREAKS", ""):
            return f"{item.type},{value}"
        return f"{item.type},{name}{equals}{value}"


class PosternZsh(ZshComplete):
    source_template = (
        ZshComplete.source_template.replace(
            "    for type key descr in", "    local -a nospace\n    for type key descr in"
        )
        .replace(
            '        if [[ "$type" == "plain" ]]; then',
            '        [[ "$key" == *= ]] && nospace=(-S "")\n'
            '        if [[ "$type" == "plain" ]]; then',
        )
        .replace("-U\n", "-U $nospace\n")
        .replace("compadd -U", "compadd $nospace -U")
    )


def register() -> None:
    for shell in (PosternBash, PosternZsh):
        add_completion_class(shell)
