# Completion of pd-queue for fish.
complete -c pd-queue -f
complete -c pd-queue -n "not __fish_seen_subcommand_from status retry" -a "status retry"
complete -c pd-queue -s k -l service-key -x -d "only of it"
complete -c pd-queue -l routing-key -x -d "the same"
complete -c pd-queue -s a -l all-keys -d "of all"
complete -c pd-queue -l config -r -F -d "the configuration"
complete -c pd-queue -s h -l help -d "say more"
