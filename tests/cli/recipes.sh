#!/bin/bash
# configs/recipes: each is planned, and two steps of each of its stages are trained on the committed samples: on a small random model, so that it takes
# seconds (what it samples is noise, which the audit says). RECIPES_BASE=cache/SmolLM2-135M-Instruct.Q4_1.gguf takes the base that they are written for instead.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_NUM_THREADS=1
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
more=(--device=cpu --max_steps=2)
if [ -n "$RECIPES_BASE" ]; then
    more+=("--base_model=$RECIPES_BASE")
else
    cat >"$dir/base.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 800, max_position_embeddings: 2048}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
datasets: [{path: data/samples/reflections.jsonl, type: messages}]
output_dir: $dir/base
sequence_len: 1024
max_steps: 1
device: cpu
compute: f32
Y
    run "$dir/base.yaml" && run export "$dir/base" --to hf --out "$dir/model"
    result "a small base"
    more+=("--base_model=$dir/model" --chat_template=chatml --adapter=lora --lora_r=4 --compute=f32 --sequence_len=1024)
fi
for recipe in configs/recipes/*.yaml; do
    name=$(basename "$recipe" .yaml)
    run plan "$recipe" "${more[@]}" --output_dir="$dir/$name"
    planned=$?
    cp "$dir/err" "$dir/plan.err"
    all=$(sed -n 's/^stage 1 of \([0-9]*\): .*/\1/p' "$dir/out") runs=$(grep -vc "; evaluates " <(grep "^stage " "$dir/out"))
    [ "$runs" = 0 ] && runs=1
    [ $planned -eq 0 ] && [ "$(grep -c "^stage " "$dir/out")" = "${all:-0}" ] && [ "$(grep -c "^ *total " "$dir/out")" = "$runs" ]
    result "$name: planned"
    run "$recipe" "${more[@]}" --output_dir="$dir/$name"
    [ $? -eq 0 ] && [ -s "$dir/$name/adapter_model.safetensors" ] && [ "$(find "$dir/$name" -name metrics.jsonl | wc -l)" = "$runs" ] &&
        [ "$(find "$dir/$name" -name eval_answers.jsonl | wc -l)" = $((${all:-1} - runs)) ] && [ "$(find "$dir/$name" -name metrics.jsonl -exec cat {} + | grep -c '"grad_norm"')" = $((2 * runs)) ]
    result "$name: two steps of each stage"
    [ $planned -eq 0 ] && ! grep -h "^warning: " "$dir/plan.err" "$dir/err" | grep -v "only [0-9]* steps\|warm-up\|mojibake: .*(pairs.jsonl:" >"$dir/out"
    result "$name: nothing to warn of"
done
"$ptrain" help objective --markdown | bash tests/tools/objectives_md.sh | diff - docs/objectives.md >"$dir/out" 2>"$dir/err"
result "docs/objectives.md says what the declarations say (make docs)"
