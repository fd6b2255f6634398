#!/usr/bin/env bash
# Objectives and a metric from one file each (tests/plant), OBJECTIVES+= and METRICS+=, in the program and in the emulated plugin: its keys, its metrics, its
# statistics of a whole step, its state, on the host, on the device, over ranks and layouts, without another edit.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/gcc/ptrain}
src=$(dirname "$ptrain") dst=build/plant
[ -d "$src/train/objective" ] || { echo "ok 1 - an objective is planted # SKIP no objects beside the program"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir" build/plant' EXIT
n=0
result() { local ok=$?; n=$((n + 1)); if [ $ok -eq 0 ]; then echo "ok $n - $1"; else tail -n 5 "$dir/log" | sed 's/^/# /'; echo "not ok $n - $1"; fi; }
# The objects that are there already, so that only what sees the list is compiled. Files that a compiler opens anew are copies.
rm -rf $dst && mkdir -p $dst
(cd "$src" && find . -name '*.o' -o -name '*.a' | grep -v '^./tests/\|^./emu-[ac]\|^./emu-plain/tests/' | xargs cp -al --parents -t "$OLDPWD/$dst" && cp -p .flags "$OLDPWD/$dst/.flags")
find $dst -name 'group_loss_ref.o' -o -name 'objective.o' -o -name 'metrics.o' -o -name 'grouploss.cu.o' | xargs rm -f
targets="$dst/ptrain"
[ -e "$src/libptrain-emulated.so" ] && targets+=" $dst/libptrain-emulated.so"
env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES make -s BUILD=$dst OBJECTIVES+="tests/plant/hinge tests/plant/both" METRICS+=tests/plant/answer_words $targets >"$dir/log" 2>&1
built=$? objects=$(grep -c '^  build .*\.o$' "$dir/log")
[ $built -eq 0 ] && [ "$objects" -le 8 ]
result "the program is built with two more objectives and a metric; $objects objects are compiled"
p=$dst/ptrain
$p help objective >"$dir/log" 2>&1 && grep -q 'hinge (pairs against the middle of the step)' "$dir/log" && $p help plant_slack >>"$dir/log" && grep -q "default 0.5" "$dir/log" && ! "$ptrain" help plant_slack >/dev/null 2>&1
result "its name, its options and their other names are keys"
for i in $(seq 1 24); do
    echo "{\"prompt\": \"say $((i % 5))\", \"chosen\": \"good day number $i\", \"rejected\": \"go away $((i * 7 % 11))\", \"gap\": 0.0$((i % 4)), \"w\": $((1 + i % 3))}"
done >"$dir/pairs.jsonl"
cat >"$dir/plant.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
rl: hinge
adapter: lora
lora_r: 4
datasets: [{path: $dir/pairs.jsonl, type: preference, field_margin: gap, field_weight: w}]
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
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
train() { local out=$1; shift; "$@" $p "$dir/plant.yaml" --output_dir="$dir/$out" ${more:-} >"$dir/log" 2>&1; }
field() { sed -n "s|.*\"$2\": *\([^,}]*\).*|\1|p" "$dir/$1/metrics.jsonl"; }
close() { # A B FIELD TOLERANCE
    paste <(field "$1" "$3") <(field "$2" "$3") | awk -v t="$4" '{ d = $1 - $2; if (d < 0) d = -d; m = $1 < 0 ? -$1 : $1; if (d > t * (1 + m)) { print "'"$3"'", $1, $2; bad = 1 } n++ } END { exit bad || n < 6 }' >>"$dir/log"
}
train one env
trained=$? first=$(field one loss | head -1) last=$(field one loss | tail -1)
[ $trained -eq 0 ] && awk -v a="$first" -v b="$last" 'BEGIN { exit !(b < a) }'
result "it trains: the loss goes from ${first:0:6} to ${last:0:6}"
[ "$(field one hinge/pairs | sort -u)" = 8 ] && paste <(field one hinge/worst) <(field one hinge/gap) <(field one hinge/best) | awk '{ if (!($1 < $2 && $2 < $3)) exit 1 }' &&
    [ "$(field one hinge/level | head -1)" = 0 ] && awk -v g="$(field one hinge/gap | head -1)" -v l="$(field one hinge/level | sed -n 2p)" 'BEGIN { d = l - g / 2; exit !(d < 1e-9 && d > -1e-9) }'
result "its metrics are sums, least, largest and means; its state moves from step to step"
more=--sample_packing=off train off env && close one off loss 1e-4 && close one off hinge/gap 1e-4 && more=--micro_batch_size=8 train whole env && close one whole loss 1e-4 && close one whole hinge/worst 1e-4
result "statistics are of the whole step: layouts and micro-batches say the same"
if command -v mpirun >/dev/null; then
    train two mpirun --allow-run-as-root --oversubscribe -n 2 env && close one two loss 1e-4 && close one two hinge/best 1e-4 && close one two hinge/pairs 1e-9
    result "two ranks say the same"
else
    n=$((n + 1)); echo "ok $n - two ranks # SKIP no mpirun"
fi
cp -r "$dir/one" "$dir/again" && rm -rf "$dir/again/checkpoint-6" && more="--resume_from_checkpoint=$dir/again/checkpoint-3" train again env &&
    cmp -s "$dir/one/adapter_model.safetensors" "$dir/again/adapter_model.safetensors"
result "a resumed run has the state, and the same bits"
sed 's/^rl: hinge$/objective: both/' "$dir/plant.yaml" >"$dir/both.yaml" && mv "$dir/plant.yaml" "$dir/hinge.yaml" && cp "$dir/both.yaml" "$dir/plant.yaml"
train both env && more=--sample_packing=off train both-off env && close both both-off loss 1e-4 && close both both-off both/nll 1e-4 &&
    awk -v a="$(field both both/gap | head -1)" -v b="$(field both both/gap | tail -1)" 'BEGIN { exit !(b > a) }' &&
    tr -d ' \n' <"$dir/both/adapter_config.json" | grep -q '"modules_to_save":\["score"\].*CAUSAL_LM'
result "one objective trains two heads: the scores part, and the adapter holds both"
more=--adapter=none train full env
[ $? -eq 1 ] && grep -q "train it as an adapter" "$dir/log" && [ ! -s "$dir/full/metrics.jsonl" ]
result "what could not be saved is refused before the first step"
for i in 1 2 3; do echo "{\"role\": \"Ann\", \"question\": \"hello $i\", \"generated\": [\"good day $i\"]}"; done >"$dir/roles.jsonl"
echo '{"Ann": "a good one"}' >"$dir/profiles.json"
sets="[{path: $dir/roles.jsonl, type: rolebench, profiles: $dir/profiles.json}]"
sed "/^objective:\|^datasets:/d" "$dir/plant.yaml" >"$dir/roles.yaml" && echo "datasets: $sets
test_datasets: $sets
output_dir: $dir/roles" >>"$dir/roles.yaml"
$p "$dir/roles.yaml" --max_steps=1 --save_steps=0 >"$dir/log" 2>&1 && $p eval "$dir/roles" --output "$dir/eval.json" >"$dir/log" 2>&1 && grep -q "^words of an answer  *[0-9]" "$dir/log" &&
    [ "$(grep -c '"answer_words": [0-9]' "$dir/eval.json")" -ge 4 ]
result "a metric from one file stands in the report, overall and by role"
device() { # NAME: three steps on the host and on the device
    more="--device=emulated --max_steps=3" train "device-$1" env && more="--max_steps=3" train "host-$1" env &&
        paste <(field "host-$1" loss) <(field "device-$1" loss) | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-4 * (1 + $1)) exit 1; n++ } END { exit n != 3 }'
}
if [ -e $dst/libptrain-emulated.so ]; then
    device both && mv "$dir/hinge.yaml" "$dir/plant.yaml" && device hinge
    result "the device computes both the same with its own compilation of the cores"
else
    n=$((n + 1)); echo "ok $n - the device # SKIP no libptrain-emulated.so beside the program (make emulated)"
fi
