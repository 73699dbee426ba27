# fish completion of pmx. The program itself knows what may stand where; it never starts a daemon for it.

function __pmx_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    set -l answer (command pmx __complete words $words "$current" 2>/dev/null)
    set -l beside $answer[1]
    set -e answer[1]
    printf '%s\n' $answer
    set -l option (string match -r -- '^--[^=]*=' $current)
    set -l value (string replace -r -- '^--[^=]*=' '' $current)
    switch "$beside"
        case files
            printf "$option%s\n" (__fish_complete_path "$value")
        case directories
            printf "$option%s\n" (__fish_complete_directories "$value")
        case users
            printf "$option%s\n" (__fish_complete_users)
        case groups
            printf "$option%s\n" (__fish_complete_groups)
    end
end

complete -c pmx -f -k -a '(__pmx_complete)'
