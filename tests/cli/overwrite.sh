#!/bin/bash
# No command writes over what it reads, over a run, a model, or anything that is not its own; an earlier export is replaced as a whole.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
tok=tests/golden/data/tok_bpe
state() { find "$dir" -type f ! -name out ! -name err -printf '%p %s %T@ %i\n' | sort; } # size, time and number of every file
refused() { # NAME TEXT COMMAND...: exit 2, the text, and no byte of any file changed
    local name=$1 text=$2 before got
    shift 2
    n=$((n + 1))
    before=$(state)
    "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    if [ $got -eq 2 ] && grep -qF -- "$text" "$dir/err" && [ "$before" = "$(state)" ]; then echo "ok $n - $name"; else
        echo "# exit $got, $([ "$before" = "$(state)" ] && echo nothing || echo something) changed; wanted '$text':"
        sed 's/^/# /' "$dir/err"
        echo "not ok $n - $name"
    fi
}
works() { # NAME COMMAND...
    local name=$1
    shift
    n=$((n + 1))
    if "$@" >"$dir/out" 2>"$dir/err" </dev/null; then echo "ok $n - $name"; else
        sed 's/^/# /' "$dir/err"
        echo "not ok $n - $name"
    fi
}
echo '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}' >"$dir/d.jsonl"
printf 'init: random\nmodel_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 800}
tokenizer: %s\nchat_template: chatml\ndatasets: [{path: %s/d.jsonl, type: messages}]\noutput_dir: %s/base\nsequence_len: 64\nmax_steps: 1\nval_set_size: 0\ndevice: cpu\ncompute: f32\n' $tok "$dir" "$dir" >"$dir/base.yaml"
works "a base" "$ptrain" "$dir/base.yaml"
works "its folder" "$ptrain" export "$dir/base" --to hf --out "$dir/model"
works "its GGUF file" "$ptrain" export "$dir/base" --to gguf --out "$dir/model.gguf"
for b in model model.gguf; do
    printf 'base_model: %s/%s\nadapter: lora\nlora_r: 2\nchat_template: chatml\ndatasets: [{path: %s/d.jsonl, type: messages}]\noutput_dir: %s/run-%s
sequence_len: 64\nmax_steps: 1\nsave_steps: 1\nval_set_size: 0\ndevice: cpu\ncompute: f32\n' "$dir" $b "$dir" "$dir" $b >"$dir/run-$b.yaml"
    works "a run on $b" "$ptrain" "$dir/run-$b.yaml"
done
run=$dir/run-model
ln -s "$dir/model" "$dir/link"
ln -s "$dir/model.gguf" "$dir/link.gguf"
ln "$dir/model.gguf" "$dir/hard.gguf"
mkdir "$dir/mine" "$dir/sharded" && echo '{"mine": 1}' >"$dir/mine/config.json" && echo '{}' >"$dir/sharded/model.safetensors.index.json"
echo mine >"$dir/mine.gguf"
refused "hf over its base" "the base model" export "$run" --to hf --out "$dir/model"
refused "hf over its base, through a link" "the base model" export "$run" --to hf --out "$dir/link"
refused "peft over its base" "the base model" export "$run" --to peft --out "$dir/link/."
refused "hf over its run" "what the command reads" export "$run" --to hf --out "$run"
refused "peft over a checkpoint" "a run's own folder" export "$run" --to peft --out "$run/checkpoint-1"
refused "hf over another run" "a run's own folder" export "$run" --to hf --out "$dir/base"
refused "hf over somebody's folder" "config.json" export "$run" --to hf --out "$dir/mine"
refused "hf beside shards" "model.safetensors.index.json" export "$run" --to hf --out "$dir/sharded"
refused "hf over a file" "is a file" export "$run" --to hf --out "$dir/mine.gguf"
refused "gguf over its base" "the base model" export "$dir/run-model.gguf" --to gguf --out "$dir/model.gguf"
refused "gguf over its base, through a link" "the base model" export "$dir/run-model.gguf" --to gguf --out "$dir/link.gguf"
refused "gguf over its base, by its other name" "the base model" export "$dir/run-model.gguf" --to gguf --out "$dir/hard.gguf"
refused "gguf-lora over a model" "is no earlier export of a GGUF adapter" export "$run" --to gguf-lora --out "$dir/model.gguf"
refused "gguf over somebody's file" "is no earlier export of a GGUF model" export "$run" --to gguf --out "$dir/mine.gguf"
refused "gguf over the data" "a data set" export "$run" --to gguf --out "$dir/d.jsonl"
refused "score over its input" "the input" score "$run" --input "$dir/d.jsonl" --output "$dir/d.jsonl"
ln -s "$dir/d.jsonl" "$dir/rows.jsonl"
refused "generate over its input, through a link" "the input" generate "$run" --input "$dir/d.jsonl" --output "$dir/rows.jsonl"
refused "generate over a model's file" "a file of a model" generate "$run" --prompt a --output "$dir/link/model.safetensors"
refused "eval over the run's config" "a file of a model" eval "$run" --test_datasets="[$dir/d.jsonl]" --output "$run/config.yaml"
refused "eval over a data set" "a data set" eval "$run" --test_datasets="[$dir/d.jsonl]" --output "$dir/d.jsonl"
echo '{"text": "ab"}' >"$dir/text.jsonl"
refused "tokenize over its input" "the input" tokenize "$dir/model" --input "$dir/text.jsonl" --output "$dir/text.jsonl"
refused "tokenize over a GGUF file" "what the command reads" tokenize "$dir/model.gguf" --input "$dir/text.jsonl" --output "$dir/hard.gguf"
printf 'base_model: %s/model\nchat_template: chatml\ndatasets: [{path: %s/d.jsonl, type: messages}]\noutput_dir: %s/full\nsequence_len: 64\nmax_steps: 1\nval_set_size: 0\ndevice: cpu\ncompute: f32\n' "$dir" "$dir" "$dir" >"$dir/full.yaml"
works "full tuning" "$ptrain" "$dir/full.yaml"
refused "hf over the base of full tuning" "the base model" export "$dir/full" --to hf --out "$dir/model"
# what is its own is replaced, whole
works "a second export of the file" "$ptrain" export "$run" --to gguf --out "$dir/again.gguf"
works "over the first" "$ptrain" export "$run" --to gguf --out "$dir/again.gguf"
works "an adapter's folder" "$ptrain" export "$run" --to peft --out "$dir/again"
works "a model's over it" "$ptrain" export "$run" --to hf --out "$dir/again"
works "nothing of the first is left" [ ! -e "$dir/again/adapter_config.json" ]
echo note >"$dir/again/README.md"; works "an adapter again" "$ptrain" export "$run" --to peft --out "$dir/again"
works "notes beside it stay" grep -q note "$dir/again/README.md"
works "rows over rows" "$ptrain" score "$run" --input "$dir/d.jsonl" --output "$dir/scores.jsonl"
works "again" "$ptrain" score "$run" --input "$dir/d.jsonl" --output "$dir/scores.jsonl"
