_kimura() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    case $before in
        -c|--conf) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        -g|--group) mapfile -t COMPREPLY < <(compgen -g -- "$word"); return ;;
        -m|--manager) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        -u|--user) mapfile -t COMPREPLY < <(compgen -u -- "$word"); return ;;
        --set) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --generate) mapfile -t COMPREPLY < <(compgen -W 'man bash zsh fish reference' -- "$word"); return ;;
        --socket) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --control) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --authority) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --certificate) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --last) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --host) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --status) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --client) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --grep) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --for) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --reason) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --weight) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --login) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --token-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        -X|--method) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        -H|--header) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        --from) mapfile -t COMPREPLY < <(compgen -W '' -- "$word"); return ;;
        verbosity) mapfile -t COMPREPLY < <(compgen -W 'error warn info debug trace' -- "$word"); return ;;
        upstream) mapfile -t COMPREPLY < <(compgen -W 'add drain remove' -- "$word"); return ;;
    esac
    case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W '-c --conf -d --daemon -g --group -h --help -m --manager -t --test -u --user -v --version -V --verbose --set --generate --socket --control --authority --certificate --key --json --plan -f --follow --last --host --status --client --grep --for --reason --weight --backup --login --password-file --token-file -X --method -H --header --from' -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -d -W 'status reload rotate-logs verbosity logs bans ban unban upstreams upstream limits limit upgrade drain stop passwd explain' -- "$word") ;;
    esac
}
complete -o filenames -F _kimura kimura
