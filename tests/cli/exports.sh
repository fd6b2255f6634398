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
# types by name, importances
"$p" imatrix "$dir/run" --out "$dir/i.gguf" >"$dir/out" 2>"$dir/err" && grep -q "^importances of 14 matrices from" "$dir/out" && "$p" imatrix "$dir/whole.gguf" --input "$dir/d.jsonl" --compute=f32 --out "$dir/j.gguf" >"$dir/out" 2>"$dir/err"
result "importances of a run's rows, and of a file's"
for i in "" --imatrix=auto "--imatrix=$dir/i.gguf"; do # shellcheck disable=SC2086
    "$p" export "$dir/run" --to gguf --type Q4_K_M $i --out "$dir/q.gguf" >"$dir/out" 2>"$dir/err" && grep -q "^loss on 2 rows of the run's data .* exported as Q4_K_M" "$dir/out" && says "$dir/q.gguf" >"$dir/says.${i:2:4}"
    result "Q4_K_M ${i:2:12}"
done
! cmp -s "$dir/says." "$dir/says.imat"
result "importances change the file"
refuses "Q2_K_S needs importances" export "$dir/run" --to gguf --type Q2_K_S --out "$dir/t.gguf" && refuses "--type is 'Q4_K_X'; types of GGUF files: Q2_K_S, Q2_K," export "$dir/run" --to gguf --type Q4_K_X --out "$dir/t.gguf" &&
    refuses "--imatrix weighs the errors of quantised types" export "$dir/run" --to gguf --imatrix auto --out "$dir/t.gguf" && [ ! -e "$dir/t.gguf" ]
result "what cannot be is refused by name"
sed 's/num_hidden_layers: 2/num_hidden_layers: 1/; s/output_dir: .*/output_dir: '"${dir//\//\\/}"'\/small/' "$dir/run.yaml" >"$dir/small.yaml"
"$p" "$dir/small.yaml" >"$dir/out" 2>"$dir/err" && refuses "has importances of blk.1.attn_k.weight, which the model has not: it was computed on another model" export "$dir/small" --to gguf --type Q4_K_M --imatrix "$dir/i.gguf" --out "$dir/t.gguf" && [ ! -e "$dir/t.gguf" ] &&
    refuses "a GGUF file of a model, not of importances" export "$dir/run" --to gguf --type Q4_K_M --imatrix "$dir/whole.gguf" --out "$dir/t.gguf"
result "importances of another model are refused"
refuses "exists and is no earlier export of a GGUF imatrix" imatrix "$dir/run" --out "$dir/whole.gguf"
result "importances replace no model"
# what a quantised file keeps of a training: the base alike beside it, on rows that were not trained on
lora() { # NAME LINES
    printf 'base_model: %s/whole.gguf\nadapter: lora\nlora_r: 8\nlora_target_linear: true\nchat_template: chatml\ndatasets: [{path: %s/d.jsonl, type: messages}]\noutput_dir: %s/%s\nsequence_len: 64\nmax_steps: 20\nlearning_rate: 5e-3
device: cpu\ncompute: f32\n%s\n' "$dir" "$dir" "$dir" "$1" "$2" >"$dir/$1.yaml"
    "$p" "$dir/$1.yaml" >"$dir/out" 2>"$dir/err"
}
lora none "val_set_size: 0" && "$p" export "$dir/none" --to gguf --type Q4_K_M --out "$dir/none.gguf" >"$dir/out" 2>"$dir/err" && grep -q "^loss on 2 rows of the run's data" "$dir/out" && grep -q "^kept gain as Q4_K_M: [01]\.[0-9]* (the base as Q4_K_M: .*), on rows that were trained on: there are no validation rows" "$dir/out"
result "without validation rows it says so"
gain=$(sed -n 's/^kept gain as [^:]*: \([0-9.]*\).*/\1/p' "$dir/out") base=$(sed -n 's/.*data .*: base \([0-9.]*\), run.*/\1/p' "$dir/out") run=$(sed -n 's/.* run \([0-9.]*\), exp.*/\1/p' "$dir/out") file=$(sed -n 's/.*exported as Q4_K_M \([0-9.]*\).*/\1/p' "$dir/out") alike=$(sed -n 's/.*base as Q4_K_M: \([0-9.]*\)).*/\1/p' "$dir/out")
awk -v g="$gain" -v b="$base" -v r="$run" -v f="$file" -v a="$alike" 'BEGIN { d = (a - f) / (b - r) - g; exit !(g > 0.5 && b > r && a != b && d < 0.005 && d > -0.005) }'
result "the kept gain is that of the four losses"
"$p" export "$dir/whole.gguf" --to gguf --type Q4_K_M --out "$dir/alike.gguf" >"$dir/out" 2>"$dir/err" && "$p" export "$dir/none" --to gguf --type Q4_K_M --out "$dir/none.gguf" --eval-data "$dir/d.jsonl" >"$dir/out" 2>"$dir/err" && grep -q "^loss on 2 rows of $dir/d.jsonl" "$dir/out" && grep -q "^kept gain as Q4_K_M: [0-9.]* (the base as Q4_K_M: $alike)$" "$dir/out"
result "--eval-data names the rows"
lora val "val_set_size: 0.5" && "$p" export "$dir/val" --to gguf --type Q4_K_M --out "$dir/val.gguf" >"$dir/out" 2>"$dir/err" && grep -q "^loss on 1 row of the run's validation rows" "$dir/out"
result "validation rows are taken where there are some"
echo "1..$n"
