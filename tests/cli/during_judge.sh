#!/bin/bash
# Evaluations during training that speak to endpoints: scores at each step, a judge that fails, limits, kills; models in memory are refused.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_WAIT_POLICY=passive
. tests/stub/stub.bash
trap 'stub_end; kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
for i in $(seq 40); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
for i in $(seq 6); do echo "{\"question\": \"Who are you, number $i?\"}"; done >"$dir/asked.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
dataset_prepared_path: $dir/packs
val_set_size: 8
audit: "off"
max_steps: 12
batch_rows: 8
sequence_len: 64
learning_rate: 0.05
eval_steps: 4
device: cpu
compute: f32
metric_for_best_model: j/score
load_best_model_at_end: true
Y
stub() { # NAME OPTION...
    stub_start "$@" --mode constant --marker 'VERDICT ([0-9a-f]{8}):' --verdict 'So: VERDICT {marker}: {score}'
}
config() { # NAME JUDGE MORE...: the model's keys are in $model
    { cat "$dir/run.yaml"; echo "models: [{name: $2, $model}]"; echo "evaluations: [{task: judge, name: j, path: $dir/asked.jsonl, judges: [$2], max_new_tokens: 6, temperature: 0, low: 1, high: 5, during_training: true}]"; } >"$dir/$1.yaml"
}
go() { # CONFIG OUT ARGS...
    local config=$1 out=$2
    shift 2
    "$ptrain" "$dir/$config.yaml" --output_dir="$dir/$out" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
stub good --score 4
remote="endpoint: \"http://127.0.0.1:$port/v1\", model: stub, wait_scale: 0.01"
model=$remote config good good
go good good && [ "$(grep -c '"eval_j/score": 4.0' "$dir/good/metrics.jsonl")" -eq 3 ] && grep -q "^best: j/score 4 at step 4, which is the result" "$dir/out" && [ -s "$dir/good/eval_answers.jsonl" ]
result "a judge's score at each evaluation, and the best by it"
go good plain --evaluations= --models= --metric_for_best_model=loss && go good plain2 --load_best_model_at_end=false && cmp -s "$dir/plain2/checkpoint-4/adapter_model.safetensors" "$dir/good/adapter_model.safetensors"
result "the result is the judged checkpoint"

stub bad --faults 500
model="endpoint: \"http://127.0.0.1:$port/v1\", model: stub, wait_scale: 0.001" config bad bad
go bad bad --early_stopping_patience=2 && [ "$(grep -c '"eval_j/score": null' "$dir/bad/metrics.jsonl")" -eq 2 ] && grep -q "j/score is no number: it is not the best" "$dir/err" && grep -q "^ended early" "$dir/out" && ! grep -q "^best:" "$dir/out" &&
    grep -q "load_best_model_at_end: j/score was a number in no evaluation: the result is the model of the last step" "$dir/err" && [ -s "$dir/bad/adapter_model.safetensors" ]
result "a judge that fails ends nothing; without a score there is no best"
model="$remote, max_requests: 8" config few good
go few few && grep -q "step [0-9]*: good: .*max_requests" "$dir/err" && grep -q "^done: 12 steps" "$dir/out"
result "a limit that is reached is said, and the run goes on"

model="path: $dir/good" config memory other
go memory memory --metric_for_best_model=j/length && grep -q "^beside    other [0-9.]* MiB" "$dir/out" && [ "$(grep -c '"eval_j/verdicts_missing": 1.0' "$dir/memory/metrics.jsonl")" -eq 3 ]
result "a judge in memory is opened beside the model; what it says is no verdict"
model="$remote, api_key_env: PTRAIN_NO_SUCH_KEY" config key good
go key no
[ $? -eq 2 ] && grep -q "key.yaml:[0-9:]* the model good: api_key_env: the environment variable that it names is not set" "$dir/err" && [ ! -e "$dir/no/metrics.jsonl" ]
result "and a key that is not there"
go good no --metric_for_best_model=j/skore
[ $? -eq 2 ] && grep -q "nobody computes j/skore; there are: eval_loss, .*j/score, j/verdicts_missing" "$dir/err"
result "a judge's numbers are known by name before step 1"

# killed: the same verdicts, and nobody is paid twice but for what was in flight
stub slow --score 2 --delay 60
model="endpoint: \"http://127.0.0.1:$port/v1\", model: stub, wait_scale: 0.01, concurrency: 2" config slow slow
kills=0
for asked in 3 9; do
    "$ptrain" "$dir/slow.yaml" --output_dir="$dir/slow" --resume_from_checkpoint=auto >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    while [ "$(wc -l <"$dir/slow.log")" -lt $asked ] && kill -0 $pid 2>/dev/null; do sleep 0.005; done
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done
pid=
go slow slow --resume_from_checkpoint=auto
code=$?
asked=$(wc -l <"$dir/slow.log")
distinct=$(cut -f5 "$dir/slow.log" | sort -u | wc -l)
[ $code -eq 0 ] && [ $kills -eq 2 ] && [ $((asked - distinct)) -le $((2 * kills)) ] && [ "$(grep -c '"eval_j/score": 2.0' "$dir/slow/metrics.jsonl")" -eq 3 ] && grep -q "^best: j/score 2 at step 4" "$dir/out"
result "killed $kills times: $asked requests for $distinct questions, the same best"
echo "1..$n"
