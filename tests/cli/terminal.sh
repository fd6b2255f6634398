#!/bin/bash
# What others wrote, on a terminal (script gives one): escape sequences, control characters and turned text of data, names, models and messages are
# shown as \x1b and \u202e, never sent. Files and pipes get them as they are.
cd "$(dirname "$0")/../.." || exit 2
ptrain=$(realpath "${PTRAIN:-build/ptrain}")
export OMP_WAIT_POLICY=passive TERM=xterm LC_ALL=C.UTF-8
command -v script >/dev/null || { echo "ok 1 - a terminal # SKIP no script(1)"; exit 0; }
SHELL=$BASH script -qec true /dev/null >/dev/null 2>&1 </dev/null || { echo "ok 1 - a terminal # SKIP no pseudo-terminal can be made here"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tok=$PWD/tests/golden/data/tok_bpe
n=0
# ESC ]0;...BEL sets a title, ESC [8m hides, U+009B is CSI in one character, U+202E turns, DEL and CR overwrite
evil=$'a\x1b]0;pwned\x07b\x1b[8mc\xc2\x9b31md\xe2\x80\xaee\x7ff\rg'
shown='a\x1b]0;pwned\x07b\x1b[8mc\x9b31md\u202ee\x7ff\x0dg'
json='a\u001b]0;pwned\u0007b\u001b[8mc\u009b31md\u202ee\u007ff\rg'
screen() { # COMMAND...: what a terminal gets, into $dir/screen; the line is quoted as bash reads it, and script runs $SHELL
    local line
    printf -v line '%q ' "$@"
    SHELL=$BASH script -qec "$line" /dev/null >"$dir/screen" 2>&1 </dev/null
}
clean() { # no control but ours: newlines (CR LF of the terminal), the live line's CR and ESC [K, colours
    sed -E 's/\x1b\[(K|[0-9]*m)//g; s/\r//g' "$dir/screen" | LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\x1b\[8m' && return 1
    ! grep -qF $'\x1b[8m' "$dir/screen"
}
check() { # NAME TEXT: the screen is clean and shows the text
    n=$((n + 1))
    if clean && grep -qF -- "$2" "$dir/screen"; then echo "ok $n - $1"; else
        head -c 2000 "$dir/screen" | cat -v | sed 's/^/# /'
        echo "not ok $n - $1"
    fi
}
mkdir "$dir/$evil"
cat >"$dir/c.yaml" <<END
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
tokenizer: $tok
chat_template: plain
datasets: [{path: $dir/d.jsonl, type: rolebench, profiles: $dir/p.json}]
test_datasets: [{path: $dir/d.jsonl, type: rolebench, profiles: $dir/p.json}]
output_dir: $dir/run
max_steps: 1
batch_rows: 2
eval_questions: 2
eval_max_new_tokens: 4
device: cpu
compute: f32
END
echo "{\"$json\": \"one\"}" >"$dir/p.json"
for i in 1 2; do echo "{\"role\": \"$json\", \"question\": \"$json $i\", \"generated\": [\"$json\"]}"; done >"$dir/d.jsonl"
screen "$ptrain" "$dir/c.yaml" "--output_dir=\"$dir/$json/run\""
check "train: a path" "$shown/run"
"$ptrain" "$dir/c.yaml" >"$dir/out" 2>&1
screen "$ptrain" inspect "$dir/c.yaml"
check "inspect in colour: roles and text" "$shown 1"
screen env NO_COLOR=1 "$ptrain" inspect "$dir/c.yaml"
check "inspect without colour" "«$shown"
screen "$ptrain" eval "$dir/run"
check "eval: roles, questions and references" "$shown, asked: $shown"
screen "$ptrain" chat "$dir/run" --role nobody
check "an error that lists names of a file" "roles: $shown"
screen "$ptrain" plan "$dir/c.yaml" --lr_scheduler="\"$json\""
check "an error that quotes a value" "$shown"
screen "$ptrain" "$dir/$evil.yaml"
check "an error that quotes a path" "$shown.yaml"
printf '{"role": "x%s", "question": 1}\n' "$json" >"$dir/bad.jsonl"
screen "$ptrain" plan "$dir/c.yaml" --datasets="[{path: $dir/bad.jsonl, type: rolebench, profiles: $dir/p.json}]"
check "an error that quotes a row" 'bad.jsonl'
mkdir "$dir/model" && cp "$dir/run"/*.json "$dir/run"/*.safetensors "$dir/model/"
in_sed=${json//\\/\\\\}
sed -i "s|\"model_type\": \"[a-z]*\"|\"model_type\": \"$in_sed\"|; s|LlamaForCausalLM|$in_sed|" "$dir/model/config.json"
screen "$ptrain" score "$dir/model" --input "$dir/d.jsonl"
check "an error that quotes a model's file" "$shown"
echo "{\"text\": \"$json\"}" >"$dir/t.jsonl"
screen "$ptrain" tokenize "$tok" --input "$dir/t.jsonl"
check "rows on a terminal" '"text"'
# Every byte that a model may say: text from random weights
screen bash -c 'for s in 1 2 3; do "$1" generate "$2" --prompt hi --raw --text --temperature 5 --seed $s --max-new-tokens 200; done' - "$ptrain" "$dir/run"
check "an answer" ""
n=$((n + 1))
if printf '{"text": "%s"}\n' "$json" >"$dir/t.jsonl" && "$ptrain" tokenize "$tok" --input "$dir/t.jsonl" | grep -qF $'\xe2\x80\xae' &&
    "$ptrain" inspect "$dir/c.yaml" 2>&1 | grep -qF $'\x1b]0;pwned'; then echo "ok $n - a pipe gets the bytes as they are"; else echo "not ok $n - a pipe gets the bytes as they are"; fi
