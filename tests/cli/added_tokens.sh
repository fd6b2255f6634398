#!/bin/bash
# added_tokens through the program: the adapter beside its rows, resumed, by ranks, saved and merged; whole tuning; a quantised base; what is refused. The numbers
# are held by tests/golden/model_added.c.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
speakers='["<|speaker:alice|>", "<|speaker:bob|>"]'
for i in $(seq 1 24); do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"<|speaker:alice|> say $((i % 5))\"}, {\"role\": \"assistant\", \"content\": \"<|speaker:bob|> good day $((i * 7 % 11)) of $i\"}]}"
done >"$dir/talks.jsonl"
cat >"$dir/c.yaml" <<Y
chat_template: chatml
max_steps: 4
batch_rows: 8
micro_batch_size: 2
sequence_len: 64
learning_rate: 0.02
device: cpu
compute: f32
val_set_size: 0
seed: 3
datasets: [{path: $dir/talks.jsonl, type: messages}]
Y
train() { # OUT [MORE...]
    local out=$1
    shift
    ${start:-} "$ptrain" "$dir/c.yaml" --output_dir="$dir/$out" "$@" >"$dir/log" 2>&1
}
tuned() { # OUT [MORE...]: on the base, with the tokens
    local out=$1
    shift
    train "$out" --base_model="${base:-$dir/hf}" --adapter=lora --lora_r=4 "--added_tokens=${added:-$speakers}" "$@"
}
refused() { # TEXT [MORE...]: exit code 2 and the text
    local text=$1
    shift
    tuned refused "$@"
    [ $? = 2 ] && grep -qF -- "$text" "$dir/log"
}
says() { "$ptrain" generate "$@" --prompt '<|speaker:alice|> say 2' --temperature 0 --max-new-tokens 12 2>"$dir/err"; } # MODEL [MORE...]
ids() { echo '{"text": "<|speaker:bob|> a"}' >"$dir/t.jsonl" && "$ptrain" tokenize "$1" --input "$dir/t.jsonl" 2>"$dir/err"; } # MODEL
close() { # RUN RUN
    paste <(sed -n 's|.*"loss": *\([^,}]*\).*|\1|p' "$dir/$1/metrics.jsonl") <(sed -n 's|.*"loss": *\([^,}]*\).*|\1|p' "$dir/$2/metrics.jsonl") |
        awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-5 * (1 + $1)) bad = 1; n++ } END { exit bad || n < 4 }'
}

train base --init=random '--model_config={family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772, initializer_range: 0.3}' \
    --tokenizer=tests/golden/data/tok_bpe --adapter=none && "$ptrain" export "$dir/base" --to hf --type f32 --out "$dir/hf" >"$dir/out" 2>&1 &&
    "$ptrain" export "$dir/base" --to gguf --type q8_0 --out "$dir/q8.gguf" >"$dir/out" 2>&1
result "a base of 772 tokens"
tuned lora --save_steps=2 && grep -q 'the vocabulary grows from 772 rows to 774' "$dir/log" && tr -d ' \n' <"$dir/lora/adapter_config.json" | grep -qF '"trainable_token_indices":{"embed_tokens":[772,773],"lm_head":[772,773]}'
result "LoRA: the adapter names the rows of the new tokens"
tuned again --resume_from_checkpoint="$dir/lora/checkpoint-2" && cmp -s "$dir/lora/adapter_model.safetensors" "$dir/again/adapter_model.safetensors"
result "resumed: the same adapter, bit for bit"
start="mpirun --allow-run-as-root --oversubscribe -n 2" tuned ranks && close lora ranks
result "ranks change nothing"
want=$(says "$dir/lora") && [ -n "$want" ] && [ "$want" = "$(says "$dir/hf" --adapter "$dir/lora" "--added_tokens=$speakers")" ] && [ "$want" != "$(says "$dir/lora" --base)" ]
result "the adapter speaks on the base that grows as its run does"
"$ptrain" export "$dir/lora" --to hf --type f32 --out "$dir/merged" >"$dir/out" 2>&1 && "$ptrain" export "$dir/lora" --to gguf --type f32 --out "$dir/m.gguf" >"$dir/out" 2>&1 &&
    [ "$want" = "$(says "$dir/merged")" ] && [ "$want" = "$(says "$dir/m.gguf")" ] && grep -q '"vocab_size": 774' "$dir/merged/config.json"
