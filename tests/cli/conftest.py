"""Commands run in the app that the tests of the API have."""

from tests.api.conftest import app, client, clock, make_app, password_hash, settings, shop, users

__all__ = ["app", "client", "clock", "make_app", "password_hash", "settings", "shop", "users"]
