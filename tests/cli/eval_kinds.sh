#!/usr/bin/env bash
# `evaluations` of labels: what stands in the table and in eval.json, base beside tuned, each way to ask, bad input by line.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME, by the exit code before it
    local ok=$?
    n=$((n + 1))
    if [ $ok -eq 0 ]; then echo "ok $n - $1"; else tail -n 5 "$dir/err" | sed 's/^/# /'; echo "not ok $n - $1"; fi
}
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/run
max_steps: 3
batch_rows: 8
sequence_len: 64
learning_rate: 0.05
device: cpu
compute: f32
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
task() { # KEYS PATH: a config with one task
    cp "$dir/run.yaml" "$dir/task.yaml"
    echo "evaluations: [{path: $2, $1}]" >>"$dir/task.yaml"
}
rows() { # KEYS ROW...: one with these rows
    local keys=$1
    shift
    printf '%s\n' "$@" >"$dir/items.jsonl"
    task "$keys" "$dir/items.jsonl"
}
ev() {
    rm -f "$dir/task.answers"
    "$ptrain" eval "$dir/task.yaml" --output "$dir/task.json" --answers "$dir/task.answers" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
tight() { tr -d ' \n' <"$dir/task.json"; }
has() { # METRIC...: each has a value on both sides, with an interval
    for m in "$@"; do tight | grep -q "\"metric\":\"$m\",\"scope\":null,\"before\":{\"value\":-*[0-9.e-]*,\"n\":[0-9]*,\"ci\":\[-*[0-9.e-]*,-*[0-9.e-]*\]},\"after\":{\"value\":-*[0-9]" || { echo "# no $m"; return 1; }; done
}
lacks() { # METRIC...
    for m in "$@"; do ! tight | grep -q "\"metric\":\"$m\"" || { echo "# $m is there"; return 1; }; done
}
refused() { # TEXT [CODE]: the last command failed, and says so
    [ $? -eq "${2:-1}" ] && grep -qF "$1" "$dir/err" || { echo "# wanted: $1"; return 1; }
}
bad() { # NAME KEYS ROW TEXT [CODE]: a good row, then this one
    rows "$2" "$good" "$3"
    ev
    refused "$4" "$5"
    result "$1"
}

# ---- label ----
task "task: label, name: mood" data/samples/eval/label_en.jsonl
ev && has acc f1_macro f1_micro f1_weighted balanced_acc mcc kappa alpha_nominal auroc auprc acc_norm gold_probability brier ece && lacks f1_positive kappa_linear alpha_ordinal parse_failures
result "labels by likelihood: each metric on both sides, with its interval"
grep -q "^mood (label, 24 items) *before *after" "$dir/out" && grep -q "^class  *rows *precision *recall *F1 *precision *recall *F1$" "$dir/out" && grep -q "^worried  *8 .* % .* %" "$dir/out" &&
    grep -q "^class, taken for (after) *cheerfu cross *worried" "$dir/out" && grep -q "^Zib-9  *6 " "$dir/out" && [ "$(wc -L <"$dir/out")" -le 100 ]
result "the table has each class, what was taken for what, and the groups, in 100 columns"
tight | grep -q '"confusion":{"before":{"\(cheerful\|cross\|worried\)":{' && tight | grep -q '"classes":{"before":\[{"precision":[0-9.]*,"recall":[0-9.]*,"f1":[0-9.]*,"support":8,"picked":[0-9]*,"class":"cheerful"}'
result "eval.json has the classes by name"
sum=$(tight | sed 's/.*"confusion":{"before"://; s/},"after".*//' | grep -o ':[0-9][0-9]*' | tr -d : | awk '{ n += $1 } END { print n }')
[ "$sum" -eq 24 ]
result "every row stands once in the confusion matrix"
for how in "labels: {cross: an angry line, worried: a worried line, cheerful: a happy line}, positive: worried, ordered: true" \
    "labels: 'cross=an angry line, worried=a worried line, cheerful=a happy line', positive: worried, ordered: true"; do
    task "task: label, $how" data/samples/eval/label_en.jsonl
    ev && has f1_positive kappa_linear kappa_quadratic alpha_ordinal && lacks parse_failures
    result "classes with texts of their own, in an order, one of them positive"
    [ ! -f "$dir/first.json" ] || cmp -s "$dir/first.json" "$dir/task.json"
    cp "$dir/task.json" "$dir/first.json"
done
result "a mapping or one text: the same"
task "task: label, method: written, max_new_tokens: 4" data/samples/eval/label_en.jsonl
ev && has parse_failures f1_macro && lacks auroc auprc brier acc_norm
result "written answers: what names no class is counted, and has no probabilities"
task "task: label, method: letter, rotate: true, group_by: none" data/samples/eval/label_en.jsonl
ev && has acc position_bias auroc && tight | grep -q '"metric":"acc","scope":null,"before":{"value":[0-9.]*,"n":72,'
result "letters, in every order"
rows "task: label, labels: [no, yes], field_label: ok" '{"text": "a", "ok": 1}' '{"text": "b", "ok": "no"}' '{"text": "c", "ok": 0}'
ev && tight | grep -q '"support":2,"picked":[0-9]*,"class":"no"'
result "a whole number counts from 0 among the labels"
rows "task: label" '{"question": "a", "label": true}' '{"text": "b", "label": false}' '{"sentence": "c", "label": true}'
ev && tight | grep -q '"class":"false"' && lacks f1_positive
result "truth values are classes"
good='{"text": "a", "label": "x"}'
bad "a label that is none" "task: label, labels: [x, y]" '{"text": "b", "label": "z"}' "items.jsonl:2: label 'z' is none of: x, y"
bad "a number past the labels" "task: label, labels: [x, y]" '{"text": "b", "label": 2}' "items.jsonl:2: label '2' is none of: x, y"
bad "no label" "task: label" '{"text": "b"}' "items.jsonl:2: the row has no label"
bad "a label of another kind" "task: label" '{"text": "b", "label": [1]}' "items.jsonl:2: label is a list; a class's name is wanted"
bad "no text" "task: label" '{"label": "y"}' "items.jsonl:2: the row has no text"
bad "one class alone" "task: label" '{"text": "b", "label": "x"}' "'x' is the only label: two are wanted at least" 2
bad "labels written alike" "task: label, labels: {x: good, y: good}" '{"text": "b", "label": "y"}' "labels 'x' and 'y' are written alike: 'good'" 2
bad "two labels of one name" "task: label, labels: [x, y, x]" '{"text": "b", "label": "y"}' "two labels are called 'x'" 2
bad "an order of what is not listed" "task: label, ordered: true" '{"text": "b", "label": "y"}' "ordered: true wants labels: from low to high" 2
bad "a positive class that is none" "task: label, positive: z" '{"text": "b", "label": "y"}' "positive: 'z' is none of the labels: x, y" 2
bad "an empty list of labels" "task: label, labels: []" '{"text": "b", "label": "y"}' "labels is empty" 2
bad "a list of lists" "task: label, labels: [[x], y]" '{"text": "b", "label": "y"}' "labels takes a list of texts of one line" 2
rows "task: label" "$good" && : >"$dir/items.jsonl" && ev
refused "items.jsonl is empty"
result "no rows"
"$ptrain" "$dir/task.yaml" --evaluations="[{task: label, path: data/samples/eval/label_en.jsonl, labels: {a: b, cross: d}}]" --output_dir="$dir/kept" >"$dir/out" 2>"$dir/err" && "$ptrain" plan "$dir/kept/config.yaml" >"$dir/out" 2>"$dir/err" &&
    grep -q 'labels: "a=b\\ncross=d\\n"' "$dir/kept/config.yaml"
result "the run's own config.yaml says the list again"
echo "1..$n"
