#!/usr/bin/env bash
# Several test sets apart: in training (metrics.jsonl), in `eval` of one run, and as a matrix of several runs: own, other and unseen personas.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
value() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; } # RUN FIELD
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
pairs() { # NAME YES NO COUNT
    for i in $(seq "$4"); do echo "{\"prompt\": \"say $i\", \"chosen\": \"$2, $i\", \"rejected\": \"$3, $i\"}"; done >"$dir/$1.jsonl"
}
pairs ann yes no 12
pairs bo no yes 9
pairs cy perhaps never 7
pairs ann_test yes no 6
pairs bo_test no yes 5
sets="[{path: $dir/ann_test.jsonl, name: ann}, {path: $dir/bo_test.jsonl, name: bo}, {path: $dir/cy.jsonl}]"
job() { # PERSONA
    cat >"$dir/$1.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
objective: dpo
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/$1.jsonl, type: preference, name: $1}]
test_datasets: $sets
output_dir: $dir/run_$1
max_steps: 10
batch_rows: 8
sequence_len: 128
learning_rate: 0.05
device: cpu
compute: f32
eval_steps: 5
Y
}
job ann
job bo
"$p" "$dir/ann.yaml" >"$dir/log" 2>&1 && "$p" "$dir/bo.yaml" >>"$dir/log" 2>&1
result "two personas train, with three test sets each"
[ "$(value run_ann eval_ann_loss | wc -l)" -eq 2 ] && [ "$(value run_ann eval_cy_records | sort -u)" -eq 7 ] && [ "$(value run_ann eval_loss | wc -l)" -eq 2 ] &&
    paste <(value run_ann eval_loss) <(value run_ann eval_ann_loss) <(value run_ann eval_bo_loss) <(value run_ann eval_cy_loss) |
    awk '{ d = $1 - (6 * $2 + 5 * $3 + 7 * $4) / 18; if (d < 0) d = -d; if (d > 1e-12) bad = 1 } END { exit bad || NR != 2 }'
result "metrics.jsonl has a line for each set, and one for all of them together"
grep -q '^ann loss at step 10: ' "$dir/log" && grep -q '^cy loss at step 10: .*rewards/accuracies' "$dir/log" && grep -q '^test loss at step 10: .* over 18 records' "$dir/log"
result "and so has the terminal"
"$p" "$dir/ann.yaml" --output_dir="$dir/one" --test_datasets="[{path: $dir/bo_test.jsonl}]" >"$dir/log" 2>&1 && ! grep -q eval_bo "$dir/one/metrics.jsonl" &&
    paste <(value one eval_loss) <(value run_ann eval_bo_loss) | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-6) bad = 1 } END { exit bad || NR != 2 }'
result "a set's figures are those that it has alone"
"$p" "$dir/ann.yaml" --output_dir="$dir/val" --val_set_size=3 --batch_rows=4 >"$dir/log" 2>&1 && grep -q '"test_bo_loss"' "$dir/val/metrics.jsonl" && grep -q '"test_loss"' "$dir/val/metrics.jsonl" && grep -q '"eval_loss"' "$dir/val/metrics.jsonl"
result "beside a validation split they are test_NAME"
"$p" "$dir/ann.yaml" --output_dir="$dir/slow" --learning_rate=0.001 >"$dir/log" 2>&1 && "$p" "$dir/ann.yaml" --output_dir="$dir/kept" --learning_rate=0.001 --precompute_ref_log_probs=true >"$dir/log" 2>&1 &&
    paste <(value kept eval_cy_loss) <(value slow eval_cy_loss) | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-5) bad = 1 } END { exit bad || NR != 2 }'
result "each with a reference that was kept beforehand"
"$p" "$dir/ann.yaml" --output_dir="$dir/twice" --test_datasets="[{path: $dir/cy.jsonl}, {path: $dir/cy.jsonl}, {path: $dir/ann_test.jsonl, name: 'a b/c'}]" >"$dir/log" 2>&1 && grep -q '"eval_cy-2_loss"' "$dir/twice/metrics.jsonl" &&
    grep -q '"eval_a_b_c_loss"' "$dir/twice/metrics.jsonl" && grep -q "^    name: .*a b/c" "$dir/twice/config.yaml"
result "a name twice, and one of other characters"

# eval
"$p" eval "$dir/run_ann" --output "$dir/ev.json" --answers "$dir/answers" >"$dir/log" 2>&1 && tr -d ' \n' <"$dir/ev.json" >"$dir/tight" &&
    grep -q '"pairs":{"sets":\[{"name":"ann","base":{"pairs":6,"accuracy":[0-9.]*},"columns":\[{"pairs":6,"accuracy":[0-9.]*,"implicit_accuracy":[0-9.]*,"implicit_margin":-*[0-9.e-]*,"is":"own"}\]}' "$dir/tight" &&
    grep -q '"name":"cy","base":{"pairs":7,[^}]*},"columns":\[{"pairs":7,[^}]*"is":"unseen"}\]' "$dir/tight"
result "eval.json has the sets of a run apart, with the implicit accuracy"
want=$(sed -n 's/^implicit reward against the base: accuracy \([0-9.]*\), margin \([-0-9.]*\) nats over 18 pairs$/\1 \2/p' "$dir/log")
got=$(sed 's/.*"all":{//; s/.*"implicit_accuracy":\([0-9.]*\),"implicit_margin":\([-0-9.e]*\).*/\1 \2/' "$dir/tight" | awk '{ printf "%.3f %.3f", $1, $2 }')
[ -n "$want" ] && [ "$want" = "$got" ]
result "all together: as the terminal says"
"$p" eval "$dir/run_ann" "$dir/run_bo" --output "$dir/ev.json" --answers "$dir/answers" >"$dir/log" 2>&1 && tr -d ' \n' <"$dir/ev.json" >"$dir/tight" &&
    grep -q '"name":"bo","base":{[^}]*},"columns":\[{"pairs":5,[^}]*"is":"other"},{"pairs":5,[^}]*"is":"own"}\]' "$dir/tight" && grep -q '"name":"unseen","base":null,"columns":\[{"pairs":7,' "$dir/tight" &&
    grep -q '^chosen preferred, by set  *base  *(1)  *(2)$' "$dir/log" && grep -q '^  bo  *[0-9.]* %  *[0-9.]* % other  *[0-9.]* % own$' "$dir/log" && grep -q '^  all that are own ' "$dir/log" &&
    [ "$(sed -n '/^chosen preferred/,/all that are unseen/p' "$dir/log" | wc -L)" -le 100 ]
result "two runs: a matrix of personas, with own, other and unseen"
row() { grep -o "\"name\":\"$1\",\"base\":[^]]*\]" "$dir/tight" | grep -o '"implicit_accuracy":[0-9.]*' | cut -d: -f2 | paste -sd' '; }
read -r a b < <(row own)
awk -v a="$a" -v b="$b" 'BEGIN { exit !(a >= 0.9 && b >= 0.9) }'
result "each raises its own persona's chosen answers above the base"
echo "1..$n"
