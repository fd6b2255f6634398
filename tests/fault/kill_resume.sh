#!/bin/bash
# The program itself, stopped by signals and killed: exit codes, what it says, and that a resumed run ends in the bits of one never stopped.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/../cli/lib.bash"
export OMP_WAIT_POLICY=passive
awk 'BEGIN { srand(4); for (r = 0; r < 30; r++) { ids = ""; labels = ""; len = 12 + int(rand() * 12)
    for (i = 0; i < len; i++) { id = i < 8 ? 3 + (r % 3) * 8 + i : 3 + int(rand() * 60); s = i ? ", " : ""
        ids = ids s id; labels = labels s (i < 10 ? -100 : id) }
    print "{\"input_ids\": [" ids "], \"labels\": [" labels "]}" } }' >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2,
  num_attention_heads: 4, vocab_size: 64}
datasets: [{path: $dir/rows.jsonl, type: tokens}]
dataset_prepared_path: $dir/packs
adapter: lora
lora_r: 4
lora_dropout: 0.1
lora_target_linear: true
sequence_len: 64
batch_rows: 5
max_steps: 40
learning_rate: 1e-2
warmup_steps: 4
save_steps: 1
save_total_limit: 2
device: cpu
compute: f32
END
run() { # OUT ARGS...
    local out=$1
    shift
    "$ptrain" "$dir/run.yaml" --output_dir="$dir/$out" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
lines() { cat "$dir/$1/metrics.jsonl" 2>/dev/null | wc -l; }
wait_for() { # OUT LINES PID: until the run has written so many lines or has ended
    while [ "$(lines "$1")" -lt "$2" ] && kill -0 "$3" 2>/dev/null; do sleep 0.01; done
}
numbers() { sed 's/"tokens_per_second.*//' "$dir/$1/metrics.jsonl"; }
same() { # OUT: as the whole run
    cmp -s <(numbers whole) <(numbers "$1") && cmp -s "$dir/whole/adapter_model.safetensors" "$dir/$1/adapter_model.safetensors" &&
        cmp -s "$dir/whole/checkpoint-40/state.bin" "$dir/$1/checkpoint-40/state.bin"
}
start() { # OUT ARGS...: in the background; its id is in $pid
    local out=$1
    shift
    "$ptrain" "$dir/run.yaml" --output_dir="$dir/$out" "$@" >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
}

run whole && [ "$(lines whole)" -eq 40 ]
result "a run from start to end"

start term
wait_for term 5 $pid
kill -TERM $pid 2>/dev/null
wait $pid
[ $? -eq 143 ] && grep -q "resume_from_checkpoint=auto" "$dir/out" && [ "$(lines term)" -lt 40 ] && [ -d "$dir/term/checkpoint-$(lines term)" ]
result "SIGTERM: exit code 143, saved, and how to go on"
start term --resume_from_checkpoint=auto
wait_for term 15 $pid
kill -INT $pid 2>/dev/null
wait $pid
[ $? -eq 130 ]
result "SIGINT: exit code 130"
run term --resume_from_checkpoint=auto && same term
result "stopped twice and resumed: the same bits"

kills=0
for i in 1 2 3 4 5; do
    start killed --resume_from_checkpoint=auto
    wait_for killed $((i * 6)) $pid
    kill -KILL $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done
run killed --resume_from_checkpoint=auto && [ $kills -eq 5 ] && same killed && ! ls -d "$dir"/killed/*.ptrain-* >/dev/null 2>&1
result "killed five times and resumed: the same bits"

echo '{"input_ids": [3, 4, 5, 6], "labels": [-100, -100, 5, 6]}' >"$dir/rows.jsonl"
run killed --resume_from_checkpoint=auto
[ $? -eq 2 ] && grep -q "another set of training data" "$dir/err"
result "resuming with other data is refused"
