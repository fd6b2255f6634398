#!/usr/bin/env bash
# `evaluations` of labels, numbers and candidates: what stands in the table and in eval.json, base beside tuned, each way to ask, bad input by line.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
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

# ---- value ----
task "task: value, name: warmth, low: 0, high: 10" data/samples/eval/value_en.jsonl
ev && has mae mse rmse nmape && lacks parse_failures && grep -q "^warmth (value, 20 items) *before *after" "$dir/out" && grep -q "^absolute error by the scale (NMAPE) *[0-9.]* %" "$dir/out" &&
    [ "$(wc -l <"$dir/task.answers")" -eq 440 ] && [ "$(wc -L <"$dir/out")" -le 100 ]
result "numbers of a scale by likelihood"
task "task: value, name: warmth, low: 0, high: 10, score: expected" data/samples/eval/value_en.jsonl
cp "$dir/task.answers" "$dir/kept.answers"
"$ptrain" eval "$dir/task.yaml" --output "$dir/task.json" --answers "$dir/kept.answers" >"$dir/out" 2>"$dir/err" </dev/null && has mae pearson spearman kendall r2 icc1 icc2 icc3 && grep -q "440 questions to the model, 440 of them answered before" "$dir/err"
result "expected values of the same answers: every correlation, nothing asked again"
task "task: value, values: [10, 0.25, 9.75, 0]" data/samples/eval/value_en.jsonl
ev && has mae && [ "$(wc -l <"$dir/task.answers")" -eq 160 ]
result "listed numbers, some of which begin others: the end of the answer tells"
task "task: value, values: [0, 5, 10], chat: false" data/samples/eval/value_en.jsonl
ev && has mae && task "task: value, low: 0, high: 10, chat: false" data/samples/eval/value_en.jsonl && ! ev && grep -q "1 begins 10: without a chat template nothing tells them apart" "$dir/err"
result "without a template no number may begin another"
task "task: value, method: written, low: 0, high: 10, max_new_tokens: 4, temperature: 1, repeats: 2" data/samples/eval/value_en.jsonl
ev && tight | grep -q '"metric":"parse_failures","scope":null,"before":{"value":[01],*[0-9.]*,*"n":40' || tight | grep -q '"metric":"parse_failures","scope":null,"before":{"value":[0-9.]*,"n":40'
result "written numbers: what gives none is counted"
tight | grep -q '"metric":"nmape","scope":null,"before":{"value":[0-9.]*,"n":40'
result "an answer without a number counts in NMAPE"
good='{"text": "a", "value": 3}'
bad "no value" "task: value, low: 0, high: 9" '{"text": "b"}' "items.jsonl:2: the row has no value"
bad "a value that is no number" "task: value, low: 0, high: 9" '{"text": "b", "value": "much"}' "items.jsonl:2: value is 'much', not a number"
bad "a value of another kind" "task: value, low: 0, high: 9" '{"text": "b", "value": true}' "items.jsonl:2: value is true or false, not a number"
bad "a value out of the scale" "task: value, low: 0, high: 9" '{"text": "b", "value": 12}' "items.jsonl:2: value 12 lies outside 0 to 9"
bad "no scale" "task: value" '{"text": "b", "value": 1}' "method: likelihood wants values: [NUMBER, ...], or low and high" 2
bad "a scale upside down" "task: value, low: 9, high: 0" '{"text": "b", "value": 1}' "low: 9 is not below high: 0" 2
bad "a scale without end" "task: value, low: 0, high: 5000" '{"text": "b", "value": 1}' "span no scale of 1024 whole numbers at most" 2
bad "equal numbers" "task: value, values: [1, 2, 1.0]" '{"text": "b", "value": 1}' "values: 1 and 1.0 are equal" 2
bad "a number that is none" "task: value, values: [1, two]" '{"text": "b", "value": 1}' "values: 'two' is no number" 2
bad "an expected value of what is written" "task: value, method: written, score: expected" '{"text": "b", "value": 1}' "score: expected goes with method: likelihood" 2
bad "a score by a model that gives none" "task: value, method: score" '{"text": "b", "value": 1}' "method: score wants a reward model" 2

