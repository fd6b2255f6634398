#!/usr/bin/env bash
# Losses of pairs (objective: dpo) from the command line: layouts, micro-batches, ranks, resuming and the emulated device say the same; a formula that overflows
# skips its step; what does not go together is refused by line.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; } # RUN FIELD: its values, a line a step
close() { # RUN RUN FIELD TOLERANCE: the same in every step
    paste <(field "$1" "$3") <(field "$2" "$3") | awk -v t="$4" '{ d = $1 - $2; if (d < 0) d = -d; m = $1 < 0 ? -$1 : $1; if (d > t * (1 + m)) { print "'"$3"'", $1, $2; bad = 1 } n++ } END { exit bad || n < 2 }' >>"$dir/log"
}
train() { # OUT [MORE...]: before it `ranks=N`
    local out=$1 start=()
    shift
    [ "${ranks:-1}" = 1 ] || start=(mpirun --allow-run-as-root --oversubscribe -n "$ranks")
    "${start[@]}" $p "$dir/run.yaml" --output_dir="$dir/$out" "$@" >"$dir/log" 2>&1
}
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
for i in $(seq 1 24); do
    words=$(printf ' and %s more' $(seq 1 $((i % 4 + 1))))
    echo "{\"prompt\": \"say $((i % 5))\", \"chosen\": \"good day number $i\", \"rejected\": \"go away $((i * 7 % 11))$words\", \"gap\": 0.$((i % 3))}"
done >"$dir/pairs.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772, initializer_range: 0.3}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
datasets: [{path: $dir/pairs.jsonl, type: preference, field_margin: gap}]
rl: dpo
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
save_steps: 0
val_set_size: 0
seed: 3
Y
# ten of the kinds that differ in what they ask of a step: columns of sorted steps, the tokens of the chosen answers, sums over the vocabulary, tails
kinds=("aot --loss_type=aot --label_smoothing=0.1" "both --loss_type=[aot,aot_unpaired,sft] --loss_weights=[1,0.5,0.1]" "mpo --loss_type=[sigmoid,bco_pair,sft] --loss_weights=[0.8,0.2,1]"
    "wpo --use_weighting=true --loss_type=ipo" "ld --ld_alpha=0.5 --loss_type=sigmoid_norm" "margin --dpo_margin=0.3 --loss_type=hinge --beta=0.5" "kl --log_kl=true")
for k in "${kinds[@]}"; do
    set -- $k
    name=$1
    shift
    train $name "$@" && train $name-off "$@" --sample_packing=off && close $name $name-off loss 1e-4 && close $name $name-off grad_norm 1e-3 &&
        train $name-whole "$@" --micro_batch_size=12 && close $name $name-whole loss 1e-4 && close $name $name-whole grad_norm 1e-3 &&
        awk -v a="$(field $name loss | head -1)" -v b="$(field $name loss | tail -1)" 'BEGIN { exit !(b < a) }'
    result "$name: it learns; layouts and micro-batches say the same"
    if command -v mpirun >/dev/null; then
        ranks=2 train $name-two "$@" && close $name $name-two loss 1e-4 && close $name $name-two grad_norm 1e-3
        result "$name: two ranks say the same"
    else
        n=$((n + 1)); echo "ok $n - $name: two ranks # SKIP no mpirun"
    fi
    if [ -e "$(dirname "$p")/libptrain-emulated.so" ]; then
        small=(--max_steps=2 --batch_rows=6) # an update between two losses; the emulated device takes a second of a processor a step
        train $name-device "$@" --device=emulated "${small[@]}" && train $name-host "$@" "${small[@]}" && close $name-device $name-host loss 1e-4 && close $name-device $name-host rewards/margins 1e-3
        result "$name: the device says the same"
    else
        n=$((n + 1)); echo "ok $n - $name: the device # SKIP no libptrain-emulated.so beside the program (make emulated)"
    fi
