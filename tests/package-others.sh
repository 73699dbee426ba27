#!/bin/sh
# The RPM package and the tarball: each built twice with the same bytes; the one installed into an empty root, the other unpacked
# somewhere and used. For the Debian package see package-debian.sh.
# Usage (root): sh tests/package-others.sh DIRECTORY
#   DIRECTORY  where all is done; it must not exist; removed again if all went well
# Skips, and says why, where it cannot run.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"
. "$root/packaging/version.sh"
version=$(version_of "$root")
[ $# = 1 ] || fail "usage: sh tests/package-others.sh DIRECTORY"
[ ! -e "$1" ] || fail "$1 exists already"
mkdir -p "$1/again"
work=$(CDPATH='' cd -- "$1" && pwd)

# What every installation has; `man pmx` may be compressed.
expect_files() {
  for path in bin/pmx lib/pmx/pmx lib/pmx/pmxd lib/pmx/pmx-keeper lib/pmx/libpmx-listen.so lib/pmx/for-each-daemon \
    lib/systemd/system/pmx.service lib/systemd/system/pmx@.service lib/sysusers.d/pmx.conf lib/tmpfiles.d/pmx.conf \
    share/nodejs/pmx/package.json share/nodejs/pmx/index.js share/nodejs/pmx/index.mjs share/nodejs/pmx/index.d.ts \
    share/doc/pmx/README.md share/doc/pmx/examples/apps.json; do
    [ -e "$1/$path" ] || fail "$1/$path is missing"
  done
  [ -n "$(find "$1/share/man" -name 'pmx.1*')" ] || fail "$1 has no manual page"
  [ "$("$1/bin/pmx" --version)" = "$version" ] || fail "$1/bin/pmx is not $version"
}

build_twice() {
  (cd "$work" && sh "$root/packaging/$1.sh")
  (cd "$work/again" && sh "$root/packaging/$1.sh")
  for file in "$work"/*."$2"; do
    cmp "$file" "$work/again/${file##*/}" || fail "two builds differ"
    good "two builds are the same, byte for byte: $(sha256sum "$file" | cut -c 1-16) ${file##*/}"
  done
}

step "The tarball"
build_twice tarball tar.gz
mkdir -p "$work/some where/else"
tar -C "$work/some where/else" -xzf "$work"/pmx-*.tar.gz
tree=$(echo "$work/some where/else"/pmx-*)
expect_files "$tree"
export PMX_HOME="$work/home"
"$tree/bin/pmx" start "sleep 1000" --name moved >/dev/null
"$tree/bin/pmx" jlist | grep -q '"status":"online"' || fail "no app runs from $tree"
[ -n "$("$tree/lib/pmx/for-each-daemon" ping)" ] || fail "for-each-daemon does not find the daemon of its own tree"
if command -v node >/dev/null 2>&1; then
  node -e "require('$tree/share/nodejs/pmx').list().then((apps) => process.exit(apps[0].name === 'moved' ? 0 : 1))" ||
    fail "the Node module of $tree does not see the app"
fi
"$tree/bin/pmx" kill >/dev/null
good "unpacked in \"$tree\": starts an app"

step "The RPM package"
if ! command -v rpmbuild >/dev/null 2>&1; then
  say "skipped: rpmbuild is missing; try: apt-get install rpm"
else
  build_twice rpm rpm
  empty=$work/root
  mkdir -p "$empty"
  rpm --root "$empty" --initdb
  # An empty root has neither a shell for the scripts nor what they call.
  rpm --root "$empty" -i --nodeps --noscripts "$work"/pmx-*.rpm
  expect_files "$empty/usr"
  rpm --root "$empty" -ql pmx | sort >"$work/listed"
  (cd "$empty" && find usr \( ! -type d -o -path '*/pmx*' \) ! -path 'usr/lib/sysimage/*' | sed 's|^|/|') | sort >"$work/found"
  diff "$work/listed" "$work/found" || fail "what is installed is not what the package lists"
  rpm --root "$empty" -V --nodeps --noscripts pmx || fail "what is installed differs from the package"
  rpm --root "$empty" -e --nodeps --noscripts pmx
  left=$(find "$empty/usr" -name '*pmx*' 2>/dev/null || :)
  [ -z "$left" ] || fail "left behind: $left"
  good "installed into an empty root: $(wc -l <"$work/listed") files as listed; removed: nothing left"
fi

rm -rf "$work"
good "the packages work"
