"""Why a provider does not become a service."""


class Unsayable(Exception):
    """A catalog has no words for it. ``str()`` says for what."""
