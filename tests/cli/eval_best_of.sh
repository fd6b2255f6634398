#!/bin/bash
# Task best_of: samples, scores by a metric, pairs and best answers that training reads; as a stage between two others: resumed, refused, killed.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
. tests/stub/stub.bash
trap 'stub_end; rm -rf "$dir"' EXIT
export OMP_NUM_THREADS=1
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
tight() { tr -d ' \n' <"$1"; }
for i in $(seq 1 12); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"good day $((i % 5))\"}]}" >>"$dir/s.jsonl"
    echo "{\"question\": \"say $i\", \"group\": \"g$((i % 2))\", \"references\": [\"good day\"]}" >>"$dir/q.jsonl"
done
cat >"$dir/common.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_r: 4
output_dir: $dir/run
sequence_len: 128
device: cpu
compute: f32
batch_rows: 4
num_epochs: 9
save_steps: 2
learning_rate: 0.01
Y
task="task: best_of, path: $dir/q.jsonl, repeats: 4, temperature: 1, max_new_tokens: 12"
{ cat "$dir/common.yaml"; echo "datasets: [$dir/s.jsonl]"; echo "evaluations: [{$task, name: long, score_by: length, prefer: higher, pairs: $dir/pairs.jsonl, best: $dir/best.jsonl, dump: $dir/dump.jsonl}]"; } >"$dir/one.yaml"
run "$dir/one.yaml" --output_dir="$dir/one" --max_steps=4 && run eval "$dir/one" --output "$dir/one.json"
[ $? -eq 0 ] && grep -q "^score of the best sample  *[0-9.]* ±[0-9.]*  *[0-9.]* ±" "$dir/out" && grep -q "^after: [0-9]* of 12 prompts give a pair; [0-9]* have equal scores, 0 no score" "$dir/out" && [ "$(wc -L <"$dir/out")" -le 100 ]
result "a table with both sides, and what gave no pair"
pairs=$(wc -l <"$dir/pairs.jsonl")
[ "$pairs" -gt 0 ] && tight "$dir/one.json" | grep -q "\"after\":{\"prompts\":12,\"samples\":4,\"pairs\":$pairs," && tight "$dir/one.json" | grep -q "\"written\":{\"pairs\":$pairs,\"best\":$(wc -l <"$dir/best.jsonl")}" && [ "$(grep -c '"side": "after"' "$dir/dump.jsonl")" = 48 ]
result "eval.json counts what the files hold"
# by hand: the longest answer of the dump is the chosen one, of words [a-z0-9]+; an empty one has no score
grep '"side": "after"' "$dir/dump.jsonl" | sed 's/^.*"item": \([0-9]*\), "repeat": \([0-9]*\),.*"answer": "\(.*\)", "stopped".*$/\1 \2 \3/' | awk '{ item = $1; k = $2; $1 = $2 = ""; if ($0 ~ /^( |\\[nrt])*$/) next; gsub(/\\u[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]|\\[nrtbf]/, " "); n = gsub(/[A-Za-z0-9]+/, "&"); if (!(item in most) || n > most[item]) { most[item] = n; best[item] = k } if (!(item in least) || n < least[item]) { least[item] = n; worst[item] = k } } END { for (i in most) if (most[i] > least[i]) print i, best[i], worst[i], most[i] - least[i] }' | sort -n >"$dir/want"
sed 's/^.*"item": \([0-9]*\),.*"chosen": \([0-9]*\), "rejected": \([0-9]*\), "scores".*"margin": \([0-9]*\)\.0}$/\1 \2 \3 \4/' "$dir/pairs.jsonl" | sort -n >"$dir/got"
[ -s "$dir/want" ] && diff "$dir/want" "$dir/got" >"$dir/out" 2>&1
result "the pairs are the longest against the shortest of the answers that were dumped"
cp "$dir/pairs.jsonl" "$dir/pairs.kept"
run eval "$dir/one" --output "$dir/one.json" && grep -q "note: [0-9]* questions to the model, \([0-9]*\) of them" "$dir/err" && cmp -s "$dir/pairs.jsonl" "$dir/pairs.kept" && rm "$dir/one/eval_answers.jsonl" && run eval "$dir/one" --output "$dir/one.json" && cmp -s "$dir/pairs.jsonl" "$dir/pairs.kept"
result "the same pairs once more, from kept answers and from new ones"
{ cat "$dir/common.yaml"; echo "datasets: [{path: $dir/pairs.jsonl, type: preference, field_margin: margin}]"; } >"$dir/dpo.yaml"
run "$dir/dpo.yaml" --objective=dpo --output_dir="$dir/dpo" --max_steps=2 && [ "$(wc -l <"$dir/dpo/metrics.jsonl")" = 2 ] && run pack "$dir/dpo.yaml" --objective=dpo && grep -q "$pairs" "$dir/out"
result "objective dpo trains on the pairs, all of them, with their margins"
run "$dir/dpo.yaml" --objective=reward --output_dir="$dir/rm" --max_steps=2
result "and a reward model"
run "$dir/common.yaml" --datasets="[$dir/best.jsonl]" --output_dir="$dir/sft" --max_steps=2
result "sft trains on the best answers"

