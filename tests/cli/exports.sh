#!/bin/bash
# GGUF exports: models over several files, types by name, importances.
. "$(dirname "$0")/lib.bash"
printf '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}]}\n' "hello there" "good day to you" "who are you" "a friend of the house" >"$dir/d.jsonl"
printf 'init: random\nmodel_config: {family: llama, hidden_size: 256, intermediate_size: 512, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 800}\ntokenizer: tests/golden/data/tok_bpe
chat_template: chatml\ndatasets: [{path: %s/d.jsonl, type: messages}]\noutput_dir: %s/run\nsequence_len: 64\nmax_steps: 20\nval_set_size: 0\ndevice: cpu\ncompute: f32\n' "$dir" "$dir" >"$dir/run.yaml"
says() { "$p" score "$1" --compute=f32 --input "$dir/d.jsonl" 2>>"$dir/err" | grep -o '"nll":[^,}]*'; }
refuses() { # TEXT COMMAND...: exit 2 with the text
    local text=$1
    shift
    "$p" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    [ $? -eq 2 ] && grep -qF -- "$text" "$dir/err"
}
"$p" "$dir/run.yaml" >"$dir/out" 2>"$dir/err" && "$p" export "$dir/run" --to gguf --type f32 --out "$dir/whole.gguf" >"$dir/out" 2>"$dir/err"
result "a model"
want=$(says "$dir/whole.gguf")
"$p" export "$dir/run" --to gguf --type f32 --out "$dir/s.gguf" --split-max-size 2M >"$dir/out" 2>"$dir/err" && grep -q "^wrote 4 files, first $dir/s-00001-of-00004.gguf" "$dir/out" && [ ! -e "$dir/s.gguf" ] &&
    [ "$(find "$dir" -name 's-*.gguf' -size +2200k | wc -l)" = 0 ] && [ "$want" = "$(says "$dir/s-00001-of-00004.gguf")" ]
result "several files say what one says"
"$p" export "$dir/run" --to gguf --type f32 --out "$dir/one.gguf" --split-max-size 1G >"$dir/out" 2>"$dir/err" && cmp -s "$dir/whole.gguf" "$dir/one.gguf"
result "what fits one file is that file"
refuses "is part 2 of 4 of a split model: name its first file" score "$dir/s-00002-of-00004.gguf" --input "$dir/d.jsonl"
result "a later file is refused by name"
refuses "a file of a split model of that name" export "$dir/run" --to gguf --out "$dir/s.gguf" --split-max-size 1G
result "files of a split model are not mixed"
refuses "--split-max-size takes a size such as 500M or 4G, not '4'" export "$dir/run" --to gguf --out "$dir/t.gguf" --split-max-size 4 && refuses "--split-max-size is for --to gguf" export "$dir/run" --to hf --out "$dir/t" --split-max-size 4G
result "sizes are checked"
echo "1..$n"
