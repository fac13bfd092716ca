"""A secret in a file, for whoever has set none."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe

from config import checks
from config.environ import SettingsError
from gateway.masking import Secret


def load_or_create_secret(file: Path) -> Secret:
    """Return the secret in a file, which is made at first and readable by its owner only.

    :raises SettingsError: it cannot be read or made.
    """
    name = file.name.upper()
    try:
        if not file.exists():
            _make_secret(file)
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise SettingsError(
            f"{name}: is not set, and {file} cannot be read or made ({reason})"
        ) from error
    if len(text.encode()) < checks.MIN_SECRET_BYTES:
        raise SettingsError(
            f"{name}: {file} holds fewer than {checks.MIN_SECRET_BYTES} bytes; delete it, and a "
            "new one is made"
        )
    return Secret(text)


def _make_secret(file: Path) -> None:
    """Make the file whole before it has its name; the process that comes first makes it for all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent) as draft:  # readable by its owner only
        draft.write(token_urlsafe(48))
        draft.flush()
        with suppress(FileExistsError):
            os.link(draft.name, file)
