#!/bin/sh
[ "$(redis-cli -h localhost ping)" = PONG ]
