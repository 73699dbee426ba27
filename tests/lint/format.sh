#!/bin/sh
# The layout of the C++ sources is what .clang-format says. Usage: sh tests/lint/format.sh [ROOT]; 77: skipped.
set -eu
cd "${1:-$(dirname -- "$0")/../..}"
# Another version lays some lines out otherwise; 14 is Debian 12's.
wanted=14

if ! command -v clang-format >/dev/null 2>&1; then
  echo "format: skipped, there is no clang-format here (apt-get install clang-format)"
  exit 77
fi
found=$(clang-format --version | sed 's/.*version \([0-9]*\).*/\1/')
if [ "$found" != "$wanted" ]; then
  echo "format: skipped, clang-format is version $found and version $wanted decides"
  exit 77
fi
# Only the files; what is to change in them, clang-format -i does.
wrong=$(find common daemon cli serve tests -name '*.h' -o -name '*.cpp' | sort | xargs clang-format --dry-run 2>&1 |
  sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: warning:.*/\1/p' | sort -u)
if [ -n "$wrong" ]; then
  # shellcheck disable=SC2086  # on one line
  echo "format: to bring in line, run: clang-format -i" $wrong
  exit 1
fi
echo "format: every file is as .clang-format says"
