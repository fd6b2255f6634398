#!/usr/bin/env bash
# Records of one to five answers, with a column that nobody else knows (tests/plant/ranked.c), and an objective of lists that reads it
# (tests/plant/ranking_core.h): added by OBJECTIVES+= and READERS+=, trained in three layouts and over ranks.
# shellcheck source=tests/plant/plant.bash
. "$(dirname "$0")/../plant/plant.bash"
plant "one more objective and one more type" OBJECTIVES+=tests/plant/ranking READERS+=tests/plant/ranked
for i in $(seq 1 20); do
    a="" r="" k=$((1 + i * 7 % 5))
    for j in $(seq 1 $k); do a+="${a:+, }\"word$((i * j % 9)) and $((j * 3))\"" r+="${r:+, }$((j % 3)).5"; done
    echo "{\"prompt\": \"say $((i % 4)) of the long question that all of them share\", \"answers\": [$a], \"ratings\": [$r]}"
done >"$dir/lists.jsonl"
cat >"$dir/lists.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
objective: ranking
datasets: [{path: $dir/lists.jsonl}]
num_epochs: 2
batch_rows: 20
micro_batch_size: 2
sequence_len: 96
learning_rate: 0.02
device: cpu
compute: f32
val_set_size: 0
seed: 3
Y
want=$(grep -o '"word' "$dir/lists.jsonl" | wc -l)
rated=$(sed 's/.*"ratings": \[//; s/\].*//; s/, /\n/g' "$dir/lists.jsonl" | awk '{ s += $1 } END { print s }')
train forest lists.yaml
trained=$? first=$(field forest loss | head -1) last=$(field forest loss | tail -1)
[ $trained -eq 0 ] && [ "$(field forest ranking/answers | sort -u)" = "$want" ] && [ "$(field forest ranking/rated | sort -u)" = "$rated" ] &&
    awk -v a="$first" -v b="$last" 'BEGIN { exit !(b < a && b > 0) }'
result "lists of 1 to 5 answers train: $want answers and their ratings in each step, the loss goes from ${first:0:6} to ${last:0:6}"
train plain lists.yaml --sample_packing=plain && close forest plain loss 1e-4 && train off lists.yaml --sample_packing=off && close forest off loss 1e-4 &&
    train whole lists.yaml --micro_batch_size=20 && close forest whole loss 1e-4
result "three layouts and other micro-batches say the same"
if command -v mpirun >/dev/null; then
    ranks=3 train three lists.yaml && close forest three loss 1e-4 && [ "$(field three ranking/answers | sort -u)" = "$want" ]
    result "three ranks say the same"
else
    n=$((n + 1)); echo "ok $n - three ranks # SKIP no mpirun"
fi
set="[{path: $dir/lists.jsonl, type: ranked}]"
! train dpo lists.yaml --objective=dpo --datasets="$set" && grep -q "ranked" "$dir/log" && ! train sft lists.yaml --objective=sft --datasets="$set" && grep -q "records of 1 to 5 answers" "$dir/log"
result "an objective of pairs, and one of single answers, refuse lists"
$p inspect "$dir/lists.yaml" --output_dir="$dir/forest" --sample 0-9 >"$dir/log" 2>&1 && grep -q -- '--- answer 1 of ' "$dir/log" && grep -q 'rating 1.5' "$dir/log"
result "inspect shows the answers and what their columns say"
# Keys of the reader's own.
rated() { train "$1" lists.yaml --datasets="[{path: $dir/lists.jsonl, $2}]" && awk -v got="$(field "$1" ranking/rated | sort -u)" -v want="$3" 'BEGIN { exit !(got == want) }'; }
rated half "rating_scale: half" "$(awk -v r="$rated" 'BEGIN { print r / 2 }')" && rated fall "scale_of_ratings: double, ratings_fall: yes" "$(awk -v r="$rated" 'BEGIN { print -2 * r }')" &&
    grep -q '^    rating_scale: "*double"*$' "$dir/fall/config.yaml" && grep -q '^    ratings_fall: true$' "$dir/fall/config.yaml" && rated said "ratings_fall: false" "$rated"
result "the reader's own keys are accepted, by another name too, and have their values; a pack is made for each, and config.yaml says them"
goes() { train kept lists.yaml --datasets="[{path: $dir/lists.jsonl, rating_scale: $1}]" --save_steps=1 --num_epochs="$2" --resume_from_checkpoint=auto; }
goes half 2 && goes half 3 && ! goes double 4 && grep -q 'another set of training data.*rating_scale: "*double"* here and was.*rating_scale: "*half' "$dir/log" && goes half 4
result "a checkpoint is not resumed under another value"
$p help datasets >"$dir/log" && grep -q '^    rating_scale  *ranked: what a rating counts' "$dir/log" && $p help --markdown >"$dir/md" &&
    grep -A1 '^| .system_template. |' "$dir/md" | grep -q '^| .rating_scale. | ranked: what a rating counts. Default: whole. Also: .scale_of_ratings.. |$' && grep -q '^| .ratings_fall. |' "$dir/md"
result "help and the reference page list them"
{ grep -v '^datasets' "$dir/lists.yaml"; printf 'datasets:\n  - path: %s\n    rating_scale: third\n' "$dir/lists.jsonl"; } >"$dir/wrong.yaml"
line=$(grep -n rating_scale "$dir/wrong.yaml" | cut -d: -f1)
! train wrong wrong.yaml && grep -q "wrong.yaml:$line:5: rating_scale is 'whole', 'half' or 'double', not 'third'" "$dir/log" &&
    sed -i 's/rating_scale: third/ratings_fall: down/' "$dir/wrong.yaml" && ! train wrong wrong.yaml && grep -q "wrong.yaml:$line:5: ratings_fall takes true or false, not 'down'" "$dir/log" &&
    sed -i 's/ratings_fall: down/rating_scales: half/' "$dir/wrong.yaml" && ! train wrong wrong.yaml && grep -q "wrong.yaml:$line:5: a data set does not know rating_scales" "$dir/log"
result "a wrong value, and a key that no reader has, are refused by line"
echo "1..$n"
