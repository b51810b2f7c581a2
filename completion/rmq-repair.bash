# bash completion for rmq-store
_rmq_store() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  case $before in
    -o | --output) COMPREPLY=($(compgen -W "text json" -- "$word")); return ;;
    --check) COMPREPLY=($(compgen -W "full tail" -- "$word")); return ;;
    --flush) COMPREPLY=($(compgen -W "sync async" -- "$word")); return ;;
    --commitlog | --consumequeue | --index | --config) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --broker-conf) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "open put get query --help --version" -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "--check --flush --topic --queue --from --count --key --output --json --jobs --help --version
      --broker-conf --commitlog --consumequeue --index --config" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _rmq_store rmq-store
