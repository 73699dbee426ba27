#!/bin/sh
# Builds the RPM package and leaves pmx-VERSION-1.ARCH.rpm in the directory it is called from. Works on Fedora and its like, and on
# Debian with the package `rpm`.
# Usage: sh packaging/rpm.sh
# PMX_COMPILER_LAUNCHER: before the compiler; default: ccache, if it is there.
# The same sources give the same bytes.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"
. "$root/packaging/version.sh"
here=$PWD
top=$root/build/rpm

command -v rpmbuild >/dev/null 2>&1 || fail "rpmbuild is missing; try: dnf install rpm-build, or apt-get install rpm"
set_source_date
version=$(version_of "$root")
rm -rf "$top"
copy_sources "$top/BUILD/pmx-$version"
if [ -z "${PMX_COMPILER_LAUNCHER:-}" ] && command -v ccache >/dev/null 2>&1; then
  PMX_COMPILER_LAUNCHER=ccache
fi
export PMX_COMPILER_LAUNCHER
# What is needed is looked for by CMake, by name: on Debian the database of RPM knows nothing.
LC_ALL=C.UTF-8 progress "build the package" rpmbuild -bb --nodeps --define "_topdir $top" --define "pmx_version $version" \
  "$root/packaging/rpm/pmx.spec" || fail "no package was built; see above"
package=$(find "$top/RPMS" -name 'pmx-*.rpm')
cp "$package" "$here/"
say "$here/${package##*/}"
