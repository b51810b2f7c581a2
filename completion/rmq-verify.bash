# bash completion for rmq-verify
_rmq_verify_codes() { rmq-verify --explain list 2>/dev/null | cut -d ' ' -f 1; }
_rmq_verify() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  case $before in
    -o | --output) COMPREPLY=($(compgen -W "text json" -- "$word")); return ;;
    --progress | --color) COMPREPLY=($(compgen -W "auto always never" -- "$word")); return ;;
    --level) COMPREPLY=($(compgen -W "quick normal deep paranoid" -- "$word")); return ;;
    --version-as) COMPREPLY=($(compgen -W "4.9 5.3 libstore" -- "$word")); return ;;
    --explain) COMPREPLY=($(compgen -W "list all $(_rmq_verify_codes)" -- "$word")); return ;;
    --only | --skip) COMPREPLY=($(compgen -W "$(_rmq_verify_codes)" -- "$word")); return ;;
    --compare | --commitlog | --consumequeue | --index | --config) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --broker-conf) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "--level --only --skip --live --compare --preflight --report --version-as --explain --output --json --jobs --max-rate --max-duration
      --mem --utc --progress --color --help --version --broker-conf --commitlog --consumequeue --index --config" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _rmq_verify rmq-verify
