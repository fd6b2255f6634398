#!/bin/bash
# What settings do in a run of the program: shares of all steps, times an epoch, exit codes of what a right config lacks.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
code() { # CODE TEXT COMMAND...: exit code and a part of standard error
    local want=$1 text=$2
    shift 2
    run "$@"
    [ $? -eq "$want" ] && grep -qF -- "$text" "$dir/err"
}
for i in 1 2 3 4 5 6 7 8; do echo "{\"input_ids\": [$i, 2, $i, 4], \"labels\": [-100, -100, $i, 4]}"; done >"$dir/t.jsonl"
cat >"$dir/c.yaml" <<YAML
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 64}
output_dir: $dir/run
sequence_len: 64
device: cpu
compute: f32
batch_rows: 1
num_epochs: 1
datasets: [{path: $dir/t.jsonl, type: tokens}]
YAML
saved() { run "$dir/c.yaml" --output_dir="$dir/s" "${@:2}" && [ "$(cd "$dir/s" && echo checkpoint-*)" = "$1" ] && rm -rf "$dir/s"; }
saved "checkpoint-2 checkpoint-4 checkpoint-6 checkpoint-8" --save_steps=0.25
result "save_steps: 0.25 saves four times"
saved "checkpoint-3 checkpoint-6" --save_steps=0.3
result "a share is rounded up: 0.3 of 8 is 3 steps"
saved "checkpoint-4 checkpoint-8" --saves_per_epoch=0.5 --batch_rows=2
[ $? -ne 0 ] && [ "$(cd "$dir/s" && echo checkpoint-*)" = "checkpoint-*" ] && rm -rf "$dir/s"
result "saves_per_epoch: 0.5 in one epoch of 4 steps saves after none"
saved "checkpoint-8" --saves_per_epoch=0.5 --num_epochs=2 --batch_rows=2
result "and in two epochs once"
run "$dir/c.yaml" --output_dir="$dir/l" --logging_steps=0.5 && [ "$(grep -c '^step ' "$dir/out")" -eq 3 ]
result "logging_steps: 0.5 shows the first step and both halves' last"
run "$dir/c.yaml" --output_dir="$dir/e" --eval_steps=0.5 --val_set_size=2 && [ "$(grep -c eval_loss "$dir/e/metrics.jsonl")" -eq 2 ]
result "eval_steps: 0.5 evaluates twice"
run plan "$dir/c.yaml" --warmup_steps=0.3 && grep -q 'warm-up 3$' "$dir/out"
result "warmup_steps: 0.3 of 8 steps is 3"
code 1 "t2.jsonl: no such file or folder" pack "$dir/c.yaml" --datasets="[{path: $dir/t2.jsonl, type: tokens}]"
result "a data file that is missing: exit 1"
code 1 "tokenizer: $dir/none: no such file or folder" "$dir/c.yaml" --tokenizer="$dir/none"
result "a tokenizer that is missing: exit 1"
code 1 "resume_from_checkpoint: " "$dir/c.yaml" --resume_from_checkpoint="$dir/none"
result "a checkpoint that is missing: exit 1"
code 2 "no such config file" "$dir/none.yaml"
result "a config that is missing is wrong usage: exit 2"
# what is wrong with a config or its data leaves nothing behind
echo '{"x": 1}' >"$dir/bad.jsonl"
left=
for command in train plan pack inspect audit; do
    for why in --no_such_key=1 --tokenizer="$dir/none" --device=sofa "--datasets=[{path: $dir/none.jsonl, type: tokens}]" "--datasets=[{path: $dir/bad.jsonl, type: tokens}]" \
        "--test_datasets=[{path: $dir/none.jsonl, type: tokens}]"; do
        run $command "$dir/c.yaml" --output_dir="$dir/new/run" "$why" --audit=off
        code=$?
        case "$command $why" in plan*none.jsonl*) rm -rf "$dir/new" ;; *) [ $code -ne 0 ] || left="$left $command $why: no error" ;; esac
        [ -e "$dir/new" ] && left="$left $command $why" && rm -rf "$dir/new"
    done
