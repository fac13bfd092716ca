#!/usr/bin/env bash
# Makes this folder anew; first: npm ci --prefix tests/npm
set -euo pipefail
cd "$(dirname "$0")"
npm=../../../tests/npm/node_modules
mkdir -p swagger-ui redoc
cp "$npm"/swagger-ui-dist/{LICENSE,NOTICE,swagger-ui.css,swagger-ui-bundle.js,swagger-ui-bundle.js.LICENSE.txt} swagger-ui/
cp "$npm"/redoc/LICENSE "$npm"/redoc/bundles/redoc.standalone.js.LICENSE.txt redoc/
# The one change: its logo would come from another host.
sed 's|https://cdn.redoc.ly/redoc/logo-mini.svg|data:,|' "$npm"/redoc/bundles/redoc.standalone.js > redoc/redoc.standalone.js
# The maps are not here, so the browser need not look for them.
sed -i -E 's,^(//|/\*)# sourceMappingURL=.*$,,' swagger-ui/swagger-ui.css swagger-ui/swagger-ui-bundle.js redoc/redoc.standalone.js
