#!/bin/bash
# Data parallel on devices: the whole trainer through the CUDA host code and the NCCL communicator, on the emulated device (make emulated).
cd "$(dirname "$0")/../.." || exit 2
. tests/dist/ranks.bash
if ! [ -e "$(dirname "$ptrain")/libptrain-emulated.so" ]; then
    echo "ok 1 - ranks on emulated devices # SKIP no libptrain-emulated.so beside the program (make emulated)"
    exit 0
fi
write_job emulated
one() { # OUT ARGS...
    local out=$1
    shift
    "$ptrain" "$dir/run.yaml" --output_dir="$dir/$out" "$@" >"$dir/out" 2>"$dir/err"
}

one one && ranks 2 two && close_to one two 1e-5 && ranks 4 four && close_to one four 1e-5
result "two and four devices: the curve of one"
ranks 4 four2 && same_bits four four2 && EMU_LAZY=1 EMU_ORDER=rand:3 ranks 2 two2 && same_bits two two2
result "the same bits again, also where streams run late and in any order"
ranks 2 saved --save_steps=3 --lora_dropout=0.1 && ranks 2 resumed --save_steps=3 --lora_dropout=0.1 --resume_from_checkpoint="$dir/saved/checkpoint-3" &&
    cmp -s "$dir/saved/adapter_model.safetensors" "$dir/resumed/adapter_model.safetensors" &&
    [ "$(curve saved | tail -n 3)" = "$(curve resumed | tail -n 3)" ]
result "a resumed run: the bits of one that never stopped"
store=PTRAIN_STORE=$dir/meet ranks 6 six && close_to one six 1e-5 # batch_rows 5: one has no record
result "a rank without records"
store=
full="--adapter= --max_steps=5"
one full $full && ranks 2 full2 $full && close_to full full2 1e-5
result "all weights"
pref="--objective=dpo --max_steps=3 --batch_rows=4 --val_set_size=0"
sed -i "s#path: .*rows.jsonl, type: tokens#path: $dir/pairs.jsonl, type: tokens#" "$dir/run.yaml"
one dpo $pref --eval_steps=1 && ranks 2 dpo2 $pref --eval_steps=1 && [ "$(curve dpo | wc -l)" = 3 ] &&
    paste -d' ' <(curve dpo) <(curve dpo2) | awk 'function off(a, b) { d = a - b; return (d < 0 ? -d : d) > 1e-5 * b } { if (off($2, $5) || off($3, $6)) bad = 1 } END { exit bad }'
result "preferences"
sed -i "s#path: .*pairs.jsonl, type: tokens#path: $dir/rows.jsonl, type: tokens#" "$dir/run.yaml"

# a rank dies while the others are inside a sum
start 3 killed --save_steps=1 --max_steps=100000 --val_set_size=0
await_steps killed 3 && kill -KILL "${pids[1]}"
finish
last=$(ls -d "$dir"/killed/checkpoint-* 2>/dev/null | grep -v ptrain- | sed 's/.*-//' | sort -n | tail -n 1)
[ "$codes" = "1,137,1," ] && grep -q "^error: rank 0: step [0-9]* (the checkpoint of step [0-9]* is whole): rank 1 failed: it is gone" "$dir/err0" &&
    grep -q "rank 1 failed: it is gone" "$dir/err2" && [ -n "$last" ] &&
    ranks 3 killed --resume_from_checkpoint=auto --max_steps=$((last + 2)) --val_set_size=0 && grep -q "checkpoint-$last" "$dir/err0"
result "a killed rank: the others leave with 1, the checkpoint is whole"
# a device fails in the middle: the others say whose and why
env_of_1="EMU_FAIL=launch:400" start 3 failed --save_steps=1 --val_set_size=0 --num_epochs=4
finish
[ "$codes" = "1,1,1," ] && grep -q "^error: rank 1: step [0-9]* (.*whole): .*kernel" "$dir/err1" && grep -q "rank 1 failed: .*kernel" "$dir/err0" &&
    grep -q "rank 1 failed: .*kernel" "$dir/err2"
result "a device that fails: every rank names it"
env_of_1="EMU_FAIL=malloc:1" start 2 nomem
finish
[ "$codes" = "1,1," ] && grep -q "^error: rank 0: .*NCCL on rank 1: " "$dir/err0" && ! [ -e "$dir/nomem" ]
result "a device that cannot begin: no rank does"
env_of_1="EMU_DEVICES=0" start 2 none
finish
[ "$codes" = "1,1," ] && grep -q "^error: rank 1: device: emulated: no GPU" "$dir/err1" && grep -q "rank 1 failed: device: emulated: no GPU" "$dir/err0"
result "a rank without a device: every rank says so"
