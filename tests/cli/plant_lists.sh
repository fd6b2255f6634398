#!/usr/bin/env bash
# Records of one to five answers, with a column that nobody else knows (tests/plant/ranked.c), and an objective of lists that reads it
# (tests/plant/ranking_core.h): added by OBJECTIVES+= and READERS+=, trained in three layouts and over ranks.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/gcc/ptrain}
src=$(dirname "$ptrain") dst=build/plant-lists
[ -d "$src/train/objective" ] || { echo "ok 1 - lists are planted # SKIP no objects beside the program"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir" build/plant-lists' EXIT
n=0
result() { local ok=$?; n=$((n + 1)); if [ $ok -eq 0 ]; then echo "ok $n - $1"; else tail -n 5 "$dir/log" | sed 's/^/# /'; echo "not ok $n - $1"; fi; }
# The objects that are there already, but for those that see the lists; files that a compiler opens anew are copies.
rm -rf $dst && mkdir -p $dst
(cd "$src" && find . -name '*.o' | grep -v '^./tests/\|^./emu' | xargs cp -al --parents -t "$OLDPWD/$dst" && cp -p .flags "$OLDPWD/$dst/.flags")
find $dst -name 'group_loss_ref.o' -o -name 'objective.o' -o -name 'data_types.o' | xargs rm -f
env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s BUILD=$dst OBJECTIVES+=tests/plant/ranking READERS+=tests/plant/ranked $dst/ptrain >"$dir/log" 2>&1
built=$? objects=$(grep -c '^  build .*\.o$' "$dir/log")
[ $built -eq 0 ] && [ "$objects" -le 6 ]
result "the program is built with one more objective and one more type; $objects objects are compiled"
p=$dst/ptrain
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
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
train() { local out=$1; shift; "$@" $p "$dir/lists.yaml" --output_dir="$dir/$out" ${more:-} >"$dir/log" 2>&1; }
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; }
close() { paste <(field "$1" "$3") <(field "$2" "$3") | awk '{ d = $1 - $2; if (d < 0) d = -d; m = $1 < 0 ? -$1 : $1; if (d > 1e-4 * (1 + m)) exit 1; n++ } END { exit n < 2 }'; }
grep -o '"word' "$dir/lists.jsonl" | wc -l >"$dir/answers"
want=$(cat "$dir/answers") rated=$(sed 's/.*"ratings": \[//; s/\].*//; s/, /\n/g' "$dir/lists.jsonl" | awk '{ s += $1 } END { print s }')
train forest env && [ "$(field forest ranking/answers | sort -u)" = "$want" ] && [ "$(field forest ranking/rated | sort -u)" = "$rated" ] &&
    first=$(field forest loss | head -1) && last=$(field forest loss | tail -1) && awk -v a="$first" -v b="$last" 'BEGIN { exit !(b < a && b > 0) }'
result "lists of 1 to 5 answers train: $want answers and their ratings in each step, the loss goes from ${first:0:6} to ${last:0:6}"
more=--sample_packing=plain train plain env && close forest plain loss && more=--sample_packing=off train off env && close forest off loss && more=--micro_batch_size=20 train whole env && close forest whole loss
result "three layouts and other micro-batches say the same"
if command -v mpirun >/dev/null; then
    train three mpirun --allow-run-as-root --oversubscribe -n 3 env && close forest three loss && [ "$(field three ranking/answers | sort -u)" = "$want" ]
    result "three ranks say the same"
else
    n=$((n + 1)); echo "ok $n - three ranks # SKIP no mpirun"
fi
$p "$dir/lists.yaml" --output_dir="$dir/dpo" --objective=dpo --datasets="[{path: $dir/lists.jsonl, type: ranked}]" >"$dir/log" 2>&1
[ $? -ne 0 ] && grep -q "ranked" "$dir/log" && ! $p "$dir/lists.yaml" --output_dir="$dir/sft" --objective=sft --datasets="[{path: $dir/lists.jsonl, type: ranked}]" >"$dir/log" 2>&1 && grep -q "records of 1 to 5 answers" "$dir/log"
result "an objective of pairs, and one of single answers, refuse lists"
$p inspect "$dir/lists.yaml" --output_dir="$dir/forest" --sample 0-9 >"$dir/log" 2>&1 && grep -q -- '--- answer 1 of ' "$dir/log" && grep -q 'rating 1.5' "$dir/log"
result "inspect shows the answers and what their columns say"
echo "1..$n"
