# bash completion for rmq-reindex
_rmq_reindex() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  case $before in
    -o | --output) COMPREPLY=($(compgen -W "text json" -- "$word")); return ;;
    --progress | --color) COMPREPLY=($(compgen -W "auto always never" -- "$word")); return ;;
    --commitlog | --consumequeue | --config | --out) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --broker-conf) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "--cq --index --all --topic --exclude-topic --queue --no-strict-names --verify-only --fill-only --out
      --output --json --jobs --max-rate --mem --utc --progress --color --broker-conf --commitlog --consumequeue --config --help
      --version" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _rmq_reindex rmq-reindex
