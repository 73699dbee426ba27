#!/bin/sh
# Stops every daemon of this installation with its apps, in order: for packages that are about to be removed. What ran comes back when
# pmx is installed again and started.
set -eu
directory=$(dirname "$(readlink -f "$0")")
if [ -d /run/systemd/system ]; then
  systemctl stop pmx.service 'pmx@*.service' 'pmx-*.service' || :
fi
# A unit of a user's own systemd would start its daemon again.
for runtime in /run/user/*; do
  [ -S "$runtime/systemd/private" ] || continue
  setpriv --reuid "$(stat -c %u "$runtime")" --regid "$(stat -c %g "$runtime")" --clear-groups \
    env -i PATH=/usr/bin:/bin XDG_RUNTIME_DIR="$runtime" systemctl --user stop 'pmx*.service' </dev/null || :
done
exec "$directory/for-each-daemon" unit stop
