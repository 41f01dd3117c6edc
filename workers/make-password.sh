#!/bin/sh
# Makes the password of the compose file's Valkey at the first start, and only then.
set -eu
file=${1:-/run/clearq/password}
[ -s "$file" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$file"
chmod 0444 "$file" # each service reads it as a user of its own; the volume is mounted nowhere else
