#!/usr/bin/env bash
# log_token_metrics: entropy and mean_token_accuracy of the supervised tokens, beside losses that stay as they are to the bit; by layouts, micro-batches, ranks and the
# emulated device; where they are known beforehand; refused where nothing predicts tokens.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; } # RUN FIELD: its values, a line each
close() { # RUN RUN FIELD TOLERANCE
    paste <(field "$1" "$3") <(field "$2" "$3") | awk -v t="$4" '{ d = $1 - $2; if (d < 0) d = -d; if (d > t) { print "'"$3"'", $1, $2; bad = 1 } n++ } END { exit bad || n < 2 }' >>"$dir/log"
}
is() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { exit !(a != "" && a - b <= t && b - a <= t) }'; } # VALUE WANTED TOLERANCE
train() { # OUT [MORE...]: before it `ranks=N`
    local out=$1 start=()
    shift
    [ "${ranks:-1}" = 1 ] || start=(mpirun --allow-run-as-root --oversubscribe -n "$ranks")
    "${start[@]}" $p "$dir/$file.yaml" --output_dir="$dir/$out" "$@" >"$dir/log" 2>&1
}
file=run
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
for i in $(seq 1 24); do
    echo "{\"prompt\": \"say $((i % 5))\", \"chosen\": \"good day number $i\", \"rejected\": \"go away $((i * 7 % 11))\", \"instruction\": \"say $((i % 5))\", \"output\": \"good day number $i\"}"
done >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772, initializer_range: 0.3}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
datasets: [{path: $dir/rows.jsonl, type: alpaca}]
test_datasets: [{path: $dir/rows.jsonl, type: alpaca}]
adapter: lora
lora_r: 4
lora_target_linear: true
max_steps: 4
batch_rows: 12
micro_batch_size: 2
sequence_len: 64
learning_rate: 0.02
device: cpu
compute: f32
val_set_size: 0
seed: 3
log_token_metrics: true
Y
both="entropy mean_token_accuracy eval_entropy eval_mean_token_accuracy"
train on && train off --log_token_metrics=false && [ "$(field on loss)" = "$(field off loss)" ] && [ "$(field on grad_norm)" = "$(field off grad_norm)" ] &&
    [ -n "$(field on eval_entropy)" ] && [ -n "$(field on mean_token_accuracy)" ] && ! grep -q entropy "$dir/off/metrics.jsonl"
result "they stand in metrics.jsonl, of training and of the test set; loss and gradient are what they are without, to the bit"
train rows --sample_packing=off --micro_batch_size=12 && for f in $both; do close on rows $f 1e-4 || [ "$(field on $f | wc -l)" = 1 ] && is "$(field on $f | tail -1)" "$(field rows $f | tail -1)" 1e-4; done
result "layouts and micro-batches say the same"
ranks=2 train two && for f in $both; do is "$(field on $f | tail -1)" "$(field two $f | tail -1)" 1e-4 || break; done && is "$(field on entropy | head -1)" "$(field two entropy | head -1)" 1e-4
result "two ranks say the same"
# An even model knows nothing: the logarithm of the vocabulary. One that knows the rows by heart: no doubt, and every token right.
sed 's/initializer_range: 0.3/initializer_range: 1e-12/' "$dir/run.yaml" >"$dir/even.yaml"
$p "$dir/even.yaml" --output_dir="$dir/even" --learning_rate=0 --max_steps=1 >"$dir/log" 2>&1 && is "$(field even entropy)" 6.648985 1e-5
result "an even model's entropy is log 772"
head -n 4 "$dir/rows.jsonl" >"$dir/few.jsonl"
train heart --datasets="[{path: $dir/few.jsonl, type: alpaca}]" --test_datasets="[{path: $dir/few.jsonl, type: alpaca}]" --max_steps=150 --batch_rows=4 --adapter=none --lora_r= --lora_target_linear=false --learning_rate=0.01 &&
    is "$(field heart eval_mean_token_accuracy | tail -1)" 1 0 && is "$(field heart eval_entropy | tail -1)" 0 0.2 && is "$(field heart mean_token_accuracy | head -1)" 0 0.2
result "rows known by heart: every token right, next to no doubt"
sed 's/type: alpaca/type: preference/' "$dir/run.yaml" >"$dir/pairs.yaml"
sed 's/type: alpaca/type: text, text_column: chosen/' "$dir/run.yaml" >"$dir/text.yaml"
for kind in "run --use_dft_loss=true" "run --kl_coef=0.1" "text --objective=pretrain" "pairs --objective=dpo" "pairs --objective=orpo"; do
    set -- $kind
    file=$1
    train other "$2" && train other-off "$2" --sample_packing=off && [ "$(field other entropy | wc -l)" = 4 ] && close other other-off entropy 1e-3 && close other other-off mean_token_accuracy 1e-3
    result "$2: rows and forests say the same"
done
file=run
printf '{"text": "good day", "label": "a"}\n{"text": "go away", "label": "b"}\n' >"$dir/classes.jsonl"
train no --objective=classify --num_labels=2 --datasets="[{path: $dir/classes.jsonl, type: labels}]" --test_datasets= 
[ $? -eq 2 ] && grep -q "log_token_metrics: true needs an objective that predicts tokens; classify reads a value" "$dir/log"
result "refused of a classifier, before anything runs"
device=$(dirname "$p")/libptrain-emulated.so
if [ -e "$device" ]; then
    train emulated --device=emulated && for f in entropy mean_token_accuracy; do close on emulated $f 1e-3 || break; done && is "$(field on eval_entropy)" "$(field emulated eval_entropy)" 1e-3
    result "the emulated device says the same"
else
    n=$((n + 1))
    echo "ok $n - the emulated device says the same # SKIP no $device"
fi
echo "1..$n"
