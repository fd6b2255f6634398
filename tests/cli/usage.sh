#!/bin/bash
# Wrong usage, broken inputs: the exit code and what the message names. Runs the program itself.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
check() { # NAME CODE TEXT COMMAND...: exit code and a part of standard error
    local name=$1 code=$2 text=$3 got
    shift 3
    n=$((n + 1))
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    if [ $got -eq "$code" ] && grep -qF -- "$text" "$dir/err"; then
        echo "ok $n - $name"
    else
        echo "# exit $got, wanted $code with '$text':"
        sed 's/^/# /' "$dir/err"
        echo "not ok $n - $name"
    fi
}
shows() { # NAME TEXT COMMAND...: exit 0 and a part of standard output
    local name=$1 text=$2
    shift 2
    n=$((n + 1))
    if "$@" >"$dir/out" 2>"$dir/err" </dev/null && grep -qF -- "$text" "$dir/out"; then echo "ok $n - $name"; else
        sed 's/^/# /' "$dir/out" "$dir/err"
        echo "not ok $n - $name"
    fi
}
data="datasets: [{path: $dir/d.jsonl, type: messages}]"
echo '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}' >"$dir/d.jsonl"
printf 'base_model: %s/none.gguf\n%s\n' "$dir" "$data" >"$dir/missing.yaml"
printf 'base_model: x\nlerning_rate: 1\n%s\n' "$data" >"$dir/key.yaml"
printf 'base_model: %s/bad.gguf\n%s\n' "$dir" "$data" >"$dir/bad.yaml"
head -c 100 /dev/urandom >"$dir/bad.gguf"
printf 'PAR1xxxxPAR1' >"$dir/d.parquet"
tiny="init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 64}
output_dir: $dir/run
sequence_len: 64
device: cpu
compute: f32"
row='{"input_ids": [1, 2, 3, 4], "labels": [-100, -100, 3, 4]}'
echo "$row" >"$dir/t.jsonl"
printf '%s\ndatasets: [{path: %s/t.jsonl, type: tokens}]\n' "$tiny" "$dir" >"$dir/tiny.yaml"
printf '%s\ndatasets: [{path: %s/d.parquet, type: tokens}]\n' "$tiny" "$dir" >"$dir/parquet.yaml"
printf '%s\n{"input_ids": [1, 2], "labels": [1]}\n' "$row" >"$dir/broken.jsonl"
printf '%s\ndatasets: [{path: %s/broken.jsonl, type: tokens}]\n' "$tiny" "$dir" >"$dir/broken.yaml"
printf '{"input_ids": [1, 2, 99], "labels": [-100, 2, 99]}\n' >"$dir/high.jsonl"
printf '%s\ndatasets: [{path: %s/high.jsonl, type: tokens}]\n' "$tiny" "$dir" >"$dir/high.yaml"

