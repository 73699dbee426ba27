#!/bin/sh
# The Debian package as people meet it: builds it, installs it in a Debian 12 that is booted in a container, starts apps as
# root, as the system's instance, as a user and as a user that lingers, reboots, upgrades under load, removes and purges.
# Usage (root): sh tests/package-debian.sh DIRECTORY [REBOOTS]
#   DIRECTORY    where the Debian root is made; it must not exist; removed again if all went well
#   REBOOTS      how often the container is rebooted; default 3
# Environment: MIRROR and BASE_ARCHIVE, see tests/support/debian_root.sh
# Skips, and says why, where it cannot run. The steps in the container are those of tests/package/guest.py.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"
. "$root/tests/support/debian_root.sh"

skip() {
  say "skipped: $*"
  exit 0
}

[ $# -ge 1 ] || fail "usage: sh tests/package-debian.sh DIRECTORY [REBOOTS]"
debian=$1
reboots=${2:-3}
[ "$(id -u)" = 0 ] || skip "a container is booted: this needs root"
for tool in systemd-nspawn nsenter dpkg-buildpackage; do
  command -v "$tool" >/dev/null 2>&1 ||
    skip "$tool is missing; try: apt-get install systemd-container util-linux debhelper"
done
[ -f "${BASE_ARCHIVE:-}" ] || command -v debootstrap >/dev/null 2>&1 || skip "debootstrap is missing, and BASE_ARCHIVE names no root"
[ ! -e "$debian" ] || fail "$debian exists already"
mkdir -p "$debian"
packages=$debian.packages
rm -rf "$packages"
mkdir -p "$packages/again" "$packages/next"
box=
leader=

end_container() {
  [ -n "$box" ] || return 0
  # systemd-nspawn does not take the container with it: its process 1 does.
  find_leader 2>/dev/null && kill -KILL "$leader" 2>/dev/null || :
  kill -KILL "$box" 2>/dev/null || :
}
trap end_container EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# build DIRECTORY [VERSION]: leaves the package there.
build() {
  (cd "$1" && shift && sh "$root/packaging/deb.sh" "$@")
}

# The process 1 of the container.
find_leader() {
  leader=$(cat "/proc/$box/task/$box/children")
  leader=${leader%% *}
  [ -n "$leader" ]
}

# In the container, as root.
guest() {
  nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup -- env -i HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

step_in_guest() {
  guest python3 /opt/pmx-tests/package/guest.py "$@" || fail "$1: failed; the root is kept in $debian"
}

is_up() {
  kill -0 "$box" 2>/dev/null || fail "the container has ended; see $debian.console"
  find_leader && guest systemctl is-system-running --wait >/dev/null 2>&1
}

wait_until_up() {
  deadline=$(($(date +%s) + 120))
  until is_up; do
    [ "$(date +%s)" -lt "$deadline" ] ||
      fail "the container is not up within 2 minutes: $(guest systemctl --failed --no-legend 2>&1); see $debian.console"
    sleep 0.3
  done
}

boot() {
  # A host with other cgroups than the container's is fine.
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --boot --directory="$debian" --machine=pmx-package \
    --register=no --keep-unit --private-network --resolv-conf=off --timezone=off --console=read-only \
    </dev/null >"$debian.console" 2>&1 &
  box=$!
  wait_until_up
}

# Ends with 133 when the container wants to be started again.
reboot_guest() {
  guest systemctl reboot || :
  code=0
  wait "$box" || code=$?
  [ "$code" = 133 ] || fail "the container ended with code $code instead of rebooting; see $debian.console"
  boot
}

step "The package, twice, and one of a later version"
build "$packages"
build "$packages/again"
first=$(cd "$packages" && ls pmx_*.deb)
cmp "$packages/$first" "$packages/again/$first" || fail "two builds differ"
good "two builds are the same, byte for byte: $(sha256sum "$packages/$first" | cut -c 1-16)"
version=$(dpkg-deb --field "$packages/$first" Version)
later=${version%.*}.$((${version##*.} + 1))
build "$packages/next" "$later"
if command -v lintian >/dev/null 2>&1; then
  found=$(lintian --allow-root --fail-on error,warning --info "$packages/$first" 2>&1) || fail "lintian: $found"
  [ -z "$found" ] || fail "lintian: $found"
  good "lintian has nothing to say"
else
  say "    lintian is not installed: its opinion is left out"
fi

step "A Debian 12 in $debian"
make_debian_root "$debian"
progress "install what the test needs" chroot "$debian" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
  sh -c 'apt-get update && apt-get install -y --no-install-recommends systemd-sysv dbus libpam-systemd man-db python3'
mkdir -p "$debian/opt/pmx-tests/packages"
cp -R "$root/tests/package" "$root/tests/support" "$root/tests/fixtures" "$debian/opt/pmx-tests/"
cp "$packages/$first" "$packages/next/"pmx_*.deb "$debian/opt/pmx-tests/packages/"
# The container has no network: what the package depends on is fetched before.
progress "fetch what the package needs" chroot "$debian" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
  apt-get install -y --download-only "/opt/pmx-tests/packages/$first"
boot
good "booted"

step "Install, and start apps as root, as the system's instance, as a user and as one that lingers"
step_in_guest install "/opt/pmx-tests/packages/$first"
step_in_guest start
step_in_guest units
step_in_guest system
step_in_guest watchdog

count=1
while [ "$count" -le "$reboots" ]; do
  step "Reboot $count of $reboots"
  reboot_guest
  step_in_guest after-boot
  count=$((count + 1))
done

step "Upgrade to $later under load"
step_in_guest upgrade "/opt/pmx-tests/packages/pmx_${later}_$(dpkg --print-architecture).deb" "$later"
step "Remove, install again, purge"
step_in_guest remove "/opt/pmx-tests/packages/$first"
step_in_guest purge

guest systemctl poweroff || :
wait "$box" || :
box=
rm -rf --one-file-system "$debian" "$packages" "$debian.console"
good "the package works"
