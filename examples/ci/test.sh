#!/bin/sh
# In the place of your own test: asked from the way out of each slave, `master` is the master.
# Arguments are for topogen: `-n NAME` where the cluster has one.
set -eu
answers=$(topogen exec "$@" slave/service_out /topogen probe --connect master:443 | grep -c '"node": "master"' || true)
if [ "$answers" -ne 10 ]; then
  echo "$answers of 10 slaves reach the master" >&2
  exit 1
fi
echo "10 of 10 slaves reach the master"
