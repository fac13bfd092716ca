"""What happened to each call, for whoever asks later."""

from __future__ import annotations

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.parts import Handler, Parts
from gateway.records import records_of
from gateway.stream import Stream


def record(method: Method, parts: Parts, following: Handler) -> Handler:
    """Each call has a record, however it ended; of a stream at its end."""
    add, now = records_of(parts).add, parts.clock.now

    def handle(call: Call) -> Result:
        began = now()
        try:
            result = following(call)
        except BaseException as error:
            add(method, call, began, error)
            raise
        if isinstance(result.data, Stream):
            result.data.at_end(lambda error: add(method, call, began, error))
        else:
            add(method, call, began, None)
        return result

    return handle
