"""Names for services and methods, out of whatever the vendor calls them."""

from __future__ import annotations

import re

LONGEST = 64


def snake(text: str) -> str:
    """``repos/list-forUser`` -> ``repos_list_for_user``; empty where nothing of it is ASCII letters or digits."""
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()[:LONGEST].rstrip("_")


class Names:
    """Gives each name once: the second ``find`` is ``find_2``."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        made, number = name, 1
        while made in self._taken:
            number += 1
            made = f"{name[: LONGEST - len(str(number)) - 1]}_{number}"
        self._taken.add(made)
        return made
