#!/usr/bin/env bash
# Every C++ file of the workspace is as clang-format leaves it. $1 is a file in the workspace's root.
set -euo pipefail
cd "$(dirname "$(readlink -f "$1")")"
command -v clang-format >/dev/null || { echo "clang-format is missing: run third_party/install.sh" >&2; exit 1; }
[[ -f .clang-format ]] || { echo "$PWD is not the workspace: no .clang-format" >&2; exit 1; }
# Many files a process: starting it costs more than a file.
if ! complaints=$(
  find . \( -name .git -o -name 'bazel-*' \) -prune -o \( -name '*.h' -o -name '*.cc' \) -type f -print0 |
    xargs -0 -P 2 -n 32 clang-format --dry-run -Werror 2>&1
); then
  files=$(sed -nE 's/^([^:]+):[0-9]+:[0-9]+: error: .*/\1/p' <<<"$complaints" | sort -u)
  printf 'Repair with: clang-format -i\n%s\n' "${files:-$complaints}" >&2
  exit 1
fi
