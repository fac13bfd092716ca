"""HTTP in: what views share, such as bodies, responses, ETags, lists, caches and headers.

Example::

    product = read_json()
    return success_response(product, 201)
"""
