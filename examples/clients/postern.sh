#!/bin/sh
# Ask Postern as an app, with curl and openssl. Copy this file; POSTERN, APP_ID and APP_SECRET stand in the environment.
#
#     ./postern.sh POST /api/v1/call/wechat/send_msg '{"touser": "o6_bmjrPTlm6", "text": "hello"}'
#     ./postern.sh GET '/api/v1/call/maps/geocode?address=%E5%8C%97%E4%BA%AC'
#     ./postern.sh POST /api/v1/call/formats/upload @body.json -H 'Idempotency-Key: 7'
#
# A third argument is the body, JSON, or after an @ the file that has it; all others are curl's.
set -eu
verb=$1 target=$2 given=${3-}
body=$(mktemp)
trap 'rm -f "$body"' EXIT
case $given in
    @*) cat < "${given#@}" > "$body" ;;
    *) printf %s "$given" > "$body" ;;
esac
shift 2
if [ $# != 0 ]; then
    shift
    set -- "$@" -H 'Content-Type: application/json' --data-binary "@$body"
fi
time=$(date +%s) nonce=$(openssl rand -hex 16)
hash=$(openssl dgst -sha256 -r < "$body" | cut -c1-64)
signature=$(printf '%s\n%s\n%s\n%s\n%s' "$verb" "$target" "$time" "$nonce" "$hash" |
    openssl dgst -sha256 -r -hmac "$APP_SECRET" | cut -c1-64)
curl -sS -X "$verb" "$POSTERN$target" -H "X-App-Id: $APP_ID" -H "X-Timestamp: $time" -H "X-Nonce: $nonce" \
    -H "X-Content-SHA256: $hash" -H "X-Signature: $signature" "$@"
