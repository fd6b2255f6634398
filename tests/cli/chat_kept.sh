#!/usr/bin/env bash
# A scripted conversation: after questions, other answers, swipes, edits and undos each answer is the one that the same conversation gets when it is computed anew
# (ptrain generate). Answers are held to small letters, so that they are lines. With a model as argument that alone, of this model (tests/full/chat_prefix.sh).
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
run=${1:-$dir/run}
for i in $(seq 8); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772, max_position_embeddings: 1500, initializer_range: 0.3}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/run
max_steps: 2
batch_rows: 8
sequence_len: 64
learning_rate: 0.05
device: cpu
compute: f32
Y
[ -n "$1" ] || "$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
result "a tiny model"
letters="[a-z]{2,9}( [a-z]{2,9}){0,3}"

# The conversation as the test follows it, and what the chat is told.
turns=() want=()
tell() { printf '%s\n' "$1" >>"$dir/script"; }
cold() { # SEED [OPTION...]: the answer to the turns, computed anew, into $got
    local i json='{"messages": ['
    for i in "${!turns[@]}"; do json+="{\"role\": \"$([ $((i % 2)) = 0 ] && echo user || echo assistant)\", \"content\": \"${turns[i]}\"},"; done
    echo "${json%,}]}" >"$dir/one.jsonl"
    "$ptrain" generate "$run" --input "$dir/one.jsonl" --text --max-new-tokens 24 --seed "$1" "${@:2}" >"$dir/one.out" 2>>"$dir/err" || return
    got=$(cat "$dir/one.out")
}
answered() { # the next answer of the chat must be this one
    cold "$@" || want+=("no answer")
    want+=("$got")
    turns+=("$got")
}
ask() { # QUESTION SEED...
    tell "$1"
    turns+=("$1")
    answered "${@:2}"
}
again() { # COMMAND SEED...
    tell "$1"
    unset "turns[-1]"
    answered "${@:2}"
}
edit() { # N TEXT
    tell "/edit $1 $2"
    turns[$1 - 1]=$2
}
talk() { # OPTION...: the answers of the chat into $dir/chat, one a line
    "$ptrain" chat "$run" --max-new-tokens 24 --seed 7 "$@" <"$dir/script" >"$dir/out" 2>"$dir/err" || return
    grep -v '^$' "$dir/out" >"$dir/chat"
    printf '%s\n' "${want[@]}" >"$dir/want"
    cmp "$dir/chat" "$dir/want"
}

long="tell me a long story of the sea and of the ships that sail on it and of all that the sailors say to one another when it is night and the wind is still"
greedy=(--temperature 0 --regex "$letters")
ask "$long" 7 "${greedy[@]}"
for i in 1 2 3 4; do
    ask "and then, $i?" 7 "${greedy[@]}"
    again /regen 7 "${greedy[@]}"
    again "/swipe 3" 7 "${greedy[@]}"
    edit $((2 * i + 1)) "no, what came first, $i"
    again /regen 7 "${greedy[@]}"
done
edit 2 "once there was a ship"
ask "a new one" 7 "${greedy[@]}"
edit 1 "tell me a short story"
ask "go on" 7 "${greedy[@]}"
tell /undo
unset "turns[-1]" "turns[-1]"
again /regen 7 "${greedy[@]}"
edit 4 "an answer of mine"
ask "is that so?" 7 "${greedy[@]}"
tell /reset
turns=()
ask "who are you" 7 "${greedy[@]}"
talk "${greedy[@]}"
result "20 edits, swipes and other answers: the text of the same conversation computed anew"
[ -n "$1" ] && cmp "$dir/chat" "$dir/want" && exit 0
[ -n "$1" ] && exit 1

