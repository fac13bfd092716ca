"""Sends requests whose body may pass while it comes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from gateway.bodies.spool import Spool
from gateway.errors import OutcomeUnknown
from gateway.exchange.sender import Sender
from gateway.http.response.streaming import ExchangeTimeouts, StreamingResponse
from gateway.http_messages import HttpRequest
from gateway.masking import Secret
from gateway.messages import Call
from gateway.streams import (
    MAX_RESENDABLE_BYTES,
    MAX_STREAM_SECONDS,
    Pairs,
    PassthroughRequest,
    RequestStream,
)

NO_REQUEST = PassthroughRequest()


class StreamSender(Sender):
    """Sends requests whose body may pass while it comes."""

    def open(self, request: HttpRequest, call: Call) -> tuple[StreamingResponse, Secret]:
        """Return the answer, begun, and the token it was asked with."""
        token = self.token(call)
        if request.upload is not None:
            request = self._collect(request, request.upload)
        request = self.signer.adopt(request)
        if request.upload is None or not self.signer.needs_spool(request):
            return self._open(request, call, token), token
        with closing(Spool(request.upload)) as spool:
            headers = {**request.headers, **dict(spool.trailers)}
            spooled = replace(request, headers=headers, upload=spool)
            return self._open(spooled, call, token), token

    def _open(self, request: HttpRequest, call: Call, token: Secret) -> StreamingResponse:
        request = self.signer.sign(request, token)
        attempt = call.trace.attempts[-1]
        attempt.host = self.hosts[request.base_url]
        response = None
        try:
            response = self.channel.open(request, self._timeouts(request, call))
        finally:
            if self.wire_log and response is None:
                self.wire_log.write(request, call, None, None, None)
            elif self.wire_log and response:
                self.wire_log.write(request, call, response.status, response.headers, None)
        attempt.status = response.status
        return response

    def _timeouts(self, request: HttpRequest, call: Call) -> ExchangeTimeouts:
        inbound = call.inbound or NO_REQUEST
        deadline = call.deadline
        if request.upload and call.timeout is None:  # it may take its time as long as it flows
            deadline = self.clock.now() + MAX_STREAM_SECONDS
        return ExchangeTimeouts(self.timeout.connect, self.timeout.read, deadline, inbound.watch)

    def _collect(self, request: HttpRequest, upload: RequestStream) -> HttpRequest:
        """Read an upload whole where the signer reads it, or where it is small enough to resend."""
        if upload.started:
            raise OutcomeUnknown(detail="its body has passed already")
        if self.signer.reads_body or _is_small(upload):
            return replace(request, upload=None, body=upload.read_whole())
        return request


def _is_small(upload: RequestStream) -> bool:
    return upload.length is not None and upload.length <= MAX_RESENDABLE_BYTES


def is_json(headers: Pairs) -> bool:
    for name, value in reversed(headers):
        if name.lower() == "content-type":
            return "json" in value
    return False