shows "no arguments: help" "ptrain CONFIG" "$ptrain"
shows "help of a key" "also: lora_rank" "$ptrain" help lora_r
shows "help of a foreign key" "no effect here" "$ptrain" help flash_attention
shows "version" "ptrain 0." "$ptrain" version
check "unknown word is a config file" 2 "frobnicate" "$ptrain" frobnicate
check "unknown option" 2 "--frob" "$ptrain" train --frob
check "missing config" 2 "no/such.yaml" "$ptrain" no/such.yaml
check "unknown key, nearest key, place" 2 "key.yaml:2:1: unknown key lerning_rate; did you mean learning_rate?" "$ptrain" "$dir/key.yaml"
check "setting of the command line" 2 "lora_r takes a number" "$ptrain" "$dir/tiny.yaml" --lora_r=x
check "missing base: the config is right, so no 2" 1 "none.gguf" "$ptrain" "$dir/missing.yaml"
check "broken GGUF" 1 "bad.gguf" "$ptrain" "$dir/bad.yaml"
check "parquet: how to convert" 1 "d.parquet" "$ptrain" "$dir/parquet.yaml"
check "broken row" 1 "broken.jsonl:2" "$ptrain" "$dir/broken.yaml"
check "ids past the vocabulary" 2 "99" "$ptrain" "$dir/high.yaml"
check "missing base: its place" 1 "missing.yaml:1:1: base_model: $dir/none.gguf: no such file or folder" "$ptrain" plan "$dir/missing.yaml"
check "a bare path as data set" 2 "no tokenizer" "$ptrain" plan "$dir/tiny.yaml" --datasets="$dir/d.jsonl"
check "an option that is empty" 2 "--out is empty" "$ptrain" export "$dir/run" --to gguf --out ""
check "an option that is empty, with =" 2 "--output is empty" "$ptrain" generate "$dir/run" --prompt x --output=
check "an option of another command" 2 "--temperature has no effect on ptrain train; it goes with: chat generate" "$ptrain" "$dir/tiny.yaml" --temperature 3
check "a single dash" 2 "unknown option -x" "$ptrain" plan -x
check "a word that is no command" 2 "trian is no command" "$ptrain" trian "$dir/tiny.yaml"
shows "help behind a command" "Memory by role" "$ptrain" plan --help
check "generate without input" 2 "ptrain generate" "$ptrain" generate "$dir/tiny.yaml"
check "export of nothing" 2 "ptrain export" "$ptrain" export "$dir"
check "export to an unknown form" 2 "must be one of" "$ptrain" export "$dir" --to onnx --out x
check "score: no such model" 2 "neither a file nor a folder" "$ptrain" score "$dir/nowhere" --input "$dir/t.jsonl"
shows "a run from random weights" "done: 1 steps" "$ptrain" "$dir/tiny.yaml" --save_steps=1
shows "resuming what is over" "nothing left to do: all 1 steps" "$ptrain" "$dir/tiny.yaml" --save_steps=1 --resume_from_checkpoint=auto
shows "its folder" "model.safetensors" ls "$dir/run"
check "a GGUF file without a vocabulary is announced" 0 "has no tokenizer: llama.cpp does not load the file" "$ptrain" export "$dir/run" --to gguf --out "$dir/ids.gguf"
n=$((n + 1))
if "$ptrain" "$dir/run/config.yaml" --output_dir="$dir/again" >"$dir/out" 2>"$dir/err" && cmp "$dir/run/model.safetensors" "$dir/again/model.safetensors" 2>>"$dir/err"; then
    echo "ok $n - config.yaml of a run makes it again"
else
    sed 's/^/# /' "$dir/err"
    echo "not ok $n - config.yaml of a run makes it again"
fi
# tokenize, score and eval take runs and models alike; what is no regular file is written to, not replaced
tok=tests/golden/data/tok_bpe
echo '{"text": "ab"}' >"$dir/text.jsonl"
printf '%s\ntokenizer: %s\ndatasets: [%s/d.jsonl]\nchat_template: plain\n' "${tiny/vocab_size: 64/vocab_size: 4096}" "$tok" "$dir" |
    sed "s|output_dir: .*|output_dir: $dir/words|" >"$dir/words.yaml"
shows "a run with a tokenizer" "done: 1 steps" "$ptrain" "$dir/words.yaml"
n=$((n + 1))
if "$ptrain" tokenize "$dir/words" --input "$dir/text.jsonl" >"$dir/a" 2>"$dir/err" && "$ptrain" tokenize $tok --input "$dir/text.jsonl" >"$dir/b" && cmp "$dir/a" "$dir/b"; then
    echo "ok $n - tokenize takes a run"
else
    sed 's/^/# /' "$dir/err"
    echo "not ok $n - tokenize takes a run"
fi
n=$((n + 1))
mkfifo "$dir/pipe"
timeout 20 cat "$dir/pipe" >"$dir/through" &
"$ptrain" tokenize $tok --input "$dir/text.jsonl" --output "$dir/pipe" 2>"$dir/err"
if wait $! && [ -p "$dir/pipe" ] && cmp "$dir/through" "$dir/b"; then echo "ok $n - a pipe is written to"; else
    sed 's/^/# /' "$dir/err"
    echo "not ok $n - a pipe is written to"
