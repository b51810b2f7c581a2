# bash completion for rmq-namesrv
_rmq_namesrv() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  case $before in
    -c | --configFile | --log) COMPREPLY=($(compgen -f -- "$word")); return ;;
    -n | --namesrvAddr) return ;;
  esac
  COMPREPLY=($(compgen -W "--configFile --printConfigItem --namesrvAddr --log --help --version" -- "$word"))
}
complete -o filenames -F _rmq_namesrv rmq-namesrv
