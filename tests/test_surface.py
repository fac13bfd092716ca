"""Names that users and machines rely on do not move by oversight."""

from __future__ import annotations

import json

from tests.surface import FILE, surface


def test_every_name_that_users_and_machines_see_is_the_one_it_was() -> None:
    assert surface() == json.loads(FILE.read_text(encoding="utf-8")), (
        "if that is meant, run: make surface"
    )
