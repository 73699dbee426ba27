#!/bin/sh
# Stops every daemon of this installation with its apps, in order: for packages that are about to be removed. What ran comes back when
# pmx is installed again and started.
set -eu
directory=$(dirname "$(readlink -f "$0")")

# units_in DIRECTORY: those that `pmx startup` of this installation has written there.
units_in() {
  grep -lsF "ExecStart=\"$directory/pmx\" unit run" "$1"/*.service | sed 's|.*/||'
}

if [ -d /run/systemd/system ]; then
  # shellcheck disable=SC2046  # names without blanks
  systemctl stop pmx.service 'pmx@*.service' $(units_in /etc/systemd/system) || :
fi
# A unit of a user's own systemd would start its daemon again.
for runtime in /run/user/*; do
  [ -S "$runtime/systemd/private" ] || continue
  user=$(stat -c %u "$runtime")
  home=$(getent passwd "$user" | cut -d : -f 6)
  units=$(units_in "$home/.config/systemd/user")
  [ -n "$units" ] || continue
  # shellcheck disable=SC2086
  setpriv --reuid "$user" --regid "$(stat -c %g "$runtime")" --clear-groups \
    env -i PATH=/usr/bin:/bin XDG_RUNTIME_DIR="$runtime" systemctl --user stop $units </dev/null || :
done
exec "$directory/for-each-daemon" unit stop
