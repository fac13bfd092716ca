"""Sampled stacks, told by modules and packages instead of by functions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

#: Modules from the outermost in, and their share of the whole.
Stack = tuple[str, ...]
LIBRARIES = "site-packages"
GROUPS = {
    "server": "server and gevent",
    "gunicorn": "server and gevent",
    "gevent": "server and gevent",
    "flask": "Flask and Werkzeug",
    "werkzeug": "Flask and Werkzeug",
    "blinker": "Flask and Werkzeug",
    "app": "Flask and Werkzeug",
    "api": "api",
    "config": "api",
    "models": "api",
    "gateway": "gateway",
    "schemas": "gateway",
}
OTHER_GROUP = "other libraries"


def group_of(name: str) -> str:
    """Return the group that a module or package belongs to."""
    return GROUPS.get(name.partition("/")[0], OTHER_GROUP)


def fold(samples: Iterable[tuple[Iterable[tuple[str, str]], int]], tree: Path) -> dict[Stack, int]:
    """Count samples by stacks of modules: neighbours of one module are one entry.

    :param samples: a stack of files and functions, and how often it was met.
    """
    counts: Counter[Stack] = Counter()
    for functions, number in samples:
        stack: list[str] = []
        for file, _ in functions:
            name = module_name(file, tree)
            if name and stack[-1:] != [name]:
                stack.append(name)
        counts[tuple(stack) or ("Python",)] += number
    return dict(counts)


def module_name(file: str, tree: Path) -> str | None:
    """Return a library's package, or a module of the tree; None of what comes with Python."""
    path = Path(file)
    if LIBRARIES in path.parts:
        return path.parts[path.parts.index(LIBRARIES) + 1].removesuffix(".py")
    if path.is_relative_to(tree):
        return str(path.relative_to(tree)).removesuffix(".py").removesuffix("/__init__")
    return None


def own_time(stacks: Mapping[Stack, float]) -> dict[str, float]:
    """Return what each group spends itself, not in what it calls."""
    totals: Counter[str] = Counter()
    for stack, amount in stacks.items():
        totals[group_of(stack[-1])] += amount  # type: ignore[assignment]
    return dict(totals)
