#!/usr/bin/env bash
# made_seeds_test.sh make_seeds: writes the seeds into an empty folder, and compares each with the
# corpus. Whoever changes what they are made from writes them again (README.md).
set -euo pipefail
made=$TEST_TMPDIR/made
"$1" "$made"
cd "$made"
find . -type f | sort >"$TEST_TMPDIR/names"
[ "$(wc -l <"$TEST_TMPDIR/names")" -gt 100 ]
failures=0
while read -r name; do
  cmp "$name" "$TEST_SRCDIR/$TEST_WORKSPACE/testing/fuzz/corpus/$name" || failures=$((failures + 1))
done <"$TEST_TMPDIR/names"
echo "$failures seeds differ"
[ "$failures" = 0 ]
