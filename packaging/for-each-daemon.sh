#!/bin/sh
# Calls `pmx ARGUMENTS...` for every running daemon of this installation, as its owner. For the packages' maintainer scripts.
# Exit code 1 if one of the calls failed; the others were made all the same.
set -eu
directory=$(dirname "$(readlink -f "$0")")
code=0
for process in /proc/[0-9]*; do
  # After an upgrade the keeper runs on from a file that is not there any more.
  program=$(readlink "$process/exe") || continue
  [ "${program% (deleted)}" = "$directory/pmx-keeper" ] || continue
  # One in a container, as seen from its host, has another installation.
  [ "$(stat -Lc %d:%i "$process/root")" = "$(stat -Lc %d:%i /)" ] || continue
  home=$(tr '\0' '\n' <"$process/cmdline" | sed -n '/^--home$/{n;p;q}')
  user=$(stat -c %u "$process")
  group=$(stat -c %g "$process")
  # The whole environment is given: that of a maintainer script is nothing to an app.
  setpriv --reuid "$user" --regid "$group" --clear-groups \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 PMX_HOME="$home" \
    "$directory/pmx" "$@" </dev/null || {
    echo "pmx: \`pmx $*\` failed for $home (user id $user)" >&2
    code=1
  }
done
exit "$code"
