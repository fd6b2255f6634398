#!/bin/bash
# Standard streams that are closed, full, or left by their reader: a training run is done all the same, and its files hold nothing but its own lines;
# a command that is asked for text fails when the text is lost.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_WAIT_POLICY=passive
echo '{"input_ids": [1, 2, 3, 4], "labels": [-100, -100, 3, 4]}' >"$dir/t.jsonl"
cat >"$dir/run.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 64}
datasets: [{path: $dir/t.jsonl, type: tokens}]
dataset_prepared_path: $dir/packs
sequence_len: 64
num_epochs: 40
device: cpu
compute: f32
END
whole() { # OUT: all steps, nothing else in the log, a model
    [ "$(grep -c '^{"step": .*}$' "$dir/$1/metrics.jsonl")" -eq 40 ] && [ "$(wc -l <"$dir/$1/metrics.jsonl")" -eq 40 ] && [ -s "$dir/$1/model.safetensors" ]
}
train() { "$ptrain" "$dir/run.yaml" --output_dir="$dir/$1"; }
train closed <&- >&- 2>&- && whole closed
result "training with all three streams closed"
train out >&- 2>"$dir/why" && whole out
result "training with standard output closed"
train err 2>&- >"$dir/said" && whole err && grep -q "^done: 40" "$dir/said"
result "training with standard error closed"
train in <&- >"$dir/said" 2>"$dir/why" && whole in
result "training with standard input closed"
train full >/dev/full 2>"$dir/why" && whole full
result "training with a full disk behind standard output"
train left 2>"$dir/why" | head -n 1 >"$dir/said"
[ "${PIPESTATUS[0]}" -eq 0 ] && whole left
result "training whose reader leaves"
echo '{"input_ids": [1, 2, 3, 4]}' >"$dir/ids.jsonl"
for command in "score $dir/out --input $dir/ids.jsonl" "plan $dir/run.yaml --output_dir=$dir/plan" "help" "version" "doctor"; do
    bash -c '"$@" >&-' - "$ptrain" $command 2>"$dir/why"
    [ $? -eq 1 ] && grep -q "cannot write" "$dir/why"
    result "${command%% *}: standard output closed"
    "$ptrain" $command >/dev/full 2>"$dir/why"
    [ $? -eq 1 ] && grep -q "cannot write" "$dir/why"
    result "${command%% *}: a full disk behind standard output"
done
"$ptrain" score "$dir/out" --input "$dir/ids.jsonl" --output "$dir/scores" >&- 2>"$dir/why" && [ "$(wc -l <"$dir/scores")" -eq 1 ]
result "score into a file needs no standard output"
