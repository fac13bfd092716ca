"""What stands in a path for a row: a whole number that a database can hold; anything else is not found."""

from __future__ import annotations

from typing import Any

from werkzeug.routing import IntegerConverter

from schemas.fields import MOST_ID


class IdConverter(IntegerConverter):
    """``<id:product_id>``."""

    def __init__(self, url_map: Any) -> None:
        super().__init__(url_map, min=0, max=MOST_ID)
