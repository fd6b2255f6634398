#!/bin/bash
# Several files as one data set, packed files, and what refuses: through the program.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        sed 's/^/# /' "$dir/out" "$dir/err"
        echo "not ok $n - $1"
    fi
}
run() { "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
says() { grep -qF -- "$1" "$dir/out"; }
reads() { grep -q "rows read  *$1\$" "$dir/out"; }
warns() { grep -qF -- "$1" "$dir/err"; }
config() { # DATA SETS
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
sequence_len: 256
max_steps: 1
device: cpu
compute: f32
datasets: [%s]\n' "$dir" "$1" >"$dir/c.yaml"
}
rows() { seq "$1" "$2" | sed 's/.*/{"instruction": "q&", "output": "a&"}/'; }
mkdir -p "$dir/d/deep"
rows 1 40 >"$dir/d/a.jsonl"
rows 41 80 | gzip >"$dir/d/b.jsonl.gz"
{ echo instruction,output; seq 81 120 | sed 's/.*/q&,a&/'; } >"$dir/d/c.csv"
rows 121 130 >"$dir/d/deep/e.jsonl"

config "{path: $dir/d, type: alpaca}"
run "$ptrain" pack "$dir/c.yaml" && reads 120 && says "(alpaca, 3 files): reads instruction, output"
result "a folder: its files are one data set" $?
run "$ptrain" inspect "$dir/c.yaml" --sample 45 && says "$dir/d/b.jsonl.gz:6"
result "inspect names the file of a sample" $?
run "$ptrain" pack "$dir/c.yaml" && says '(reused'
result "the pack is used again" $?
rows 131 131 >>"$dir/d/a.jsonl"
run "$ptrain" pack "$dir/c.yaml" && ! says '(reused' && reads 121
result "but not when one of the files has changed" $?
rows 132 132 >"$dir/d/f.jsonl"
run "$ptrain" pack "$dir/c.yaml" && ! says '(reused' && reads 122
result "nor when one came to it" $?
run "$ptrain" pack "$dir/c.yaml" "--datasets=[{path: \"$dir/d/**/*.jsonl\", type: alpaca}]" && reads 52
result "a pattern goes through folders" $?
run "$ptrain" pack "$dir/c.yaml" "--datasets=[{path: [$dir/d/c.csv, $dir/d/a.jsonl], type: alpaca, split: 'train[30:50]'}]" && reads 20
result "a list of files, and a slice over all of them" $?
run "$ptrain" pack "$dir/c.yaml" "--datasets=[{path: \"$dir/none/*.jsonl\", type: alpaca}]"
[ $? = 1 ] && warns "$dir/none/*.jsonl: no file matches"
result "a pattern that nothing matches" $?
echo '{"instruction": "q", "output": ""}' >>"$dir/d/f.jsonl"
run "$ptrain" pack "$dir/c.yaml" && says 'f.jsonl:2' && warns '(f.jsonl:2)'
result "a row left out is named by its file" $?

# weights of data sets go by set, not by file
config "{path: $dir/d, type: alpaca, weight: 0.5}, {path: $dir/d/deep/e.jsonl, type: alpaca}"
run "$ptrain" plan "$dir/c.yaml" --max_steps=0 --num_epochs=1
result "plans with a weight to a set of several files" $?
run "$ptrain" "$dir/c.yaml" && grep -q "path: .*$dir/d" "$dir/run/config.yaml"
result "trains on it" $?
before=$(sha256sum <"$dir/d/b.jsonl.gz")
config "{path: $dir/d, type: alpaca}"
run "$ptrain" generate "$dir/c.yaml" --input "$dir/d/a.jsonl" --output "$dir/d/b.jsonl.gz"
[ $? != 0 ] && [ "$before" = "$(sha256sum <"$dir/d/b.jsonl.gz")" ]
result "no output goes over one of them" $?

if command -v zstd >/dev/null; then
    zstd -q "$dir/d/a.jsonl" -o "$dir/z.jsonl.zst"
    run "$ptrain" pack "$dir/c.yaml" "--datasets=[{path: $dir/z.jsonl.zst, type: alpaca}]" && reads 41
    result "zstd" $?
    rows 200 219 | zstd -q >>"$dir/z.jsonl.zst"
    run "$ptrain" pack "$dir/c.yaml" "--datasets=[{path: $dir/z.jsonl.zst, type: alpaca}]" && reads 61
    result "zstd of several frames" $?
    head -c -7 "$dir/z.jsonl.zst" >"$dir/cut.jsonl.zst"
    run "$ptrain" pack "$dir/c.yaml" "--datasets=[{path: $dir/cut.jsonl.zst, type: alpaca}]"
    [ $? = 1 ] && warns "cut.jsonl.zst: the zstd data is cut off behind"
    result "zstd that is cut off" $?
else
    echo "ok $((n + 1)) - zstd # SKIP no zstd here"; n=$((n + 1))
fi
echo "1..$n"