{ cat "$dir/common.yaml"; echo "datasets: [$dir/s.jsonl]"; echo "evaluations: [{${task/q.jsonl/p.jsonl}, score_by: length, prefer: lower, pairs: $dir/again.jsonl, limit: 2}]"; } >"$dir/again.yaml"
echo '{"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "say 1"}], "chosen": "a", "rejected": "b"}' >"$dir/p.jsonl"
run eval "$dir/again.yaml" --output_dir="$dir/one" --output "$dir/x.json" && grep -q '"prompt": \[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "say 1"}\], "chosen": \[{"role": "assistant"' "$dir/again.jsonl"
result "the prompts of pairs serve as prompts"
# the reward model as a scorer: what ptrain score says of the chosen and rejected answers
{ cat "$dir/common.yaml"; echo "datasets: [$dir/s.jsonl]"; echo "models: [{name: rm, path: $dir/rm}, {name: dpo, path: $dir/dpo}]"; echo "evaluations: [{$task, name: scored, scorer: rm, pairs: $dir/rated.jsonl}]"; } >"$dir/rated.yaml"
run eval "$dir/rated.yaml" --output_dir="$dir/one" --output "$dir/x.json" && [ "$(wc -l <"$dir/rated.jsonl")" = 12 ] &&
    sed 's/^.*"prompt": \[\(.*\)\], "chosen": \[\(.*\)\], "rejected": \[\(.*\)\], "margin": \(.*\)}$/{"messages": [\1, \2], "is": \4}\n{"messages": [\1, \3]}/' "$dir/rated.jsonl" >"$dir/sides.jsonl" && run score "$dir/rm" --input "$dir/sides.jsonl" --output "$dir/scores.jsonl" &&
    sed 's/.*"is":\([^,]*\),.*"score":\([^,}]*\)}/\1 \2/; s/.*"score":\([^,}]*\)}/\1/' "$dir/scores.jsonl" | paste -d ' ' - - | awk '{ d = $1 - ($2 - $3); if (d < 0) d = -d; if ($1 <= 0 || d > 1e-5) bad = 1; n++ } END { exit bad || n != 12 }'
result "a reward model of \`models\` scores: margins are those of ptrain score"
sed -i 's/scorer: rm/scorer: [rm, rm], ensemble: minimum/; s/rated.jsonl/twice.jsonl/' "$dir/rated.yaml"
run eval "$dir/rated.yaml" --output_dir="$dir/one" --output "$dir/x.json" && cmp "$dir/twice.jsonl" "$dir/rated.jsonl" >>"$dir/err" 2>&1
result "an ensemble of the same one is that one"
sed -i 's/scorer: \[rm, rm\], ensemble: minimum/scorer: dpo/' "$dir/rated.yaml"
run eval "$dir/rated.yaml" --output_dir="$dir/one" --output "$dir/x.json"
[ $? -ne 0 ] && grep -q "rated.yaml:.* dpo gives no scores: it is no reward model" "$dir/err"
result "a model without scores is named"
sed -i 's/scorer: dpo/scorer: nobody/' "$dir/rated.yaml"
run eval "$dir/rated.yaml" --output_dir="$dir/one" --output "$dir/x.json"
[ $? -ne 0 ] && grep -q "rated.yaml:.*names a model 'nobody', and .models. has none of that name; there are: self, base, rm, dpo" "$dir/err"
result "and one that is not there"
# a judge over HTTP: what it says to every sample is the same
stub_start same --mode constant --score 4 --marker 'VERDICT ([0-9a-f]{8})' --verdict 'VERDICT {marker}: {score}'
judged() { # LIMIT: exit code of the evaluation
    { cat "$dir/common.yaml"; echo "datasets: [$dir/s.jsonl]"; echo "models: [{name: gpt, endpoint: \"http://127.0.0.1:$port/v1\", model: stub, max_requests: $1}]"; echo "evaluations: [{$task, scorer: gpt, template: rating, pairs: $dir/judged.jsonl, best: $dir/judged_best.jsonl}]"; } >"$dir/judged.yaml"
    run eval "$dir/judged.yaml" --output_dir="$dir/one" --output "$dir/judged.json"
}
judged 30
[ $? -eq 1 ] && grep -q "max_requests" "$dir/err" && tight "$dir/judged.json" | grep -q '"failures":{"gpt":{"[^"]*max_requests[^"]*":[1-9]' && [ "$(wc -l <"$dir/same.log")" = 30 ]
result "a judge's limit: tables, the failures by cause, exit 1"
judged 1000
[ $? -eq 0 ] && [ "$(wc -l <"$dir/same.log")" -le 96 ] && grep -q "^after: 0 of 12 prompts give a pair; 12 have equal scores, 0 no score" "$dir/out" && [ -e "$dir/judged.jsonl" ] && [ ! -s "$dir/judged.jsonl" ] && [ "$(wc -l <"$dir/judged_best.jsonl")" = 12 ] &&
    grep -q "warning: .*judged.jsonl is empty: no prompt gave a pair" "$dir/err" && tight "$dir/judged.json" | grep -q '"metric":"score_mean","scope":null,"before":{"value":4.0'
