"""What static/docs/vendored is: the published files, but for the changes that its README names."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.live import ROOT
from tests.e2e.npm import NEEDS_NPM, module

VENDORED = ROOT / "static" / "docs" / "vendored"
FILES = {
    "swagger-ui/LICENSE": "swagger-ui-dist/LICENSE",
    "swagger-ui/NOTICE": "swagger-ui-dist/NOTICE",
    "swagger-ui/swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "swagger-ui/swagger-ui-bundle.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui/swagger-ui-bundle.js.LICENSE.txt": "swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt",
    "redoc/LICENSE": "redoc/LICENSE",
    "redoc/redoc.standalone.js": "redoc/bundles/redoc.standalone.js",
    "redoc/redoc.standalone.js.LICENSE.txt": "redoc/bundles/redoc.standalone.js.LICENSE.txt",
}


@NEEDS_NPM
@pytest.mark.parametrize("name", FILES)
def test_a_vendored_file_is_the_published_one_but_for_logo_and_map(name: str) -> None:
    package, _, path = FILES[name].partition("/")
    published = (module(package) / path).read_text(encoding="utf-8")
    expected = published.replace("https://cdn.redoc.ly/redoc/logo-mini.svg", "data:,")
    expected = re.sub(r"^(//|/\*)# sourceMappingURL=.*$", "", expected, flags=re.M)

    assert (VENDORED / name).read_text(encoding="utf-8") == expected


@NEEDS_NPM
def test_the_readme_names_every_package_with_its_version_and_licence() -> None:
    readme = (VENDORED / "README.md").read_text(encoding="utf-8")
    for package in ("swagger-ui-dist", "redoc"):
        data = json.loads((module(package) / "package.json").read_text(encoding="utf-8"))
        assert f"| {package} | {data['version']} | {data['license']} |" in readme


def test_nothing_else_is_there() -> None:
    there = {str(file.relative_to(VENDORED)) for file in VENDORED.rglob("*") if file.is_file()}

    assert there == {*FILES, "README.md", "make.sh"}
