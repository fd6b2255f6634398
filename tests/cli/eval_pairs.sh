#!/usr/bin/env bash
# The tasks preference and probability: against what `eval` says of the same pairs as test data, and against `ptrain score`; groups, bad input.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
for i in $(seq 24); do echo "{\"prompt\": \"say $i\", \"chosen\": \"yes, $i\", \"rejected\": \"no, $i\"}"; done >"$dir/pairs.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
objective: dpo
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/pairs.jsonl, type: preference}]
test_datasets: [{path: $dir/pairs.jsonl, type: preference}]
output_dir: $dir/run
max_steps: 8
batch_rows: 8
sequence_len: 256
learning_rate: 0.05
device: cpu
compute: f32
evaluations: [{task: preference, name: poles, path: $dir/pairs.jsonl}]
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
result "a run on pairs"
ev() { # CONFIG-OR-RUN MORE...: into ev.json
    "$ptrain" eval "$@" --output "$dir/ev.json" --answers "$dir/ev.answers" >"$dir/out" 2>"$dir/err" </dev/null
    local rc=$?
    rm -f "$dir/ev.answers"
    tr -d ' \n' <"$dir/ev.json" >"$dir/tight" 2>/dev/null
    return $rc
}
ev "$dir/run"
read -r before after _ < <(grep -o '"preference_accuracy":[0-9.][0-9.]*' "$dir/tight" | cut -d: -f2 | tr '\n' ' ')
[ "$before" ] && [ "$after" ] && [ "$before" != "$after" ] && grep -q '"metric":"acc","scope":null,"before":{"value":'"$before"',"n":24,"ci":\[[^]]*\]},"after":{"value":'"$after"',' "$dir/tight"
result "the pairs of a task are judged as those of the test data"
grep -q '^chosen answer preferred .*\*$' "$dir/out" && grep -q '"metric":"margin","scope":null,"before":{"value":-*[0-9.]*,"n":24' "$dir/tight" &&
    grep -q "^probability of the chosen one of both *[0-9.]* %" "$dir/out"
result "the table: what changed more than noise; the margin in nats"

task() { # KEYS ROWS...: a config with one task of these rows
    local keys=$1
    shift
    printf '%s\n' "$@" >"$dir/items.jsonl"
    sed '/^evaluations/,$d; /^test_datasets/d' "$dir/run.yaml" >"$dir/task.yaml"
    echo "evaluations: [{path: $dir/items.jsonl, $keys}]" >>"$dir/task.yaml"
}
kind='{"prompt": "Who are you?", "chosen": "I am kind.", "rejected": "Go away.", "persona": "kind"}'
rude='{"prompt": "Who are you?", "chosen": "What is it to you?", "rejected": "Good day!", "persona": "rude"}'
task "task: preference, group_by: persona" "$kind" "$rude" "$kind"
ev "$dir/task.yaml" && grep -q '"metric":"acc","scope":"kind","before":{"value":[0-9.]*,"n":2,' "$dir/tight" && grep -q '"metric":"acc","scope":"rude","before":{"value":[0-9.]*,"n":1,' "$dir/tight"
result "pairs by persona"
mkdir "$dir/sets" && printf '%s\n' "$kind" "$kind" >"$dir/sets/kind.jsonl" && printf '%s\n' "$rude" >"$dir/sets/rude.jsonl"
task "task: preference" && sed -i "s,$dir/items.jsonl,$dir/sets," "$dir/task.yaml" && ev "$dir/task.yaml" && grep -q '"scope":"kind","before":{"value":[0-9.]*,"n":2,' "$dir/tight" && grep -q '"scope":"rude"' "$dir/tight"
result "a folder: a pair set a file"
task "task: preference, type: mindset" '{"instruction": "Hello?", "output": ["Hello!", "No."]}' && ev "$dir/task.yaml" && grep -q '"metric":"acc","scope":null,"before":{"value":[01]' "$dir/tight"
result "other shapes of pairs"