result "with a larger one it goes on; equal scores give no pair, and are counted"
refused() { # NAME TEXT KEYS [CODE]
    { cat "$dir/common.yaml"; echo "datasets: [$dir/s.jsonl]"; echo "evaluations: [{$3}]"; } >"$dir/bad.yaml"
    run eval "$dir/bad.yaml" --output_dir="$dir/one" --output "$dir/x.json"
    [ $? -eq "${4:-2}" ] && grep -qF -- "$2" "$dir/err" && grep -q "bad.yaml:[0-9]*:[0-9]*: " "$dir/err"
    result "$1"
}
refused "nothing that scores" "best_of wants scorer: NAME" "$task"
refused "two that score" "both say what scores" "$task, scorer: rm, score_by: length"
refused "a metric that says not which is better" "add prefer: higher or lower" "$task, score_by: length"
refused "one sample" "repeats takes a whole number from 2 to 1000" "task: best_of, path: $dir/q.jsonl, repeats: 1, score_by: chrf"
refused "samples that are all the same" "repeats goes with a temperature above 0" "${task/temperature: 1/temperature: 0}, score_by: chrf"
refused "a file of something else" "is there and is no dump of answers: it is left alone" "$task, score_by: chrf, pairs: $dir/q.jsonl"

# ---- stages ----
cat - "$dir/common.yaml" >"$dir/c.yaml" <<Y
stages:
  - {name: warm, datasets: [$dir/s.jsonl], max_steps: 4}
  - name: sample
    evaluate: [{$task, score_by: chrf, min_margin: 0.5, pairs: "{output_dir}/sample/pairs.jsonl"}]
  - {name: dpo, objective: dpo, datasets: [{path: "{output_dir}/sample/pairs.jsonl", type: preference, field_margin: margin}], max_steps: 3}
Y
run plan "$dir/c.yaml"
[ $? -eq 0 ] && grep -q "^stage 2 of 3: sample (in $dir/run/sample; evaluates what stage warm leaves)" "$dir/out" && grep -q "note: $dir/run/sample/pairs.jsonl: an earlier stage writes it; planned without it" "$dir/err" && ! grep -q "^warning" "$dir/err" &&
    [ "$(grep -c "^ *total " "$dir/out")" = 2 ] && [ ! -e "$dir/run/sample" ]
result "plan: the stage that waits for pairs is planned without them"
memory() { sed -n '/^stage 2 of 3/,/^stage 3 of 3/p' "$dir/out" | sed -n "s/^  $1  *\([0-9.]*\) MiB/\1/p"; }
[ "$(memory adapters)" != "" ] && [ "$(memory weights)" = 0.1 ] && sed -n '/^stage 2 of 3/,/^stage 3 of 3/p' "$dir/out" | grep -q "^measured  1 evaluation: at most 2048 tokens at once, 48 texts of [0-9]* positions" && [ "$(memory 'together, beside the program')" != "" ]
result "and the one that samples: what it will hold ($(memory 'together, beside the program') MiB)"
before=$(memory .\*)
run "$dir/c.yaml"
[ $? -eq 0 ] && [ "$(wc -l <"$dir/run/warm/metrics.jsonl")" = 4 ] && [ -s "$dir/run/sample/pairs.jsonl" ] && [ -s "$dir/run/sample/eval.json" ] && [ "$(wc -l <"$dir/run/metrics.jsonl")" = 3 ] && grep -q '"sample": "done"' "$dir/run/stages.json" &&
    grep -q "lora_model_dir: $dir/run/warm" "$dir/run/config.yaml" && grep -q "\"model\": \"$dir/run/warm\"" "$dir/run/sample/pairs.jsonl" && tight "$dir/run/sample/eval.json" | grep -q '"before":null,"after":{"name":"'
