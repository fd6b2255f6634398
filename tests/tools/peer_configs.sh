#!/bin/bash
# How many example configs of another trainer reach `ptrain plan`, unchanged but for the model's path (and that of a starting adapter).
#   tests/tools/peer_configs.sh CHECKOUT MODELS [ADAPTERS]
# CHECKOUT: a checkout of axolotl or LLaMA-Factory (its examples/ is read). MODELS: small models by family, with the vocabulary's control tokens and
# the chat template that the family's have (base models: none): llama2, llama3, llama3-chat, mistral, mistral-chat, qwen2, qwen3, smollm2, yi
# (folders), and the same as quantised GGUF files (NAME.gguf) for examples that load in 4 bits. ADAPTERS: PEFT folders of these names.
# Prints a line an example, then what refused how many. Dense text models of supported families count; data need not be there (plan says so).
ptrain=$(realpath "${PTRAIN:-build/ptrain}")
top=$(realpath "$1") models=$(realpath "$2") adapters=${3:+$(realpath "$3")}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
family() { # NAME: the small model that stands for it; nothing for families that are not supported
    local l=${1,,}
    case $l in
    *-vl* | *llama-4* | *llava* | *scout* | *maverick* | *vision* | *-a[0-9]*b* | *next* | *moe* | *voxtral* | *smolvlm* | *qwen3.5* | *btlm* | *omni* | *magistral-small-2509*) ;;
    saves/* | *qwen3* | *plano*) echo qwen3 ;;
    *codellama*) echo llama2 ;;
    *qwen2* | *cogito*qwen* | *deepcoder*) echo qwen2 ;;
    *mistral-7b-v0.1) echo mistral ;;
    *mistral-7b* | *ministral-8b* | *magistral* | *devstral*) echo mistral-chat ;;
    *smollm2*) echo smollm2 ;;
    *yi-34b*) echo yi ;;
    *llama-3*instruct* | *cogito*llama*) echo llama3-chat ;;
    *llama-3* | *llama3* | *orpheus*) echo llama3 ;;
    *llama*) echo llama2 ;;
    esac
}
cd "$top" || exit 1
find examples -name '*.y*ml' | sort | while read -r f; do
    name=$(sed -nE 's/^(base_model|model_name_or_path|model): *"?([^"# ]+).*/\2/p' "$f" | head -1)
    m=$(family "$name")
    [ -n "$m" ] || continue
    set -- --output_dir="$dir/out" --base_model="$models/$m"
    grep -qE '^ *((load_in_4bit|gptq): *true|quantization_bit: *4|adapter: *qlora)' "$f" && set -- --output_dir="$dir/out" --base_model="$models/$m.gguf"
    grep -qE '^ *(adapter_name_or_path|lora_model_dir): *[^ ]' "$f" && set -- "$@" --lora_model_dir="$adapters/$m"
    if timeout 120 "$ptrain" plan "$f" "$@" >"$dir/text" 2>&1 </dev/null && grep -q '^memory' "$dir/text"; then
        echo "reached $f"
    else
        echo "refused $f: $(grep -m1 '^error' "$dir/text" | sed -E "s#^error: ($f:)?([0-9]+:[0-9]+: )?##")"
    fi
done >"$dir/list"
cat "$dir/list"
echo
awk '{n[$1]++} END {printf "%d of %d reach ptrain plan (%.0f %%)\n", n["reached"], n["reached"] + n["refused"], 100 * n["reached"] / (n["reached"] + n["refused"])}' "$dir/list"
sed -n 's/^refused [^:]*: //p' "$dir/list" | sed -E 's/ is refused:.*//; s/^([a-z_]+): ([a-zA-Z_.]+): .*/\1: \2/' | cut -c1-100 | sort | uniq -c | sort -rn
