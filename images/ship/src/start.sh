#!/bin/bash
# Process 1 of the container: bash, because it collects orphans. Whatever a command leaves behind would stay as a zombie under Node.
trap 'exit 143' TERM INT # no success: an evicted pod is a failed one
# Ship may end all processes but itself and this one: they are the container's own.
export SHIP_OWNS_PROCESSES=1
# Variables of a profile are meant for programs of the sandbox. These would open Ship's own inspector or load code into it.
if [ -n "${NODE_OPTIONS+set}" ]; then
  export SHIP_NODE_OPTIONS="$NODE_OPTIONS"
  unset NODE_OPTIONS
fi
# Both files are made at build time (Dockerfile).
mapfile -t flags </app/node-flags
/app/ship "$(type -P node)" "${flags[@]}" /app/server.js &
wait $!
