"""Marshmallow schemas: the JSON that goes in and out of ``api/``; in ``catalog``, what catalogs say.

data = ProductIn().load({"name": "Teapot", "price": "12.50"})
"""
