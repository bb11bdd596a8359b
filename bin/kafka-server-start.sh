#!/bin/sh
# Starts a node: kafka-server-start.sh [-daemon] CONFIG [--override key=value]...
# With -daemon it runs on in the background and writes to $LOG_DIR/server.out (default: data/logs of the project).
bin="$(dirname "$(readlink -f "$0")")"
if [ "$1" != -daemon ]; then
  exec "$bin/odradek.mjs" server start "$@"
fi
shift
node "$bin/ensure-built.mjs" || exit 1
logs="${LOG_DIR:-$bin/../data/logs}"
mkdir -p "$logs" || exit 1
nohup "$bin/odradek.mjs" server start "$@" >>"$logs/server.out" 2>&1 </dev/null &