fi
n=$((n + 1))
{ sleep 0.5; "$ptrain" help 2>"$dir/err"; echo $? >"$dir/code"; } | true
if [ "$(cat "$dir/code")" = 141 ] && [ ! -s "$dir/err" ]; then echo "ok $n - a reader that leaves is no error"; else
    sed "s/^/# exit $(cat "$dir/code"): /" "$dir/err"
    echo "not ok $n - a reader that leaves is no error"
fi
check "a full disk behind standard output" 1 "cannot write to standard output" bash -c '"$1" help >/dev/full' - "$ptrain"
shows "paths are shown as a shell takes them" "ptrain chat '$dir/a b' | ptrain export '$dir/a b' --to" "$ptrain" "$dir/tiny.yaml" --output_dir="$dir/a b"
check "a broken pattern in a list: its place" 2 "command line: lora_target_modules: '(x' is no module name" "$ptrain" plan "$dir/tiny.yaml" --adapter=lora --lora_target_modules='[q_proj, (x]'
check "a name in the list that fits nothing is announced" 0 "lora_target_modules: v_porj matches no linear layer" "$ptrain" plan "$dir/tiny.yaml" --adapter=lora --lora_target_modules='[q_proj, v_porj]'
check "a folder as output" 2 "is a folder" "$ptrain" tokenize $tok --input "$dir/text.jsonl" --output "$dir"
check "a device is not replaced" 1 "it is not replaced by a file" "$ptrain" export "$dir/words" --to gguf --out "$dir/pipe"
check "eval of a model file reads it as a model" 1 "bad.gguf" "$ptrain" eval "$dir/bad.gguf" --test_datasets="[$dir/d.jsonl]"
# a classifier scores by what it is: a run, the same files without the run around them, an adapter on its base
echo '{"prompt_input_ids": [1, 2], "chosen_input_ids": [3, 4], "rejected_input_ids": [5, 6]}' >"$dir/pairs.jsonl"
sed "s|t.jsonl|pairs.jsonl|; s|output_dir: .*|output_dir: $dir/reward|" "$dir/tiny.yaml" >"$dir/reward.yaml"
echo "objective: reward" >>"$dir/reward.yaml"
shows "a reward run" "done: 1 steps" "$ptrain" "$dir/reward.yaml"
mkdir "$dir/classifier" "$dir/plain" && cp "$dir/reward/model.safetensors" "$dir/reward/config.json" "$dir/classifier" && cp "$dir/run/model.safetensors" "$dir/run/config.json" "$dir/plain"
printf 'base_model: %s/plain\nadapter: lora\nobjective: reward\ndevice: cpu\noutput_dir: %s/judge\ndatasets: [{path: %s/pairs.jsonl, type: tokens}]\n' "$dir" "$dir" "$dir" >"$dir/judge.yaml"
shows "a reward adapter" "done: 1 steps" "$ptrain" "$dir/judge.yaml"
echo '{"input_ids": [1, 2, 3]}' >"$dir/ids.jsonl"
for args in "$dir/reward" "$dir/classifier" "$dir/judge" "$dir/plain --adapter $dir/judge"; do
    # shellcheck disable=SC2086
    shows "score of ${args//$dir\//}" '"score":' "$ptrain" score $args --input "$dir/ids.jsonl"
done
shows "score of a language model" '"logprobs":' "$ptrain" score "$dir/plain" --input "$dir/ids.jsonl"
n=$((n + 1))
if [ "$(find "$dir" -mindepth 1 -name "*.ptrain-[no]*" | wc -l)" -eq 0 ]; then echo "ok $n - nothing half-written is left"; else find "$dir" -mindepth 1 -name "*.ptrain-[no]*"; echo "not ok $n - nothing half-written is left"; fi
n=$((n + 1))
if "$ptrain" help --markdown | diff - docs/config.md >"$dir/diff"; then echo "ok $n - docs/config.md says what the schema says"; else head -5 "$dir/diff" | sed 's/^/# /'; echo "not ok $n - docs/config.md says what the schema says (make docs)"; fi