# Probabilities of texts without a template are what `score` says of the whole less what it says of the beginning.
next='{"prompt": "the quick brown", "continuations": ["fox jumps", "dog", "cat sleeps here"], "answer": 1}'
open='{"prompt": "one two", "continuations": ["three", "four"]}'
task "task: probability, chat: false" "$next" "$open"
ev "$dir/task.yaml" && "$ptrain" score "$dir/run" --input <(printf '{"text": "%s"}\n' "the quick brown" "the quick brown fox jumps" "the quick brown dog" "the quick brown cat sleeps here") >"$dir/scores" 2>"$dir/err"
grep -o '"after":\[[^]]*\]' "$dir/tight" | head -n 1 | tr -d '"after:[]' | tr ',' '\n' >"$dir/got"
sed 's/.*"logprobs":\[\([^]]*\)\].*/\1/' "$dir/scores" | awk -F, '{ sum = 0; for (i = 1; i <= NF; i++) sum += $i } NR == 1 { first = sum; next } { printf "%.6f\n", sum - first }' >"$dir/want"
paste "$dir/got" "$dir/want" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 2e-3) bad = 1 } END { exit bad || NR != 3 }'
result "the probability of each continuation"
grep -q '"item":2,"continuations":\["three","four"\],"answer":null' "$dir/tight" && grep -q '"metric":"gold_perplexity","scope":null,"before":{"value":[0-9.e+]*,"n":1,' "$dir/tight" && grep -q '"metric":"mass","scope":null,"before":{"value":[0-9.e-]*,"n":2,' "$dir/tight"
result "what nobody says came true has probabilities and no judgement"
task "task: probability" '{"prompt": "Say it", "continuations": ["A", "AB"], "answer": "AB", "group": "g"}' "$(sed 's/"g"/"h"/' <<<'{"prompt": "Say it", "continuations": ["AB", "A"], "answer": 1, "group": "g"}')"
ev "$dir/task.yaml" && awk 'match($0, /"item":1,.*"item":2/) { a = substr($0, RSTART, RLENGTH); b = substr($0, RSTART + RLENGTH); sub(/.*"after":\[/, "", a); sub(/\].*/, "", a); sub(/.*"after":\[/, "", b); sub(/\].*/, "", b)
    split(a, x, ","); split(b, y, ","); exit !(x[1] == y[2] && x[2] == y[1] && x[1] != x[2]) } END { exit 0 }' "$dir/tight" && grep -q '"scope":"h"' "$dir/tight"
result "one continuation inside another: each has its own, in any order"

bad() { # NAME KEYS ROW TEXT [CODE]
    task "$2" "$3"
    ev "$dir/task.yaml"
    [ $? -eq "${5:-1}" ] && grep -qF "$4" "$dir/err" || { echo "# wanted: $4"; false; }
    result "$1"
}
bad "no chosen answer" "task: preference" '{"prompt": "x", "rejected": "y"}' "items.jsonl:1:"
bad "a type that gives no pairs" "task: preference, type: text" "$kind" "type: text gives no pairs of answers" 2
bad "a group that the row has not" "task: preference, group_by: persno" "$kind" "items.jsonl:1: the row has no text in persno, which group_by names"
bad "no continuations" "task: probability" '{"prompt": "x"}' "items.jsonl:1: the row has no continuations"
bad "an answer past the end" "task: probability" '{"prompt": "x", "continuations": ["a", "b"], "answer": 2}' "items.jsonl:1: answer 2: there are 2 continuations"
bad "an answer that is none of them" "task: probability" '{"prompt": "x", "continuations": ["a", "b"], "answer": "c"}' "answer 'c' is none of the continuations"
bad "two continuations alike" "task: probability" '{"prompt": "x", "continuations": ["a", "a"]}' "options 1 and 2 are equal: 'a'"
bad "a key of another task" "task: probability, rotate: true" "$next" "the task probability does not know rotate" 2
echo "1..$n"
