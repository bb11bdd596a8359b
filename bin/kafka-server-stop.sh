#!/bin/sh
# Stops the node of a configuration, or all nodes on this machine: kafka-server-stop.sh [CONFIG]
exec "$(dirname "$(readlink -f "$0")")/odradek.mjs" server stop "$@"
