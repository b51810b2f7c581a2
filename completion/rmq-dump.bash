# bash completion for rmq-dump
_rmq_dump() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]}
  local common="--output --json --jobs --max-rate --max-duration --mem --utc --progress --color --help --version --broker-conf
    --commitlog --consumequeue --index --config"
  local topics="--topic --exclude-topic --no-system --no-strict-names"
  local record="--body --decompress --props --hash --join"
  local count="--limit --tail" offsets="--from --to" flags
  case $before in
    -o | --output) COMPREPLY=($(compgen -W "text json" -- "$word")); return ;;
    --progress | --color) COMPREPLY=($(compgen -W "auto always never" -- "$word")); return ;;
    --body) COMPREPLY=($(compgen -W "none text hex base64 file:" -- "$word")); return ;;
    --props) COMPREPLY=($(compgen -W "all user none" -- "$word")); return ;;
    --broker-conf | --out) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --commitlog | --consumequeue | --index | --config) COMPREPLY=($(compgen -d -- "$word")); return ;;
  esac
  case $verb in
    cq) flags="$common $topics --queue --qfrom --qto $offsets $count $record --all" ;;
    index) flags="$common $offsets $count --file --chains" ;;
    key) flags="$common $topics --since --until $record --limit" ;;
    msg) flags="$common $record" ;;
    trace) flags="$common $topics --since --until $offsets --limit" ;;
    state | config | usage) flags="$common" ;;
    snapshot) flags="$common --out" ;;
    *) flags="$common $topics --queue --qfrom --qto --since --until $offsets $count $record --key --msgid --tag --prop
      --body-grep --follow --stats --stats=topic --stats=queue --stats=hour --stats=tag" ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
    [[ $COMP_CWORD -eq 1 ]] && COMPREPLY+=($(compgen -W "log cq index key msg trace state config usage snapshot" -- "$word"))
  fi
}
complete -o filenames -F _rmq_dump rmq-dump
