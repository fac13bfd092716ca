"""CONTRIBUTING.md as data: the names in it, and its recipes' code blocks, laid over a tree as their first line says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
SETTING = re.compile(r"[A-Z]+(_[A-Z]+)+")
PLACE = re.compile(r"# (?P<path>\S+?)(, in `?(?P<name>\w+)`?(, after `?(?P<after>\w+)`?)?)?")


@dataclass(frozen=True)
class Edit:
    """One code block: a new file, or lines for one that is there.

    :param name: the list, table, class or function of the file that the lines go into; the file itself if empty.
    :param after: the entry they go behind; the last one if empty.
    """

    path: str
    name: str
    after: str
    code: str


def spans() -> list[str]:
    """What stands in `backquotes`."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", BLOCK.sub("", TEXT))]


def blocks(*languages: str) -> list[str]:
    """The code blocks, without the blanks that a list item puts before them."""
    matches = (match for match in BLOCK.finditer(TEXT) if match[2] in languages)
    return [re.sub(rf"^{match[1]}", "", match[3], flags=re.M) for match in matches]


def edits() -> list[Edit]:
    """The recipes' blocks in their order.

    :raises ValueError: a block does not say where it goes.
    """
    return [_edit(block) for block in blocks("python", "ini", "yaml")]


def _edit(block: str) -> Edit:
    first, _, code = block.partition("\n")
    place = PLACE.fullmatch(first)
    if not place:
        raise ValueError(
            f"a code block must begin with its place, such as '# path/of/file.py, in NAME': {first}"
        )
    return Edit(place["path"], place["name"] or "", place["after"] or "", code)


def apply(edit: Edit, tree: Path) -> None:
    """Do by hand what the recipe says.

    :raises LookupError: the file or the name in it is not there.
    """
    file = tree / edit.path
    if not edit.name:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        file.write_text(before + edit.code, encoding="utf-8")
        return
    source = file.read_text(encoding="utf-8")
    imports, entry = _without_imports(edit.code)
    text = _with_entry(source, edit, entry)
    if imports:
        last = max(
            node.end_lineno or 0
            for node in ast.parse(source).body
            if isinstance(node, ast.ImportFrom)
        )
        text = _inserted(text, last, None, f"\n{imports}")
    file.write_text(text, encoding="utf-8")


def _without_imports(code: str) -> tuple[str, str]:
    imports = [line for line in code.splitlines() if line.startswith(("from ", "import "))]
    return "\n".join(imports), code.removeprefix("\n".join(imports)).strip("\n")


def _with_entry(source: str, edit: Edit, entry: str) -> str:
    node = definition(ast.parse(source), edit.name)
    if node is None:
        raise LookupError(f"{edit.path} has no {edit.name}")
    if isinstance(node, ast.ClassDef):
        fields = [statement for statement in node.body if isinstance(statement, ast.AnnAssign)]
        return _inserted(source, fields[-1].end_lineno or 0, None, f"\n{entry}")
    last = _entries(node, edit)[-1]
    return _inserted(
        source, last.end_lineno or 0, last.end_col_offset, f",\n{entry.rstrip().rstrip(',')}"
    )


def _entries(node: ast.AST, edit: Edit) -> list[ast.expr]:
    """Of the outermost table or list within a definition; up to ``after`` if that is said."""
    value = getattr(node, "value", node)  # without a variable's annotation
    body = node.body if isinstance(node, ast.FunctionDef) else [value]
    inner = (part for statement in body for part in ast.walk(statement))
    holder = next(
        (part for part in inner if isinstance(part, ast.Dict | ast.List | ast.Set | ast.Tuple)),
        None,
    )
    if holder is None:
        raise LookupError(f"{edit.name} in {edit.path} is no table or list")
    entries = holder.values if isinstance(holder, ast.Dict) else holder.elts
    names = [ast.unparse(entry) for entry in entries]
    return entries[: names.index(edit.after) + 1] if edit.after else entries


def _inserted(text: str, line: int, column: int | None, added: str) -> str:
    """:param column: in bytes, as ``ast`` counts; the line's end if None."""
    lines = text.splitlines()
    encoded = lines[line - 1].encode()
    at = len(encoded) if column is None else column
    lines[line - 1] = encoded[:at].decode() + added + encoded[at:].decode()
    return "\n".join(lines) + "\n"


def definition(module: ast.Module, name: str) -> ast.stmt | None:
    """What a module defines by a name at its top."""
    return next((node for node in module.body if name in _names(node)), None)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def all_names() -> set[str]:
    """Every name that the code defines, its folders and modules among them."""
    return {name for file in _files() for name in (file.stem, file.parent.name, *names_of(file))}


def names_of(file: Path) -> set[str]:
    """Classes, functions, parameters, attributes and variables that a module defines, and the settings it reads."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names.update(_names(node))
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.update((node.id, node.id.upper()))  # a setting's, in capitals
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and SETTING.fullmatch(node.value)
        ):
            names.add(node.value)
    return names


def _files() -> Iterator[Path]:
    for folder in (
        "api",
        "cli",
        "config",
        "gateway",
        "models",
        "sandbox",
        "schemas",
        "server",
        "tests",
    ):
        yield from (
            file for file in (ROOT / folder).rglob("*.py") if "node_modules" not in file.parts
        )
