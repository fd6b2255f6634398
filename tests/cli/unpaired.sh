#!/usr/bin/env bash
# Judged answers and pairs without a reference, from files to a trained adapter: kto with its mismatched answers and bco with its running means say the same
# in every layout, with any micro-batches, on several ranks and on the device; a resumed run has the same bits; what cannot be trained on is told.
# shellcheck source=tests/plant/plant.bash
. "$(dirname "$0")/../plant/plant.bash"
p=$ptrain
for i in $(seq 1 24); do
    [ $((i % 3)) = 0 ] && { said="go away $((i * 7 % 11))" label=false; } || { said="good day $((i * 7 % 11)) of $i" label=true; }
    echo "{\"prompt\": \"say $((i % 5))\", \"completion\": \"$said\", \"label\": $label}"
    echo "{\"prompt\": \"say $((i % 5))\", \"chosen\": \"good day number $i\", \"rejected\": \"go away $((i * 7 % 11))\"}" >&3
done >"$dir/judged.jsonl" 3>"$dir/pairs.jsonl"
cat >"$dir/common.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772, initializer_range: 0.3}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_r: 4
lora_target_linear: true
max_steps: 8
batch_rows: 10
micro_batch_size: 8
sequence_len: 64
learning_rate: 0.02
device: cpu
compute: f32
save_steps: 4
val_set_size: 0
seed: 3
Y
for o in kto bco unlikelihood; do { cat "$dir/common.yaml"; echo "datasets: [{path: $dir/judged.jsonl, type: unpaired}]"; echo "objective: $o"; } >"$dir/$o.yaml"; done
for o in orpo cpo; do { cat "$dir/common.yaml"; echo "datasets: [{path: $dir/pairs.jsonl, type: preference}]"; echo "objective: $o"; } >"$dir/$o.yaml"; done
short=(--save_steps=0)
moved() { # RUN FIELD: a figure of the step is no constant
    [ "$(field "$1" "$2" | sort -u | wc -l)" -gt 2 ]
}
declare -A of=([kto]=kl [bco]=rewards/shift [orpo]=nll_loss [cpo]=nll_loss [unlikelihood]=unlikelihood) and=([kto]=rewards/margins [bco]=rewards/margins [orpo]=rewards/margins [cpo]=rewards/margins [unlikelihood]=nll)
for o in kto bco orpo cpo unlikelihood; do
    train $o $o.yaml && moved $o loss && moved $o ${of[$o]} && moved $o ${and[$o]} && { [ $o = unlikelihood ] || moved $o rewards/chosen; }
    result "$o trains, and says its metrics"
    train $o-off $o.yaml "${short[@]}" --sample_packing=off --micro_batch_size=3 && close $o $o-off loss 1e-4 && close $o $o-off ${of[$o]} 1e-4 && close $o $o-off grad_norm 1e-3 &&
        train $o-small $o.yaml "${short[@]}" --micro_batch_size=1 && close $o $o-small loss 1e-4 && close $o $o-small ${of[$o]} 1e-4 && close $o $o-small ${and[$o]} 1e-4
    result "$o: layouts and micro-batches say the same"
    if command -v mpirun >/dev/null; then
        ranks=2 train $o-two $o.yaml "${short[@]}" && close $o $o-two loss 1e-4 && close $o $o-two ${of[$o]} 1e-4 && close $o $o-two ${and[$o]} 1e-4
        result "$o: two ranks say the same"
    else
        n=$((n + 1)); echo "ok $n - $o: two ranks # SKIP no mpirun"
    fi
    cp -r "$dir/$o" "$dir/again-$o" && rm -rf "$dir/again-$o/checkpoint-8" && train again-$o $o.yaml --resume_from_checkpoint="$dir/again-$o/checkpoint-4" &&
        cmp -s "$dir/$o/adapter_model.safetensors" "$dir/again-$o/adapter_model.safetensors"
    result "$o: a resumed run has the same bits"
    if [ -e "$src/libptrain-emulated.so" ]; then
        train $o-device $o.yaml --device=emulated "${short[@]}" --max_steps=2 && train $o-host $o.yaml "${short[@]}" --max_steps=2 && close $o-device $o-host loss 1e-4 &&
            close $o-device $o-host ${of[$o]} 1e-4
        result "$o: the device says the same"
    else
        n=$((n + 1)); echo "ok $n - $o: the device # SKIP no libptrain-emulated.so beside the program (make emulated)"
    fi
