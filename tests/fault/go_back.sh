#!/bin/bash
# A run that is taken back to an earlier checkpoint goes on from there, whatever higher numbers its folder still holds; and what its folder holds
# of others is never removed.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/../cli/lib.bash"
export OMP_WAIT_POLICY=passive
awk 'BEGIN { srand(4); for (r = 0; r < 30; r++) { ids = ""; labels = ""; len = 12 + int(rand() * 12)
    for (i = 0; i < len; i++) { id = 3 + int(rand() * 60); s = i ? ", " : ""
        ids = ids s id; labels = labels s (i < 10 ? -100 : id) }
    print "{\"input_ids\": [" ids "], \"labels\": [" labels "]}" } }' >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 64}
datasets: [{path: $dir/rows.jsonl, type: tokens}]
dataset_prepared_path: $dir/packs
adapter: lora
lora_r: 4
lora_target_linear: true
sequence_len: 64
batch_rows: 5
max_steps: 40
lr_scheduler: constant
learning_rate: 1e-2
save_steps: 4
device: cpu
compute: f32
END
run() { # OUT ARGS...
    local out=$1
    shift
    "$ptrain" "$dir/run.yaml" --output_dir="$dir/$out" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
from() { grep -q "going on from $dir/$1: step" "$dir/err"; } # FOLDER: what the last run said
steps() { sed -n 's/^{"step": \([0-9]*\).*/\1/p' "$dir/$1/metrics.jsonl" | tr '\n' ' '; }
kept() { (cd "$dir/$1" && ls -d checkpoint-* | sed 's/checkpoint-//' | sort -n | tr '\n' ' '); }
fresh() { rm -rf "${dir:?}/$1" && cp -r "$dir/whole" "$dir/$1"; } # OUT: a copy of the whole run

run whole && [ "$(kept whole)" = "4 8 12 16 20 24 28 32 36 40 " ]
result "40 steps, 10 checkpoints"

fresh back
run back --resume_from_checkpoint="$dir/back/checkpoint-8" --max_steps=9 --save_steps=1 && [ "$(steps back)" = "1 2 3 4 5 6 7 8 9 " ] &&
    run back --resume_from_checkpoint=auto --max_steps=12 --save_steps=1 && from back/checkpoint-9
result "back to step 8: auto goes on from the new step 9, not from the old 40"
run back --resume_from_checkpoint=auto && from back/checkpoint-12 && cmp -s "$dir/back/adapter_model.safetensors" "$dir/whole/adapter_model.safetensors" &&
    [ "$(steps back)" = "$(seq 40 | tr '\n' ' ')" ]
result "and on to the end: the bits and lines of the whole run"

fresh limit
run limit --resume_from_checkpoint="$dir/limit/checkpoint-8" --max_steps=10 --save_steps=1 --save_total_limit=3 && [ "$(kept limit)" = "8 9 10 " ]
result "rotation removes what was left behind, not what is new"

fresh stopped
"$ptrain" "$dir/run.yaml" --output_dir="$dir/stopped" --resume_from_checkpoint="$dir/stopped/checkpoint-8" --save_total_limit=2 --save_steps=1000 \
    --max_steps=100000 >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
while ! grep -q '^{"step": 10,' "$dir/stopped/metrics.jsonl" 2>/dev/null || [ "$(wc -l <"$dir/stopped/metrics.jsonl")" -ge 40 ]; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.01
done
kill -TERM $pid
wait $pid
said=$(sed -n 's/.*everything is in .*checkpoint-\([0-9]*\)$/\1/p' "$dir/out")
[ -n "$said" ] && [ -f "$dir/stopped/checkpoint-$said/state.json" ] && run stopped --resume_from_checkpoint=auto --max_steps=$((said + 1)) &&
    from "stopped/checkpoint-$said"
result "stopped after going back: the checkpoint that is named is there, and the printed command takes it"

fresh killed
"$ptrain" "$dir/run.yaml" --output_dir="$dir/killed" --resume_from_checkpoint="$dir/killed/checkpoint-8" --save_steps=1000 --max_steps=100000 \
    >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
while ! { [ "$(wc -l <"$dir/killed/metrics.jsonl")" -lt 40 ] && grep -q '^{"step": 9,' "$dir/killed/metrics.jsonl"; } && kill -0 $pid 2>/dev/null; do sleep 0.01; done
kill -KILL $pid
wait $pid 2>/dev/null
cp -r "$dir/killed" "$dir/copy"
touch "$dir/copy/checkpoint-40/state.json" # dates say nothing
run copy --resume_from_checkpoint=auto --max_steps=9 && from copy/checkpoint-8 && [ "$(steps copy)" = "1 2 3 4 5 6 7 8 9 " ]
result "killed before it saved, and copied: auto still goes on from step 8"

fresh lost
run lost --resume_from_checkpoint="$dir/lost/checkpoint-8" --max_steps=9 --save_steps=1
for s in 4 8 9; do printf x | dd of="$dir/lost/checkpoint-$s/state.bin" bs=1 seek=1000 conv=notrunc 2>/dev/null; done
run lost --resume_from_checkpoint=auto
[ $? -eq 1 ] && grep -q "left behind when it was taken back there still is $dir/lost/checkpoint-40" "$dir/err"
result "nothing whole but what was left behind: refused by name"

mkdir -p "$dir/mine/runs" "$dir/mine/checkpoint-8.old-1" "$dir/mine/data.tmp-7" "$dir/mine/checkpoint-4"
for f in x.tmp-123 y.old-4 checkpoint-8.old-1/a data.tmp-7/b checkpoint-4/c runs/events.out.tfevents.7.me metrics.jsonl config.json eval.json; do
    echo mine >"$dir/mine/$f"
done
run mine && run mine --resume_from_checkpoint=auto && run mine --max_steps=4 && grep -q "held an earlier run" "$dir/err" &&
    [ "$(grep -rlx mine "$dir/mine" | wc -l)" -eq 9 ] && [ -f "$dir/mine/metrics.jsonl.kept-1" ] && [ -f "$dir/mine/checkpoint-4.kept-1/c" ] &&
    [ "$(find "$dir/mine/runs" -name 'events*' | wc -l)" -eq 2 ]
result "nine files of others with names like ours outlive three runs"
