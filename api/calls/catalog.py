"""``GET /catalog``: what the catalog's source has now, and why it does not serve. For admins."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response

from api.auth import role_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.etags import etag_response
from api.threads import run_in_thread_within
from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.sources import open_source
from gateway.sources.inspection import Inspection, inspect_source
from gateway.sources.watcher import text_version
from schemas.calls import CatalogSourceOut

blueprint = Blueprint("catalog", __name__, description="The catalog and its source.")
_schema = CatalogSourceOut()


@blueprint.get("/catalog")
@role_required("admin")
@blueprint.response(200, CatalogSourceOut)
def inspect_catalog() -> Response:
    """Read the catalog's source now: whether it serves, all problems, and how it differs from what serves."""  # noqa: E501  # the summary in the OpenAPI file
    serving_text = app_state().watcher.text
    data = _mask(_inspect(serving_text))
    return etag_response(_schema.dump({**data, "serving": text_version(serving_text)}))


def _inspect(serving_text: str) -> Inspection:
    state = app_state()
    # The watcher waits for its own one; a change that is right is taken by it, in each worker.
    source = open_source(
        state.settings.catalog,
        state.settings.environ,
        SystemClock(),
        Masker(),  # of its own: a login for each request would push the tokens in use out of ours
        run_in_thread_within,
    )
    try:
        return inspect_source(
            source,
            serving_text,
            state.settings.environ,
            state.masker.mask_text,
            run_in_thread_within,
        )
    finally:
        source.close()


def _mask(inspection: Inspection) -> dict[str, Any]:
    mask = app_state().masker.mask_text
    problems = [
        problem._replace(key=mask(problem.key), message=mask(problem.message))._asdict()
        for problem in inspection.problems
    ]
    return {**asdict(inspection), "problems": problems, "diff": mask(inspection.diff)}
