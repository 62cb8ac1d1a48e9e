#!/bin/sh
# Runs a program under the library, on a machine of its own:
#     run_preloaded.sh libopenhpu_node.so program [argument...]
library=$1
shift
case $library in /*) ;; *) library=$PWD/$library ;; esac
OPENHPU_NODE_DIR=$(mktemp -d "${TEST_TMPDIR:?}/node.XXXXXX")
export OPENHPU_NODE_DIR
exec env LD_PRELOAD="$library" "$@"
