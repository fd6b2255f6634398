#!/bin/bash
# Signals while f32 training computes: every one is answered by saving, and the run ends in the bits of one that was never disturbed.
# SIGNALS: how many SIGTERMs (6; tests/full: 50).
# Started under nohup the program would ignore SIGHUP, as it should: the test needs it as it is by default.
[ "$HUP_AS_DEFAULT" ] || HUP_AS_DEFAULT=1 exec env --default-signal=HUP bash "$0" "$@"
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/../cli/lib.bash"
export OMP_WAIT_POLICY=passive
trap 'kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
awk 'BEGIN { srand(4); for (r = 0; r < 30; r++) { ids = ""; labels = ""; len = 40 + int(rand() * 20)
    for (i = 0; i < len; i++) { id = 3 + int(rand() * 60); s = i ? ", " : ""
        ids = ids s id; labels = labels s (i < 10 ? -100 : id) }
    print "{\"input_ids\": [" ids "], \"labels\": [" labels "]}" } }' >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 96, intermediate_size: 172, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 64}
datasets: [{path: $dir/rows.jsonl, type: tokens}]
dataset_prepared_path: $dir/packs
adapter: lora
lora_r: 4
lora_target_linear: true
sequence_len: 64
batch_rows: 4
max_steps: 100000
lr_scheduler: constant
learning_rate: 1e-3
save_steps: 100000
save_total_limit: 2
device: cpu
compute: f32
END
lines() { cat "$dir/$1/metrics.jsonl" 2>/dev/null | wc -l; }
numbers() { sed 's/"tokens_per_second.*//' "$dir/$1/metrics.jsonl"; }
# disturb OUT TIMES COMMAND...: starts the run again and again, and ends it by a signal at some moment of some step
disturb() {
    local out=$1 times=$2 i from code sig
    shift 2
    for i in $(seq "$times"); do
        from=$(lines "$out")
        sig=${signals[i % ${#signals[@]}]}
        "$@" "$dir/run.yaml" --output_dir="$dir/$out" --resume_from_checkpoint=auto >"$dir/out" 2>"$dir/err" </dev/null &
        pid=$!
        while [ "$(lines "$out")" -le "$from" ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
        sleep 0.0$((RANDOM % 10))$((RANDOM % 10))
        kill -"$sig" $pid
        wait $pid
        code=$?
        [ "$1" = mpirun ] || [ $code -eq $((128 + $(kill -l "$sig"))) ] && [ -f "$dir/$out/checkpoint-$(lines "$out")/state.json" ] && continue
        echo "# $out: number $i, SIG$sig: exit code $code after step $(lines "$out")"
        return 1
    done
}
# undisturbed OUT COMMAND...: the same steps in one go end in the same bits
undisturbed() {
    local out=$1 steps
    shift
    steps=$(lines "$out")
    "$@" "$dir/run.yaml" --output_dir="$dir/whole" --max_steps="$steps" --save_steps="$steps" >"$dir/out" 2>"$dir/err" </dev/null &&
        cmp -s <(numbers whole) <(numbers "$out") && cmp -s "$dir/whole/checkpoint-$steps/state.bin" "$dir/$out/checkpoint-$steps/state.bin"
}
# blocked THREAD: the signals that it does not take, as a mask of the six
blocked() { echo $((0x$(sed -n 's/^SigBlk:\t//p' "$1/status") & 0x804a03)); }

times=${SIGNALS:-6}
signals=(TERM)
export OMP_NUM_THREADS=1
disturb one "$times" "$ptrain"
result "$times SIGTERMs at random moments: all saved"
undisturbed one "$ptrain"
result "and the bits of an undisturbed run"
export OMP_NUM_THREADS=2
signals=(INT HUP USR1 USR2 XCPU)
disturb two $((times < 10 ? 5 : times / 2)) "$ptrain" && undisturbed two "$ptrain"
result "two threads and five kinds of signals: all saved, the same bits"

# On this machine the generated products may stand a signal frame: no thread that computes may ever meet one.
"$ptrain" "$dir/run.yaml" --output_dir="$dir/look" --val_set_size=4 >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
while [ "$(lines look)" -lt 2 ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
open=0
for t in /proc/$pid/task/*; do [ "$(blocked "$t")" -eq $((0x804a03)) ] || open=$((open + 1)); done
caught=$((0x$(sed -n 's/^SigCgt:\t//p' /proc/$pid/status) & 0x804a03))
name=$(cat /proc/$pid/comm)
[ $open -le 1 ] && [ $caught -eq 0 ]
result "no thread but the one that waits takes signals, and there is no handler"
[ "$name" = "$(basename "$ptrain" | cut -c1-15)" ]
result "ps and top show the program's name"
kill -TERM $pid
sleep 0.4
kill -TERM $pid 2>/dev/null # it has ended, or ends now
wait $pid
[ $? -eq 143 ]
result "a second signal of the kind ends at once"
env WORLD_SIZE=2 RANK=0 MASTER_ADDR=127.0.0.1 MASTER_PORT=$((20000 + RANDOM % 20000)) "$ptrain" "$dir/run.yaml" --output_dir="$dir/alone" >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
for _ in $(seq 6000); do [ "$(blocked /proc/$pid)" -eq $((0x804a03)) ] && break; sleep 0.02; done # from here on it listens
began=$(date +%s)
kill -TERM $pid
wait $pid
[ $? -eq 143 ] && [ $(($(date +%s) - began)) -le 20 ] && grep -q "there was nothing to save" "$dir/err"
result "waiting for a rank that never comes: ends within seconds"
(trap '' HUP && exec "$ptrain" "$dir/run.yaml" --output_dir="$dir/nohup" >"$dir/out" 2>"$dir/err" </dev/null) &
pid=$!
while [ "$(lines nohup)" -lt 2 ] && kill -0 $pid 2>/dev/null; do sleep 0.01; done
kill -HUP $pid
from=$(lines nohup)
for _ in $(seq 2400); do [ "$(lines nohup)" -gt $((from + 2)) ] && break; sleep 0.05; done
kill -TERM $pid
wait $pid
[ $? -eq 143 ] && [ "$(lines nohup)" -gt $((from + 2)) ]
result "nohup: a SIGHUP that is ignored stays so"

# commands that write a file and save nothing: ended by the signal, and the half file goes
cp "$dir/rows.jsonl" "$dir/long.jsonl"
for _ in 1 2 3 4 5 6; do cat "$dir/long.jsonl" "$dir/long.jsonl" >"$dir/twice" && mv "$dir/twice" "$dir/long.jsonl"; done
mkdir "$dir/half"
"$ptrain" "$dir/run.yaml" --output_dir="$dir/done" --max_steps=1 >"$dir/out" 2>"$dir/err" </dev/null
for sig in TERM INT HUP USR1; do
    "$ptrain" score "$dir/done" --input "$dir/long.jsonl" --output "$dir/half/scores" >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    for _ in $(seq 12000); do ls "$dir/half" | grep -q ptrain-new && break; kill -0 $pid 2>/dev/null || break; sleep 0.01; done
    kill -$sig $pid
    wait $pid
    [ $? -eq $((128 + $(kill -l $sig))) ] && [ -z "$(ls "$dir/half")" ]
    result "SIG$sig while a result is written: ends at once, nothing half is left"
done

if ! command -v mpirun >/dev/null || ! "$ptrain" doctor 2>/dev/null | grep -q "ranks  *MPI"; then
    echo "ok $((n + 1)) - mpirun -n 2 # SKIP no mpirun, or a build without MPI"
    exit 0
fi
export OMP_NUM_THREADS=1
signals=(TERM USR1)
mpi=(mpirun -n 2 --allow-run-as-root --oversubscribe "$ptrain")
disturb ranks $((times < 10 ? 2 : times / 5)) "${mpi[@]}" && undisturbed ranks "${mpi[@]}"
result "mpirun -n 2, which hands SIGTERM and SIGUSR1 on: all saved, the same bits"