done
echo "$left" >"$dir/why"
[ -z "$left" ]
result "an error of the config or its data leaves no folder"
if [ "$(id -u)" -ne 0 ]; then mkdir -m 555 "$dir/shut"; code 1 "cannot write into folder $dir/shut" pack "$dir/c.yaml" --output_dir="$dir/shut/run"; else
    code 1 "$dir/t.jsonl is not a folder" pack "$dir/c.yaml" --output_dir="$dir/t.jsonl/run"
fi
result "where no pack can be written, that is said"
mkdir "$dir/folder.yaml"
code 1 "folder.yaml" "$dir/folder.yaml"
result "a config that cannot be read: exit 1"
printf 'seed: %s' "$(head -c 100000 /dev/zero | tr '\0' '[')" >"$dir/deep.yaml"
SECONDS=0
code 2 "nested more than 32 deep" "$dir/deep.yaml" && [ $SECONDS -le 2 ]
result "a config of brackets: an error at once"
# data that is not here: the plan goes on, at the most that the settings allow
run plan "$dir/c.yaml" --datasets="[{path: owner/name, type: tokens}]" --micro_batch_size=4 --batch_rows=0 --max_steps=100 &&
    grep -q "^data      not here: planned as if every micro-batch were full" "$dir/out" && grep -q "^steps     100 (max_steps)" "$dir/out" &&
    grep -q "^micro     at most 256 tokens" "$dir/out" && grep -qF "get it (python3 -c" "$dir/err"
result "plan without the data: at the maxima, with how to get what a hub has"
code 1 "owner/name: no such file or folder; nothing is downloaded here" "$dir/c.yaml" --datasets="[{path: owner/name, type: tokens}]"
result "training without it is refused"
run plan "$dir/c.yaml" --datasets="[{path: none.jsonl, type: tokens}]" --objective=dpo && grep -q "^micro     at most 128 tokens" "$dir/out"
result "pairs: a micro-batch holds two records"
grep -q "^steps     not known without the data" "$dir/out"
result "steps are not invented"
run plan "$dir/c.yaml" --sequence_len=8192 && grep -q "warning: sequence_len 8192 is more than the 2048 positions" "$dir/out"
result "sequence_len beyond the model's positions is said"
run plan "$dir/c.yaml" --sequence_len=8192 --datasets="[{path: none.jsonl, type: tokens}]" && grep -q "warning: sequence_len 8192 is more than the 2048 positions" "$dir/out"
result "without the data too"
run plan "$dir/c.yaml" --bf16=true
result "bf16: true plans on every processor"
run plan "$dir/c.yaml" --max_samples=3 && grep -q '^steps     3 ' "$dir/out"
result "max_samples: 3 reads three rows"
head -2 "$dir/t.jsonl" >"$dir/short.jsonl" && echo '{broken' >>"$dir/short.jsonl"
run plan "$dir/c.yaml" --max_samples=2 --datasets="[{path: $dir/short.jsonl, type: tokens}, {path: $dir/t.jsonl, type: tokens}]" && grep -q '^steps     4 ' "$dir/out"
result "max_samples holds for each set, and nothing behind it is read"
mkdir "$dir/data" && echo "{\"some\": {\"file_name\": \"t.jsonl\", \"formatting\": \"tokens\"}}" >"$dir/data/dataset_info.json" && cp "$dir/t.jsonl" "$dir/data"
sed '/^datasets/d' "$dir/c.yaml" >"$dir/named.yaml"
run plan "$dir/named.yaml" --dataset=some --dataset_dir="$dir/data" && grep -q '^steps     8 ' "$dir/out"
result "a data set by name"
code 1 "dataset_info.json of dataset_dir ($dir/data)" "$dir/named.yaml" --dataset=other --dataset_dir="$dir/data"
result "a name that is not there"
code 1 "was above loss_watchdog_threshold 0.5 for 2 steps in a row" "$dir/c.yaml" --output_dir="$dir/w" --loss_watchdog_threshold=0.5 --loss_watchdog_patience=2 &&
    [ "$(wc -l <"$dir/w/metrics.jsonl")" -eq 2 ]
