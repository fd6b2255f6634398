# Sourced with $ptrain and $dir: makes the bases, runs and exports of the matrix {base} x {template} x {tokenizer} x {full, LoRA}. Each case leaves
# $dir/NAME/run and $dir/NAME/hf. tests/golden/exports.py loads them in transformers and writes what it saw; tests/invariant/exports.sh holds later
# builds to it, without Python.
quiet() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null || { echo "# ptrain $*"; sed 's/^/# /' "$dir/err"; return 1; }; }
keys="sequence_len: 256\nval_set_size: 0\nbatch_rows: 2\ndevice: cpu\ncompute: f32\nwarmup_steps: 0\nlr_scheduler: constant\n"
shape="{family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 1000, max_position_embeddings: 512}"
bases() {
    local tok name
    printf '{"messages": [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "good day to you"}]}\n{"messages": [{"role": "user", "content": "who is it"}, {"role": "assistant", "content": "a friend"}]}\n' >"$dir/d.jsonl"
    # another vocabulary: the same pieces, other ids for the tokens that end texts and turns; with a pad of its own, and BOS put first
    mkdir -p "$dir/other_bpe"
    sed 's/<|im_end|>/@@/g; s/<|endoftext|>/<|im_end|>/g; s/@@/<|endoftext|>/g' tests/golden/data/tok_bpe/tokenizer.json >"$dir/other_bpe/tokenizer.json"
    echo '{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|endoftext|>", "pad_token": "<|eot_id|>", "add_bos_token": true, "model_max_length": 1e30}' >"$dir/other_bpe/tokenizer_config.json"
    for name in bpe:chatml spm:mistral; do
        tok=${name%:*}
        printf "init: random\nmodel_config: $shape\ntokenizer: tests/golden/data/tok_$tok\nchat_template: ${name#*:}\ndatasets: [{path: $dir/d.jsonl, type: messages}]\nmax_steps: 1\nlearning_rate: 1e-9\noutput_dir: $dir/random-$tok\n$keys" >"$dir/random.yaml"
        quiet "$dir/random.yaml" && quiet export "$dir/random-$tok" --to hf --out "$dir/hf_$tok" && quiet export "$dir/random-$tok" --to gguf --out "$dir/gguf_$tok.gguf" || return 1
    done
    # as instruct models come: two end tokens, sampling settings; as base models come: no template, no generation_config.json
    echo '{"eos_token_id": [2, 1], "do_sample": true, "temperature": 0.6, "top_p": 0.9, "transformers_version": "5.24.0"}' >"$dir/hf_spm/generation_config.json"
    rm -f "$dir/hf_bpe/generation_config.json"
    cp "$dir/hf_spm/tokenizer.json" "$dir/spm.json"
}
# case NAME BASE MODE STEPS EXTRA...: EXTRA are config settings
case_() {
    local name=$1 base=$2 mode=$3 steps=$4 adapter
    shift 4
    mkdir -p "$dir/$name"
    [ "$mode" = lora ] && adapter="adapter: lora\nlora_r: 8\nlora_target_linear: true\n"
    printf "base_model: $dir/$base\n${adapter-}datasets: [{path: $dir/d.jsonl, type: messages}]\nmax_steps: $steps\nnum_epochs: $steps\nlearning_rate: 0.01\noutput_dir: $dir/$name/run\n$keys" >"$dir/$name/c.yaml"
    quiet "$dir/$name/c.yaml" "$@" && quiet export "$dir/$name/run" --to hf --out "$dir/$name/hf"
}
# NAME BASE MODE STEPS SETTINGS
matrix="bpe_own_full hf_bpe full 40
bpe_llama3_lora hf_bpe lora 1 --chat_template=llama3
bpe_alpaca_other_full hf_bpe full 1 --chat_template=alpaca --tokenizer=$dir/other_bpe
bpe_chatml_other_lora hf_bpe lora 40 --chat_template=chatml --tokenizer=$dir/other_bpe
bpe_system_full hf_bpe full 1 --default_system_message=Be_'kind'.
spm_own_full hf_spm full 1
spm_own_lora hf_spm lora 1
spm_vicuna_full hf_spm full 40 --chat_template=vicuna
spm_llama2_lora hf_spm lora 1 --chat_template=llama2
spm_zephyr_file_full hf_spm full 1 --chat_template=zephyr --tokenizer=$dir/spm.json
gguf_bpe_own_lora gguf_bpe.gguf lora 40
gguf_bpe_zephyr_full gguf_bpe.gguf full 1 --chat_template=zephyr
gguf_bpe_other_full gguf_bpe.gguf full 1 --chat_template=plain --tokenizer=$dir/other_bpe
gguf_spm_own_full gguf_spm.gguf full 1
gguf_spm_alpaca_lora gguf_spm.gguf lora 1 --chat_template=alpaca
spm_gguftok_lora hf_spm lora 1 --chat_template=mistral --tokenizer=$dir/gguf_spm.gguf"
all_cases() {
    local name base mode steps rest
    bases || return 1
    while read -r name base mode steps rest; do
        # shellcheck disable=SC2086
        case_ "$name" "$base" "$mode" "$steps" $rest || return 1
    done <<<"$matrix"
}
