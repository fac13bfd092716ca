"""One attempt: build, sign, send, read the envelope.

All that a method's declaration fixes is worked out at load.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.bodies import make_reader
from gateway.catalog.model import Method
from gateway.envelopes import make_envelope
from gateway.exchange.answer_check import make_answer_check
from gateway.exchange.extras import make_extras_reader
from gateway.exchange.sender import NO_TOKEN, Sender
from gateway.http.credential_mask import CredentialMask
from gateway.http.request_builder import RequestBuilder
from gateway.masking import Secret
from gateway.messages import NO_EXTRAS, Call, Page, Result
from gateway.pagination import PageSource, ReplyReader, make_page_reader
from gateway.runtime import Handler, Runtime


def exchange(runtime: Runtime, method: Method, urls: tuple[str, ...]) -> Handler:
    """Return the innermost handler of a method's chain, for some base URLs of its service."""
    sender = Sender(method, runtime, urls)
    signer = sender.signer
    channel = sender.channel
    build = RequestBuilder(method, sender.next_url, runtime.clock).build
    envelope = make_envelope(method.envelope)
    reader = make_reader(method.response)
    fetches_token = signer.fetches_token
    read_extras = make_extras_reader(method, sender.credentials)
    read_page = make_page_reader(method)
    check_answer = make_answer_check(method, runtime)

    def handle(call: Call) -> Result:
        attempt = call.trace.attempts[-1]
        token = sender.token(call) if fetches_token else NO_TOKEN
        request = signer.sign(build(call), token)
        attempt.host = sender.hosts[request.base_url]
        if sender.wire_log:
            response = sender.send(request, call)
        else:
            response = channel.send(request, sender.timeout, call.deadline)
        attempt.status = response.status
        attempt.first_byte = response.first_byte
        if signer.verifies_answers:
            signer.verify(request, response)
        read = reader if read_page is None else ReplyReader.of(reader)
        data = sender.unwrap(response, envelope, read, token)
        if check_answer:
            check_answer(data, call)
        data = sender.credentials.mask(data, response, token)
        extras = NO_EXTRAS
        if read_extras is not None:
            extras = read_extras(response.headers, token)
        if read_page is not None and isinstance(read, ReplyReader):
            page = read_page(call.params, PageSource(request, response, read.reply, data))
            page = _mask_page(page, call, sender.credentials, token)
            extras = replace(extras, page=page)
        return Result(data, extras)

    return handle


def _mask_page(page: Page, call: Call, credentials: CredentialMask, token: Secret) -> Page:
    """Mask what the service said; the rest is the caller's own."""
    if page.next is None:
        return page
    masked = {
        name: value if value is call.params.get(name) else credentials.mask_value(value, token)
        for name, value in page.next.items()
    }
    return replace(page, next=masked)
