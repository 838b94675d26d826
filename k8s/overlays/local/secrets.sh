#!/bin/sh
# Makes the secrets of this overlay in ./secrets, readable by you alone. Run again, it keeps what is
# there: a new master key could not open the data of the old one.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

random() { openssl rand -hex 32; }
keep() {
  [ -s "$1" ] || { cat > "$1.new" && mv "$1.new" "$1"; }
}

# As `tokenhouse keygen` does: an id, and 32 bytes in base64url without padding.
printf 'local-%s:%s\n' "$(openssl rand -hex 4)" \
  "$(openssl rand -base64 32 | tr '+/' '-_' | tr -d '=')" | keep master-key
printf 'tho_%s\n' "$(random)" | keep operator-token
random | tr -d '\n' | keep postgres-superuser
random | tr -d '\n' | keep postgres-password
printf 'postgres://tokenhouse:%s@postgres/tokenhouse' "$(cat postgres-password)" | keep database-url
redis=$(random)
printf 'redis://:%s@redis/' "$redis" | keep redis-url
# The password of the address that is kept, also when only this file is missing.
redis=$(sed 's|^redis://:||; s|@.*||' redis-url)
keep redis.conf <<EOF
requirepass $redis
appendonly yes
maxmemory 128mb
maxmemory-policy noeviction
EOF
echo "secrets are in $(pwd)"
