"""docs/catalog.md is the whole language of the catalog: a parameter's keywords and formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.catalog.params.schema import ParamSchema
from schemas.catalog.params import FORMATS

DOCS = Path(__file__).parents[3] / "docs"
KEYWORDS = [field.data_key or name for name, field in ParamSchema().fields.items()]


@pytest.mark.parametrize("page", ["catalog.md", "catalog.zh-CN.md"])
def test_every_keyword_and_format_of_a_parameter_is_in_the_docs(page: str) -> None:
    text = (DOCS / page).read_text()
    begin = text.index("`anyOf`")
    row = text[text.rindex("\n", 0, begin) : text.index("`allowReserved: true`") + 30]
    words = [*KEYWORDS, *FORMATS]
    assert [word for word in words if f"`{word}`" not in row and f"`{word}:" not in row] == []
