#!/bin/bash
# As the official one: an empty volume gets a cluster and the scripts of initdb.d, over the socket alone.
set -eu
if [ "$(id -u)" = 0 ]; then
  chown postgres: "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  chmod 700 "$PGDATA"
  initdb --username=postgres --pwfile=<(printf %s "$POSTGRES_PASSWORD") --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl --options="-c listen_addresses=''" --wait start >/dev/null
  for script in /docker-entrypoint-initdb.d/*.sql; do
    psql --set=ON_ERROR_STOP=1 --no-psqlrc --username=postgres --dbname=postgres --file="$script"
  done
  pg_ctl --mode=fast --wait stop >/dev/null
fi
exec postgres -c listen_addresses='*'
