#!/bin/sh
# Serve another version, later or earlier, where each has a folder of its own: sh deploy/use.sh 0.2.0
#
#   /opt/postern/releases/0.1.0   its code and its .venv (make .venv/run), never changed once it serves
#   /opt/postern/releases/0.2.0
#   /opt/postern/current          a link to the one that serves: postern.service starts what is there
#
# What runs finishes in the folder that it began in. A version that is not ready within two minutes is left for the one before.
set -eu
root=${POSTERN_ROOT:-/opt/postern}
url=${POSTERN_URL:-http://127.0.0.1:5000}
restart=${POSTERN_RESTART:-systemctl restart postern}
version=${1:?which version? There are: $(ls "$root/releases")}
if [ ! -x "$root/releases/$version/.venv/bin/gunicorn" ]; then
    echo "$root/releases/$version has no .venv: make .venv/run there" >&2
    exit 1
fi
before=$(readlink "$root/current" || true)

serve() {   # a folder, seen from $root: the link changes in one step
    ln -sfn "$1" "$root/current.new"
    mv -T "$root/current.new" "$root/current"
    $restart
}

is_ready() {
    end=$(($(date +%s) + ${POSTERN_READY_SECONDS:-120}))
    while [ "$(date +%s)" -lt "$end" ]; do
        if curl -fs --max-time 10 -o /dev/null "$url/readyz"; then return 0; fi
        sleep 1
    done
    return 1
}

if serve "releases/$version" && is_ready; then
    echo "$version serves. Back: sh deploy/use.sh ${before#releases/}"
    exit 0
fi
echo "$version is not ready: its log says why (journalctl -u postern)" >&2
if [ -n "$before" ]; then
    serve "$before"
    echo "${before#releases/} serves again" >&2
fi
exit 1
