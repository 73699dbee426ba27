# Sourced: a bare Debian 12 to test in. Needs packaging/say.sh. POSIX sh.
# Environment: MIRROR        a Debian mirror; default: the one this machine's apt uses
#              BASE_ARCHIVE  a tar file that keeps the bare root for the next time; made if missing
# shellcheck shell=sh

# The first Debian archive in apt's configuration, of either format; not the one for security updates.
mirror_of_this_machine() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -n -e 's/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\).*/\2/p' -e 's/^URIs: *\(http[^ ]*\).*/\1/p' |
    grep '/debian/*$' | head -n 1
}

# make_debian_root DIRECTORY: with git and nothing else.
make_debian_root() {
  mkdir -p "$1"
  if [ -n "${BASE_ARCHIVE:-}" ] && [ -f "$BASE_ARCHIVE" ]; then
    tar -C "$1" -xf "$BASE_ARCHIVE"
  else
    mirror=${MIRROR:-$(mirror_of_this_machine)}
    [ -n "$mirror" ] || fail "no Debian mirror found in /etc/apt; name one: MIRROR=http://... sh $0"
    progress "debootstrap" debootstrap --variant=minbase --include=git,ca-certificates bookworm "$1" "$mirror"
    [ -z "${BASE_ARCHIVE:-}" ] || tar -C "$1" -cf "$BASE_ARCHIVE" .
  fi
  cp /etc/resolv.conf "$1/etc/resolv.conf"
}
