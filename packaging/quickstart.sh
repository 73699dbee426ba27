#!/bin/sh
# From a bare Debian or Ubuntu to a Node server kept alive on every core, explained step by step.
# Usage: sh packaging/quickstart.sh           installs what is missing, builds, shows the main job; again is cheap
#        sh packaging/quickstart.sh --clean   ends everything it started and removes its files
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"

prefix=$root/build/quickstart
program=$prefix/bin/pmx
example=$root/packaging/example
# A home of its own: apps that already run under pmx are never touched. Short, as a socket's path has at most 107 bytes.
home=${TMPDIR:-/tmp}/pmx-quickstart-$(id -u)
[ "${#home}" -le 80 ] || home=/tmp/pmx-quickstart-$(id -u)
load_pid=

# The command in the tour's own home.
pmx() {
  PMX_HOME=$home "$program" "$@"
}

# typed COMMAND...: shows the command as a user types it, and runs it.
typed() {
  printf '%s    $ %s%s\n' "$bold" "$*" "$plain"
  "$@" || fail "'$*' failed with exit code $?; the daemon's log is $home/pmx.log"
}

# eventually WHAT COMMAND...: waits at most 15 s for the command to succeed.
eventually() {
  expected=$1
  shift
  deadline=$(($(date +%s) + 15))
  until "$@"; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "$expected: not within 15 s; see: PMX_HOME=$home $program list"
    sleep 0.1
  done
}

end_earlier_run() {
  [ -e "$home" ] || [ -L "$home" ] || return 0
  # The name is easy to guess and the folder may be shared: trust only what is ours.
  if [ -L "$home" ] || [ ! -d "$home" ] || [ ! -O "$home" ]; then
    fail "$home belongs to somebody else; set TMPDIR to a folder of your own"
  fi
  if [ -x "$program" ]; then
    pmx kill >/dev/null 2>&1 || fail "could not end the earlier run; try: PMX_HOME=$home $program kill"
  elif [ -e "$home/pmx.pid" ]; then
    fail "an earlier run may be alive (pid $(cat "$home/pmx.pid")), but $program is gone: build it, then try again"
  fi
  rm -rf "$home"
}

install_and_build() {
  step "1. What is needed to build: compiler, CMake, libraries, Node"
  sh "$root/packaging/dependencies.sh" quickstart
  good "everything is installed"

  step "2. Build the three programs: pmx (the command), pmxd (the daemon), pmx-keeper (the parent of every app)"
  launcher=
  ! command -v ccache >/dev/null 2>&1 || launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache
  cd "$root"
  # shellcheck disable=SC2086  # empty or one word
  progress "configure" cmake --preset release $launcher
  progress "build" cmake --build --preset release --target pmx pmxd pmx-keeper
  progress "install in build/quickstart" cmake --install build/release --prefix "$prefix"
}

free_port() {
  node -e 'const s = require("net").createServer();
           s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); });'
}

# At least two workers answered; one if there is only one core.
answered_by_several() {
  answers=$(node "$example/requests.js" "$url" 200) || fail "requests failed: $answers"
  answering=$(echo "$answers" | grep -c ' answered by ')
  [ "$answering" -ge 2 ] || [ "$count" -lt 2 ]
}

# The killed worker is gone, and as many run as before.
is_replaced() {
  pids=$(pmx pid server)
  [ "$(echo "$pids" | grep -cx '[1-9][0-9]*')" = "$count" ] && ! echo "$pids" | grep -qx "$victim"
}

show_main_job() {
  mkdir -m 700 "$home" || fail "cannot make $home"
  cd "$example"
  PORT=$(free_port)
  export PORT
  url=http://127.0.0.1:$PORT/

  step "3. Start an unchanged Node http server once per core (-i 0), all on port $PORT"
  typed pmx start server.js -i 0
  count=$(pmx pid server | grep -cx '[1-9][0-9]*') || fail "no worker runs; see $home/pmx.log and $home/logs"

  step "4. What runs: one line per worker"
  typed pmx list

  step "5. Requests are answered by different workers; the kernel spreads them, the daemon is not in between"
  say "    \$ node requests.js $url 200"
  eventually "answers from more than one worker" answered_by_several
  say "$answers"

  step "6. Kill one worker as a crash would: it is replaced at once, the others go on serving"
  victim=$(pmx pid server | head -n 1)
  typed kill -9 "$victim"
  eventually "a new worker in its place" is_replaced
  good "pid $victim is gone, $count of $count workers run again"
  typed pmx list

  step "7. Reload all workers while requests keep coming: none fails"
  say "    \$ node requests.js $url &"
  node "$example/requests.js" "$url" &
  load_pid=$!
  # Some requests before the reload and after it.
  sleep 1
  typed pmx reload server
  sleep 1
  kill "$load_pid"
  load_code=0
  wait "$load_pid" || load_code=$?
  load_pid=
  [ "$load_code" = 0 ] || fail "requests failed during the reload"
  good "new workers, no failed request"

  step "8. What the server printed: in $home/logs, or here"
  typed pmx logs server --lines 4 --nostream
}

how_to_go_on() {
  step "The server still runs. Go on playing:"
  say "    export PATH='$prefix/bin':\"\$PATH\" PMX_HOME='$home'"
  say "    pmx list; pmx show server; pmx logs server; pmx scale server +1; pmx stop server; pmx --help"
  say "    $url"
  say "Clean up:         sh packaging/quickstart.sh --clean"
  say "Install for good: sudo cmake --install build/release --prefix /usr/local"
}

on_exit() {
  [ -z "$load_pid" ] || kill "$load_pid" 2>/dev/null || :
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

case "${1:-}" in
  '')
    # The programs of an earlier run are replaced below: end it with the ones it was started with.
    end_earlier_run
    install_and_build
    show_main_job
    how_to_go_on
    ;;
  --clean)
    end_earlier_run
    rm -rf "$prefix"
    say "Clean: nothing of the tour runs, its files are gone. Left: the packages, and build/ (remove it as you like)."
    ;;
  *) fail "usage: sh packaging/quickstart.sh [--clean]" ;;
esac
