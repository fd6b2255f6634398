#!/usr/bin/env bash
# `sampling` of tasks and eval_sampling: the samplers of chat and generate in evaluations.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
for i in $(seq 8); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
for i in $(seq 5); do echo "{\"question\": \"Is it day $i?\", \"references\": [\"Yes.\"]}"; done >"$dir/items.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/run
max_steps: 2
batch_rows: 8
sequence_len: 64
device: cpu
compute: f32
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
# said SAMPLING [KEYS]: what a task with it made the model say, a JSON text a line
said() {
    cp "$dir/run.yaml" "$dir/task.yaml"
    echo "evaluations: [{task: text, path: $dir/items.jsonl, max_new_tokens: 10, dump: $dir/dump.jsonl, dump_as: said, sampling: $1${2:+, $2}}]" >>"$dir/task.yaml"
    rm -f "$dir/dump.jsonl"
    "$ptrain" eval "$dir/task.yaml" --output "$dir/task.json" --answers "$dir/answers" >"$dir/out" 2>"$dir/err" </dev/null || return 1
    grep -o '"said": *"[^"]*"' "$dir/dump.jsonl" | sed 's/.*: *"//; s/"$//'
}
id() { echo "{\"text\": \"$1\"}" >"$dir/w.jsonl" && "$ptrain" tokenize tests/golden/data/tok_bpe --input "$dir/w.jsonl" | grep -o '[0-9]\+' | head -1; }
a=$(id a) b=$(id b)
[ -n "$a" ] && [ "$(said "[logit-bias=$a+1000]" | sort | uniq -c | tr -s ' ')" = " 5 aaaaaaaaaa" ]
result "logit-bias: every answer is one token again and again"
[ "$(said "[\"logit-bias=$a+1000,$b+1000\", presence-penalty=100, repeat-last-n=1]" | sort -u | grep -cvxE 'ababababab|bababababa')" = 0 ] && [ "$(wc -l <"$dir/dump.jsonl")" = 5 ]
result "a penalty over one token: two take turns"
[ "$(said "[logit-bias=$a+1000, stop=aaa, stop=zz]" | sort -u)" = "" ] && grep -q '"said": *""' "$dir/dump.jsonl" && tr -d ' \n' <"$dir/task.json" | grep -q '"metric":"stopped_share","scope":null,"before":{"value":1[.0]*,'
result "stop: the answer ends before the text, as stopped"
first=$(said "[top-k=1]" "temperature: 2") && greedy=$(said "[min-p=0]") && [ -n "$first" ] && [ "$first" = "$greedy" ] && [ "$(said "[min-p=0.001]" "temperature: 2")" != "$greedy" ]
result "top-k 1 at temperature 2 is greedy, min-p 0.001 is not"
before=$(wc -l <"$dir/answers") && said "[top-k=1]" "temperature: 2" >"$dir/again" && [ "$(wc -l <"$dir/answers")" = "$before" ] && [ "$(cat "$dir/again")" = "$first" ]
result "answers that are kept are those of the same samplers"
cp "$dir/run.yaml" "$dir/two.yaml"
echo "evaluations: [{task: text, name: one, path: $dir/items.jsonl, max_new_tokens: 5, dump: $dir/one.jsonl, sampling: logit-bias=$a+1000}, {task: text, name: other, path: $dir/items.jsonl, max_new_tokens: 5, dump: $dir/other.jsonl, sampling: logit-bias=$b+1000}]" >>"$dir/two.yaml"
"$ptrain" eval "$dir/two.yaml" --output "$dir/task.json" --answers "$dir/two.answers" >"$dir/out" 2>"$dir/err" </dev/null && [ "$(grep -c aaaaa "$dir/one.jsonl") $(grep -c bbbbb "$dir/one.jsonl") $(grep -c bbbbb "$dir/other.jsonl")" = "10 0 10" ]
result "two tasks that ask the same, each with its own"
refused() { # TEXT SAMPLING [KEYS]
    said "$2" "$3" >/dev/null
    [ $? -ne 0 ] && grep -q "task.yaml:[0-9]*:[0-9]*: .*$1" "$dir/err"
}
refused "min-p takes a number from 0 to 1, not '2'" "[min-p=2]"
result "a number out of range is refused where it stands"
refused "temp is said by a key of its own: temperature" "[top-k=3, temp=1]" && refused "seed is said by a key of its own" "[seed=3]"
result "what has a key of its own"
refused "is no option of samplers" "[warmth=1]" && refused "name=value, not 'warmth'" "[warmth]"
result "an option that is none"
# a dialogue's speakers, alone and by two ranks
echo '{"topic": "day"}' >"$dir/scenes.jsonl"
cp "$dir/run.yaml" "$dir/talk.yaml"
echo "evaluations: [{task: dialogue, name: talk, path: $dir/scenes.jsonl, turns: 3, max_new_tokens: 4, context: 200, dump: $dir/talk.jsonl, sampling: [logit-bias=$a+1000, stop=zz], speakers: [{name: Ann, script: 'Of {topic}.', model: self}, {name: Bo, model: self}]}]" >>"$dir/talk.yaml"
"$ptrain" eval "$dir/talk.yaml" --output "$dir/talk.json" --answers "$dir/talk.answers" >"$dir/out" 2>"$dir/err" </dev/null && [ "$(grep -o 'aaaa' "$dir/talk.jsonl" | wc -l)" -ge 4 ]
result "a dialogue's turns"
if command -v mpirun >/dev/null; then
    cp "$dir/talk.jsonl" "$dir/alone.jsonl" && rm -f "$dir/talk.answers" && mpirun --allow-run-as-root --oversubscribe -n 2 "$ptrain" eval "$dir/talk.yaml" --output "$dir/talk.json" --answers "$dir/talk.answers" >"$dir/out" 2>"$dir/err" </dev/null &&
        cmp -s "$dir/talk.jsonl" "$dir/alone.jsonl"
    result "the same by two ranks"
else
    n=$((n + 1)); echo "ok $n - two ranks # SKIP no mpirun"
fi
sed "s|model: self}\]|model: far}]|; \$a models: [{name: far, endpoint: 'http://127.0.0.1:9/v1', model: stub}]" "$dir/talk.yaml" >"$dir/far.yaml"
rm -f "$dir/talk.answers"
! "$ptrain" eval "$dir/far.yaml" --output "$dir/talk.json" --answers "$dir/talk.answers" >"$dir/out" 2>"$dir/err" </dev/null && grep -q "far: .sampling. is of models here; an endpoint takes temperature, top_p and seed" "$dir/err"
result "an endpoint is not told them: said"
# what it takes, in plans
plans() { # SAMPLING: MiB of the line
    cp "$dir/run.yaml" "$dir/plan.yaml"
    printf 'eval_steps: 1\nval_set_size: 2\nevaluations: [{task: text, name: it, path: %s, during_training: true, max_new_tokens: 10, sampling: %s}]\n' "$dir/items.jsonl" "$1" >>"$dir/plan.yaml"
    "$ptrain" plan "$dir/plan.yaml" >"$dir/out" 2>"$dir/err" && sed -n 's/^ *samplers of answers *\([0-9.]*\) MiB$/\1/p' "$dir/out"
}
small=$(plans "[top-k=3]") && large=$(plans "[typical=0.9]") && [ "$small" = 0.0 ] && [ "$large" != 0.0 ] && [ -n "$large" ] && grep -q "^ *[a-z ]*cache[a-z ]*  *[0-9.]* MiB" "$dir/out"
result "a plan has lines for the cache and for samplers that the host runs"
cp "$dir/run.yaml" "$dir/probe.yaml"
printf 'test_datasets: [{path: %s, type: messages}]\neval_max_new_tokens: 6\neval_temperature: 0\neval_sampling: [logit-bias=%s+1000]\n' "$dir/rows.jsonl" "$a" >>"$dir/probe.yaml"
"$ptrain" "$dir/probe.yaml" --output_dir="$dir/probe" >"$dir/out" 2>"$dir/err" && "$ptrain" eval "$dir/probe" >"$dir/out" 2>"$dir/err" && grep -q '"aaaaaa"' "$dir/probe/eval_answers.jsonl" &&
    [ "$(grep -c '"aaaaaa"' "$dir/probe/eval_answers.jsonl")" = "$(grep -c '"text"' "$dir/probe/eval_answers.jsonl")" ]
result "eval_sampling: of answers to test_datasets"
! "$ptrain" "$dir/probe.yaml" --output_dir="$dir/probe" --eval_sampling='[top-p=0.5]' >"$dir/out" 2>"$dir/err" && grep -q "eval_sampling: top-p is said by a key of its own" "$dir/err"
result "and is checked with the config"
echo "1..$n"
