#!/bin/sh
# Start everything in compose.yaml. Makes the secrets and a catalog folder where there are none yet; UP=no makes just those.
set -eu
cd "$(dirname "$0")"
if [ ! -e .env ]; then
    umask 077
    random() { head -c 36 /dev/urandom | base64 | tr '+/' '-_'; }   # letters, digits, - and _: they stand in URLs, too
    for name in JWT_SECRET SECRETS_KEY POSTGRES_PASSWORD REDIS_PASSWORD GRAFANA_PASSWORD; do
        echo "$name=$(random)"
    done > .env.part
    mv .env.part .env
    echo "made deploy/.env: keep a copy of it elsewhere"
fi
if [ ! -d catalog ]; then
    umask 022
    mkdir catalog
    printf 'version: 1\nservices: {}   # flask catalog add NAME -o deploy/catalog/NAME.yaml writes the first one\n' > catalog/services.yaml
    echo "made deploy/catalog/: what Postern can call; its \${NAME} go into deploy/services.env"
fi
[ "${UP:-yes}" = no ] || exec docker compose up --detach --build "$@"
