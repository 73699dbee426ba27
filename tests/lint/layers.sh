#!/bin/sh
# Who may include whom: the arrows of ARCHITECTURE.md, checked on every #include. Exit code 1 names each wrong line.
# Usage: sh tests/lint/layers.sh [ROOT]
set -eu
cd "${1:-$(dirname -- "$0")/../..}"
wrong=$(mktemp "${TMPDIR:-/tmp}/pmx-lint.XXXXXX")
trap 'rm -f "$wrong"' EXIT

# Lines "file:line:#include ..." of a directory; missing directories have none.
includes() {
  [ ! -d "$1" ] || grep -rnE --include='*.h' --include='*.cpp' '^[[:space:]]*#[[:space:]]*include' "$1" || :
}

# may DIRECTORY PREFIX...: of our own headers only those under the prefixes (and its own) are allowed.
may() {
  directory=$1
  shift
  allowed=$directory/
  for prefix in "$@"; do
    allowed="$allowed|$prefix/"
  done
  # A name without a slash lies beside the file; generated/ is build_info.h.
  includes "$directory" | grep -E '"(common|daemon|cli|serve|tests)/|\.\./' | grep -vE "\"($allowed)" |
    sed "s|\$|    <- $directory may only include: $directory $*|" >>"$wrong" || :
}

# never DIRECTORY WHAT REGEX: no such header from outside.
never() {
  includes "$1" | grep -E "[\"<]$3" | sed "s|\$|    <- $1 never includes $2|" >>"$wrong" || :
}

may common/base
may common/model common/base
may common/sys common/base common/model
may common/protocol common/base common/model
may common/config common/base common/model common/sys
may daemon/keeper common/base common/sys
may daemon/policy common/base common/model
may daemon/ports common/base common/model
may daemon/runtime common/base common/model daemon/policy daemon/ports
# The store keeps specs as the JSON of the protocol: one way to write an AppSpec down.
may daemon/os common/base common/model common/protocol common/sys daemon/ports daemon/keeper
may daemon/cluster common/base common/model common/sys daemon/ports daemon/shim
# The control server opens its own socket.
may daemon/control common/base common/model common/protocol common/sys daemon/policy daemon/ports daemon/runtime
may cli common
may serve common/base

never common/model JSON 'nlohmann/'
never common/base JSON 'nlohmann/'
never common/sys JSON 'nlohmann/'
never daemon/keeper 'Asio or JSON' '(asio|nlohmann/)'
never daemon/policy 'Asio, JSON or system calls' '(asio|nlohmann/|sys/|unistd\.h|fcntl\.h|signal\.h|poll\.h|spawn\.h)'
never daemon/ports JSON 'nlohmann/'
never daemon/runtime JSON 'nlohmann/'
never daemon/control/commands JSON 'nlohmann/'

# The experimental parts of Asio come through one door.
for directory in common daemon cli; do
  [ ! -d "$directory" ] ||
    grep -rnE --include='*.h' --include='*.cpp' 'asio/experimental|asio::experimental' "$directory" |
    grep -v '^daemon/runtime/async\.h:' |
    sed 's|$|    <- asio::experimental only in daemon/runtime/async.h|' >>"$wrong" || :
done

# One program has a screen; what is on it is made without a terminal.
includes cli | grep -E '<(curses|term)\.h>' | grep -v '^cli/monit/terminal' |
  sed 's|$|    <- ncurses only in cli/monit/terminal*|' >>"$wrong" || :

if [ -s "$wrong" ]; then
  cat "$wrong"
  echo "$(wc -l <"$wrong") wrong includes; see 'Layers' in ARCHITECTURE.md"
  exit 1
fi
echo "layers: every include follows the arrows"
