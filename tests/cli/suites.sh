#!/usr/bin/env bash
# Every suite of configs/eval at --limit 4 on a tiny model: on the samples, then on the published sets where ../shared is. One task has no rows that are all
# empty, and the published files are read where they are there.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
. tests/stub/stub.bash
trap 'stub_end; rm -rf "$dir"' EXIT
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
cat >"$dir/tiny.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: none
datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/tiny
max_steps: 3
batch_rows: 8
sequence_len: 64
device: cpu
compute: f32
Y
"$ptrain" "$dir/tiny.yaml" >"$dir/out" 2>"$dir/err"
[ $? -eq 0 ] && "$ptrain" export "$dir/tiny" --to hf --out "$dir/base" >"$dir/out" 2>"$dir/err"
result "a tiny model"
# the judge of suites that have one: whatever its template wants, it says 3
stub_start judge --life 1200 --mode constant --score 3 --marker '[T"] ?([0-9a-f]{8})[":]' --verdict 'VERDICT {marker}: {score} {"id": "{marker}", "score": {score}}'
suite() { # FILE FOLDER: into ev.json
    sed "s,dump: ,dump: $dir/,; s,http://127.0.0.1:8080/,http://127.0.0.1:$port/," "$1" >"$dir/suite.yaml"
    rm -f "$dir"/*_answers.json
    "$ptrain" eval "$dir/suite.yaml" --limit 4 --base_model="$dir/base" --output_dir="$dir/none" --device=cpu --compute=f32 --eval_data="$2" --output "$dir/ev.json" >"$dir/out" 2>"$dir/err" </dev/null || return 1
    tr -d ' \n' <"$dir/ev.json" >"$dir/tight"
    # whatever is measured has numbers
    grep -q '"after":{"value":-*[0-9]' "$dir/tight" || grep -q '"rouge_l_f":[0-9]' "$dir/tight"
}
for file in configs/eval/*.yaml; do
    name=$(basename "$file" .yaml)
    published=$(grep -c 'published:' "$file")
    suite "$file" "$dir/nowhere" && [ "$(grep -c "is not there, .* stands for it" "$dir/err")" -eq "$published" ]
    result "$name on samples"
done
for file in $(grep -l 'published:' configs/eval/*.yaml); do
    name=$(basename "$file" .yaml)
    shared=../shared/data/eval
    [ "$name" = rolebench ] && shared=../shared/data/sft
    if [ ! -d $shared ]; then
        n=$((n + 1))
        echo "ok $n - $name on the published sets # SKIP no ../shared"
        continue
    fi
    suite "$file" $shared && ! grep -q "stands for it" "$dir/err" && [ "$(grep -c "\"path\": \"$shared" "$dir/ev.json")" -eq "$(grep -c 'published:' "$file")" ]
    result "$name on the published sets"
done
suite configs/eval/charactereval_prompts.yaml "$dir/nowhere" && [ "$(grep -c '"novel_name": "雾港茶楼", "context": ".*", "model_output": "' "$dir/charactereval_answers.json")" -eq 4 ] && head -c 1 "$dir/charactereval_answers.json" | grep -qF '[' &&
    [ "$(tail -n 1 "$dir/charactereval_answers.json" | tail -c 3)" = "}]" ] && suite configs/eval/characterbench_prompts.yaml "$dir/nowhere" && [ "$(grep -c '"dialogue": \[{.*, "response": "' "$dir/characterbench_answers.json")" -eq 4 ]
result "answers in the form of published judges: one list of the rows with the answer in them"
echo "1..$n"
