"""What a catalog's author is told though the catalog is accepted.

str(Note("services.yaml", 7, "services.maps", "has no methods"))  # "services.maps: has no methods"
"""

from __future__ import annotations

from typing import NamedTuple


class Note(NamedTuple):
    """What looks like a mistake, and where it stands."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"
