#!/usr/bin/env bash
# Pairs with a criterion answer (objective: idl): three layouts, micro-batches, ranks, the emulated device; rows without one; what dpo makes of them.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; } # RUN FIELD: its values, a line a step
close() { # RUN RUN FIELD TOLERANCE: the same in every step
    paste <(field "$1" "$3") <(field "$2" "$3") | awk -v t="$4" '{ d = $1 - $2; if (d < 0) d = -d; m = $1 < 0 ? -$1 : $1; if (d > t * (1 + m)) { print $1, $2; bad = 1 } n++ } END { exit bad || n < 2 }' >>"$dir/log"
}
train() { # OUT [MORE...]: before it `ranks=N`
    local out=$1 start=()
    shift
    [ "${ranks:-1}" = 1 ] || start=(mpirun --allow-run-as-root --oversubscribe -n "$ranks")
    "${start[@]}" "$p" "$dir/run.yaml" --output_dir="$dir/$out" "$@" >"$dir/log" 2>&1
}
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
for i in $(seq 12); do
    echo "{\"prompt\": \"say $((i % 4)) of the long question that they share\", \"chosen\": \"yes, $i\", \"rejected\": \"no, $i, never\", \"criterion\": \"yes or no, $((i * 3))\"}"
done >"$dir/triples.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
objective: idl
adapter: lora
lora_r: 4
beta: 0.5
criterion_weight: 2
datasets: [{path: $dir/triples.jsonl}]
max_steps: 6
batch_rows: 12
micro_batch_size: 2
sequence_len: 96
learning_rate: 0.03
device: cpu
compute: f32
Y
train forest && [ "$(field forest loss | head -1 | cut -c1-8)" = 0.693147 ] && [ "$(field forest criterion/below | sort -u | wc -l)" -gt 1 ] && [ -n "$(field forest logps/criterion)" ]
result "records of three answers train; a fresh adapter begins at log 2, with no penalty"
train plain --sample_packing=plain && close forest plain loss 1e-4 && train off --sample_packing=off && close forest off loss 1e-4 &&
    train one --micro_batch_size=1 && close forest one loss 1e-4 && train all --micro_batch_size=12 && close forest all loss 1e-4 && close forest all rewards/criterion 1e-4
result "three layouts and other micro-batches say the same"
if command -v mpirun >/dev/null; then
    ranks=2 train two && close forest two loss 1e-4
    result "two ranks say the same"
else
    n=$((n + 1)); echo "ok $n - two ranks # SKIP no mpirun"
fi
if [ -e "$(dirname "$p")/libptrain-emulated.so" ]; then
    train device --device=emulated --max_steps=3 && train host --max_steps=3 && close device host loss 1e-4 && close device host criterion/below 1e-4
    result "the device says the same"
else
    n=$((n + 1)); echo "ok $n - the device # SKIP no libptrain-emulated.so beside the program (make emulated)"
fi
again=(--lora_model_dir="$dir/forest" --dpo_reference=base) # off the kink, where rounding decides: every reward of a fresh adapter is 0
train made "${again[@]}" && train kept "${again[@]}" --precompute_ref_log_probs=true && close made kept loss 1e-4 && grep -q 'reference log-probabilities of 36 answers' "$dir/log"
result "its reference is kept beforehand, of all three answers"
train none --criterion_weight=0 && sed -i.idl '/^criterion_weight/d' "$dir/run.yaml" && train dpo --objective=dpo && close none dpo loss 1e-5 && [ "$(grep -c 'triples.jsonl:1: the criterion answers are not read' "$dir/log")" -eq 1 ] && ! close forest dpo loss 1e-4
result "without its weight it is dpo, which says once that it reads no criterion"
mv "$dir/run.yaml.idl" "$dir/run.yaml"
sed 's/, "criterion": "[^"]*"//' "$dir/triples.jsonl" >"$dir/pairs.jsonl"
! train bare --datasets="[{path: $dir/pairs.jsonl}]" && grep -q "pairs.jsonl:1: .*no field 'criterion'" "$dir/log" && [ ! -e "$dir/bare/metrics.jsonl" ]
result "pairs without a criterion are refused by line"
sed '3s/"criterion": "[^"]*"/"criterion": ""/' "$dir/triples.jsonl" >"$dir/empty.jsonl"
! train empty --datasets="[{path: $dir/empty.jsonl}]" && grep -q "empty.jsonl:3: 'criterion': empty answer" "$dir/log" &&
    train left --datasets="[{path: $dir/empty.jsonl, bad_rows: 0.2}]" --batch_rows=11 && grep -q "'criterion': empty answer" "$dir/log"
result "an empty criterion is refused by line, or left out and counted by policy"
sed '2s/"no, 2, never"/"yes, 2"/' "$dir/triples.jsonl" >"$dir/same.jsonl"
train same --datasets="[{path: $dir/same.jsonl}]" --batch_rows=11 && grep -q 'chosen and rejected are equal  *1 ' "$dir/log"
result "a pair whose sides are equal is counted, whatever its criterion"
"$p" inspect "$dir/run.yaml" --output_dir="$dir/forest" --sample 0 >"$dir/log" 2>&1 && grep -q -- '--- answer 3 of 3' "$dir/log"
result "inspect shows the three answers"
"$p" eval "$dir/forest" --test_datasets="[{path: $dir/triples.jsonl, type: preference}]" --output "$dir/ev.json" >"$dir/log" 2>&1 && grep -q '"preference_accuracy"' "$dir/ev.json"
result "eval judges its pairs"
"$p" export "$dir/forest" --to hf --type f16 --out "$dir/out" >"$dir/log" 2>&1 && grep -q "^loss on .* rows of the run.s data" "$dir/log"
result "an export measures what it kept on its pairs"
train hinge --loss_type=hinge && ! close forest hinge loss 1e-4 && train tails --ld_alpha=0.25 && ! close forest tails logps/criterion 1e-4
result "dpo's other losses under the criterion"
for x in loss_type=aot use_weighting=true; do ! train no "--$x" && grep -q "command line: idl has no ${x%%=*}" "$dir/log" || { echo "# $x"; false; } || break; done
result "but not those that a criterion does not go with"
echo "1..$n"
