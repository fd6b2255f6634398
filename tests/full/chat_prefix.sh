#!/usr/bin/env bash
# The kept prefix on SmolLM2-135M (cache/SmolLM2-135M-Instruct.Q4_1.gguf): a turn of about 20 tokens behind about 1,000 tokens of history has its first token in a tenth of the
# time that the same prompt takes cold; and after 20 edits, swipes and other answers the text is that of the same conversation computed anew.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/../cli/lib.bash"
model=cache/SmolLM2-135M-Instruct.Q4_1.gguf
[ -e "$model" ] || { echo "1..1"; echo "ok 1 - the kept prefix # SKIP no $model"; exit 0; }
now() { echo "${EPOCHREALTIME/./}"; } # microseconds

sentence="The old harbour master counted the boats again before the lamps were lit. "
history=$(printf "$sentence%.0s" $(seq 68))
question="And what did he say to the boy who carried the second lamp up the stairs that night?"

# One line in, the answer's first token out: a conversation of two turns, of which the first is the history.
time_turn() { # LINE: microseconds until the empty line behind the answer
    local from
    from=$(now)
    printf '%s\n' "$1" >&"${chat[1]}"
    while IFS= read -r -t 300 line <&"${chat[0]}" && [ -n "$line" ]; do :; done
    took=$(($(now) - from))
}
kept=() cold=()
coproc chat { "$ptrain" chat "$model" --max-new-tokens 1 --temperature 0 2>"$dir/err"; }
for round in 1 2 3; do
    time_turn "Round $round. $history"
    time_turn "$question"
    kept+=("$took")
    printf '%s\n' "/edit 1 Again $round. $history" >&"${chat[1]}" # the same prompt but for its beginning: nothing behind it is equal
    time_turn /regen
    cold+=("$took")
    printf '/reset\n' >&"${chat[1]}"
done
in=${chat[1]}
exec {in}>&-
wait "${chat_PID:?}"
middle() { printf '%s\n' "$@" | sort -n | sed -n 2p; }
k=$(middle "${kept[@]}") c=$(middle "${cold[@]}")
tokens=$("$ptrain" tokenize "$model" --input <(echo "{\"text\": \"$history\"}") 2>>"$dir/err" | grep -o "[0-9][0-9]*," | wc -l)
echo "# figure kept prefix: $((k / 1000)) ms to the first token behind $tokens tokens of history, cold $((c / 1000)) ms: $((1000 * k / c)) thousandths"
[ $((10 * k)) -le "$c" ]
result "the first token in a tenth of the time (median of 3)"

bash tests/cli/chat_kept.sh "$model" >"$dir/log"
result "20 edits, swipes and other answers: the text of the same conversation computed anew"
echo "1..$n"
