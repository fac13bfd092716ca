"""What a method's callers get of an answer beside its data.

``response_headers`` says which headers. ``Extras`` travels with the data: through cache, single
flight and idempotency, into a response's headers and a batch part's envelope.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from gateway.catalog.model import Method
from gateway.http.credential_mask import CredentialMask
from gateway.masking import Secret
from gateway.messages import NO_EXTRAS, Extras

#: Reads an answer's headers, by their names in lower case; its credentials are masked.
ReadExtras = Callable[[Mapping[str, str], Secret], Extras]
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def make_extras_reader(
    method: Method, credentials: CredentialMask, without: Collection[str] = ()
) -> ReadExtras | None:
    """Return what reads a method's extras, None where it declares none.

    :param without: headers that its callers get anyway, in lower case.
    """
    names = [
        (name, name.lower()) for name in method.response_headers if name.lower() not in without
    ]
    if not names:
        return None

    def read(headers: Mapping[str, str], token: Secret) -> Extras:
        lines = []
        for name, key in names:
            text = headers.get(key)
            if text is not None:
                # A value that is not quite HTTP may be read, but is not written.
                text = _CONTROLS.sub(" ", text)
                lines.append((name, credentials.mask_text(text, token)))
        return Extras(tuple(lines)) if lines else NO_EXTRAS

    return read
