#!/usr/bin/env bash
# tokenizer.model by itself and in a folder: training, the exports, and what they read again.
. "$(dirname "$0")/lib.bash"
spm=tests/golden/data/spm
for i in $(seq 8); do echo "{\"text\": \"The light of the sea, number $i.  Then the wind  and the sand.\"}"; done >"$dir/rows.jsonl"
# train NAME TOKENIZER ROWS
train() {
    cat >"$dir/$1.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: $3}
tokenizer: $2
adapter: lora
lora_target_modules: [q_proj]
datasets: [{path: $dir/rows.jsonl, type: text}]
output_dir: $dir/$1
max_steps: 1
sequence_len: 256
learning_rate: 0.01
device: cpu
Y
    "$ptrain" "$dir/$1.yaml" >"$dir/out" 2>"$dir/err"
}
ids() { "$ptrain" tokenize "$1" --input "$dir/rows.jsonl" 2>"$dir/err" | sed 's/.*"input_ids"//'; }
mkdir "$dir/folder" && cp $spm/bpe_plain.model "$dir/folder/tokenizer.model" && echo '{"add_bos_token": true, "pad_token": "<pad>"}' >"$dir/folder/tokenizer_config.json"
want=$(ids "$dir/folder")
[ "$(wc -l <<<"$want")" -eq 8 ] && [ "$want" = "$(ids $spm/bpe_plain.model)" ] && [ "$want" = "$(ids "$dir/folder/tokenizer.model")" ]
result "a folder with tokenizer.model, the file in it, the file under another name: the same ids"
train folder_run "$dir/folder" 601 && "$ptrain" export "$dir/folder_run" --to hf --out "$dir/hf" >"$dir/out" 2>"$dir/err" &&
    cmp -s "$dir/hf/tokenizer.model" $spm/bpe_plain.model && [ ! -e "$dir/hf/tokenizer.json" ] && [ "$want" = "$(ids "$dir/hf")" ]
result "an export to Hugging Face copies tokenizer.model, and reads the same ids"
train file_run $spm/uni_plain.model 300 && want=$(ids $spm/uni_plain.model) && "$ptrain" export "$dir/file_run" --to hf --out "$dir/hf2" >"$dir/out" 2>"$dir/err" &&
    cmp -s "$dir/hf2/tokenizer.model" $spm/uni_plain.model && [ "$want" = "$(ids "$dir/hf2")" ]
result "a file of another name is tokenizer.model in the export"
"$ptrain" export "$dir/file_run" --to gguf --type f32 --out "$dir/uni.gguf" >"$dir/out" 2>"$dir/err" && [ "$want" = "$(ids "$dir/uni.gguf")" ] &&
    grep -aq "tokenizer.ggml.remove_extra_whitespaces" "$dir/uni.gguf"
result "Unigram in GGUF (t5) and back: the same ids"
cat >"$dir/of_gguf.yaml" <<Y
base_model: $dir/uni.gguf
adapter: lora
lora_target_modules: [q_proj]
datasets: [{path: $dir/rows.jsonl, type: text}]
output_dir: $dir/of_gguf
max_steps: 1
sequence_len: 256
learning_rate: 0.01
device: cpu
Y
"$ptrain" "$dir/of_gguf.yaml" >"$dir/out" 2>"$dir/err" && "$ptrain" export "$dir/of_gguf" --to hf --out "$dir/hf3" >"$dir/out" 2>"$dir/err" &&
    [ ! -e "$dir/hf3/tokenizer.json" ] && grep -q "no tokenizer.json: the Unigram vocabulary of a GGUF file" "$dir/err"
result "a Unigram vocabulary of GGUF has no tokenizer.json: said, and none is written"
"$ptrain" export "$dir/folder_run" --to gguf --type f32 --out "$dir/bpe.gguf" >"$dir/out" 2>"$dir/err" && [ "$(ids "$dir/folder")" = "$(ids "$dir/bpe.gguf")" ]
result "BPE in GGUF (llama) and back: the same ids"
train rules $spm/bpe_rules.model 300 && ! "$ptrain" export "$dir/rules" --to gguf --out "$dir/rules.gguf" >"$dir/out" 2>"$dir/err" &&
    grep -q "a GGUF file cannot hold this tokenizer" "$dir/err" && [ ! -e "$dir/rules.gguf" ]
result "rules that GGUF has no place for are refused"
head -c 3000 $spm/uni_bytes.model >"$dir/folder/tokenizer.model"
! "$ptrain" tokenize "$dir/folder" --input "$dir/rows.jsonl" >"$dir/out" 2>"$dir/err" && grep -q "folder/tokenizer.model: SentencePiece model: .* at byte [0-9]* " "$dir/err" && [ ! -s "$dir/out" ]
result "a file cut off is refused by its path"
echo "1..$n"
