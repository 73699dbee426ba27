#!/bin/sh
# Builds the Debian package and leaves pmx_VERSION_ARCH.deb in the directory it is called from.
# Usage: sh packaging/deb.sh [VERSION]
#   VERSION  another one than that of CMakeLists.txt; the tests upgrade to it
# The same sources give the same bytes: paths, times and order of files in the package do not depend on where and when.
# PMX_SKIP_PACKAGES=1: install nothing that is needed to build, it is there already.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/packaging/say.sh"
. "$root/packaging/version.sh"
here=$PWD
source=$root/build/deb/source

set_version() {
  sed -i "s/^project(pmx VERSION [^ ]* /project(pmx VERSION $1 /" "$source/CMakeLists.txt"
  {
    printf 'pmx (%s) unstable; urgency=medium\n\n  * Test build.\n\n' "$1"
    grep -m 1 '^ -- ' "$source/debian/changelog"
    echo
    cat "$source/debian/changelog"
  } >"$source/debian/changelog.new"
  mv "$source/debian/changelog.new" "$source/debian/changelog"
}

sh "$root/packaging/dependencies.sh" deb
set_source_date
rm -rf "$root/build/deb"
copy_sources "$source"
# Debian wants the directory `debian` at the top of a tree of its own.
mv "$source/packaging/debian" "$source/debian"
version=$(version_of "$source")
packaged=$(dpkg-parsechangelog -l "$source/debian/changelog" -S Version)
[ "$version" = "$packaged" ] ||
  fail "CMakeLists.txt has version $version, packaging/debian/changelog $packaged: give both the same"
if [ $# -gt 0 ]; then
  version=$1
  set_version "$version"
fi

# debhelper gives the build another HOME: ccache would start with nothing.
if [ -z "${PMX_COMPILER_LAUNCHER:-}" ] && command -v ccache >/dev/null 2>&1; then
  CCACHE_DIR=$(ccache --get-config cache_dir)
  PMX_COMPILER_LAUNCHER=ccache
  export CCACHE_DIR
fi
export PMX_COMPILER_LAUNCHER
cd "$source"
DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" LC_ALL=C.UTF-8 \
  progress "build the package" dpkg-buildpackage --build=binary --no-sign ||
  fail "no package was built; see above"

package=pmx_${version}_$(dpkg --print-architecture).deb
cp "$root/build/deb/$package" "$here/"
say "$here/$package"
