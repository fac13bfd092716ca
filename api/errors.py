"""Errors of this service itself; those of calls are in ``gateway/errors.py``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api.context import app_state
from gateway.errors import CallerError, GatewayError, Unavailable

ALREADY_EXISTS = "There is one already."


class CallerSignatureInvalid(CallerError):
    """:ivar string_to_sign: what the signature should have been made of."""

    code = -1002
    type = "invalid_signature"
    message = (
        "The request's signature does not verify; compare what you signed with"
        " error.string_to_sign, and the secret with the app's."
    )
    string_to_sign: str | None = None

    @classmethod
    def of(cls, text: bytes) -> CallerSignatureInvalid:
        error = cls()
        error.string_to_sign = text.decode("latin-1")
        return error


class Unauthenticated(CallerError):
    code = -2001
    type = "unauthenticated"
    message = (
        "Say who you are: send Authorization: Bearer TOKEN (POST /api/v1/login gives one),"
        " or sign the request as an app."
    )


class TokenExpired(CallerError):
    code = -2002
    type = "token_expired"
    message = (
        "The token has expired; send the refresh token to POST /api/v1/token/refresh,"
        " or log in again."
    )


class TokenInvalid(CallerError):
    code = -2003
    type = "token_invalid"
    message = "The token is not valid; log in again (POST /api/v1/login)."


class Replayed(CallerError):
    code = -2005
    type = "replayed"
    message = (
        "The nonce was seen before, or the timestamp is off by more than 300 seconds;"
        " set the clock right and sign anew."
    )


class BadCredentials(CallerError):
    code = -2006
    type = "bad_credentials"
    message = "Wrong username or password; type both again, or ask an admin for a new password."


class MalformedBody(CallerError):
    code = -3001
    type = "malformed_body"
    message = "The body is not valid JSON; send one JSON value in UTF-8."


class BrokenBody(MalformedBody):
    """The end of the body was not found, so nothing after it on this connection can be trusted."""

    message = "The body broke off or its chunks are malformed; send it again, whole."


MAX_TYPE_CHARACTERS = 100  # of a caller's Content-Type, in a message
#: How curl sends a body of each content type.
CURL_OPTIONS = {"application/json": "curl --json", "multipart/form-data": "curl -F"}


class UnsupportedMediaType(CallerError):
    code = -3002
    type = "unsupported_media_type"
    message = "Send the body as application/json."

    @classmethod
    def instead_of(cls, content_type: str | None, *due: str) -> UnsupportedMediaType:
        """Say what is due, how curl sends it, and what came."""
        ways = " or ".join(f"{name} ({CURL_OPTIONS[name]})" for name in due)
        came = "without a Content-Type"
        if content_type:
            came = f"as {content_type[:MAX_TYPE_CHARACTERS]}"
        return cls(f"Send the body as {ways}; it came {came}.")


class MethodNotAllowed(CallerError):
    code = -3005
    type = "method_not_allowed"
    message = "This address does not take that verb; send one that the Allow header names."

    def __init__(self, allow: str, message: str | None = None) -> None:
        super().__init__(message)
        self.allow = allow

    @classmethod
    def instead_of(cls, verb: str, verbs: Iterable[str]) -> MethodNotAllowed:
        """Say which verbs the address takes, for the one that came."""
        allowed = sorted(verbs)
        names = [name for name in allowed if name not in ("HEAD", "OPTIONS")]
        text = f"This address does not take {verb[:20]}; send {' or '.join(names or allowed)}."
        return cls(", ".join(allowed), text)


class TooLarge(CallerError):
    code = -3007
    type = "too_large"
    message = "The body is too large; send less."

    @classmethod
    def over(cls, limit: int) -> TooLarge:
        """Say the limit in bytes, the setting that it is, and the way of what is larger."""
        settings = app_state().settings
        text = f"The body may have at most {limit} bytes"
        if limit == settings.max_upload:
            return cls(f"{text} (MAX_UPLOAD); send less, or have an admin raise that.")
        if limit != settings.max_body:
            return cls(f"{text}; send less.")
        text += " (MAX_BODY)"
        if limit < settings.max_upload:
            text += (
                f"; a file, sent to POST /api/v1/files or to a method with stream: true,"
                f" up to {settings.max_upload} (MAX_UPLOAD)"
            )
        return cls(f"{text}. Send less, or have an admin raise that.")

    @classmethod
    def to_sign(cls) -> TooLarge:
        """Say that a body that would pass as it comes is read whole for its signature."""
        settings = app_state().settings
        return cls(
            f"A body that is signed is read whole and may have at most {settings.max_body} bytes"
            f" (MAX_BODY); where the service's auth says payload: unsigned, {settings.max_upload}"
            " (MAX_UPLOAD). Send less, or have an admin change one of these."
        )


class PreconditionFailed(CallerError):
    code = -3009
    type = "precondition_failed"
    message = "It has changed since you read it; read it again, and send its new ETag as If-Match."


class HeadersTooLarge(CallerError):
    code = -3011
    type = "headers_too_large"
    message = "The request line or a header is too large; send shorter ones, or a body."


class RangeNotSatisfiable(CallerError):
    code = -3012
    type = "range_not_satisfiable"
    message = "The range is not within the file; ask for one below its size, or for the whole file."

    def __init__(self, size: int) -> None:
        super().__init__(fields={"Range": [f"The file has {size} bytes."]})
        self.size = size


class WriteUnknown(GatewayError):
    """Our own write was sent to the database and its answer never came.

    :param repeatable: it was sent under an Idempotency-Key that tells.
    """

    code = -5002
    type = "outcome_unknown"
    message = "Whether this was stored is unknown; look before you send it again."

    def __init__(self, *, repeatable: bool = False) -> None:
        message = None
        if repeatable:
            message = "Whether this was stored is unknown; send it again under the same key."
        super().__init__(message)
        self.retryable = repeatable  # type: ignore[misc]


class NoRoom(Unavailable):
    """A disk, a file descriptor or memory."""

    message = (
        "This service has no room for this now; try again later. If it stays so, tell its admin:"
        " the log says what is full."
    )


class NotReady(Unavailable):
    message = "Not ready; error.fields says what is missing, for the admin to mend."


class DatabaseAway(NotReady):
    """The database does not answer in time, or it ended one of two deadlocked transactions."""

    message = "The database could not do this now; nothing was kept. Try again in a moment."


class PartialFailure(GatewayError):
    """Some calls of a batch or aggregate failed; another try makes sense if it does for all."""

    code = -1013
    type = "partial_failure"
    source = "downstream"
    message = "Some calls failed; data has each call's own answer. Send those anew that failed."

    def __init__(self, failed: Sequence[GatewayError]) -> None:
        super().__init__()
        self.retryable = all(error.retryable for error in failed)  # type: ignore[misc]


class NotAcceptable(CallerError):
    code = -3010
    type = "not_acceptable"
    message = (
        "There is no answer in a format that Accept allows; leave it out, or allow application/json"
        " (of lists text/csv, too)."
    )