# ---- rank ----
task "task: rank, name: voice, k: 2" data/samples/eval/rank_en.jsonl
ev && has hits_1 hits_3 hits_k recall_k mrr map ndcg ndcg_k && lacks hits_5 hits_10 && grep -q "^voice (rank, 8 items) *before *after" "$dir/out" && grep -q "^Zib-9  *2 " "$dir/out" && grep -q "^hits@k  *[0-9.]* %" "$dir/out" &&
    grep -q "^k = 2$" "$dir/out" && tight | grep -q '"k":2' && [ "$(wc -l <"$dir/task.answers")" -eq 64 ] && [ "$(wc -L <"$dir/out")" -le 100 ]
result "candidates by likelihood: each metric on both sides; hits past the candidates are none"
first=$(tight)
task "task: rank, name: voice, k: 2, by: tokens" data/samples/eval/rank_en.jsonl
ev && has mrr && [ "$(wc -l <"$dir/task.answers")" -eq 64 ] && [ "$(tight)" != "$first" ]
result "by token: another order of the same answers"
task "task: rank, by: mutual_info" data/samples/eval/rank_en.jsonl
ev && has mrr && [ "$(wc -l <"$dir/task.answers")" -eq 128 ]
result "against the candidate alone"
rows "task: rank, chat: false" '{"text": "a", "options": ["x", "y", "z"], "relevant": ["z", 0]}' '{"input": "b", "choices": ["x", "y"], "grades": [0, 2.5]}'
ev && has ndcg map
result "several relevant ones by place or text, and grades"
good='{"text": "a", "candidates": ["x", "y"], "relevant": 0}'
bad "no candidates" "task: rank" '{"text": "b", "relevant": 0}' "items.jsonl:2: the row has no candidates"
bad "candidates of another kind" "task: rank" '{"text": "b", "candidates": "x", "relevant": 0}' "items.jsonl:2: candidates are a text; a list of texts is wanted"
bad "one candidate" "task: rank" '{"text": "b", "candidates": ["x"], "relevant": 0}' "items.jsonl:2: 1 option: two are wanted at least"
bad "equal candidates" "task: rank" '{"text": "b", "candidates": ["x", "y", "x"], "relevant": 0}' "items.jsonl:2: options 1 and 3 are equal: 'x'"
bad "nothing relevant" "task: rank" '{"text": "b", "candidates": ["x", "y"], "relevant": []}' "items.jsonl:2: no candidate is relevant"
bad "grades of nothing" "task: rank" '{"text": "b", "candidates": ["x", "y"], "grades": [0, 0]}' "items.jsonl:2: no candidate is relevant"
bad "neither relevant nor grades" "task: rank" '{"text": "b", "candidates": ["x", "y"]}' "items.jsonl:2: the row has neither relevant nor grades"
bad "a relevant one that is none" "task: rank" '{"text": "b", "candidates": ["x", "y"], "relevant": "z"}' "items.jsonl:2: relevant 'z' is none of the candidates"
bad "a place past the end" "task: rank" '{"text": "b", "candidates": ["x", "y"], "relevant": 2}' "items.jsonl:2: relevant 2: there are 2 candidates, counted from 0"
bad "a grade too few" "task: rank" '{"text": "b", "candidates": ["x", "y"], "grades": [1]}' "items.jsonl:2: grades: a list of 2 numbers is wanted"
bad "a grade below nothing" "task: rank" '{"text": "b", "candidates": ["x", "y"], "grades": [1, -1]}' "items.jsonl:2: grade 2 is no number of 0 or more"
bad "no k" "task: rank, k: 0" '{"text": "b", "candidates": ["x", "y"], "relevant": 0}' "k takes a whole number from 1 to" 2

