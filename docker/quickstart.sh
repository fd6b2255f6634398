#!/bin/bash
# What `make quickstart` shows: pack, plan, train, evaluate before and after, export, three answers. MODEL=path uses another base.
set -eu
cd "$(dirname "$0")/.."
config=configs/rolellm.yaml
base=${MODEL:-cache/SmolLM2-135M-Instruct.Q4_1.gguf}
run=out/rolellm
stages=
begin=$(date +%s)
stage() { # NAME COMMAND...
    local name=$1 t0 t1
    shift
    printf '\n== %s\n' "$name"
    t0=$(date +%s.%N)
    "$@"
    t1=$(date +%s.%N)
    stages+=$(printf '%-10s %7.1f s' "$name" "$(echo "$t1 $t0" | awk '{print $1 - $2}')")$'\n'
}
ask() { # ROLE QUESTION
    local args=(--role "$1" --prompt "$2" --temperature 0.7 --seed 7 --max-new-tokens 64)
    printf '\n%s, asked: %s\n' "$1" "$2"
    printf '  base:  %s\n' "$(build/ptrain generate "$run" --base "${args[@]}" --output - --text)"
    printf '  tuned: %s\n' "$(build/ptrain generate "$run" "${args[@]}" --output - --text)"
}
answers() {
    ask "Orla Fenwick" "How do I keep my plants alive in winter?"
    ask "Sergeant Brask" "What should I pack for a day at the beach?"
    printf '\n(never trained:)'
    ask "Bramble Nettlewick" "How do I stay calm before an exam?"
}
[ -n "${MODEL:-}" ] || sh docker/fetch-base.sh "$base"
stage pack build/ptrain pack $config --base_model="$base"
stage plan build/ptrain plan $config --base_model="$base"
stage train build/ptrain $config --base_model="$base"
stage evaluate build/ptrain eval "$run"
rm -f "$run/rolellm-lora.gguf"
stage export build/ptrain export "$run" --to gguf-lora --out "$run/rolellm-lora.gguf"
stage answers answers
printf '\n%s%-10s %7d s\n' "$stages" "all" "$(($(date +%s) - begin))"
printf '\nLook at it:   %s/report.html\nTalk to it:   build/ptrain chat %s --role "Sergeant Brask"\nServe it:     llama-cli -m %s --lora %s\n' "$run" "$run" "$base" "$run/rolellm-lora.gguf"
