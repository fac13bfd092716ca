"""Calls after they have ended: records, statistics of services, spans, the bytes on the wire.

records.add(EndedCall.of(method, call, began, elapsed, error), method.mask)
records.find("r-1", caller)[0]["attempts"]
"""
