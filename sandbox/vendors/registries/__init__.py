"""Where teams keep their catalogs and the addresses of their instances: Consul and Nacos.

>>> with Consul() as consul:
...     consul.put("postern", "version: 1")
...     CATALOG = consul.url("postern")
"""
