"""Vendors of language models."""

from __future__ import annotations

from sandbox.messages import Reply
from tests.catalogs.vendor import Vendor, bearer, carries, refusal

#: developers.openai.com/docs/guides/error-codes
OPENAI_FAILURES = {
    "downstream_quota": refusal(429, {"error": {"code": "rate_limit_exceeded", "message": "slow"}}),
    "credential_error": refusal(401, {"error": {"code": "invalid_api_key", "message": "no"}}),
    "downstream_rejected": refusal(400, {"error": {"code": "context_length_exceeded"}}),
}


def anthropic_refusal(status: int, kind: str) -> Reply:
    return refusal(status, {"type": "error", "error": {"type": kind, "message": "no"}})


def google_refusal(status: int, kind: str, message: str = "no") -> Reply:
    return refusal(status, {"error": {"code": status, "status": kind, "message": message}})


#: What a multipart parameter takes.
RECORDING = {"filename": "a.mp3", "content_type": "audio/mpeg", "base64": "aGk="}

VENDORS = {
    "openai": Vendor(
        proof=bearer("${OPENAI_API_KEY}"),
        params={"transcribe": {"file": RECORDING}},
        failures=OPENAI_FAILURES,
    ),
    "openai_compatible": Vendor(proof=bearer("${LLM_API_KEY}"), failures=OPENAI_FAILURES),
    # learn.microsoft.com/azure/ai-foundry/openai/reference#authentication
    "azure_openai": Vendor(
        proof=carries(headers={"api-key": "${AZURE_OPENAI_API_KEY}"}),
        failures={
            "downstream_quota": refusal(429, {"error": {"code": "429", "message": "slow"}}),
            "credential_error": refusal(401, {"error": {"code": "401", "message": "no"}}),
            "downstream_rejected": refusal(404, {"error": {"code": "DeploymentNotFound"}}),
        },
    ),
    # docs.anthropic.com/en/api/overview#authentication, docs.anthropic.com/en/api/errors
    "anthropic": Vendor(
        proof=carries(
            headers={"x-api-key": "${ANTHROPIC_API_KEY}", "anthropic-version": "2023-06-01"}
        ),
        failures={
            "downstream_quota": anthropic_refusal(429, "rate_limit_error"),
            "credential_error": anthropic_refusal(401, "authentication_error"),
            "downstream_error": anthropic_refusal(529, "overloaded_error"),
            "downstream_rejected": anthropic_refusal(400, "invalid_request_error"),
        },
    ),
    # api-docs.deepseek.com/quick_start/error_codes
    "deepseek": Vendor(
        proof=bearer("${DEEPSEEK_API_KEY}"),
        failures={
            "downstream_quota": refusal(
                402, {"error": {"type": "unknown_error", "code": "invalid_request_error"}}
            ),
            "credential_error": refusal(
                401, {"error": {"type": "authentication_error", "code": "invalid_request_error"}}
            ),
            "downstream_rejected": refusal(422, {"error": {"code": "invalid_request_error"}}),
        },
    ),
    # help.aliyun.com/zh/model-studio/error-code
    "qwen": Vendor(
        proof=bearer("${DASHSCOPE_API_KEY}"),
        failures={
            "downstream_quota": refusal(429, {"code": "Throttling.RateQuota", "message": "slow"}),
            "credential_error": refusal(401, {"error": {"code": "invalid_api_key"}}),
            "downstream_rejected": refusal(400, {"error": {"code": "invalid_parameter_error"}}),
        },
    ),
    # ai.google.dev/gemini-api/docs/troubleshooting
    "gemini": Vendor(
        proof=carries(headers={"x-goog-api-key": "${GEMINI_API_KEY}"}),
        failures={
            "downstream_quota": google_refusal(429, "RESOURCE_EXHAUSTED"),
            "credential_error": google_refusal(400, "INVALID_ARGUMENT", "API key not valid."),
            "downstream_error": google_refusal(503, "UNAVAILABLE"),
            "downstream_rejected": google_refusal(400, "INVALID_ARGUMENT"),
        },
    ),
}
