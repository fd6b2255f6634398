#!/usr/bin/env bash
# Sums over the vocabulary (entropy, squared probabilities, divergence from kept hidden states of a reference), asked for by objectives from one file each:
# by rows and linear (tests/plant/drift_core.h), by records with statistics of the step (tests/plant/weighed_core.h). Derivatives, the start, layouts,
# ranks, resume, host and device.
# shellcheck source=tests/plant/plant.bash
. "$(dirname "$0")/../plant/plant.bash"
planted="tests/plant/drift tests/plant/weighed"
plant "two more objectives" OBJECTIVES+="$planted"
env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s BUILD=$dst OBJECTIVES+="$planted" $dst/tests/objective/objective_losses >"$dir/log" 2>&1 &&
    $dst/tests/objective/objective_losses >>"$dir/log" 2>&1 && [ "$(grep -c 'OK \] test_vocab' "$dir/log")" = 2 ] && ! grep -q 'takes sums over the vocabulary' "$dir/log"
result "their derivatives are those of differences, alone and in batches, on ref and cpu"
for i in $(seq 1 24); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $((i % 5))\"}, {\"role\": \"assistant\", \"content\": \"good day $((i * 7 % 11)) of $i\"}]}" >&3
    echo "{\"prompt\": \"say $((i % 5))\", \"chosen\": \"good day number $i\", \"rejected\": \"go away $((i * 7 % 11))\"}"
done >"$dir/pairs.jsonl" 3>"$dir/talks.jsonl"
cat >"$dir/common.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772, initializer_range: 0.3}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
max_steps: 12
batch_rows: 12
micro_batch_size: 2
sequence_len: 64
learning_rate: 0.02
device: cpu
compute: f32
save_steps: 6
val_set_size: 0
seed: 3
Y
{ cat "$dir/common.yaml"; echo "datasets: [{path: $dir/talks.jsonl, type: messages}]"; echo "objective: drift"; } >"$dir/drift.yaml"
{ cat "$dir/common.yaml"; echo "datasets: [{path: $dir/pairs.jsonl, type: preference}]"; echo "objective: weighed"; } >"$dir/weighed.yaml"
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; } # NUMBER NUMBER
last() { field "$1" "$2" | tail -1; }
short=(--save_steps=0) fresh=(--lora_r=4 --lora_target_linear=true)
train drift drift.yaml "${fresh[@]}" && train free drift.yaml "${short[@]}" "${fresh[@]}" --plant_keep=0.05 && train open drift.yaml "${short[@]}" "${fresh[@]}" --plant_open=1 && train back drift.yaml "${short[@]}" "${fresh[@]}" --plant_way=reference &&
    less "$(last drift drift/nll)" "$(field drift drift/nll | head -1)" && less 0.001 "$(last drift drift/kl)" && less "$(last drift drift/kl)" "$(last free drift/kl)" &&
    less "$(last drift drift/entropy)" "$(last open drift/entropy)" && less "$(last open drift/squares)" "$(last drift drift/squares)" && ! close drift back drift/kl 1e-3
result "by rows: it trains; what is held strays less, what is kept open stays so, the two ways differ"
for way in policy reference; do
    train "held-$way" drift.yaml "${short[@]}" "${fresh[@]}" --plant_keep=1 --plant_open=0 --plant_way=$way && [ "$(field "held-$way" loss | sort -u)" = 0 ] && [ "$(field "held-$way" grad_norm | sort -u)" = 0 ]
    result "from $way: at the start the divergence and its gradient are 0 exactly"
done
train weighed weighed.yaml "${fresh[@]}" && [ "$(field weighed weighed/kl | head -1)" = 0 ] && [ "$(field weighed weighed/gap | head -1)" = 0 ] && less 0.01 "$(last weighed weighed/gap)" &&
    less "$(last weighed loss)" "$(field weighed loss | head -1)" && paste <(field weighed weighed/weight) <(field weighed weighed/level) <(field weighed weighed/squares) | awk '{ d = $2 / $3 - 1; if (!($1 > 0.2 && $1 < 5 && $2 < -0.1 && d < 1e-6 && d > -1e-6)) exit 1 }'
