"""HTTP in: what views share, such as bodies, responses, ETags, lists, caches and headers."""
