"""The vendors that the sandbox plays, a file each, and the vendors of catalogs, Consul and Nacos.

>>> Amap().handle(Request("GET", "/v3/geocode/geo", {"key": [KEY], "address": ["北京"]}, {}))
Reply(status=200, body=b'{"status": "1", ...}', headers=...)
"""