result "so do the merged folder and GGUF file, which need no key"
a=$(ids "$dir/lora") && b=$(ids "$dir/merged") && c=$(ids "$dir/m.gguf") && [ "$a" = "$b" ] && [ "$a" = "$c" ] && [[ $a == *773* ]]
result "a token is one id in all of them"
"$ptrain" export "$dir/lora" --to gguf-lora --out "$dir/a.gguf" >"$dir/out" 2>&1
[ $? = 1 ] || [ $? = 2 ] && grep -q 'no place for the rows of added tokens' "$dir/out" && [ ! -e "$dir/a.gguf" ]
result "a GGUF adapter is refused"
train full --base_model="$dir/hf" --adapter=none "--added_tokens=$speakers" && a=$(says "$dir/full") && "$ptrain" export "$dir/full" --to gguf --type f32 --out "$dir/f.gguf" >"$dir/out" 2>&1 && [ "$a" = "$(says "$dir/f.gguf")" ]
result "whole tuning: the run's folder holds them, and its export"
base=$dir/q8.gguf tuned quant && grep -q 'model.embed_tokens.weight is q8_0 and is held as f16' "$dir/log" && a=$(says "$dir/quant") && "$ptrain" export "$dir/quant" --to gguf --out "$dir/q.gguf" >"$dir/out" 2>&1 &&
    [ -n "$a" ] && c=$(ids "$dir/q.gguf") && [[ $c == *773* ]]
result "a quantised base: embedding and head as f16, said"
tuned from '--added_tokens_from=[good day, say]' --max_steps=1 --learning_rate=0 && tuned mean --max_steps=1 --learning_rate=0 && ! cmp -s "$dir/from/adapter_model.safetensors" "$dir/mean/adapter_model.safetensors"
result "rows begin as other texts' do"
tuned same '--added_tokens_from=[good day, good day]' --max_steps=1 --learning_rate=0 && tuned all '--added_tokens_from=[good day]' --max_steps=1 --learning_rate=0 && cmp -s "$dir/same/adapter_model.safetensors" "$dir/all/adapter_model.safetensors" && ! cmp -s "$dir/same/adapter_model.safetensors" "$dir/from/adapter_model.safetensors"
result "each as its own text, or all as one"
refused "3 texts for 2 added tokens" '--added_tokens_from=[a, b, c]' && added='[]' refused "there are no added_tokens" '--added_tokens_from=[a]'
result "as many texts as tokens, or one"
added='[a]' refused "'a' is in the vocabulary already (id 64)"
result "a token that is there"
added='[""]' refused "a token has no text"
result "an empty one"
refused "special_tokens: '<x>' is not in the vocabulary: name it in added_tokens too" '--special_tokens={pad_token: <x>}' && tuned said '--special_tokens={pad_token: <|speaker:bob|>}' --max_steps=1
result "special_tokens may be among them"
refused "takes a divergence from a reference" --objective=kl_sft
result "an objective with a divergence"
says "$dir/hf" --adapter "$dir/lora" >"$dir/out"
[ $? = 2 ] && grep -q 'was trained with 2 added tokens (trainable_token_indices: 772 ...), and this model has none' "$dir/err"
result "an adapter with rows on a model without them"
added='["<|speaker:carol|>"]' refused "another base model" --resume_from_checkpoint="$dir/lora/checkpoint-2"
result "a run goes on with its own tokens alone"
echo "1..$n"
