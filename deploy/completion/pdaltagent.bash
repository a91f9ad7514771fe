# Completion of pdagentd, pd-send and pd-queue for bash.

_pdaltagent_words() { COMPREPLY=($(compgen -W "$*" -- "${COMP_WORDS[COMP_CWORD]}")); }

_pdaltagent_files() {
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}

_pdagentd() {
	local command=${COMP_WORDS[1]}
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--config | --rules | --body) _pdaltagent_files && return ;;
	--state) _pdaltagent_words held queued delivered dead cancelled && return ;;
	esac
	if ((COMP_CWORD == 1)); then
		_pdaltagent_words run check migrate move sandbox mib explain replay queue health import version help --config
		return
	fi
	case $command in
	run | migrate) _pdaltagent_words --config --debug --help ;;
	check) _pdaltagent_words --config --help ;;
	move) _pdaltagent_words --to --config --help ;;
	sandbox) _pdaltagent_words --listen --play --help ;;
	mib)
		case " ${COMP_WORDS[*]} " in
		*" convert "*) _pdaltagent_files ;;
		*) _pdaltagent_words list show rules convert --config --help ;;
		esac
		;;
	explain) _pdaltagent_words --trap-hex --syslog --http --body --header --from --json --config --help ;;
	replay) _pdaltagent_words --since --rules --examples --json --config --help ;;
	queue) _pdaltagent_words list show retry cancel purge --state --route --alert --error --older --newer --limit \
		--all --dry-run --yes --why --json --config --help ;;
	import)
		case " ${COMP_WORDS[*]} " in
		*" pdagent "*) [[ ${COMP_WORDS[COMP_CWORD]} == -* ]] && _pdaltagent_words --dry-run --dead --help || _pdaltagent_files ;;
		*) _pdaltagent_words pdagent --dry-run --dead --help ;;
		esac
		;;
	health) _pdaltagent_words --config --help ;;
	version) _pdaltagent_words --json --help ;;
	help) _pdaltagent_words run check migrate move sandbox mib explain replay queue health import version ;;
	esac
}

_pd_send() {
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-t | --event-type) _pdaltagent_words trigger acknowledge resolve ;;
	-s | --severity) _pdaltagent_words critical error warning info ;;
	*) _pdaltagent_words --service-key --routing-key --event-type --description --incident-key --severity --source \
		--component --group --class --client --client-url --field --quiet --help ;;
	esac
}

_pd_queue() {
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--config) _pdaltagent_files ;;
	*) _pdaltagent_words status retry --service-key --routing-key --all-keys --config --help ;;
	esac
}

complete -F _pdagentd pdagentd
complete -F _pd_send pd-send
complete -F _pd_queue pd-queue