done
[ "$(field kto rewards/margins | head -1)" = 0 ] && [ "$(field kto kl | head -1)" = 0 ] && field kto loss | awk 'NR == 1 { exit !($1 > 0.4999999 && $1 < 0.5000001) }' && [ "$(field bco rewards/shift | head -1)" = 0 ]
result "where nothing has moved the margin, the divergence and the shift are 0 exactly"
$ptrain inspect "$dir/unlikelihood.yaml" --output_dir="$dir/look" >"$dir/log" 2>&1 && grep -q "«0|" "$dir/log"
result "inspect shows that undesirable answers are shunned: their share is 0"
train tame unlikelihood.yaml "${short[@]}" --unlikelihood_alpha=0 --max_steps=8 && awk -v a="$(field unlikelihood unlikelihood | tail -1)" -v b="$(field tame unlikelihood | tail -1)" 'BEGIN { exit !(a < b - 1e-4) }'
result "with unlikelihood_alpha undesirable answers become less likely than without"
train split kto.yaml "${short[@]}" --datasets="[{path: $dir/pairs.jsonl}]" --max_steps=3 && grep -q '"records": 10' "$dir/split/metrics.jsonl" && grep -q "records kept *48" "$dir/log"
result "pairs are taken apart: two records each"
train seen kto.yaml "${short[@]}" --val_set_size=0.25 --eval_steps=3 --max_steps=6 && grep -q eval_kl "$dir/seen/metrics.jsonl"
result "kto is measured on what was held out"
apart() { # FIELD: of kto and apo_zero_unpaired, which holds answers against the reference alone
    paste <(field kto "$1") <(field apo "$1") | awk '{ if ($1 != $2) bad = 1 } END { exit !bad }'
}
train apo kto.yaml "${short[@]}" --loss_type=apo_zero_unpaired && ! grep -q '"kl"' "$dir/apo/metrics.jsonl" && apart loss
result "loss_type: apo_zero_unpaired looks at no mismatched answers"
head -12 "$dir/judged.jsonl" >"$dir/test.jsonl" && head -6 "$dir/pairs.jsonl" >"$dir/test_pairs.jsonl"
train asked kto.yaml "${short[@]}" --max_steps=2 --eval_steps=0 --test_datasets="[{path: $dir/test.jsonl, type: unpaired}, {path: $dir/test_pairs.jsonl, type: preference}]" &&
    $p eval "$dir/asked" --limit=4 >"$dir/log" 2>&1 && grep -q "accuracy .* over 6 pairs" "$dir/log" && grep -q perplexity "$dir/log"
result "ptrain eval of a kto run: desirable answers are references, pairs are judged"
refused() { # TEXT MORE...: kto is refused with code 2 or 1 and this text
    local text=$1
    shift
    ! train refused kto.yaml "$@" && grep -q "$text" "$dir/log"
}
sed 's/false/true/' "$dir/judged.jsonl" >"$dir/one.jsonl"
refused "the label of all 24 training records is true: objective kto needs undesirable answers (label: false) too" --datasets="[{path: $dir/one.jsonl}]"
result "a set of one class is refused, with the class that is missing"
refused "every step has one record" --batch_rows=1
result "steps of one record are refused"
refused "say adapter: lora" --adapter=none --lora_r= --lora_target_linear=false && refused "say adapter: lora" --precompute_ref_log_probs=true
result "a reference kept beforehand has no mismatched answers, which is said"
{ cat "$dir/judged.jsonl"; echo '{"prompt": "q", "completion": "c", "label": "yes"}'; } >"$dir/bad.jsonl"
refused "bad.jsonl:25: label 'label' is a string; true or false (1 or 0) is wanted" --datasets="[{path: $dir/bad.jsonl}]" --bad_rows=0
result "a label of another type is told by its line"
refused "kto has no loss_type: sigmoid\|loss_type.*sigmoid" --loss_type=sigmoid && refused "one loss_type at a time" "--loss_type=[kto, apo_zero_unpaired]"
result "losses of other objectives are refused by name, and lists"
refused "type unpaired" --datasets="[{path: $dir/judged.jsonl, type: text}]"
result "a type without labels is refused"
echo "1..$n"
