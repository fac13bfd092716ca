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


#: platform.openai.com/docs/api-reference/chat/object, .../embeddings/object, .../models/list
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1790000000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello!", "refusal": None},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}
EMBEDDING = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.0023, -0.0093]}],
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
MODELS = {
    "object": "list",
    "data": [{"id": "m", "object": "model", "created": 1686935002, "owned_by": "acme"}],
}
#: platform.openai.com/docs/api-reference/responses/object
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "m",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello!"}],
        }
    ],
    "usage": {"input_tokens": 36, "output_tokens": 87, "total_tokens": 123},
}
#: What a multipart parameter takes.
RECORDING = {"filename": "a.mp3", "content_type": "audio/mpeg", "base64": "aGk="}

VENDORS = {
    "openai": Vendor(
        proof=bearer("${OPENAI_API_KEY}"),
        params={"transcribe": {"file": RECORDING}},
        answers={
            "respond": RESPONSE,
            "chat": CHAT,
            "embed": EMBEDDING,
            "models": MODELS,
            "transcribe": {"text": "Hi"},
            "moderate": {
                "id": "modr-1",
                "results": [
                    {
                        "flagged": False,
                        "categories": {"violence": False},
                        "category_scores": {"violence": 0.1},
                    }
                ],
            },
        },
        failures=OPENAI_FAILURES,
    ),
    "openai_compatible": Vendor(
        proof=bearer("${LLM_API_KEY}"),
        answers={"chat": CHAT, "embed": EMBEDDING, "models": MODELS},
        failures=OPENAI_FAILURES,
    ),
    # learn.microsoft.com/azure/ai-foundry/openai/reference#authentication
    "azure_openai": Vendor(
        proof=carries(headers={"api-key": "${AZURE_OPENAI_API_KEY}"}),
        answers={"respond": RESPONSE, "chat": CHAT, "embed": EMBEDDING},
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
        answers={
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [{"type": "text", "text": "Hi!"}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 2095, "output_tokens": 503},
            },
            "count_tokens": {"input_tokens": 2095},
        },
        pages={
            "models": (
                {
                    "data": [{"type": "model", "id": "m-1", "display_name": "M"}],
                    "has_more": True,
                    "first_id": "m-1",
                    "last_id": "m-1",
                },
                {"after_id": "m-1"},
            )
        },
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
        answers={
            "chat": CHAT,
            "models": MODELS,
            "balance": {
                "is_available": True,
                "balance_infos": [
                    {
                        "currency": "CNY",
                        "total_balance": "110.00",
                        "granted_balance": "10.00",
                        "topped_up_balance": "100.00",
                    }
                ],
            },
        },
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
        answers={
            "chat": CHAT,
            "embed": EMBEDDING,
            "models": MODELS,
            "rerank": {
                "output": {
                    "results": [{"index": 0, "relevance_score": 0.93, "document": {"text": "a"}}]
                },
                "usage": {"total_tokens": 79},
                "request_id": "r",
            },
        },
        failures={
            "downstream_quota": refusal(429, {"code": "Throttling.RateQuota", "message": "slow"}),
            "credential_error": refusal(401, {"error": {"code": "invalid_api_key"}}),
            "downstream_rejected": refusal(400, {"error": {"code": "invalid_parameter_error"}}),
        },
    ),
    # ai.google.dev/gemini-api/docs/troubleshooting
    "gemini": Vendor(
        proof=carries(headers={"x-goog-api-key": "${GEMINI_API_KEY}"}),
        answers={
            "generate": {
                "candidates": [
                    {
                        "content": {"role": "model", "parts": [{"text": "Hi"}]},
                        "finishReason": "STOP",
                        "index": 0,
                    }
                ],
                "usageMetadata": {
                    "promptTokenCount": 4,
                    "candidatesTokenCount": 7,
                    "totalTokenCount": 11,
                },
            },
            "count_tokens": {"totalTokens": 10},
            "embed": {"embedding": {"values": [0.013, -0.0083]}},
        },
        pages={
            "models": (
                {
                    "models": [
                        {"name": "models/m", "displayName": "M", "inputTokenLimit": 1048576}
                    ],
                    "nextPageToken": "p2",
                },
                {"pageToken": "p2"},
            )
        },
        failures={
            "downstream_quota": google_refusal(429, "RESOURCE_EXHAUSTED"),
            "credential_error": google_refusal(400, "INVALID_ARGUMENT", "API key not valid."),
            "downstream_error": google_refusal(503, "UNAVAILABLE"),
            "downstream_rejected": google_refusal(400, "INVALID_ARGUMENT"),
        },
    ),
}
