#!/usr/bin/env bash
# Every C++ file of the workspace is as clang-format leaves it. $1 is a file in the workspace's root.
set -euo pipefail
cd "$(dirname "$(readlink -f "$1")")"
command -v clang-format >/dev/null || { echo "clang-format is missing: run third_party/install.sh" >&2; exit 1; }
[[ -f .clang-format ]] || { echo "$PWD is not the workspace: no .clang-format" >&2; exit 1; }
unformatted=$(
  find . \( -name .git -o -name 'bazel-*' \) -prune -o \( -name '*.h' -o -name '*.cc' \) -type f -print0 |
    xargs -0 -P 2 -n 1 sh -c 'clang-format --dry-run -Werror "$0" 2>/dev/null || echo "$0"' | sort
)
[[ -z $unformatted ]] || { printf 'Repair with: clang-format -i\n%s\n' "$unformatted" >&2; exit 1; }
