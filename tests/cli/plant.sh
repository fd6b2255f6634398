#!/usr/bin/env bash
# Objectives and a metric from one file each (tests/plant), added by OBJECTIVES+= and METRICS+=: keys, metrics, statistics of a whole step, state, two
# heads, on the host, on the device, over ranks and layouts, without another edit.
# shellcheck source=tests/plant/plant.bash
. "$(dirname "$0")/../plant/plant.bash"
plant "two more objectives and a metric" OBJECTIVES+="tests/plant/hinge tests/plant/both" METRICS+=tests/plant/answer_words
$p help objective >"$dir/log" 2>&1 && grep -q 'hinge (pairs against the middle of the step)' "$dir/log" && $p help plant_slack >>"$dir/log" && grep -q "default 0.5" "$dir/log" && ! "$ptrain" help plant_slack >/dev/null 2>&1
result "its name, its options and their other names are keys"
for i in $(seq 1 24); do
    echo "{\"prompt\": \"say $((i % 5))\", \"chosen\": \"good day number $i\", \"rejected\": \"go away $((i * 7 % 11))\", \"gap\": 0.0$((i % 4)), \"w\": $((1 + i % 3))}"
done >"$dir/pairs.jsonl"
cat >"$dir/common.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_r: 4
max_steps: 6
batch_rows: 8
micro_batch_size: 1
sequence_len: 64
learning_rate: 0.02
device: cpu
compute: f32
save_steps: 3
seed: 3
Y
{ cat "$dir/common.yaml"; echo "datasets: [{path: $dir/pairs.jsonl, type: preference, field_margin: gap, field_weight: w}]"; } >"$dir/pairs.yaml"
{ cat "$dir/pairs.yaml"; echo "rl: hinge"; echo "plant_kinds: [square, soft]"; echo "plant_kind_weights: [0.125, 0.75]"; } >"$dir/hinge.yaml"
{ cat "$dir/pairs.yaml"; echo "objective: both"; } >"$dir/both.yaml"
train one hinge.yaml
trained=$? first=$(field one loss | head -1) last=$(field one loss | tail -1)
[ $trained -eq 0 ] && awk -v a="$first" -v b="$last" 'BEGIN { exit !(b < a) }'
result "it trains: the loss goes from ${first:0:6} to ${last:0:6}"
[ "$(field one hinge/pairs | sort -u)" = 8 ] && paste <(field one hinge/worst) <(field one hinge/gap) <(field one hinge/best) | awk '{ if (!($1 < $2 && $2 < $3)) exit 1 }' &&
    [ "$(field one hinge/level | head -1)" = 0 ] && awk -v g="$(field one hinge/gap | head -1)" -v l="$(field one hinge/level | sed -n 2p)" 'BEGIN { d = l - g / 2; exit !(d < 1e-9 && d > -1e-9) }'
result "its metrics are sums, least, largest and means; its state moves from step to step"
[ "$(field one hinge/last | sort -u)" = 1 ] && grep -q "^plant_kinds: \[square, soft\]" "$dir/one/config.yaml" && grep -q "^plant_kind_weights: \[0.125, 0.75\]" "$dir/one/config.yaml"
result "statistics give each answer a number of its own; lists are written as they were read"
train soft hinge.yaml --plant_kinds=soft --plant_kind_weights=1 && train plain pairs.yaml --rl=hinge && close soft plain loss 1e-12 && ! close one plain loss 1e-3
result "a list of one word is that word, the default with weight 1; weights count"
refused() { # WHAT-IT-SAYS SETTINGS...
    local say=$1
    shift
    train no hinge.yaml "$@"
    [ $? -eq 2 ] && grep -q "$say" "$dir/log" || { echo "not refused: $*" >>"$dir/log"; false; }
}
refused "plant_kind_weights has 2 numbers and plant_kinds 1 words" --plant_kinds=soft && refused "plant_kinds names soft twice" "--plant_kinds=[soft, soft]" &&
    refused "all weights are 0" "--plant_kind_weights=[0, 0]" && refused "it must be one of: soft, square" "--plant_kinds=[soft, hard]" &&
    refused "hinge_slack is no option of objective: dpo; these have it: hinge" --hinge_slack=0.25 --rl=dpo
result "lists that do not fit, and options of another objective, are refused by name and place"
train off hinge.yaml --sample_packing=off && close one off loss 1e-4 && close one off hinge/gap 1e-4 &&
    train whole hinge.yaml --micro_batch_size=8 && close one whole loss 1e-4 && close one whole hinge/worst 1e-4
result "statistics are of the whole step: layouts and micro-batches say the same"
if command -v mpirun >/dev/null; then
    ranks=2 train two hinge.yaml && close one two loss 1e-4 && close one two hinge/best 1e-4 && close one two hinge/pairs 1e-9
    result "two ranks say the same"
else
    n=$((n + 1)); echo "ok $n - two ranks # SKIP no mpirun"
fi
cp -r "$dir/one" "$dir/again" && rm -rf "$dir/again/checkpoint-6" && train again hinge.yaml --resume_from_checkpoint="$dir/again/checkpoint-3" &&
    cmp -s "$dir/one/adapter_model.safetensors" "$dir/again/adapter_model.safetensors"
result "a resumed run has the state, and the same bits"
train both both.yaml && train both-off both.yaml --sample_packing=off && close both both-off loss 1e-4 && close both both-off both/nll 1e-4 &&
    awk -v a="$(field both both/gap | head -1)" -v b="$(field both both/gap | tail -1)" 'BEGIN { exit !(b > a) }' &&
    tr -d ' \n' <"$dir/both/adapter_config.json" | grep -q '"modules_to_save":\["score"\].*CAUSAL_LM'
result "one objective trains two heads: the scores part, and the adapter holds both"
train full both.yaml --adapter=none
[ $? -eq 1 ] && grep -q "train it as an adapter" "$dir/log" && [ ! -s "$dir/full/metrics.jsonl" ]
result "what could not be saved is refused before the first step"
for i in 1 2 3; do echo "{\"role\": \"Ann\", \"question\": \"hello $i\", \"generated\": [\"good day $i\"]}"; done >"$dir/roles.jsonl"
echo '{"Ann": "a good one"}' >"$dir/profiles.json"
sets="[{path: $dir/roles.jsonl, type: rolebench, profiles: $dir/profiles.json}]"
{ cat "$dir/common.yaml"; echo "datasets: $sets"; echo "test_datasets: $sets"; } >"$dir/roles.yaml"
train roles roles.yaml --max_steps=1 --save_steps=0 && $p eval "$dir/roles" --output "$dir/eval.json" >"$dir/log" 2>&1 && grep -q "^words of an answer  *[0-9]" "$dir/log" &&
    [ "$(grep -c '"answer_words": [0-9]' "$dir/eval.json")" -ge 4 ]
result "a metric from one file stands in the report, overall and by role"
if [ -e $dst/libptrain-emulated.so ]; then
    ok=0
    for o in hinge both; do
        train "device-$o" $o.yaml --device=emulated --max_steps=3 && train "host-$o" $o.yaml --max_steps=3 && close "device-$o" "host-$o" loss 1e-4 || ok=1
    done
    [ $ok -eq 0 ]
    result "the device computes both the same with its own compilation of the cores"
else
    n=$((n + 1)); echo "ok $n - the device # SKIP no libptrain-emulated.so beside the program (make emulated)"
fi
