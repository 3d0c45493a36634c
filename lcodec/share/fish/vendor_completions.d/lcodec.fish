# fish completion for lcodec (found in vendor_completions.d; or: lcodec completion fish | source)

function __lcodec_complete
    set -l word (commandline --current-token)
    # Of --option=part, answers are to the part, and fish wants whole words.
    set -l option (string match --regex -- "^--[^=]+=" $word)
    set -l current (string replace --regex -- "^--[^=]+=" "" $word)
    for line in (env _LCODEC_COMPLETE=fish_complete COMP_WORDS=(commandline --current-process --cut-at-cursor) COMP_CWORD=$word lcodec 2> /dev/null)
        set -l answer (string split --max 1 "," -- $line)
        switch $answer[1]
            case plain
                echo $answer[2]
            case dir
                __fish_complete_directories $current
            case file
                __fish_complete_path $current
            case suffixes # files of these suffixes, and folders to look for them in
                set -l suffixes (string replace --all " " "|" -- (string split \t -- $answer[2])[1])
                __fish_complete_path $current | string match --entire --regex "^[^\t]*(?:/|\.(?:$suffixes))(?:\t|\$)"
                break # what follows is for shells that know no suffixes
        end
    end | string replace --regex -- "^" "$option"
end

complete --no-files --command lcodec --arguments "(__lcodec_complete)"
