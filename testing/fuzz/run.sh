#!/usr/bin/env bash
# Runs one fuzz target under libFuzzer with ASan and UBSan, from the workspace's root:
#   testing/fuzz/run.sh queues_fuzz 1800 [libFuzzer's options]
# (Cards and nodes are kept between inputs, which looks like leaks after each: leaks are looked for at the end.)
# What it learns is kept in the folder OPENHPU_FUZZ, /tmp/openhpu-fuzz unless set; inputs that found
# something are there too, named crash-*, timeout-* or oom-*.
set -euo pipefail
target=${1:?target} seconds=${2:?seconds}
shift 2
folder=${OPENHPU_FUZZ:-/tmp/openhpu-fuzz}/$target
mkdir -p "$folder/corpus"
seeds=()
for seed in "testing/fuzz/corpus/$target" $(
  case $target in
    scenario_fuzz) echo simulator/scenario/examples ;;
    chip_fuzz) echo hal/chips ;;
  esac
); do
  if [ -d "$seed" ]; then seeds+=("$seed"); fi
done
bazel ${OPENHPU_BAZEL_OPTIONS:-} build --config=fuzz "//testing/fuzz:$target"
# Debian's libprotobuf is built without ASan, and what it keeps in containers looks wrong to it.
export ASAN_OPTIONS=detect_container_overflow=0:allocator_may_return_null=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
exec "bazel-bin/testing/fuzz/$target" -max_total_time="$seconds" -max_len=8192 -timeout=30 -detect_leaks=0 \
  -rss_limit_mb=4096 -artifact_prefix="$folder/" -print_final_stats=1 "$@" \
  "$folder/corpus" "${seeds[@]}"
