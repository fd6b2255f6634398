#!/bin/bash
# An export says what it keeps of what was learnt, and by default keeps it: quantised and bf16 bases, merged and full, with and without data.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
ok() { # NAME CONDITION...
    local name=$1
    shift
    n=$((n + 1))
    if "$@"; then echo "ok $n - $name"; else
        sed 's/^/# /' "$dir/out" "$dir/err"
        echo "not ok $n - $name"
    fi
}
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null || sed 's/^/# /' "$dir/err"; }
out() { grep -qF -- "$1" "$dir/out"; }
err() { grep -qF -- "$1" "$dir/err"; }
kept() { grep -o '[0-9-]* % of what was learnt' "$dir/out" | tail -1 | cut -d' ' -f1; } # of the last file that was measured
within() { [ "$(kept)" ] && [ "$(kept)" -ge "$1" ] && [ "$(kept)" -le "$2" ]; }
nll() { "$ptrain" score "$1" --compute=f32 --input "$dir/d.jsonl" 2>>"$dir/err" | grep -o '"nll":[^,}]*' | cut -d: -f2 | awk '{ s += $1 } END { print s / NR }'; }
common="chat_template: chatml\ndatasets: [{path: $dir/d.jsonl, type: messages}]\nsequence_len: 64\nval_set_size: 0\nbatch_rows: 2\ndevice: cpu\ncompute: f32\nwarmup_steps: 0\nlr_scheduler: constant\n"
printf '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}]}\n' "hello there" "good day to you" "who are you" "a friend of the house" >"$dir/d.jsonl"
printf "init: random\nmodel_config: {family: llama, hidden_size: 128, intermediate_size: 256, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 800}\ntokenizer: tests/golden/data/tok_bpe\nmax_steps: 1\nlearning_rate: 1e-4\noutput_dir: $dir/random\n$common" >"$dir/random.yaml"
run "$dir/random.yaml"
run export "$dir/random" --to gguf --type q4_1 --out "$dir/q4.gguf"
run export "$dir/random" --to hf --type bf16 --out "$dir/bf16"
lora() { # NAME BASE RATE STEPS
    printf "base_model: $2\nadapter: lora\nlora_r: 16\nlora_target_linear: true\nmax_steps: $4\nlearning_rate: $3\noutput_dir: $dir/$1\n$common" >"$dir/$1.yaml"
    run "$dir/$1.yaml"
}
lora small "$dir/q4.gguf" 1e-4 20
run export "$dir/small" --to gguf --type q4_1 --out "$dir/asked.gguf"
ok "4 bits undo small changes: warned of, with the share" err "--type q4_1 loses what was learnt"
ok "both numbers are said" out "exported as Q4_1"
ok "and the base in that type, and a type that keeps more" eval 'out "kept gain as Q4_1: " && err ": Q6_K keeps more"'
run export "$dir/small" --to gguf --out "$dir/default.gguf"
ok "by default they are kept" within 95 106
b=$("$ptrain" score "$dir/small" --base --compute=f32 --input "$dir/d.jsonl" | grep -o '"nll":[^,}]*' | cut -d: -f2 | awk '{ s += $1 } END { print s / NR }')
r=$(nll "$dir/small")
ok "as the files themselves say" awk -v b="$b" -v r="$r" -v m="$(nll "$dir/default.gguf")" 'BEGIN { exit !(b - r > 0 && (b - m) / (b - r) >= 0.95) }'
run export "$dir/small" --to hf --out "$dir/hf"
ok "the folder too" within 95 106
mv "$dir/d.jsonl" "$dir/gone"
run export "$dir/small" --to gguf --out "$dir/default.gguf"
ok "without data it says so" out "no rows of the run's data are at hand to measure on: as q8_0"
run export "$dir/small" --to gguf --type q4_1 --out "$dir/asked.gguf"
ok "and warns by the weights" err "--type q4_1 loses what was learnt"
mv "$dir/gone" "$dir/d.jsonl"
# changes below bf16's steps: a merged folder, a full run
lora tiny "$dir/bf16" 2e-5 3
run export "$dir/tiny" --to hf --out "$dir/tiny-hf"
ok "too small for bf16: f32" err "saved as f32: in bf16"
run export "$dir/tiny" --to gguf --out "$dir/tiny.gguf"
ok "gguf: f32 as well" err "bf16 is too coarse for this: f32 instead"
printf "base_model: $dir/bf16\nmax_steps: 3\nlearning_rate: 1e-6\noutput_dir: $dir/full\n$common" >"$dir/full.yaml"
run "$dir/full.yaml"
ok "a full run's own result" err "saved as f32: in bf16"
printf "base_model: $dir/bf16\nmax_steps: 6\nlearning_rate: 1e-2\noutput_dir: $dir/large\n$common" >"$dir/large.yaml"
run "$dir/large.yaml"
ok "large changes are bf16" sh -c "! grep -q 'saved as f32' '$dir/err' && grep -q bfloat16 '$dir/large/config.json'"
run export "$dir/large" --to gguf --type q4_0 --out "$dir/large.gguf"
ok "a full run against its base" out "kept gain as Q4_0: 1.0"
