"""From a catalog's text to plain values, each with its line, and to what is wrong with them.

    document = parser.read(text, "services.yaml", os.environ)
    document.stop_if_wrong()

A catalog is YAML in one file or in a folder of them, with variables from outside.
"""
