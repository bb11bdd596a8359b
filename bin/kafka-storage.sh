#!/bin/sh
# Formats or looks at the directories of a node: kafka-storage.sh format|info|random-uuid
exec "$(dirname "$(readlink -f "$0")")/odradek.mjs" storage "$@"