done
train plain && close kl plain loss 1e-6 && close kl plain grad_norm 1e-5 && close kl kl-off kl/chosen 1e-4 && close kl kl-off kl/rejected 1e-4 && [ "$(field kl kl/chosen | head -1)" = 0 ] && awk -v k="$(field kl kl/chosen | tail -1)" 'BEGIN { exit !(k > 1e-4) }' &&
    ! train bad --log_kl=true --precompute_ref_log_probs=true && grep -q "keeps log-probabilities" "$dir/log" && ! train bad --log_kl=true --loss_type=aot && grep -q "log_kl is no option" "$dir/log"
result "log_kl measures the divergence from the reference and trains nothing"
train one --loss_type=aot --save_steps=2 && cp -r "$dir/one" "$dir/again" && rm -rf "$dir/again/checkpoint-4" && train again --loss_type=aot --save_steps=2 --resume_from_checkpoint="$dir/again/checkpoint-2" &&
    cmp -s "$dir/one/adapter_model.safetensors" "$dir/again/adapter_model.safetensors"
result "aot: a resumed run has the same bits"
[ "$(field one rewards/margins | head -1)" = 0 ] && [ "$(field one rewards/accuracies | head -1)" = 0 ]
result "at the start margins are 0 exactly, and equal rewards are no accuracy"
# far below 0 discopop is 0 * inf and forward_kl inf - inf: no number, in TRL's formula too
train far --loss_type=discopop --beta=1000 --learning_rate=0.5 --max_steps=8; code=$?
{ [ $code -eq 0 ] || grep -q 'not finite' "$dir/log"; } && grep -q 'is not finite and was skipped' "$dir/log" && ! grep -q 'nan\|inf' "$dir/far/metrics.jsonl"
result "a loss that overflows: the step is skipped and counted"
refused() { # WORDS SETTING...: exit 2, with these words and a place
    local words=$1
    shift
    train no "$@"
    [ $? -eq 2 ] && grep -q "command line: .*$words" "$dir/log" && [ ! -e "$dir/no" ]
    result "refused: $*"
}
refused "loss_weights has 1 numbers and loss_type 2 words" --loss_type=[sigmoid,sft] --loss_weights=[1]
refused "f_divergence_type other than reverse_kl" --loss_type=nca_pair --f_divergence_type=js_divergence
refused "exo_pair needs label_smoothing above 0" --loss_type=exo_pair
refused "robust needs label_smoothing below 0.5" --loss_type=robust --label_smoothing=0.5
refused "use_weighting cannot go with aot" --loss_type=aot_unpaired --use_weighting=true
refused "label_smoothing goes with" --label_smoothing=0.1
refused "dpo_margin goes with" --loss_type=ipo --dpo_margin=1
refused "ld_alpha cannot go with sft" --rpo_alpha=1 --ld_alpha=0.5
refused "rpo_alpha: A is loss_type" --rpo_alpha=1 --loss_type=[sigmoid,hinge]
refused "kto is none of objective dpo's" --loss_type=kto
refused "ld_alpha" --ld_alpha=1.5
printf 'loss_type:\n  - exo_pair\n' >>"$dir/run.yaml"
train no
[ $? -eq 2 ] && grep -q "run.yaml:[0-9]*:[0-9]*: .*exo_pair needs" "$dir/log"
result "a refusal names file, line and column"
sed -i '/^loss_type/,$d' "$dir/run.yaml"
sed 's/"gap": 0.1/"gap": 0.1, "w": 2/' "$dir/pairs.jsonl" >"$dir/uneven.jsonl"
train uneven --loss_type=aot --datasets="[{path: $dir/uneven.jsonl, type: preference, field_weight: w}]"
[ $? -ne 0 ] && grep -q "loss_type aot compares pairs by their order, and these weigh" "$dir/log"
result "aot refuses pairs of unequal weight"
train rpo --rpo_alpha=0.5 && train list --loss_type=[sigmoid,sft] --loss_weights=[1,0.5] && cmp -s "$dir/rpo/adapter_model.safetensors" "$dir/list/adapter_model.safetensors"
result "rpo_alpha is the alias of its list, to the bit"
echo "1..$n"
