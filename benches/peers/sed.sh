#!/usr/bin/env bash
# The article's way: a template for the slaves, `sed` for each of them, and here a directory a project.
# sed.sh TEMPLATES SLAVES CLUSTER OUT
set -euo pipefail
templates=$1 slaves=$2 cluster=$3 out=$4
mkdir -p "$out/$cluster-master"
cp "$templates/master.yaml" "$out/$cluster-master/compose.yaml"
exec 3<"$templates/subnets"
for i in $(seq 1 "$slaves"); do
    read -r subnet <&3
    mkdir "$out/$cluster-slave$i"
    sed -e "s/SLAVE_ALIAS/slave$i/g" -e "s/SLAVE_INDEX/$i/g" -e "s|SLAVE_SUBNET|$subnet|" \
        "$templates/slave.yaml" >"$out/$cluster-slave$i/compose.yaml"
done
