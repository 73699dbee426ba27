#!/bin/sh
# Builds pmx-VERSION-linux-MACHINE.tar.gz and leaves it in the directory it is called from: a tree that runs wherever it is unpacked
# (bin/pmx), on any Linux of the same machine and C library or newer.
# Usage: sh packaging/tarball.sh
# PMX_COMPILER_LAUNCHER: before the compiler; default: ccache, if it is there.
# The same sources give the same bytes.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"
. "$root/packaging/version.sh"
here=$PWD
set_source_date
name=pmx-$(version_of "$root")-linux-$(uname -m)
build=$root/build/package

launcher=${PMX_COMPILER_LAUNCHER:-}
[ -n "$launcher" ] || ! command -v ccache >/dev/null 2>&1 || launcher=ccache
rm -rf "$build"
# shellcheck disable=SC2086  # one option or none
progress "configure" cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_COMPILE_WARNING_AS_ERROR=ON \
  -DPMX_BUILD_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER=$launcher} || fail "see above"
progress "build" cmake --build "$build" || fail "see above"
rm -rf "$root/build/tarball"
progress "install" cmake --install "$build" --prefix "$root/build/tarball/$name" --strip || fail "see above"
tar -C "$root/build/tarball" --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rwX --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" |
  gzip -9n >"$here/$name.tar.gz"
say "$here/$name.tar.gz"
