#!/bin/sh
# Starts a node: kafka-server-start.sh [-daemon] CONFIG [--override key=value]...
# With -daemon it runs on in the background and writes to $LOG_DIR/server.out (default: data/logs of the project).
bin="$(dirname "$(readlink -f "$0")")"
daemon=
if [ "$1" = -daemon ]; then
  daemon=yes
  shift
fi
# Records are garbage as soon as they have passed: a heap that starts larger is collected less often.
set -- node --initial-old-space-size=128 "$bin/odradek.mjs" server start "$@"
[ -n "$daemon" ] || exec "$@"
node "$bin/ensure-built.mjs" || exit 1
logs="${LOG_DIR:-$bin/../data/logs}"
mkdir -p "$logs" || exit 1
nohup "$@" >>"$logs/server.out" 2>&1 </dev/null &
