# Sourced by the scripts that make packages: which version, and of when. Needs $root. POSIX sh.
# shellcheck shell=sh

# version_of DIRECTORY: of the sources there.
version_of() {
  sed -n 's/^project(pmx VERSION \([^ ]*\) .*/\1/p' "$1/CMakeLists.txt"
}

# Files in packages have the time of the version, not of the build: the same sources give the same bytes.
set_source_date() {
  SOURCE_DATE_EPOCH=$(date -d "$(sed -n 's/^ -- .*>  //p' "$root/packaging/debian/changelog" | head -n 1)" +%s)
  export SOURCE_DATE_EPOCH
}

# copy_sources DIRECTORY: what is built from, without what was built.
copy_sources() {
  rm -rf "$1"
  mkdir -p "$1"
  tar -C "$root" --exclude=./build --exclude=./.git --mtime="@$SOURCE_DATE_EPOCH" -cf - . | tar -C "$1" -xf -
}
