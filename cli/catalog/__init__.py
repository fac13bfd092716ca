"""``flask catalog``: what is in a catalog, whether it is right, and catalogs to begin with.

>>> app.test_cli_runner().invoke(args=["catalog", "add", "lark"]).output
"catalog/lark.yaml: Lark (Feishu): messages ..."
"""

from __future__ import annotations

from cli.catalog.commands import catalog_cli as catalog_cli
from cli.catalog.presets import add, list_presets

catalog_cli.add_command(list_presets)
catalog_cli.add_command(add)
