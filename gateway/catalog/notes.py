"""What a catalog's author is told of it, whether it is refused or accepted.

note = Note("services.yaml", 7, "services.maps", "has no methods")
note.full_text  # "services.yaml:7: services.maps: has no methods"
"""

from __future__ import annotations

from typing import NamedTuple


class Note(NamedTuple):
    """What is wrong, or looks like a mistake, and where it stands.

    ``line`` is 0, and ``key`` empty, where it is about a file as a whole.
    """

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"

    @property
    def full_text(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(filter(None, (place, self.key, self.message)))
