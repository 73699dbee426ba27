#!/bin/sh
# Every test of pmx: installs what is missing, builds with sanitizers and as released, runs everything.
# Usage: sh tests/run.sh. Run again, only what changed is built. Exit code 0 only if every test passed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"
cd "$root"

jobs=$(nproc)
# As tests/integration/CMakeLists.txt counts.
tests_at_once=3
launcher=
if command -v ccache >/dev/null 2>&1; then
  launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache
  # Checkouts in different places share what is compiled.
  export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1
fi

build() {
  # shellcheck disable=SC2086  # empty or one word
  progress "configure $1" cmake --preset "$1" $launcher
  preset=$1
  shift
  progress "build $preset" cmake --build --preset "$preset" --parallel "$jobs" "$@"
}

# run_tests PRESET CTEST-ARGUMENTS...: keeps going after failures, so that one run shows them all. A test that fails gets a second
# try, because a busy machine can stretch any deadline; that it needed one is said at the end, and is to be looked into.
failed=0
run_tests() {
  preset=$1
  shift
  step "Tests of the $preset build"
  ctest --preset "$preset" --parallel "$tests_at_once" --repeat until-pass:2 --no-tests=error --output-log "build/$preset/tests.log" "$@" </dev/null ||
    failed=1
}

step "What is needed to build and test"
sh packaging/dependencies.sh tests
good "everything is installed"

step "Other versions of Node, Deno and Bun, to test cluster mode with"
progress "download" python3 tests/support/node_versions.py build/nodes
good "what could be had is in build/nodes"

step "Build with address and undefined behaviour sanitizers, and as released"
build asan
# As released only the programs and what the integration tests run: the other tests run under the sanitizers.
build release --target pmx pmxd pmx-keeper pmx-serve pmx_testapp pmx_manual_pmx pmx_manual_pmxd pmx_manual_pmx-ecosystem

# Under the sanitizers: unit, component, golden and lint tests, and the integration tests that drive most of the daemon.
run_tests asan -E '^integration_(any_language|balance|config|declared_sockets|dependencies|fleet|harness|home_removed|logs|reload|restart_policy|save|seeds|start_fork|stop)(_|$)'
run_tests release -L 'integration|faults'

step "Result"
for preset in asan release; do
  # A run that ended early has no such line.
  sed -n 's/^\([0-9]*% tests passed.*\)/'"$preset"': \1/p' "build/$preset/tests.log"
  again=$(sed -n 's/^ *[0-9]*\/[0-9]* Test *#[0-9]*: \([^ ]*\) .*\*\*\*.*/\1/p' "build/$preset/tests.log" | sort -u | tr '\n' ' ')
  [ -z "$again" ] || printf '%s: failed at least once: %s\n' "$preset" "$again"
done
[ "$failed" = 0 ] || fail "tests failed; their output is above and in build/asan/tests.log, build/release/tests.log"
good "all tests passed"
