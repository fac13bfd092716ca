"""The OpenAPI 3.1 file: the resources, the generic operations, and each of the catalog's methods."""

from __future__ import annotations

from api.openapi.document import OpenApi

__all__ = ["OpenApi"]
