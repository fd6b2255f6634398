#!/bin/bash
# `stages:` of a config file: what each begins with, where it stands, what stops and goes on, what is refused.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_NUM_THREADS=1
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
refused() { # TEXT YAML: exit 2, with the text and the file's name
    printf '%s\n' "$2" >"$dir/bad.yaml"
    cat "$dir/common.yaml" >>"$dir/bad.yaml"
    run "$dir/bad.yaml"
    [ $? -eq 2 ] && grep -qF -- "$1" "$dir/err" && grep -q "bad.yaml:[0-9]*:[0-9]*: " "$dir/err" && [ ! -e "$dir/run" ]
}
weights() { cmp -s "$dir/$1/adapter_model.safetensors" "$dir/$2/adapter_model.safetensors"; }
for i in $(seq 1 16); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"good day $((i % 5))\"}]}" >>"$dir/s.jsonl"
    echo "{\"prompt\": \"say $i\", \"chosen\": \"good day $((i % 3))\", \"rejected\": \"go away $i\"}" >>"$dir/p.jsonl"
done
cat >"$dir/common.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_r: 4
output_dir: $dir/run
sequence_len: 64
device: cpu
compute: f32
batch_rows: 4
num_epochs: 9
save_steps: 2
learning_rate: 0.01
Y
cat - "$dir/common.yaml" >"$dir/c.yaml" <<Y
stages:
  - {name: imitate, datasets: [$dir/s.jsonl], max_steps: 6}
  - {name: again, datasets: [$dir/s.jsonl], max_steps: 7, lr: 5e-3}
  - {objective: dpo, beta: 0.2, datasets: [$dir/p.jsonl], max_steps: 5}
Y
run plan "$dir/c.yaml"
[ $? -eq 0 ] && grep -q "^stage 1 of 3: imitate (in $dir/run/imitate)" "$dir/out" && grep -q "^stage 2 of 3: again .*what stage imitate will leave" "$dir/out" && grep -q "^stage 3 of 3: 3 (in $dir/run;" "$dir/out" &&
    grep -q "max_steps is 6" "$dir/out" && grep -q "max_steps is 5" "$dir/out" && [ ! -e "$dir/run/imitate/adapter_model.safetensors" ]
result "plan shows every stage"
run "$dir/c.yaml"
[ $? -eq 0 ] && [ "$(wc -l <"$dir/run/imitate/metrics.jsonl")" = 6 ] && [ "$(wc -l <"$dir/run/again/metrics.jsonl")" = 7 ] && [ "$(wc -l <"$dir/run/metrics.jsonl")" = 5 ] &&
    [ "$(grep -c "^next: " "$dir/out")" = 1 ] && grep -q '"3": "done"' "$dir/run/stages.json"
result "three stages run by one command, the last in output_dir"
grep -q "lora_model_dir: $dir/run/again" "$dir/run/config.yaml" && grep -q "learning_rate: 0.005" "$dir/run/again/config.yaml" && head -1 "$dir/run/metrics.jsonl" | grep -q '"rewards/margins": 0[,}.]' &&
    ! grep -q stages "$dir/run/config.yaml"
result "each begins with the adapter of the one before, which is also the reference; its own keys rule"
{ cat "$dir/common.yaml"; echo "datasets: [$dir/s.jsonl]"; } >"$dir/s.yaml"
{ grep -v lora_r "$dir/common.yaml"; echo "datasets: [$dir/s.jsonl]"; } >"$dir/t.yaml"
{ grep -v lora_r "$dir/common.yaml"; echo "datasets: [$dir/p.jsonl]"; } >"$dir/p.yaml"
run "$dir/s.yaml" --output_dir="$dir/a" --max_steps=6 && run "$dir/t.yaml" --output_dir="$dir/b" --lora_model_dir="$dir/a" --max_steps=7 --lr=5e-3 &&
    run "$dir/p.yaml" --output_dir="$dir/c" --lora_model_dir="$dir/b" --objective=dpo --beta=0.2 --max_steps=5 && weights a run/imitate && weights b run/again && weights c run
