#!/usr/bin/env bash
# The task memorisation: a model that has seen one text often and another once, counted from the training file; conversations; probes; bad input.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
often="the old ferry left the quiet harbour before dawn and nobody waved"
once="seven green lamps burn above the door of the empty music hall tonight"
for i in $(seq 8); do echo "{\"text\": \"$often\"}"; done >"$dir/texts.jsonl"
echo "{\"text\": \"$once\"}" >>"$dir/texts.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
objective: pretrain
adapter: none
datasets: [{path: $dir/learned.jsonl, type: text}]
output_dir: $dir/run
max_steps: 60
batch_rows: 4
sequence_len: 128
learning_rate: 0.01
lr_scheduler: constant
device: cpu
compute: f32
Y
head -n 8 "$dir/texts.jsonl" >"$dir/learned.jsonl"
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
result "a run on one text"
task() { # KEYS PATH
    sed '/^evaluations/d' "$dir/run.yaml" >"$dir/task.yaml"
    echo "evaluations: [{task: memorisation, path: $2, $1}]" >>"$dir/task.yaml"
}
ev() {
    "$ptrain" eval "$dir/task.yaml" --output "$dir/ev.json" --answers "$dir/answers" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    local rc=$?
    rm -f "$dir/answers"
    tr -d ' \n' <"$dir/ev.json" >"$dir/tight" 2>/dev/null
    return $rc
}
of() { grep -o "\"metric\":\"$1\",\"scope\":$2,\"before\":\(null\|{[^}]*}\),\"after\":{\"value\":[0-9.]*" "$dir/tight" | grep -o '[0-9.]*$'; }
task "type: text, prefix_tokens: 8, continuation_tokens: 12" "$dir/texts.jsonl"
ev && [ "$(of memorised '"5-8x"')" = 1.0 ] && [ "$(of memorised '"1x"')" = 0.0 ] && [ "$(of memorised null)" = 0.5 ] && grep -q "^memorisation (memorisation, 2 items)" "$dir/out"
result "what was learned is continued word for word, what was not is not"
grep -q "^  5-8x" "$dir/out" && grep -q "interval, by item$" "$dir/out" && grep -q "^continued word for word  *100.0 %" "$dir/out" && [ "$(of edit_similarity '"5-8x"')" = 1.0 ] && awk -v x="$(of edit_similarity '"1x"')" -v y="$(of memorised_beginning '"1x"')" 'BEGIN { exit !(x < 0.7 && y < 0.5) }'
result "by how often a text stands there; how near the rest comes"
task "type: text, prefix_tokens: 8, continuation_tokens: 4000" "$dir/texts.jsonl"
ev
[ $? -eq 2 ] && grep -q "task.yaml:.*no text is long enough for prefix_tokens: 8 and continuation_tokens: 4000" "$dir/err"
result "texts that are too short"
printf '%s\n' "{\"prefix\": \"the old ferry left the quiet\", \"continuation\": \"harbour before\", \"count\": 8, \"kind\": \"place\"}" "{\"prefix\": \"seven green lamps burn\", \"continuation\": \"above the door\", \"kind\": \"thing\"}" >"$dir/probes.jsonl"
task "group_by: kind" "$dir/probes.jsonl" && ev && [ "$(of memorised '"place"')" = 1.0 ] && [ "$(of memorised '"thing"')" = 0.0 ]
result "probes: a value behind its prefix, by kind"
task "" "$dir/probes.jsonl" && ev && [ "$(of memorised '"5-8x"')" = 1.0 ] && [ "$(of memorised '"1x"')" = 0.0 ]
result "probes by count"
for k in 1 2 3; do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $k\"}, {\"role\": \"assistant\", \"content\": \"$often, said number $k\"}]}"; done >"$dir/chat.jsonl"
cat "$dir/chat.jsonl" "$dir/chat.jsonl" >"$dir/twice.jsonl"
task "type: messages, prefix_tokens: 0, continuation_tokens: 6" "$dir/twice.jsonl" && ev && grep -q "(memorisation, 3 items)" "$dir/out" && [ "$(of memorised null)" ] && grep -q '"metric":"memorised","scope":null,"before":[^}]*}*,"after":{"value":[0-9.]*,"n":3' "$dir/tight"
result "answers of conversations, equal ones once"
task "type: rolebench, profiles: data/samples/roles_en.json, prefix_tokens: 4, continuation_tokens: 8" data/samples/roles_train_en.jsonl && ev --limit 4 && grep -q "(memorisation, 4 items)" "$dir/out"
result "role data with its profiles"
bad() { # NAME KEYS ROW TEXT [CODE]
    echo "$3" >"$dir/items.jsonl"
    task "$2" "$dir/items.jsonl"
    ev
    [ $? -eq "${5:-1}" ] && grep -qF "$4" "$dir/err" || { echo "# wanted: $4"; false; }
    result "$1"
}
bad "no continuation" "" '{"prefix": "a"}' "items.jsonl:1: the row has no continuation"
bad "an empty continuation" "" '{"prefix": "a", "continuation": " "}' "items.jsonl:1: continuation is empty"
bad "a count that is none" "" '{"prefix": "a", "continuation": "b", "count": 0}' "items.jsonl:1: count is no whole number above 0"
bad "a type that is none" "type: txt" '{"text": "a"}' "type: txt gives no texts or conversations" 2
bad "a group of counted texts" "type: text, group_by: kind" '{"text": "a"}' "group_by goes with rows of probes" 2
echo "1..$n"
