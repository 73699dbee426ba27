#!/bin/sh
# Fuzzes one target with clang's libFuzzer, and keeps a minimal corpus of what it has found.
# Usage: sh tests/fuzz/run.sh config|protocol [SECONDS]
# Needs clang-14 and libclang-rt-14-dev. Builds in build/fuzz. An input that fails is left there as
# crash-*, and the exit code is not 0: mend the cause, add the input to tests/fuzz/corpus/TARGET.
# What the tests replay is that corpus; this script is no part of the test run.
set -eu
cd "$(dirname -- "$0")/../.."
target=$1
seconds=${2:-600}
root=$PWD
build=$root/build/fuzz
corpus=$root/tests/fuzz/corpus/$target
case $target in
  config) sources="common/sys/*.cpp common/config/*.cpp cli/config/toml_reader.cpp cli/config/yaml_reader.cpp" ;;
  protocol) sources="common/protocol/*.cpp daemon/cluster/node_frames.cpp daemon/cluster/app_messages.cpp daemon/ports/*.cpp" ;;
  *) echo "run.sh: config or protocol, not $target" >&2; exit 2 ;;
esac

mkdir -p "$build/generated/common/base" "$build/$target"
sed 's/@[A-Z_]*@/fuzz/' common/base/build_info.h.in >"$build/generated/common/base/build_info.h"
# shellcheck disable=SC2086  # patterns
for source in common/base/*.cpp common/model/*.cpp $sources "tests/fuzz/${target}_fuzz.cpp"; do
  object=$build/$target/$(echo "$source" | tr / _).o
  [ "$object" -nt "$source" ] || printf '%s %s\n' "$source" "$object"
done | xargs -r -n 2 -P 2 sh -c 'clang++-14 -std=c++20 -g1 -O1 -D_GLIBCXX_ASSERTIONS -DFMT_HEADER_ONLY \
  -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -I. -Ibuild/fuzz/generated -c "$0" -o "$1"'
clang++-14 -fsanitize=fuzzer,address,undefined "$build/$target"/*.o -lyaml-cpp -o "$build/${target}_fuzz"

cd "$build"
mkdir -p "$target-found"
"./${target}_fuzz" "-max_total_time=$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
  "$target-found" "$corpus"
# One input of each place in the code, not of each number of times that it is reached: some hundred small files.
rm -rf "$target-merged"
mkdir "$target-merged"
"./${target}_fuzz" -set_cover_merge=1 -use_counters=0 "$target-merged" "$corpus" "$target-found"
# What they cover goes; what has a name was put there by hand and stays.
find "$corpus" -type f -regextype egrep -regex '.*/[0-9a-f]{40}' -delete
cp "$target-merged"/* "$corpus"
