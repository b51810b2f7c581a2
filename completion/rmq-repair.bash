# bash completion for rmq-repair
_rmq_repair() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  case $before in
    -o | --output) COMPREPLY=($(compgen -W "text json" -- "$word")); return ;;
    --progress | --color) COMPREPLY=($(compgen -W "auto always never" -- "$word")); return ;;
    --undo | --out | --from | --commitlog | --consumequeue | --index | --config) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --plan | --broker-conf) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  if ((COMP_CWORD == 1)) && [[ $word != -* && $word != */* ]]; then
    COMPREPLY=($(compgen -W "apply undo cut heal carve --help --version" -- "$word") $(compgen -d -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "--plan --yes --undo --preen --out --to-offset --to-time --from --log --file-size --output --json --jobs --mem --max-rate
      --utc --progress --color --help --version --broker-conf --commitlog --consumequeue --index --config" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _rmq_repair rmq-repair