# Drawn: question k draws by seed + k; a swipe is another draw, and one that was shown is shown again.
drawn=(--temperature 1 --regex "$letters")
rm "$dir/script"
turns=() want=()
ask "who are you" 7 "${drawn[@]}"
ask "and who am I" 8 "${drawn[@]}"
first=${want[1]}
printf '%s\n' /regen "/swipe 1" "/swipe 2" /swipe >>"$dir/script"
"$ptrain" chat "$run" --max-new-tokens 24 --seed 7 "${drawn[@]}" <"$dir/script" >"$dir/out" 2>"$dir/err" && grep -v '^$' "$dir/out" >"$dir/chat" && mapfile -t line <"$dir/chat" &&
    [ "${#line[@]}" = 6 ] && [ "${line[0]}" = "${want[0]}" ] && [ "${line[1]}" = "$first" ] && [ "${line[2]}" != "$first" ] && [ "${line[3]}" = "$first" ] && [ "${line[4]}" = "${line[2]}" ] &&
    [ "${line[5]}" != "${line[4]}" ] && [ "${line[5]}" != "$first" ]
result "answers are drawn by their question; a swipe is another, and stays what it was"

# An answer goes on; every answer begins with a text.
printf '%s\n' "who are you" "/edit 2 I am the" /continue >"$dir/script"
"$ptrain" chat "$run" --max-new-tokens 8 --temperature 0 <"$dir/script" >"$dir/out" 2>"$dir/err"
code=$?
echo '{"messages": [{"role": "user", "content": "who are you"}]}' >"$dir/one.jsonl"
"$ptrain" generate "$run" --input "$dir/one.jsonl" --text --max-new-tokens 8 --temperature 0 >"$dir/want" 2>>"$dir/err"
echo >>"$dir/want"
echo '{"messages": [{"role": "user", "content": "who are you"}, {"role": "assistant", "content": "I am the"}]}' >"$dir/one.jsonl"
"$ptrain" generate "$run" --input "$dir/one.jsonl" --text --max-new-tokens 8 --temperature 0 >"$dir/more" 2>>"$dir/err"
cat "$dir/more" >>"$dir/want"
echo >>"$dir/want"
[ $code = 0 ] && cmp "$dir/out" "$dir/want"
result "/continue: an answer goes on"
echo "who are you" | "$ptrain" chat "$run" --max-new-tokens 8 --temperature 0 --prefill "I am the" >"$dir/out" 2>"$dir/err"
code=$?
printf 'I am the%s\n\n' "$(cat "$dir/more")" >"$dir/want"
[ $code = 0 ] && cmp "$dir/out" "$dir/want"
result "--prefill: every answer begins so"

# A conversation that outgrows the cache.
for i in $(seq 12); do echo "$i $long, $long, $long"; done >"$dir/script"
echo /turns >>"$dir/script"
"$ptrain" chat "$run" --max-new-tokens 24 "${greedy[@]}" <"$dir/script" >"$dir/out" 2>"$dir/err" && grep -q "^The cache has 1501 positions ([0-9.]* MiB, samplers [0-9.]*): the conversation may have 1476 tokens, an answer 24" "$dir/err" &&
    grep -q "the cache is full: the [0-9]* oldest turns are dropped" "$dir/err" && [ "$(grep -cv '^$' "$dir/out")" = 12 ] && grep -q "^1 you: [2-9]" "$dir/err" && ! grep -q "^25 " "$dir/err"
result "a full cache: its size is said, and that the oldest turns are dropped"

printf '%s\n' /regen /swipe /continue "/edit 1 x" "/swipe 9" /undo /nonsense "/regen now" "//slash" "/edit 3 x" "/edit 2" "/swipe 3" /help >"$dir/script"
"$ptrain" chat "$run" --max-new-tokens 24 "${greedy[@]}" <"$dir/script" >"$dir/out" 2>"$dir/err" && [ "$(grep -cv '^$' "$dir/out")" = 1 ] && grep -q "no question yet" "$dir/err" &&
    [ "$(grep -c "no answer yet" "$dir/err")" = 2 ] && grep -q "held to a constraint" "$dir/err" && grep -q "/nonsense is no command" "$dir/err" && grep -q "/regen now is no command" "$dir/err" &&
    [ "$(grep -c "takes the number of a turn, from 1 to 2" "$dir/err")" = 2 ] && grep -q "a number from 1 to 2" "$dir/err" && grep -q "^/undo " "$dir/err"
result "commands that cannot be followed say why, and change nothing"
"$ptrain" chat "$run" --prefill "I" --regex "$letters" </dev/null >"$dir/out" 2>"$dir/err"
[ $? = 2 ] && grep -q "prefill and a constraint" "$dir/err"
result "--prefill beside a constraint is refused"
echo "1..$n"
