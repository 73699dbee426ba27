#!/bin/sh
# Proves that a fresh Debian 12 with nothing but git gets from a clone to the main job and to passing tests.
# Usage (root): sh tests/fresh-debian.sh DIRECTORY [--uncommitted] [COMMAND]
#   DIRECTORY      where the Debian root is made; it must not exist; removed again if all went well
#   --uncommitted  test the files as they lie here, instead of a clone of HEAD
#   COMMAND        what to run in the checkout; default: quickstart twice, its --clean, then the tests
# Environment: MIRROR        a Debian mirror; default: the one this machine's apt uses
#              BASE_ARCHIVE  a tar file that keeps the bare root for the next time; made if missing
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"

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

# The first Debian archive in apt's configuration, of either format; not the one for security updates.
mirror_of_this_machine() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -n -e 's/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\).*/\2/p' -e 's/^URIs: *\(http[^ ]*\).*/\1/p' |
    grep '/debian/*$' | head -n 1
}

make_root() {
  mkdir -p "$debian"
  if [ -n "${BASE_ARCHIVE:-}" ] && [ -f "$BASE_ARCHIVE" ]; then
    tar -C "$debian" -xf "$BASE_ARCHIVE"
    return
  fi
  mirror=${MIRROR:-$(mirror_of_this_machine)}
  [ -n "$mirror" ] || fail "no Debian mirror found in /etc/apt; name one: MIRROR=http://... sh tests/fresh-debian.sh"
  progress "debootstrap" debootstrap --variant=minbase --include=git,ca-certificates bookworm "$debian" "$mirror"
  [ -z "${BASE_ARCHIVE:-}" ] || tar -C "$debian" -cf "$BASE_ARCHIVE" .
}

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
make_root
cp /etc/resolv.conf "$debian/etc/resolv.conf"
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
