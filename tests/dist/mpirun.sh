#!/bin/bash
# The program under mpirun: the curve of one process, one set of files, a stop and a failure that all ranks leave by.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
export OMP_WAIT_POLICY=passive
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME: by the exit code before
    local ok=$?
    n=$((n + 1))
    if [ $ok -eq 0 ]; then echo "ok $n - $1"; else
        tail -n 5 "$dir/err" 2>/dev/null | sed 's/^/# /'
        echo "not ok $n - $1"
    fi
}
if ! command -v mpirun >/dev/null || ! "$ptrain" doctor 2>/dev/null | grep -q "ranks  *MPI"; then
    echo "ok 1 - two processes # SKIP no mpirun, or a build without MPI"
    exit 0
fi
awk 'BEGIN { srand(4); for (r = 0; r < 24; r++) { ids = ""; labels = ""; len = 12 + int(rand() * 12)
    for (i = 0; i < len; i++) { id = i < 8 ? 3 + (r % 3) * 8 + i : 3 + int(rand() * 60); s = i ? ", " : ""
        ids = ids s id; labels = labels s (i < 10 ? -100 : id) }
    print "{\"input_ids\": [" ids "], \"labels\": [" labels "]}" } }' >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2,
  num_attention_heads: 4, vocab_size: 64}
datasets: [{path: $dir/rows.jsonl, type: tokens}]
adapter: lora
lora_r: 4
lora_target_linear: true
sequence_len: 64
batch_rows: 5
num_epochs: 3
val_set_size: 3
learning_rate: 1e-3
device: cpu
compute: f32
END
ranks() { # N OUT ARGS...
    local count=$1 out=$2
    shift 2
    mpirun -n "$count" --allow-run-as-root --oversubscribe "$ptrain" "$dir/run.yaml" --output_dir="$dir/$out" "$@" \
        >"$dir/out" 2>"$dir/err" </dev/null
}
curve() { # OUT: step, loss, norm; "eval", step, loss
    sed -n 's/.*"step": \([0-9]*\).*"loss": \([^,]*\), "grad_norm": \([^,]*\),.*/\1 \2 \3/p
            s/.*"step": \([0-9]*\), "eval_loss": \([^,]*\),.*/eval \1 \2/p' "$dir/$1/metrics.jsonl"
}
close() { # A B: every number within 1e-4 (an adapter trained for some steps)
    paste -d' ' <(curve "$1") <(curve "$2") | awk 'function off(a, b) { d = a - b; return (d < 0 ? -d : d) > 1e-4 * (b < 0 ? -b : b) }
        { if ($1 != $4 || $2 == "" || off($2, $5) || off($3, $6)) bad = 1 } END { exit bad || NR < 13 }'
}

"$ptrain" "$dir/run.yaml" --output_dir="$dir/one" >"$dir/out" 2>"$dir/err" && ranks 2 two && close one two
result "two processes: the curve of one"
ranks 3 three && close one three
result "three processes: the curve of one"
# a rank that sleeps is named by the others, and the run ends
mpirun -n 3 --allow-run-as-root --oversubscribe bash -c "echo \$\$ >$dir/pid\$OMPI_COMM_WORLD_RANK; exec $ptrain $dir/run.yaml --output_dir=$dir/hangs \
    --max_steps=100000 --val_set_size=0 --ddp_timeout=3" >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
for _ in $(seq 400); do [ "$(cat "$dir/hangs/metrics.jsonl" 2>/dev/null | wc -l)" -ge 3 ] && break; sleep 0.05; done
kill -STOP "$(cat "$dir/pid1")"
(sleep 60; kill $pid 2>/dev/null) &
guard=$!
wait $pid
[ $? -eq 1 ] && kill $guard && grep -q "^error: rank 0: step [0-9]* .*: rank 1 failed: it did not come to a .* (call [0-9]*) within 3 s" "$dir/err"
result "a rank that hangs is named, and the others leave after ddp_timeout"
program="$ptrain $dir/run.yaml --output_dir=$dir/differ --max_steps=2"
timeout 60 mpirun --allow-run-as-root --oversubscribe -n 1 $program : -n 1 $program --save_steps=1 --lora_alpha=64 >"$dir/out" 2>"$dir/err" </dev/null
[ $? -ne 124 ] && grep -q "lora_alpha is 64 on rank 1 and 32 on rank 0; save_steps is 1 on rank 1 and 0 on rank 0" "$dir/err" && ! [ -e "$dir/differ/adapter_model.safetensors" ]
result "ranks with different settings do not wait for each other"
mpirun -n 2 --allow-run-as-root --oversubscribe "$ptrain" "$dir/run.yaml" --output_dir="$dir/stopped" --save_steps=1 --max_steps=100000 \
    >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
for _ in $(seq 400); do [ "$(cat "$dir/stopped/metrics.jsonl" 2>/dev/null | wc -l)" -ge 3 ] && break; sleep 0.05; done
kill -TERM $pid 2>/dev/null # mpirun hands it to the ranks
wait $pid 2>/dev/null
last=$(ls -d "$dir"/stopped/checkpoint-* 2>/dev/null | sed 's/.*-//' | sort -n | tail -n 1)
[ -n "$last" ] && [ "$last" -lt 100000 ] && ranks 2 stopped --resume_from_checkpoint=auto --max_steps=$((last + 2)) &&
    grep -q "checkpoint-$last" "$dir/err"
result "a stop of the job leaves a checkpoint to go on from"
"$ptrain" "$dir/run.yaml" --output_dir="$dir/stopped" --resume_from_checkpoint="$dir/stopped/checkpoint-$last" --max_steps=$((last + 1)) \
    >"$dir/out" 2>"$dir/err" && grep -q "was made by 2 processes, this run has 1" "$dir/err"
result "going on with another number of processes is announced"
