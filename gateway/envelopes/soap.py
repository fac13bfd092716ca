"""SOAP 1.1 and 1.2: a ``Fault`` in the ``Body`` is a failure, all else in it is the data."""

from __future__ import annotations

from typing import Any

from gateway.envelopes.described import DescribedEnvelope


class SoapEnvelope(DescribedEnvelope):
    """A description whose codes are XML names, of any prefix, and count whatever the HTTP status.

    A fault comes with HTTP 500 even where the caller is to blame (SOAP 1.1, 6.2).
    """

    code_decides_5xx = True

    def code_text(self, code: object) -> str | None:
        text = super().code_text(code)
        return text.strip().rpartition(":")[2] if text else None

    def data_of(self, reply: Any) -> Any:
        """Return the ``Body``'s elements, without attributes such as a signature's ``Id``."""
        data = super().data_of(reply)
        if self.data_path != ["Body"]:
            return data
        members = data.items() if isinstance(data, dict) else ()
        return {name: value for name, value in members if not name.startswith("@")}
