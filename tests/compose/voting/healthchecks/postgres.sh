#!/bin/sh
exec psql -h localhost -U "${POSTGRES_USER:-postgres}" -tAc "select 1"
