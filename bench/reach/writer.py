"""Texts of a provider as a catalog has them: ``${NAME}``, or ``{name}`` in the templates of tokens.

writer = Writer()
writer.text("Bearer ${apiKey}")  # "Bearer ${API_KEY}"
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.reach.expressions import Computed, Name, Text, parse
from bench.reach.unsayable import Unsayable
from sandbox.keys import MERCHANT_PRIVATE_KEY

Provider = dict[str, Any]
Auth = dict[str, Any]

EC_KEY = (
    generate_private_key(SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
#: Functions of a provider's texts, by the filter of ours that does the same.
FILTERS = {"base64": "base64", "sha256Hex": "sha256", "urlEncode": "quote"}
#: Names of a provider's texts that our templates have under another name.
FACTS = {"random": "nonce", "accessToken": "token"}


class Writer:
    """Writes the texts of one provider.

    :ivar env: a value for each variable that a text needed, with which the checker can be asked.
    :ivar values: the ``values`` of ``auth: {type: token}`` that templates needed.
    """

    def __init__(self) -> None:
        self.env: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def variable(self, path: str, value: str = "example") -> str:
        """Return ``${NAME}`` for something that a connection knows."""
        name = Name(path).variable
        self.env.setdefault(name, value)
        return f"${{{name}}}"

    def key(self, path: str, algorithm: str = "RS256") -> str:
        """Return a variable that holds a private key for an algorithm of JWTs."""
        return self.variable(path, EC_KEY if algorithm.startswith("ES") else MERCHANT_PRIVATE_KEY)

    def text(self, text: str | Text) -> str:
        """Return a text with variables.

        :raises Unsayable: it computes something.
        """
        parts = parse(text) if isinstance(text, str) else text
        return "".join(self._static(part) for part in parts)

    def url(self, text: str) -> str:
        """Return a URL with variables: one that begins it is the URL's beginning, one after a colon
        a port.
        """
        written = ""
        for part in parse(text):
            if not isinstance(part, Name):
                written += self._static(part)
            elif not written:
                written += self.variable(part.path, "https://example.com")
            else:
                written += self.variable(part.path, "443" if written.endswith(":") else "example")
        return written

    def template(self, text: str | Text) -> str:
        """Return a template, whose names become ``values``.

        :raises Unsayable: it computes something that no filter does.
        """
        parts = parse(text) if isinstance(text, str) else text
        return "".join(self._placed(part) for part in parts)

    def _static(self, part: str | Name | Computed) -> str:
        if isinstance(part, Computed):
            raise Unsayable(f"computes {part.function}")
        return self.variable(part.path) if isinstance(part, Name) else part

    def _placed(self, part: str | Name | Computed) -> str:
        if isinstance(part, str):
            return part
        if isinstance(part, Computed):
            return self._filtered(part)
        if part.path in FACTS:
            return f"{{{FACTS[part.path]}}}"
        name = Name(part.path).variable.lower()
        self.values[name] = self.variable(part.path)
        return f"{{{name}}}"

    def _filtered(self, part: Computed) -> str:
        if part.function not in FILTERS:
            raise Unsayable(f"computes {part.function}")
        argument = self.template(part.argument)
        name = f"text_{len(self.values)}"
        self.values[name] = argument
        return f"{{{name}|{FILTERS[part.function]}}}"
