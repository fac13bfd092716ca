"""Marshmallow schemas: the JSON in and out of ``api/``; in ``catalog``, what a catalog may say.

data = ProductIn().load({"name": "Teapot", "price": "12.50"})
"""
