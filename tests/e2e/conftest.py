from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.e2e.live import Live, catalog_for
from tests.postgres import Databases


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest, box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """On SQLite, unless POSTERN_TEST_LIVE or ``parametrize("live", [...], indirect=True)`` says ``postgresql``."""
    folder: Path = tmp_path_factory.mktemp("live")
    with ExitStack() as stack:
        settings = {}
        if getattr(request, "param", os.environ.get("POSTERN_TEST_LIVE", "sqlite")) == "postgresql":
            databases: Databases = request.getfixturevalue("postgres_databases")
            settings["DATABASE_URL"] = stack.enter_context(databases.one())
        service = Live(folder, catalog_for(box), **settings)
        stack.callback(service.stop)
        yield service.start()