result "by records: it trains, from margins and divergence of exactly 0; statistics of the step hold the sums"
# AdamW with an epsilon of 1 steps along the gradient: the loss must fall by learning rate times the gradient's square (a little less: 1 + |g| divides)
descends() { # NAME OBJECTIVE [MORE...]
    local name=$1 objective=$2
    shift 2
    train "$name" "$objective.yaml" "${short[@]}" --lora_model_dir="$dir/$objective" --plant_reference=base --max_steps=2 --batch_rows=24 --adam_epsilon=1 --learning_rate=0.001 \
        --lr_scheduler=constant --max_grad_norm=0 --weight_decay=0 "$@" &&
        paste <(field "$name" loss) <(field "$name" grad_norm) | awk -v lr=0.001 'NR == 1 { l = $1; g = $2 } NR == 2 { r = (l - $1) / (lr * g * g); print "fell by", l - $1, "of", lr * g * g; bad = !(r > 0.85 && r < 1.02) } END { exit bad || NR != 2 }' >>"$dir/log"
}
descends all drift --plant_keep=0.5 --plant_open=0.5
result "the loss falls as its gradient says: all sums together"
for way in policy reference; do
    descends "kl-$way" drift --plant_keep=1 --plant_open=0 --plant_way=$way
    result "the loss falls as its gradient says: the divergence alone, from $way"
done
descends pairs weighed
result "the loss falls as its gradient says: pairs"
for o in drift weighed; do
    train $o-off $o.yaml "${fresh[@]}" "${short[@]}" --sample_packing=off && close $o $o-off loss 1e-4 && close $o $o-off $o/kl 1e-4 &&
        train $o-whole $o.yaml "${fresh[@]}" "${short[@]}" --micro_batch_size=12 && close $o $o-whole loss 1e-4 && close $o $o-whole $o/kl 1e-4
    result "$o: layouts and micro-batches say the same"
    if command -v mpirun >/dev/null; then
        ranks=2 train $o-two $o.yaml "${fresh[@]}" "${short[@]}" && close $o $o-two loss 1e-4 && close $o $o-two $o/kl 1e-4
        result "$o: two ranks say the same"
    else
        n=$((n + 1)); echo "ok $n - $o: two ranks # SKIP no mpirun"
    fi
    cp -r "$dir/$o" "$dir/again-$o" && rm -rf "$dir/again-$o/checkpoint-12" && train again-$o $o.yaml "${fresh[@]}" --resume_from_checkpoint="$dir/again-$o/checkpoint-6" &&
        cmp -s "$dir/$o/adapter_model.safetensors" "$dir/again-$o/adapter_model.safetensors"
    result "$o: a resumed run has the same bits"
done
train seen drift.yaml "${fresh[@]}" "${short[@]}" --val_set_size=0.25 --eval_steps=6 --max_steps=6 && less 0 "$(last seen eval_drift/kl)" && less 1 "$(last seen eval_drift/entropy)" &&
    train thrifty weighed.yaml "${fresh[@]}" "${short[@]}" --gradient_checkpointing=true && close weighed thrifty loss 1e-6
result "validation measures them; with checkpointing the same"
train start drift.yaml "${short[@]}" --lora_model_dir="$dir/drift" --max_steps=2 && [ "$(field start drift/kl | head -1)" = 0 ] && less 0 "$(last start drift/kl)"
result "the reference is the starting adapter, frozen"
train full drift.yaml --adapter=none
[ $? -eq 2 ] && grep -q "objective: drift needs adapter: lora" "$dir/log" && [ ! -e "$dir/full" ]
result "full tuning, which has no reference beside it, is refused"
small=("${fresh[@]}" "${short[@]}" --max_steps=2 --batch_rows=6 --learning_rate=0.004)
for c in f32 bf16; do
    if [ -e $dst/libptrain-emulated.so ]; then
        ok=0
        for o in drift weighed; do
            at=1e-4
            [ $c = f32 ] || at=3e-2
            train device-$c-$o $o.yaml "${small[@]}" --device=emulated --compute=$c && train host-$c-$o $o.yaml "${small[@]}" &&
                close device-$c-$o host-$c-$o loss $at && close device-$c-$o host-$c-$o $o/kl $at &&
                [ "$(field device-$c-$o $o/kl | head -1)" = 0 ] || ok=1
        done
        [ $ok -eq 0 ]
        result "the device computes both the same with $c"
    else
        n=$((n + 1)); echo "ok $n - the device with $c # SKIP no libptrain-emulated.so beside the program (make emulated)"
    fi
done
echo "1..$n"
