#!/bin/bash
# Ranks that were started differently do not begin: each kind of difference is named with both values, on every rank, within seconds.
# And what may differ does not stop them.
cd "$(dirname "$0")/../.." || exit 2
. tests/dist/ranks.bash
write_job cpu

# refused WHAT ARGS_OF_RANK_0 ARGS_OF_RANK_1 ARGS...: both leave with wrong usage and the same line, which names key and values
refused() {
    local says=$1
    args_of_0=$2 args_of_1=$3
    shift 3
    patience=20 start 2 differ "$@" && finish
    args_of_0="" args_of_1=""
    [ "$codes" = "2,2," ] && grep -q "rank 1 was started with another config, model or data than rank 0: .*$says" "$dir/err0" &&
        grep -q "rank 1 was started .*$says" "$dir/err1" && ! [ -e "$dir/differ/adapter_model.safetensors" ]
}
refused "save_steps is 1 on rank 1 and 0 on rank 0" "" --save_steps=1 && refused "eval_steps is 1 on rank 1 and 2" --eval_steps=2 --eval_steps=1
result "save_steps, eval_steps"
refused "lora_alpha is 64 on rank 1 and 32 on rank 0" "" --lora_alpha=64 && refused "peft_use_rslora is true on rank 1 and false" "" --peft_use_rslora=true
result "lora_alpha, peft_use_rslora"
refused "datasets\[0\].weight is 0.5 on rank 1 and 1 on rank 0" "" "--datasets=[{\"path\":\"$dir/rows.jsonl\",\"type\":\"tokens\",\"weight\":0.5}]"
result "the weight of a data set"
refused "compute is bf16 on rank 1 and f32 on rank 0" "" --compute=bf16 && refused "device is auto on rank 1 and cpu on rank 0" "" --device=auto &&
    refused "gradient_checkpointing is true" "" --gradient_checkpointing=true
result "compute, device, gradient_checkpointing"
refused "learning_rate is 0.002 on rank 1 and 0.001 on rank 0; weight_decay is 0.1 .*; seed is 7 on rank 1 and 42 on rank 0" \
    "" "--learning_rate=2e-3 --weight_decay=0.1 --seed=7"
result "several keys are named together"

# folders with the same shapes, where one byte in the middle of a tensor differs, or a number of config.json
"$ptrain" "$dir/run.yaml" --adapter=none --max_steps=1 --val_set_size=0 --output_dir="$dir/base" >"$dir/out" 2>"$dir/err" && cp -r "$dir/base" "$dir/other" &&
    cp -r "$dir/base" "$dir/moved" && size=$(stat -c %s "$dir/base/model.safetensors") &&
    LC_ALL=C sed -i 's/"ptrain/"qtrain/g' "$dir/other/model.safetensors" && # no seal of ours, which would find the byte first
    printf '\001' | dd of="$dir/other/model.safetensors" bs=1 seek=$((size - 5001)) conv=notrunc 2>/dev/null
grep -vE '^(init|model_config)' "$dir/run.yaml" >"$dir/on.yaml" && mv "$dir/on.yaml" "$dir/run.yaml"
refused "content of base_model is [0-9a-f]* on rank 1" "--base_model=$dir/base" "--base_model=$dir/other"
result "a base of the same shape with one other byte"
sed 's/"rope_theta": [0-9.]*/"rope_theta": 20000/' "$dir/base/config.json" >"$dir/moved/config.json"
! cmp -s "$dir/base/config.json" "$dir/moved/config.json" && refused "content of base_model" "--base_model=$dir/base" "--base_model=$dir/moved"
result "a base with another number in its config.json"
cp "$dir/base/config.json" "$dir/moved/"
args_of_0="--base_model=$dir/base"
args_of_1="--base_model=$dir/moved --logging_steps=3 --save_total_limit=2 --dataset_prepared_path=$dir/elsewhere"
ranks 2 free
result "the same files elsewhere, and keys that are each rank's own"
args_of_0="" args_of_1=""

"$ptrain" "$dir/run.yaml" --base_model="$dir/base" --output_dir="$dir/start" >"$dir/out" 2>"$dir/err" && cp -r "$dir/start" "$dir/start2" &&
    LC_ALL=C sed -i 's/"ptrain/"qtrain/g' "$dir/start2/adapter_model.safetensors" &&
    size=$(stat -c %s "$dir/start/adapter_model.safetensors") && printf '\001' | dd of="$dir/start2/adapter_model.safetensors" bs=1 seek=$((size - 5)) conv=notrunc 2>/dev/null
sed -i '/^lora_r/d' "$dir/run.yaml"
refused "content of lora_model_dir" "--lora_model_dir=$dir/start" "--lora_model_dir=$dir/start2" --base_model="$dir/base"
result "a starting adapter with one other byte"
ranks 2 went --base_model="$dir/base" --save_steps=1 --max_steps=3 &&
    refused "checkpoint to go on from is step 2, [0-9a-f]* on rank 1 and step 1" "--resume_from_checkpoint=$dir/went/checkpoint-1" \
        "--resume_from_checkpoint=$dir/went/checkpoint-2" --base_model="$dir/base" --save_steps=1 --max_steps=3
result "another checkpoint"

# a resumed run, in one process: what cannot go on is refused with the key that is another, what may is said
resumed() { # CODE WHAT ARGS...
    local want=$1 says=$2 code base=--base_model=$dir/base
    shift 2
    case "$*" in *--base_model*) base=--logging_steps=1 ;; esac
    "$ptrain" "$dir/run.yaml" "$base" --output_dir="$dir/other-run" --resume_from_checkpoint="$dir/went/checkpoint-2" --max_steps=3 "$@" \
        >"$dir/out" 2>"$dir/err"
    code=$?
    [ $code -eq "$want" ] && grep -q "$says" "$dir/err"
}
resumed 2 "another scale of its adapters .*; lora_alpha is 64 here and was 32" --lora_alpha=64 &&
    resumed 2 "another set of trained parameters .*; lora_r is 8 here and was 16" --lora_r=8 &&
    resumed 2 "another set of training data .*; seed is 7 here and was 42" --seed=7 &&
    resumed 2 "another set of training data .*; val_set_size is 4 here and was 3" --val_set_size=4 &&
    resumed 2 "another base model" --base_model="$dir/other"
result "going on with another scale, rank, seed, split or base"
mkdir "$dir/there" && mv "$dir/rows.jsonl" "$dir/there/" && resumed 0 "going on from .*checkpoint-2: step 2 of 3" \
    "--datasets=[{\"path\":\"$dir/there/rows.jsonl\",\"type\":\"tokens\"}]" && ! grep -q "in the checkpoint" "$dir/err" &&
    rm -rf "$dir/other-run" && resumed 0 "learning_rate is 0.002 here and was 0.001 in the checkpoint" --learning_rate=2e-3 \
    "--datasets=[{\"path\":\"$dir/there/rows.jsonl\",\"type\":\"tokens\"}]"
result "going on after the data moved, and at another rate"
echo "1..$n"
