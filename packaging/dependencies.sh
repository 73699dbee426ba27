#!/bin/sh
# The one list of what pmx needs from Debian or Ubuntu, and the way to install what is missing of it.
# Usage: sh packaging/dependencies.sh [--list] quickstart|tests|deb
# PMX_SKIP_PACKAGES=1: touch nothing; the tools are there already (other systems, containers without apt).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/say.sh"

# Compiler, build tools, and what CMakeLists.txt looks for (doctest and python3: the tests).
build_packages="g++ cmake ninja-build libasio-dev libcli11-dev libcpp-httplib-dev nlohmann-json3-dev libfmt-dev libsqlitecpp-dev
  libsqlite3-dev libyaml-cpp-dev libtomlplusplus-dev libncurses-dev zlib1g-dev doctest-dev python3"
# What the integration tests call: a load generator, certificates and the means to fetch other versions of Node, another language,
# terminals and shells for completions, readers of the manual.
test_packages="wrk openssl ca-certificates ruby tmux zsh fish man-db mandoc"

# What packaging/deb.sh calls.
deb_packages="debhelper dpkg-dev"

list_only=false
if [ "${1:-}" = --list ]; then
  list_only=true
  shift
fi
case "${1:-}" in
  quickstart) packages=$build_packages ;;
  tests) packages="$build_packages $test_packages" ;;
  deb) packages="$build_packages $deb_packages" ;;
  *) fail "usage: sh packaging/dependencies.sh [--list] quickstart|tests|deb" ;;
esac
# The example is a Node program. Debian 12 has Node 18; whichever `node` is already on PATH is as good.
[ "$1" = deb ] || command -v node >/dev/null 2>&1 || packages="$packages nodejs"
# shellcheck disable=SC2086,SC2116  # on one line
packages=$(echo $packages)

if $list_only; then
  echo "$packages"
  exit 0
fi
[ -z "${PMX_SKIP_PACKAGES:-}" ] || exit 0

family=unknown
if [ -r /etc/os-release ]; then
  family=$(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")
fi
case " $family " in
  *" debian "* | *" ubuntu "*) ;;
  *)
    say "This is neither Debian nor Ubuntu, so nothing is installed here. pmx needs these (names of Debian 12):"
    say "  $packages"
    fail "install them, then run this again with PMX_SKIP_PACKAGES=1"
    ;;
esac

is_installed() {
  dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}
missing=
for package in $packages; do
  is_installed "$package" || missing="$missing $package"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 ||
    fail "packages are missing and there is no sudo here; as root, run: apt-get update && apt-get install $missing"
  as_root=sudo
  sudo -v || fail "no right to install; ask your administrator for: apt-get install $missing"
fi
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0 "$@"
}

# The package lists are fetched only when apt does not know the packages, or knows versions that are gone.
say "Installing with apt-get: $missing"
# shellcheck disable=SC2086  # a list of words
{
  if apt install --simulate --no-install-recommends $missing >/dev/null 2>&1 &&
    progress "install packages" apt install --no-install-recommends $missing; then
    exit 0
  fi
  say "Fetching the package lists first."
  progress "fetch package lists" apt update || fail "apt-get update failed; is there a network? Try: ${as_root:+sudo }apt-get update"
  progress "install packages" apt install --no-install-recommends $missing ||
    fail "could not install; try by hand: ${as_root:+sudo }apt-get install --no-install-recommends $missing"
}
