"""Auth types whose credential is fetched: an endpoint described as data, OAuth 2, GitHub apps.

An auth type has a ``fetch_token``; ``gateway.signers.tokens`` keeps what it returns::

    token, life_seconds = TokenAuth(auth, base_url).fetch_token(send, now)
"""