result "train, sample, train on the pairs: by one command; the evaluation measures what it begins with, alone"
{ cat "$dir/common.yaml"; echo "datasets: [$dir/s.jsonl]"; echo "evaluations: [{$task, score_by: chrf, min_margin: 0.5, pairs: $dir/other.jsonl}]"; } >"$dir/same.yaml"
run eval "$dir/same.yaml" --output_dir="$dir/run/warm" --output "$dir/x.json" && cmp "$dir/other.jsonl" "$dir/run/sample/pairs.jsonl" >>"$dir/err" 2>&1
result "the same pairs as ptrain eval of that run writes"
cp -a "$dir/run" "$dir/kept"
run plan "$dir/c.yaml" && [ "$(memory .\*)" = "$before" ]
result "planned once more, with the adapter that is there now: the same bytes"
weights() { cmp -s "$dir/kept/$1adapter_model.safetensors" "$dir/run/$1adapter_model.safetensors"; }
run "$dir/c.yaml" --resume_from_checkpoint=auto
[ $? -eq 0 ] && [ "$(grep -c "^done before" "$dir/out")" = 3 ]
result "what is done is passed over"
rm "$dir/run/sample/pairs.jsonl" && run "$dir/c.yaml" --resume_from_checkpoint=auto
[ $? -eq 0 ] && [ "$(grep -c "^done before" "$dir/out")" = 1 ] && grep -q "48 questions to the model, 48 of them answered before" "$dir/err" && cmp -s "$dir/kept/sample/pairs.jsonl" "$dir/run/sample/pairs.jsonl" && weights ""
result "pairs that are gone are made again, from kept answers, and what came after them"
sed -i 's/min_margin: 0.5/min_margin: 0.7/' "$dir/c.yaml" && run "$dir/c.yaml" --resume_from_checkpoint=auto
[ $? -eq 2 ] && grep -q "stage sample is done, and its evaluations are others now" "$dir/err"
result "an evaluation that is done was done like this, or nothing goes on"
sed -i 's/min_margin: 0.7/min_margin: 0.5/' "$dir/c.yaml"
rm -rf "$dir/run"
"$ptrain" "$dir/c.yaml" >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
until [ -s "$dir/run/sample/eval_answers.jsonl" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.005; done
kill -KILL $pid 2>/dev/null
wait $pid 2>/dev/null
run "$dir/c.yaml" --resume_from_checkpoint=auto && cmp -s "$dir/kept/sample/pairs.jsonl" "$dir/run/sample/pairs.jsonl" && weights warm/ && weights ""
result "killed while it samples: the same pairs and weights at the end"
rm -rf "$dir/run"
{ grep -v "^adapter\|^lora" "$dir/common.yaml"; sed -n '1,/ evaluate:/p' "$dir/c.yaml"; echo "  - {name: again, evaluate: [{$task, score_by: chrf}]}"; echo "  - {name: last, datasets: [$dir/s.jsonl], max_steps: 1}"; } >"$dir/f.yaml"
run "$dir/f.yaml" && grep -q "base_model: $dir/run/warm" "$dir/run/config.yaml" && [ -s "$dir/run/again/eval.json" ] && grep -q "\"model\": \"$dir/run/warm\"" "$dir/run/sample/pairs.jsonl"
result "weights that were all tuned are sampled too; two evaluations in a row"
bad() { # NAME TEXT STAGES
    { printf 'stages:\n%s\n' "$3"; cat "$dir/common.yaml"; } >"$dir/bad.yaml"
    rm -rf "$dir/run"
    run "$dir/bad.yaml"
    [ $? -eq 2 ] && grep -qF -- "$2" "$dir/err" && [ ! -e "$dir/run" ]
    result "$1"
}
s="  - {name: warm, datasets: [$dir/s.jsonl], max_steps: 1}"
bad "an evaluation stands not at the end" "the last stage trains" "$s
  - {name: sample, evaluate: [{$task, score_by: chrf}]}"
bad "an evaluation with a key of training" "learning_rate: a stage with evaluate trains nothing" "  - {name: sample, evaluate: [{$task, score_by: chrf}], learning_rate: 1}
$s"
bad "an evaluation that is none" "bad.yaml:2:" "  - {name: sample, evaluate: {task: best_of}}
$s"
{ printf 'stages:\n%s\n%s\n' "$s" "  - {name: dpo, objective: dpo, datasets: [{path: $dir/none.jsonl, type: preference}]}"; cat "$dir/common.yaml"; } >"$dir/bad.yaml"
run "$dir/bad.yaml"
[ $? -ne 0 ] && grep -q "stage dpo: .*none.jsonl: no such file" "$dir/err"
result "pairs that nobody writes are named before the first stage"
{ printf 'stages:\n%s\n%s\n' "  - {name: sample, evaluate: [{${task/q.jsonl/none.jsonl}, score_by: chrf}]}" "$s"; cat "$dir/common.yaml"; } >"$dir/bad.yaml"
run "$dir/bad.yaml"
[ $? -ne 0 ] && grep -q "stage sample: .*bad.yaml:2:.*none.jsonl: no such file" "$dir/err"
result "prompts that are not there likewise"
