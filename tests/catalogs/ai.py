"""Vendors of language models."""

from __future__ import annotations

from tests.catalogs.vendor import Vendor, bearer, refusal

#: developers.openai.com/docs/guides/error-codes
OPENAI_FAILURES = {
    "downstream_quota": refusal(429, {"error": {"code": "rate_limit_exceeded", "message": "slow"}}),
    "credential_error": refusal(401, {"error": {"code": "invalid_api_key", "message": "no"}}),
    "downstream_rejected": refusal(400, {"error": {"code": "context_length_exceeded"}}),
}

VENDORS = {
    "openai_compatible": Vendor(proof=bearer("${LLM_API_KEY}"), failures=OPENAI_FAILURES),
}
