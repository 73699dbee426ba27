#!/bin/sh
# Proves that a fresh Debian 12 with nothing but git gets from a clone to the main job and to passing tests.
# Usage (root): sh tests/fresh-debian.sh DIRECTORY [--uncommitted] [COMMAND]
#   DIRECTORY      where the Debian root is made; it must not exist; removed again if all went well
#   --uncommitted  test the files as they lie here, instead of a clone of HEAD
#   COMMAND        what to run in the checkout; default: quickstart twice, its --clean, then the tests
# Environment: MIRROR and BASE_ARCHIVE, see tests/support/debian_root.sh
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"
. "$root/tests/support/debian_root.sh"

[ $# -ge 1 ] || fail "usage: sh tests/fresh-debian.sh DIRECTORY [--uncommitted] [COMMAND]"
[ "$(id -u)" = 0 ] || fail "a chroot is made: run this as root"
debian=$1
shift
uncommitted=false
if [ "${1:-}" = --uncommitted ]; then
  uncommitted=true
  shift
fi
command=${1:-'sh packaging/quickstart.sh && sh packaging/quickstart.sh && sh packaging/quickstart.sh --clean &&
  sh tests/run.sh'}
[ ! -e "$debian" ] || fail "$debian exists already"
for tool in debootstrap unshare git tar; do
  command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing; try: apt-get install debootstrap util-linux git tar"
done

copy_checkout() {
  if $uncommitted; then
    mkdir "$debian/root/pmx"
    git -C "$root" ls-files -z --cached --others --exclude-standard |
      tar -C "$root" --null --files-from=- --ignore-failed-read -cf - | tar -C "$debian/root/pmx" -xf -
  else
    git clone --quiet --no-hardlinks "$root" "$debian/root/pmx"
  fi
}

step "A Debian 12 with nothing but git in $debian"
make_debian_root "$debian"
copy_checkout

step "In it: $command"
# A mount and a process namespace of its own: at the end nothing stays mounted and nothing goes on running. Devices of its
# own too: root in there cannot harm those of this machine. Only the environment of a login, not that of this machine.
code=0
# shellcheck disable=SC2016  # expanded inside
unshare --mount --pid --fork --kill-child -- sh -c '
  set -eu
  mount -t proc proc "$1/proc"
  mount --rbind /sys "$1/sys"
  mount -t tmpfs -o mode=755 tmpfs "$1/dev"
  for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    set -- "$1" "$2" $device
    mknod -m 666 "$1/dev/$3" c "$4" "$5"
  done
  ln -s /proc/self/fd "$1/dev/fd"
  ln -s fd/0 "$1/dev/stdin"
  ln -s fd/1 "$1/dev/stdout"
  ln -s fd/2 "$1/dev/stderr"
  mkdir "$1/dev/pts" "$1/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$1/dev/pts"
  ln -s pts/ptmx "$1/dev/ptmx"
  mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
  exec chroot "$1" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 sh -c "cd /root/pmx && $2"
' sh "$debian" "$command" || code=$?
if [ "$code" != 0 ]; then
  fail "failed with exit code $code; look around with: chroot $debian"
fi
# Belt and braces: never descend into a file system that is not this root.
rm -rf --one-file-system "$debian"
good "works on a fresh Debian 12"
