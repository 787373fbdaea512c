#!/bin/sh
# Makes the passwords and the balancer's certificate for compose.yaml. What exists is kept.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

password() {
    [ -s "$1" ] || openssl rand -hex 24 | tr -d '\n' > "$1"
}
password postgres-password
password redis-password
[ -s redis.conf ] || echo "requirepass $(cat redis-password)" > redis.conf

if [ ! -s node.env ]; then
    {
        echo "# Read by both nodes. Add the secrets of your providers here:"
        echo "#   CAMPANILE__CHANNEL__WECHAT__WECOM__SECRET=…"
        echo "CAMPANILE__STORE__URL=postgres://campanile:$(cat postgres-password)@%2Fvar%2Frun%2Fpostgresql/campanile"
        echo "CAMPANILE__COORDINATION__URL=redis://:$(cat redis-password)@redis:6379"
    } > node.env
fi

if [ ! -s balancer.crt ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=localhost" \
        -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -keyout balancer.key -out balancer.crt 2>/dev/null
    echo "balancer.crt is self-signed, for localhost: put your own certificate and key in its place."
fi
# The directory keeps others out; inside, the containers' own users read what is mounted for them.
chmod 0644 postgres-password redis.conf balancer.crt balancer.key
echo "secrets/ is ready; keep it out of version control and in your backup."
