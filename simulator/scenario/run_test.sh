#!/bin/sh
# Runs a scenario: $1 the runner, $2 the file.
exec "$1" "$2"
