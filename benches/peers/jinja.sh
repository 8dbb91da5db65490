#!/usr/bin/env bash
# As sed.sh, by Jinja2: a run of it for each project. jinja.sh TEMPLATES SLAVES CLUSTER OUT
set -euo pipefail
peers=$(dirname "$0")
for i in $(seq 0 "$2"); do
    /usr/bin/python3 "$peers/jinja.py" "$@" "$i"
done
