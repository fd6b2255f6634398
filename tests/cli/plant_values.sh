#!/usr/bin/env bash
# A head of several values (classes and a vector), asked for by an objective from one file (tests/plant/traits_core.h), on answers with three columns
# (tests/plant/labelled.c): derivatives, host and device, layouts, ranks, resume, adapter, folder, score.
# shellcheck source=tests/plant/plant.bash
. "$(dirname "$0")/../plant/plant.bash"
plant "one more objective and one more type" OBJECTIVES+=tests/plant/traits READERS+=tests/plant/labelled
env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s BUILD=$dst OBJECTIVES+=tests/plant/traits READERS+=tests/plant/labelled $dst/tests/objective/objective_losses >"$dir/log" 2>&1 &&
    $dst/tests/objective/objective_losses >>"$dir/log" 2>&1 && [ "$(grep -c 'OK \] test_values' "$dir/log")" = 2 ] && ! grep -q 'no objective of this list' "$dir/log"
result "its derivatives are those of differences, alone and in batches, on ref and cpu"
kinds=(sun moon rain)
for i in $(seq 0 35); do
    k=$((i % 3))
    echo "{\"prompt\": \"say $((i % 5)) of it\", \"answer\": \"the ${kinds[$k]} and $((i * 7 % 10))\", \"label\": $k, \"warmth\": 0.$((k * 3)), \"energy\": -0.$((i % 5))}"
done >"$dir/labelled.jsonl"
cat >"$dir/traits.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
objective: traits
datasets: [{path: $dir/labelled.jsonl}]
adapter: lora
lora_r: 8
lora_target_linear: true
max_steps: 40
batch_rows: 12
micro_batch_size: 2
sequence_len: 64
learning_rate: 0.01
device: cpu
compute: f32
save_steps: 20
val_set_size: 0
seed: 3
Y
short=(--max_steps=4 --save_steps=0)
train one traits.yaml
trained=$? first=$(field one loss | head -1) last=$(field one loss | tail -1) right=$(field one traits/accuracy | tail -1)
[ $trained -eq 0 ] && awk -v a="$first" -v b="$last" -v r="$right" 'BEGIN { exit !(b < a / 4 && r > 0.99) }'
result "it trains: the loss goes from ${first:0:6} to ${last:0:6}, ${right:0:5} of the kinds are right"
! train bad traits.yaml --plant_values=4.5 && grep -q 'plant_values' "$dir/log" && ! train few traits.yaml --plant_values=3 && grep -q 'plant_values' "$dir/log"
result "its width is a whole number within bounds"
train forest traits.yaml "${short[@]}" && train off traits.yaml "${short[@]}" --sample_packing=off && close forest off loss 1e-4 && close forest off traits/squares 1e-4 &&
    train whole traits.yaml "${short[@]}" --micro_batch_size=12 && close forest whole loss 1e-4
result "layouts and micro-batches say the same"
if command -v mpirun >/dev/null; then
    ranks=2 train two traits.yaml "${short[@]}" && close forest two loss 1e-4
    result "two ranks say the same"
else
    n=$((n + 1)); echo "ok $n - two ranks # SKIP no mpirun"
fi
cp -r "$dir/one" "$dir/again" && rm -rf "$dir/again/checkpoint-40" && train again traits.yaml --resume_from_checkpoint="$dir/again/checkpoint-20" &&
    cmp -s "$dir/one/adapter_model.safetensors" "$dir/again/adapter_model.safetensors" && ! train again traits.yaml --plant_values=6 --resume_from_checkpoint="$dir/again/checkpoint-20"
result "a resumed run has the same bits, and goes on with the same width only"
head -c 4000 "$dir/one/adapter_model.safetensors" | tr -d ' \n\0' | grep -aq 'base_model.model.score.weight":{"dtype":"F32","shape":\[5,32\]' &&
    tr -d ' \n' <"$dir/one/adapter_config.json" | grep -q '"modules_to_save":\["score"\].*SEQ_CLS'
result "the adapter holds the head whole, under PEFT's names"
sed 's/.*"prompt": \("[^"]*"\), "answer": \("[^"]*"\), \("label": [0-9]\).*/{"messages": [{"role": "user", "content": \1}, {"role": "assistant", "content": \2}], \3}/' "$dir/labelled.jsonl" >"$dir/rows.jsonl"
scores() { $p score "$@" --input "$dir/rows.jsonl" 2>>"$dir/log" | sed 's/.*"label": *\([0-9]\).*"scores": *\[\([^]]*\)\].*/\1 \2/; s/,/ /g'; }
scores "$dir/one" >"$dir/one.scores"
[ "$(awk '{ b = 2; for (k = 3; k <= 4; k++) if ($k > $b) b = k; n += NF == 6 && b - 2 == $1 } END { print n }' "$dir/one.scores")" = 36 ]
result "ptrain score gives the five values of each answer, and the largest logit is its kind"
$p export "$dir/one" --to hf --out "$dir/hf" >"$dir/log" 2>&1 && scores "$dir/hf" --compute=f32 >"$dir/hf.scores" &&
    paste "$dir/one.scores" "$dir/hf.scores" | awk '{ for (k = 2; k <= 6; k++) { d = $k - $(k + 6); if (d > 1e-4 || d < -1e-4 || NF != 12) exit 1 } }' &&
    [ "$(grep -c '"LABEL_[0-4]": [0-4]' "$dir/hf/config.json")" = 5 ] && grep -q 'ForSequenceClassification' "$dir/hf/config.json"
result "the exported folder has five labels and says the same"
train full traits.yaml --adapter=none "${short[@]}" && scores "$dir/full" >"$dir/full.scores" && [ "$(awk 'NF == 6' "$dir/full.scores" | wc -l)" = 36 ]
result "with all weights trained too"
! $p export "$dir/one" --to gguf --out "$dir/x.gguf" >"$dir/log" 2>&1 && grep -q 'llama.cpp has no scalar head' "$dir/log" && ! $p chat "$dir/one" >"$dir/log" 2>&1 </dev/null && grep -q 'it scores' "$dir/log"
result "what it cannot be is refused"
! $p eval "$dir/one" --test_datasets="[{path: $dir/labelled.jsonl, type: labelled}]" >"$dir/log" 2>&1 && grep -q "gives 5 numbers at an answer's end, and no score to judge by" "$dir/log"
result "nor is it judged by a score that it has not"
if [ -e $dst/libptrain-emulated.so ]; then
    train device traits.yaml --device=emulated "${short[@]}" && close device forest loss 1e-4 && close device forest traits/squares 1e-4 &&
        train half traits.yaml --device=emulated --compute=bf16 "${short[@]}" && close half forest loss 3e-2
    result "the device computes the same, with f32 and with bf16"
else
    n=$((n + 1)); echo "ok $n - the device # SKIP no libptrain-emulated.so beside the program (make emulated)"
fi
echo "1..$n"
