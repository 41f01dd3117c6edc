#!/bin/sh
# Inside the image: finds Valkey and its password, then runs one of the entries of workers/ or any other command.
set -eu
password=${PASSWORD_FILE:-/run/clearq/password}
if [ -z "${CLEARQ_URL:-}" ] && [ -r "$password" ]; then
  export CLEARQ_URL="redis://:$(cat "$password")@${VALKEY_HOST:-valkey}:6379/0"
fi
case "${1:-}" in
  *.py) exec python "$(dirname "$0")/$@" ;;
  *) exec "$@" ;;
esac