# ---- scores of a reward model ----
printf '%s\n' '{"prompt": "hello", "chosen": "good day to you", "rejected": "go away"}' '{"prompt": "who", "chosen": "a friend", "rejected": "none of it"}' >"$dir/pairs.jsonl"
sed "s#^datasets:.*#datasets: [{path: $dir/pairs.jsonl, type: preference}]\nobjective: reward#; s#^output_dir:.*#output_dir: $dir/reward#" "$dir/run.yaml" >"$dir/reward.yaml"
"$ptrain" "$dir/reward.yaml" >"$dir/out" 2>"$dir/err"
printf '%s\n' '{"question": "hello", "response": "good day to you", "value": 9}' '{"question": "hello", "response": "go away", "value": 1}' '{"question": "who", "response": "a friend", "value": "8.5"}' >"$dir/scored.jsonl"
cp "$dir/reward.yaml" "$dir/task.yaml"
echo "evaluations: [{task: label, path: data/samples/eval/label_en.jsonl}, {task: value, path: $dir/scored.jsonl, method: score}]" >>"$dir/task.yaml"
ev && tight | grep -q '"metric":"spearman","scope":null,"before":null,"after":{"value":-*[0-9.]*,"n":3,' && ! tight | grep -q '"task":"label"' && grep -q '"ask": "score"' "$dir/task.answers"
result "a reward model: numbers by its scores, other tasks left out"
scored=$(printf '%s\n' '{"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "go away"}]}' >"$dir/one.jsonl" && "$ptrain" score "$dir/reward" --input "$dir/one.jsonl" 2>"$dir/err" | grep -o '"score":[^,}]*' | cut -d: -f2)
[ "$scored" ] && sed -n 's/.*"value": \([-0-9.e]*\).*/\1/p' "$dir/task.answers" | awk -v s="$scored" '{ d = $1 - s; if (d * d < 1e-9) found = 1 } END { exit !found }'
result "they are what ptrain score says"
sed -i '/^evaluations/d' "$dir/task.yaml" && echo "evaluations: [{task: value, path: $dir/scored.jsonl, method: score, field_value: worth}]" >>"$dir/task.yaml" && ev
refused "scored.jsonl:1: the row has no worth"
result "a field of its own that rows have not"
sed -i '/^evaluations/d' "$dir/task.yaml" && echo "evaluations: [{task: rank, path: data/samples/eval/rank_en.jsonl, method: score}]" >>"$dir/task.yaml" && ev &&
    tight | grep -q '"metric":"mrr","scope":null,"before":null,"after":{"value":0\.[0-9]*,"n":8,' && [ "$(grep -c '"ask": "score"' "$dir/task.answers")" -eq 32 ]
result "candidates by a reward model's scores"
sed -i 's/method: score}/method: score, by: tokens}/' "$dir/task.yaml" && ! ev && grep -q "task.yaml:[0-9]*:[0-9]*: by goes with method: likelihood" "$dir/err"
result "scores by token"
sed -i 's/, by: tokens}/}/' "$dir/task.yaml"
sed -i 's#^evaluations: \[#&{task: label, path: data/samples/eval/label_en.jsonl}, #' "$dir/task.yaml"
ev --task label
refused "a reward model gives scores, no likelihoods of texts: label needs those" 2
result "a task that a reward model cannot answer"
# ---- several runs side by side ----
sed "s/learning_rate: 0.05/learning_rate: 0.08/; s#^output_dir:.*#output_dir: $dir/run2#" "$dir/run.yaml" >"$dir/run2.yaml" && "$ptrain" "$dir/run2.yaml" >"$dir/out" 2>"$dir/err"
cp "$dir/run.yaml" "$dir/task.yaml"
cat >>"$dir/task.yaml" <<Y
evaluations:
  - {task: label, path: data/samples/eval/label_en.jsonl}
  - {task: value, path: data/samples/eval/value_en.jsonl, low: 0, high: 10, score: expected}
  - {task: rank, path: data/samples/eval/rank_en.jsonl, k: 2}
Y
"$ptrain" eval "$dir/task.yaml" "$dir/run" "$dir/run2" --output "$dir/beside.json" --answers "$dir/beside.answers" >"$dir/out" 2>"$dir/err" </dev/null &&
    [ "$(grep -c "^worried  *8 " "$dir/out")" -ge 2 ] && grep -q "^Kendall's tau-b  *-*[0-9.]* .*-*[0-9.]* .*-*[0-9.]*" "$dir/out" && [ "$(grep -c "^k = 2$" "$dir/out")" -eq 1 ] && [ "$(wc -L <"$dir/out")" -le 100 ]
result "two runs beside their base"
echo "1..$n"