result "the loss watchdog ends the run after two steps"
run "$dir/c.yaml" --output_dir="$dir/w2" --loss_watchdog_threshold=50
result "and lets a good run be"
run "$dir/c.yaml" --output_dir="$dir/lr" --cosine_min_lr_ratio=0.5 && tail -1 "$dir/lr/metrics.jsonl" | grep -q '"lr": *0.0001[0-9]'
result "cosine_min_lr_ratio: 0.5 ends above half the rate"
run "$dir/c.yaml" --output_dir="$dir/sft" --learning_rate=0 && run "$dir/c.yaml" --output_dir="$dir/dft" --learning_rate=0 --use_dft_loss=true &&
    loss_of() { sed -n "$2s/.*\"loss\": *\([0-9.e-]*\).*/\1/p" "$dir/$1/metrics.jsonl"; } && awk -v a="$(loss_of sft 1)" -v b="$(loss_of dft 1)" \
    'BEGIN { exit !(b > 0 && b < a * exp(-a) * 1.2 && b > a * exp(-a) * 0.8) }'
result "use_dft_loss: a token's loss times its probability"
code 2 "use_dft_loss: true needs objective: sft" plan "$dir/c.yaml" --use_dft_loss=true --objective=pretrain
result "use_dft_loss with another objective"
# LoRA+, random weights of a base's shape, duplicates, short records
run "$dir/c.yaml" --output_dir="$dir/base" --save_steps=0
sed '/^init/d; /^model_config/d' "$dir/c.yaml" >"$dir/shape.yaml"
for ratio in 0 1 16; do run "$dir/shape.yaml" --base_model="$dir/base" --output_dir="$dir/plus$ratio" --loraplus_lr_ratio=$ratio --adapter=lora --lora_r=2 ||
    sed 's/^/# /' "$dir/err"; done
cmp -s "$dir/plus0/adapter_model.safetensors" "$dir/plus1/adapter_model.safetensors" && ! cmp -s "$dir/plus0/adapter_model.safetensors" "$dir/plus16/adapter_model.safetensors"
result "loraplus_lr_ratio: 1 is what 0 is, 16 is not"
code 2 "loraplus_lr_ratio needs adapter: lora" plan "$dir/c.yaml" --loraplus_lr_ratio=16
result "loraplus_lr_ratio without an adapter"
run "$dir/shape.yaml" --base_model="$dir/base" --reinit_weights=true --output_dir="$dir/fresh" && run "$dir/c.yaml" --output_dir="$dir/first" && cmp "$dir/fresh/model.safetensors" "$dir/first/model.safetensors"
result "reinit_weights: the shape of a base, and the weights of init: random"
code 2 "reinit_weights: true needs adapter: none" plan "$dir/shape.yaml" --base_model="$dir/base" --reinit_weights=true --adapter=lora
result "reinit_weights under an adapter is refused"
cat "$dir/t.jsonl" "$dir/t.jsonl" >"$dir/twice.jsonl" && echo '{"input_ids": [1, 2, 1, 4], "labels": [1, 2, 1, 4]}' >>"$dir/twice.jsonl"
run plan "$dir/c.yaml" --dataset_exact_deduplication=true --datasets="[{path: $dir/twice.jsonl, type: tokens}, {path: $dir/t.jsonl, type: tokens}]"
[ $? -ne 0 ] && grep -qF "nothing to train on: none of 8 rows is left; most recent reason: the same as an earlier record" "$dir/err"
result "a set of nothing but duplicates is named"
run plan "$dir/c.yaml" --dataset_exact_deduplication=true --datasets="[{path: $dir/twice.jsonl, type: tokens}]" && grep -q '^steps     9 ' "$dir/out" && grep -q "the same as an earlier record" "$dir/out"
result "duplicates are dropped and counted; other weights are no duplicate"
echo '{"input_ids": [1, 2, 3], "labels": [1, 2, 3]}' >>"$dir/twice.jsonl"
run plan "$dir/c.yaml" --min_sample_len=4 --datasets="[{path: $dir/twice.jsonl, type: tokens}]" && grep -q '^steps     17 ' "$dir/out" && grep -q "fewer tokens than min_sample_len" "$dir/out"
result "min_sample_len: shorter records are dropped and counted"
echo "1..$n"
