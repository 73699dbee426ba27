# Sourced by the set-up scripts: how they talk to a person. POSIX sh.
# Colours only on a terminal and without NO_COLOR (https://no-color.org).
# shellcheck shell=sh

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$(printf '\033[1m') green=$(printf '\033[32m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
else
  bold='' green='' red='' plain=''
fi

say() {
  printf '%s\n' "$*"
}

# A step of the tour: what comes now, in one line.
step() {
  printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"
}

good() {
  printf '%s    ok: %s%s\n' "$green" "$*" "$plain"
}

fail() {
  printf '%serror: %s%s\n' "$red" "$*" "$plain" >&2
  exit 1
}

# progress WHAT COMMAND...: runs a long command, showing its last line in place on a terminal and a line every 15 s
# elsewhere. If it fails: the end of its output, and its exit code.
progress() {
  progress_what=$1
  shift
  progress_log=$(mktemp "${TMPDIR:-/tmp}/pmx-progress.XXXXXX")
  progress_start=$(date +%s)
  # The command stays in the foreground, so that Ctrl-C reaches it; its exit code goes through a file.
  {
    progress_code=0
    "$@" 2>&1 </dev/null || progress_code=$?
    echo "$progress_code" >"$progress_log.code"
  } | progress_show
  progress_code=$(cat "$progress_log.code" 2>/dev/null || echo 1)
  progress_seconds=$(($(date +%s) - progress_start))
  if [ "$progress_code" = 0 ]; then
    good "$progress_what (${progress_seconds} s)"
  else
    tail -n 40 "$progress_log" >&2
    printf '%s    %s: failed with exit code %s%s\n' "$red" "$progress_what" "$progress_code" "$plain" >&2
  fi
  rm -f "$progress_log" "$progress_log.code"
  return "$progress_code"
}

progress_show() {
  shown_at=$progress_start
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$progress_log"
    if [ -t 1 ]; then
      printf '\r\033[K    %.74s' "$line"
    else
      now=$(date +%s)
      if [ $((now - shown_at)) -ge 15 ]; then
        printf '    %.110s\n' "$line"
        shown_at=$now
      fi
    fi
  done
  if [ -t 1 ]; then
    printf '\r\033[K'
  fi
}
