#!/bin/sh
# A first publish with nothing but curl: to one person, in the app.
#
#     CAMPANILE_TOKEN=cpl_live_… ./first_publish.sh USER_ID
set -eu
url=${CAMPANILE_HTTP_URL:-http://127.0.0.1:7780}
user=${1:?a user id}
# It is written into JSON below. Texts that may hold quotes belong there by a tool that escapes them, such as jq.
case $user in *[!A-Za-z0-9._-]*) echo "no user id: $user" >&2; exit 2 ;; esac

# The name of the event that caused the message: repeating the call never sends it twice.
key="example:$(date +%s)-$$"

answer=$(curl -sS -w '\n%{http_code}' "$url/campanile.v1.PublishService/Publish" \
  -H "authorization: Bearer $CAMPANILE_TOKEN" -H 'content-type: application/json' -H 'accept-language: zh-CN' \
  -d '{
    "idempotencyKey": "'"$key"'",
    "audience": {"users": {"userIds": ["'"$user"'"]}},
    "content": {"inline": {"title": "图书馆：您预约的书已到", "body": "请在三天内到**二层服务台**领取。"}},
    "messageClass": "MESSAGE_CLASS_TRANSACTIONAL",
    "channels": ["CHANNEL_EMAIL", "CHANNEL_WECHAT", "CHANNEL_APP"]
  }')
status=$(printf '%s' "$answer" | tail -n 1)
printf '%s\n' "$answer" | sed '$d'
[ "$status" = 200 ]
