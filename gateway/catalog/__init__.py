"""The catalog: services and methods that somebody declared in YAML, checked and frozen.

    catalog = load_catalog(text, "services.yaml", os.environ)
    method = catalog.find("wechat", "send_msg")

``schema`` says which keys there may be, ``model`` has the values, ``loader`` and ``checks`` are
between.
"""
