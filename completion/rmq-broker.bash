# bash completion for rmq-broker
_rmq_broker() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  case $before in
    -c | --configFile | --log) COMPREPLY=($(compgen -f -- "$word")); return ;;
    -n | --namesrvAddr) return ;;
  esac
  COMPREPLY=($(compgen -W "--configFile --namesrvAddr --printConfigItem --printImportantConfig --log --help --version" -- "$word"))
}
complete -o filenames -F _rmq_broker rmq-broker