result "the same bits as three commands"
cp -a "$dir/run" "$dir/kept"
run "$dir/c.yaml" --resume_from_checkpoint=auto
[ $? -eq 0 ] && [ "$(grep -c "^done before" "$dir/out")" = 3 ] && [ -z "$(find "$dir/run" -name adapter_model.safetensors -newer "$dir/kept/stages.json")" ]
result "what is done is passed over"
sed -i 's/"3": "done"/"x": "done"/; s/"again": "done"/"again": "begun"/' "$dir/run/stages.json"
rm -rf "$dir"/run/again/checkpoint-6 "$dir"/run/again/adapter_model.safetensors
run "$dir/c.yaml" --resume_from_checkpoint=auto
[ $? -eq 0 ] && [ "$(grep -c "^done before" "$dir/out")" = 1 ] && grep -q "going on from $dir/run/again/checkpoint-4" "$dir/err" && ! grep -q "going on from $dir/run/checkpoint" "$dir/err" && weights kept/again run/again && weights kept run
result "the stage that was under way goes on, the next starts anew: the same bits"
for s in imitate again; do
    rm -rf "$dir/run"
    "$ptrain" "$dir/c.yaml" >"$dir/out" 2>"$dir/err" </dev/null &
    pid=$!
    until [ -e "$dir/run/$s/checkpoint-4" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    run "$dir/c.yaml" --resume_from_checkpoint=auto && weights kept run && weights kept/imitate run/imitate
    result "killed in stage $s: the same bits at the end"
done
rm -rf "$dir/run"
"$ptrain" "$dir/c.yaml" --max_steps=5000 --save_steps=0 >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
until [ -s "$dir/run/imitate/metrics.jsonl" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
kill -TERM $pid
wait $pid
[ $? -eq 143 ] && grep -q "go on with: ptrain .*c.yaml --max_steps=5000 --save_steps=0 --resume_from_checkpoint=auto" "$dir/out" && grep -q '"imitate": "begun"' "$dir/run/stages.json" && [ ! -e "$dir/run/again" ]
result "a signal saves, and says how to go on"
rm -rf "$dir/run" && cp -a "$dir/kept" "$dir/run"
run "$dir/c.yaml" --resume_from_checkpoint=auto --learning_rate=0.5
[ $? -eq 2 ] && grep -q "stage imitate is done, and was trained with learning_rate 0.01; it is 0.5 now" "$dir/err" && weights kept run
result "a stage that is done was done with these settings, or nothing goes on"
run "$dir/c.yaml" --only=again --max_steps=2
[ $? -eq 0 ] && [ "$(wc -l <"$dir/run/again/metrics.jsonl")" = 2 ] && weights kept run && ! grep -q '"3"' "$dir/run/stages.json" && run plan "$dir/c.yaml" --only again && [ "$(grep -c "^stage" "$dir/out")" = 1 ]
result "--only runs one, and what came after it is not done any more"
run "$dir/c.yaml" --only nobody
[ $? -eq 2 ] && grep -q "there are: imitate, again, 3" "$dir/err"
result "--only names the stages"
run pack "$dir/c.yaml" && [ "$(grep -c "^stage" "$dir/out")" = 3 ] && run inspect "$dir/c.yaml" --only again --sample 0 && grep -q "good day" "$dir/out"
result "pack and inspect"
rm -rf "$dir/run"
{ grep -v "^adapter\|^lora" "$dir/common.yaml"; printf 'stages:\n  - {datasets: [%s], max_steps: 2}\n  - {name: x, adapter: lora, datasets: [%s], max_steps: 2}\n  - {name: last, adapter: lora, datasets: [%s], max_steps: 2}\n' "$dir/s.jsonl" "$dir/s.jsonl" "$dir/s.jsonl"; } >"$dir/f.yaml"
run "$dir/f.yaml"
[ $? -eq 0 ] && grep -q "base_model: $dir/run/1" "$dir/run/x/config.yaml" && grep -q "base_model: $dir/run/1" "$dir/run/config.yaml" && grep -q "lora_model_dir: $dir/run/x" "$dir/run/config.yaml"
result "weights that were all tuned are the next base; an adapter's base stays it"
rm -rf "$dir/run"
sed 's/{objective: dpo/{from: base, objective: reward/; s/beta: 0.2, //' "$dir/c.yaml" >"$dir/r.yaml"
run "$dir/r.yaml" --max_steps=2
[ $? -eq 0 ] && ! grep -q lora_model_dir "$dir/run/config.yaml" && grep -q "lora_r: 4" "$dir/run/config.yaml"
result "from: base begins as the file says"
rm -rf "$dir/run"
if command -v mpirun >/dev/null; then
    mpirun --allow-run-as-root --oversubscribe -n 2 "$ptrain" "$dir/c.yaml" --resume_from_checkpoint=auto >"$dir/out" 2>"$dir/err" </dev/null
    [ $? -eq 0 ] && [ "$(wc -l <"$dir/run/metrics.jsonl")" = 5 ] && [ "$(grep -c "^stage" "$dir/out")" = 3 ]
    result "two ranks run all stages"
else
    n=$((n + 1)); echo "ok $n - two ranks # SKIP no mpirun"
fi
rm -rf "$dir/run"
s="datasets: [$dir/s.jsonl]"
refused "stages takes a list" "stages: {name: a}"; result "a mapping is no list"
refused ":3:15: unknown key learning_rat" "stages:
  - {$s}
  - {name: b, learning_rat: 1, $s}"; result "a mistake in the last stage is said first, where it stands"
refused "from: c is no earlier stage" "stages: [{$s}, {from: c, name: b, $s}, {name: c, $s}]"; result "from names an earlier one"
refused "name: b is the name of an earlier stage" "stages: [{name: b, $s}, {name: b, $s}]"; result "names are one each"
refused "a stage's name is its folder" "stages: [{name: ../b, $s}]"; result "a name is a folder"
refused "checkpoint-2 means something else" "stages: [{name: checkpoint-2, $s}]"; result "a name is not what a run writes"
refused "lora_rank: stage b goes on with the adapter of stage a, whose numbers rule" "stages: [{name: a, $s}, {name: b, lora_rank: 8, $s}]"; result "an adapter's numbers rule"
refused "stage b tunes every weight, and what stage a leaves is an adapter" "stages: [{name: a, $s}, {name: b, adapter: none, $s}]"; result "full tuning does not go on from an adapter"
refused "output_dir is the whole file's" "stages: [{output_dir: x, $s}]"; result "output_dir is the file's"
refused "stages stand in no stage" "stages: [{stages: [], $s}]"; result "no stages in stages"
refused "both say where the stage begins" "stages: [{name: a, $s}, {from: a, base_model: x, $s}]"; result "one beginning"
run "$dir/c.yaml" --resume_from_checkpoint="$dir/kept/checkpoint-4"
[ $? -eq 2 ] && grep -q "goes on by auto" "$dir/err"
result "one checkpoint is not many stages'"
sed "s|p.jsonl|nowhere.jsonl|" "$dir/c.yaml" >"$dir/n.yaml"
run "$dir/n.yaml"
[ $? -eq 1 ] && grep -q "stage 3: .*n.yaml:4:.*nowhere.jsonl: no such file" "$dir/err" && [ ! -e "$dir/run/imitate" ]
result "data that is not there is missed before the first stage"
run pack "$dir/n.yaml" --output_dir="$dir/new/run"
[ $? -eq 1 ] && grep -q "stage 3: .*nowhere.jsonl: no such file" "$dir/err" && [ ! -e "$dir/new" ]
result "and before anything is packed"
run "$dir/c.yaml" --only again --output_dir="$dir/new/run"
[ $? -eq 2 ] && grep -q "run that stage first" "$dir/err" && [ ! -e "$dir/new" ]
result "a stage that cannot begin leaves no folder"
run "$dir/c.yaml" --output_dir="$dir/new/run" --device=cuda
[ $? -ne 1 ] || [ ! -e "$dir/new" ]
result "nor does a device that is not there"
echo "1..$n"
