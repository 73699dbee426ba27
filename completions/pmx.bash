# bash completion of pmx. The program itself knows what may stand where; it never starts a daemon for it.

_pmx() {
  local answer=() path
  mapfile -t answer < <(command pmx __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
  COMPREPLY=("${answer[@]:1}")
  compopt -o nosort
  case ${answer[0]:-nothing}:${#COMPREPLY[@]} in
    files:0) compopt -o default ;;
    directories:0) compopt -o dirnames ;;
    users:0) mapfile -t COMPREPLY < <(compgen -u -- "$2") ;;
    groups:0) mapfile -t COMPREPLY < <(compgen -g -- "$2") ;;
    files:*)
      while IFS= read -r path; do
        if [[ -d $path ]]; then
          path+=/
          compopt -o nospace
        fi
        printf -v path %q "$path"
        COMPREPLY+=("$path")
      done < <(compgen -f -- "$2")
      ;;
  esac
}

complete -F _pmx pmx
