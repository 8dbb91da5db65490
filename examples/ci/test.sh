#!/bin/sh
# In the place of your own test: asked from the way out of each slave, `master` is the master.
# Arguments are for topogen: `-n NAME` where the cluster has one.
set -eu
slaves=$(topogen ps "$@" --format json | grep -o '"node": "slave[0-9]*"' | sort -u | wc -l)
answers=$(topogen exec "$@" slave/service_out /topogen probe --connect master:443 | grep -c '"node": "master"' || true)
if [ "$slaves" -eq 0 ] || [ "$answers" -ne "$slaves" ]; then
  echo "$answers of $slaves slaves reach the master" >&2
  exit 1
fi
echo "$answers of $slaves slaves reach the master"
