# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# shellcheck shell=bash
#
# Completion of csd in bash: commands and options, and file names where a value is due. It asks nothing of a drive.

# What may follow on each command; src/python/tests/test_tool_words.py compares it with what csd understands.
# bash-completion reads this file inside a function, so -g.
declare -gA _csd_words=(
	['csd']='list load activate deactivate unload scan exec stats trace slm ranges --device --traddr --trsvcid --subnqn
		--hostnqn --config --compute --memory --data-nsid --timeout'
	['csd list']=''
	['csd load']='--slot --type --pid --activate --replace'
	['csd activate']='--slot'
	['csd deactivate']='--slot'
	['csd unload']='--slot'
	['csd scan']='--slot --where --record --size --start --length --lba --blocks --cparam1 --data --memory-at --output --show'
	['csd exec']='--slot --start --length --lba --blocks --cparam1 --data --memory-at --output --show --cparam2 --room'
	['csd stats']=''
	['csd trace']='--slot --rpc-socket --name --follow --clear'
	['csd slm']='read write fill copy'
	['csd slm read']='--start --length --output'
	['csd slm write']='--start'
	['csd slm fill']='--start --length'
	['csd slm copy']='--to --lba --from --blocks --length'
	['csd ranges']='list create delete'
	['csd ranges list']=''
	['csd ranges create']=''
	['csd ranges delete']=''
)

# Bash gives the command's name, the word under the cursor, and the word before it.
_csd() {
	local at=csd word
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ -z ${_csd_words[$at $word]+known} ]] || at+=" $word"
	done
	case $3 in
	--activate | --clear | --follow | --json | --replace) ;;
	-* | =) return ;; # its value
	esac
	[[ $at != 'csd load' || $2 == -* ]] || return 0 # its file
	mapfile -t COMPREPLY < <(compgen -W "${_csd_words[$at]} --json --help" -- "$2")
}

# Without a word that fits, bash completes file names. The command may have another name: that of this file's link.
complete -o default -F _csd csd "${BASH_SOURCE[0]##*/}"
