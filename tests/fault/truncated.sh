#!/bin/bash
# Files that are cut short while they are mapped: the message names the file and the checkpoint to go on from; nothing half is saved.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/../cli/lib.bash"
export OMP_WAIT_POLICY=passive
trap 'kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
for i in 3 4 5 6 7 8; do echo "{\"input_ids\": [$i, 2, 3, 4, 9, 10], \"labels\": [-100, -100, 3, 4, 9, 10]}"; done >"$dir/t.jsonl"
cat >"$dir/base.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 128}
datasets: [{path: $dir/t.jsonl, type: tokens}]
sequence_len: 64
batch_rows: 2
max_steps: 2
device: cpu
compute: f32
END
"$ptrain" "$dir/base.yaml" --output_dir="$dir/base" >"$dir/out" 2>"$dir/err" </dev/null && "$ptrain" export "$dir/base" --to gguf --out "$dir/base.gguf" >"$dir/out" 2>"$dir/err"
result "a base as folder and as GGUF"
cat >"$dir/run.yaml" <<END
datasets: [{path: $dir/t.jsonl, type: tokens}]
sequence_len: 64
batch_rows: 2
max_steps: 100000
adapter: lora
lora_r: 4
lora_target_linear: true
save_steps: 3
save_total_limit: 2
device: cpu
compute: f32
END
lines() { cat "$dir/$1/metrics.jsonl" 2>/dev/null | wc -l; }
newest() { ls "$dir/$1" | sed -n 's/^checkpoint-\([0-9]*\)$/\1/p' | sort -n | tail -n 1; }
# cut OUT BASE FILE COMMAND...: trains on BASE, and cuts FILE of it to two pages
cut_run() {
    local out=$1 base=$2 file=$3
    shift 3
    "$@" "$dir/run.yaml" --base_model="$base" --output_dir="$dir/$out" >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    while [ "$(lines "$out")" -lt 8 ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
    truncate -s 8192 "$file"
    wait $pid
}
# says_cut FILE MORE: whoever notices first names it: the next read of a page (and then MORE is said too), or the check before a checkpoint.
says_cut() {
    grep -q "$1: cut short while it was in use" "$dir/err" && grep -q "$2" "$dir/err" && return
    grep -qE "$1 was cut from [0-9]+ to 8192 bytes while it was in use" "$dir/err"
}
cp -r "$dir/base" "$dir/cut"
cut_run hf "$dir/cut" "$dir/cut/model.safetensors" "$ptrain"
[ $? -eq 1 ] && { says_cut "$dir/cut/model.safetensors" "the last checkpoint is $dir/hf/checkpoint-$(newest hf)$"; }
result "a Hugging Face base cut in training: named, with the checkpoint"
cp "$dir/base/model.safetensors" "$dir/cut/model.safetensors"
"$ptrain" "$dir/run.yaml" --base_model="$dir/cut" --output_dir="$dir/hf" --resume_from_checkpoint=auto --max_steps=$(($(newest hf) + 1)) >"$dir/out" 2>"$dir/err" </dev/null
result "mended, the run goes on"
cp "$dir/base.gguf" "$dir/cut.gguf"
cut_run gguf "$dir/cut.gguf" "$dir/cut.gguf" "$ptrain"
[ $? -eq 1 ] && says_cut "$dir/cut.gguf" .
result "a GGUF base cut in training"
mkfifo "$dir/rows"
cp "$dir/base/model.safetensors" "$dir/cut/model.safetensors"
exec 7<>"$dir/rows" # does not wait for a reader
"$ptrain" score "$dir/cut" --input "$dir/rows" >"$dir/out" 2>"$dir/err" 7>&- &
pid=$!
for _ in $(seq 2400); do
    # it has the model, and waits for rows; before it is that program it is a copy of this shell, which has them open too
    [ /proc/$pid/exe -ef "$ptrain" ] && ls -l /proc/$pid/fd 2>/dev/null | grep -q "$dir/rows" && break
    sleep 0.05
done
truncate -s 8192 "$dir/cut/model.safetensors"
echo '{"input_ids": [1, 2, 3, 4]}' >&7
exec 7>&-
wait $pid
[ $? -eq 1 ] && grep -q "$dir/cut/model.safetensors: cut short while it was in use" "$dir/err" && ! grep -q "checkpoint" "$dir/err"
result "a base cut while score waits for rows"
if command -v mpirun >/dev/null && "$ptrain" doctor 2>/dev/null | grep -q "ranks  *MPI"; then
    cp "$dir/base.gguf" "$dir/cut.gguf"
    cut_run mpi "$dir/cut.gguf" "$dir/cut.gguf" mpirun -n 2 --allow-run-as-root --oversubscribe "$ptrain"
    [ $? -ne 0 ] && says_cut "$dir/cut.gguf" .
    result "a base cut under mpirun"
fi
# Cut within its last page nothing faults, and what is missing reads as zeros: met before the next save.
cp "$dir/base.gguf" "$dir/cut.gguf"
"$ptrain" "$dir/run.yaml" --base_model="$dir/cut.gguf" --output_dir="$dir/page" >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
while [ "$(lines page)" -lt 8 ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
truncate -s -4 "$dir/cut.gguf"
wait $pid
[ $? -eq 1 ] && grep -q "$dir/cut.gguf was cut from [0-9]* to [0-9]* bytes while it was in use" "$dir/err"
result "a base cut by 4 bytes: no checkpoint of what came after"
