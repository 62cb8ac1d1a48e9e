#!/bin/sh
# Passes when the file is empty; otherwise its lines are what should not be there.
[ -s "$1" ] || exit 0
echo "These must not be reached, but are:" >&2
cat "$1" >&2
exit 1
