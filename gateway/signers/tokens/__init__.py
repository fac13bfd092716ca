"""Fetched credentials: shared by all workers, renewed early by one, never used once expired.

    tokens = Tokens(clock, store, masker, random.random)
    tokens.get(token_name(service.name, base_url, auth), fetch, deadline).reveal()

``connections`` are accounts whose token a refresh token brings.
"""
