#!/bin/bash
# Every command on every kind of run and model: it does its work, or says in one line why it cannot; it never crashes or waits.
# The kinds that are most unlike; MATRIX_KINDS=all takes every one (tests/full/matrix.sh).
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1
tok=tests/golden/data/tok_bpe
all="random random-ids random-lora random-lora-ids random-text random-reward random-reward-ids random-reward-lora random-dpo random-dpo-lora-ids full lora
    roles dpo dpo-full reward reward-full gguf-lora gguf-full gguf-dpo gguf-reward gguf-ids bare unfinished unfinished-full empty base.gguf ids.gguf
    lora/checkpoint-1 full/checkpoint-1"
kinds=${MATRIX_KINDS:-random-lora random-lora-ids random-reward-lora unfinished ids.gguf}
[ "$kinds" != all ] || kinds=$all
# What these are made of
needs=" random random-ids $kinds "
case $needs in *unfinished*|*lora/*|*full/*) needs+="lora full " ;; esac
for i in 1 2 3 4; do
    echo "{\"messages\": [{\"role\": \"user\", \"content\": \"hello $i\"}, {\"role\": \"assistant\", \"content\": \"good day $i\"}]}" >>"$dir/chat.jsonl"
    echo "{\"prompt\": \"hello $i\", \"chosen\": \"good day $i\", \"rejected\": \"go away\"}" >>"$dir/pairs.jsonl"
    echo "{\"text\": \"hello good day $i\"}" >>"$dir/text.jsonl"
    echo "{\"input_ids\": [1, 2, 3, $i], \"labels\": [-100, -100, 3, $i]}" >>"$dir/ids.jsonl"
    echo "{\"prompt_input_ids\": [1, 2], \"chosen_input_ids\": [3, $i], \"rejected_input_ids\": [5, 6]}" >>"$dir/idpairs.jsonl"
    echo "{\"role\": \"Ann\", \"question\": \"hello $i\", \"generated\": [\"good day $i\"]}" >>"$dir/roles.jsonl"
done
echo '{"Ann": "a good one"}' >"$dir/profiles.json"
sizes="model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}"
random="init: random
$sizes"
lora="adapter: lora
lora_r: 2"
chat="datasets: [{path: $dir/chat.jsonl, type: messages}]
chat_template: plain
test_datasets: [{path: $dir/chat.jsonl, type: messages}]"
pairs="datasets: [{path: $dir/pairs.jsonl, type: preference}]
chat_template: plain
test_datasets: [{path: $dir/pairs.jsonl, type: preference}]"
ids="datasets: [{path: $dir/ids.jsonl, type: tokens}]
test_datasets: [{path: $dir/ids.jsonl, type: tokens}]"
idpairs="datasets: [{path: $dir/idpairs.jsonl, type: tokens}]
test_datasets: [{path: $dir/idpairs.jsonl, type: tokens}]"
run() { # NAME CONFIG...: trains it
    local name=$1
    shift
    case $needs in *" $name "*) ;; *) return ;; esac
    printf '%s\n' "$@" "output_dir: $dir/$name" "sequence_len: 64" "batch_rows: 2" "max_steps: 1" "save_steps: 1" "device: cpu" "compute: f32" \
        "eval_questions: 1" "eval_max_new_tokens: 4" >"$dir/$name.yaml"
    "$ptrain" "$dir/$name.yaml" >"$dir/out" 2>"$dir/err" </dev/null
    result "train $name"
}
run random "$random" "tokenizer: $tok" "$chat"
base=$dir/random
"$ptrain" export "$base" --to gguf --out "$dir/base.gguf" >"$dir/out" 2>"$dir/err"
result "a GGUF base"
gguf=$dir/base.gguf
run random-ids "$random" "$ids"
"$ptrain" export "$dir/random-ids" --to gguf --out "$dir/ids.gguf" >"$dir/out" 2>"$dir/err"
result "a GGUF base without a vocabulary"
run random-lora "$random" "$lora" "tokenizer: $tok" "$chat"
run random-lora-ids "$random" "$lora" "$ids"
run random-text "$random" "objective: pretrain" "tokenizer: $tok" "datasets: [{path: $dir/text.jsonl, type: text}]"
run random-reward "$random" "objective: reward" "tokenizer: $tok" "$pairs"
run random-reward-ids "$random" "objective: reward" "$idpairs"
run random-reward-lora "$random" "$lora" "objective: reward" "tokenizer: $tok" "$pairs"
run random-dpo "$random" "objective: dpo" "tokenizer: $tok" "$pairs"
run random-dpo-lora-ids "$random" "$lora" "objective: dpo" "$idpairs"
run full "base_model: $base" "$chat"
run lora "base_model: $base" "$lora" "$chat"
run roles "base_model: $base" "$lora" "datasets: [{path: $dir/roles.jsonl, type: rolebench, profiles: $dir/profiles.json}]" "chat_template: plain" \
    "test_datasets: [{path: $dir/roles.jsonl, type: rolebench, profiles: $dir/profiles.json}]"
run dpo "base_model: $base" "$lora" "objective: dpo" "$pairs"
run dpo-full "base_model: $base" "objective: dpo" "$pairs"
run reward "base_model: $base" "$lora" "objective: reward" "$pairs"
run reward-full "base_model: $base" "objective: reward" "$pairs"
run gguf-lora "base_model: $gguf" "$lora" "$chat"
run gguf-full "base_model: $gguf" "$chat"
run gguf-dpo "base_model: $gguf" "$lora" "objective: dpo" "$pairs"
run gguf-reward "base_model: $gguf" "$lora" "objective: reward" "$pairs"
run gguf-ids "base_model: $dir/ids.gguf" "$lora" "$ids"
run bare "base_model: $base" "$lora" "datasets: [{path: $dir/chat.jsonl, type: messages}]" "chat_template: plain"
if [ -d "$dir/lora" ]; then
    cp -r "$dir/lora" "$dir/unfinished" && rm -f "$dir"/unfinished/adapter_* && cp "$dir/lora.yaml" "$dir/unfinished.yaml"
    cp -r "$dir/full" "$dir/unfinished-full" && rm -f "$dir"/unfinished-full/model.safetensors
fi
mkdir "$dir/empty"

echo '{"input_ids": [1, 2, 3]}' >"$dir/in-ids.jsonl"
echo '{"text": "hello"}' >"$dir/in-text.jsonl"
echo '{"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good"}]}' >"$dir/in-chat.jsonl"
echo '{"prompt": "hello"}' >"$dir/in-prompt.jsonl"
gen="--max-new-tokens 3 --temperature 0"
# Name, and the words behind the run's path
commands=(
    "eval|eval @ --output $dir/eval.json" "chat|chat @ $gen" "chat-role|chat @ --role Ann $gen" "generate|generate @ --prompt hello $gen"
    "generate-raw|generate @ --prompt hello --raw $gen" "generate-rows|generate @ --input $dir/in-prompt.jsonl $gen"
    "generate-chat|generate @ --input $dir/in-chat.jsonl $gen" "generate-base|generate @ --base --prompt hello $gen"
    "score-ids|score @ --input $dir/in-ids.jsonl" "score-text|score @ --input $dir/in-text.jsonl" "score-chat|score @ --input $dir/in-chat.jsonl"
    "score-base|score @ --base --input $dir/in-ids.jsonl" "tokenize|tokenize @ --input $dir/in-text.jsonl"
    "peft|export @ --to peft --out $dir/x.peft" "hf|export @ --to hf --out $dir/x.hf" "gguf|export @ --to gguf --out $dir/x.gguf"
    "gguf-lora|export @ --to gguf-lora --out $dir/x.lora.gguf"
)
try() { # KIND PATH: a line a command: NAME CODE MESSAGE
    local c name words code
    for c in "${commands[@]}"; do
        name=${c%%|*} words=${c#*|}
        rm -rf "$dir"/x.*
        # shellcheck disable=SC2086
        timeout -s KILL 30 "$ptrain" ${words/@/$2} --compute=f32 >"$dir/out" 2>"$dir/err" <<<"hello"
        code=$?
        echo "$1 $name $code $(grep -m1 '^error: ' "$dir/err" | cut -c1-200)"
    done
    if [ -f "$2.yaml" ]; then
        for name in plan pack inspect eval; do
            timeout -s KILL 30 "$ptrain" "$name" "$2.yaml" >"$dir/out" 2>"$dir/err" </dev/null
            code=$?
            echo "$1 $name-config $code $(grep -m1 '^error: ' "$dir/err" | cut -c1-200)"
        done
    fi
}
for kind in $kinds; do
    try "$kind" "$dir/$kind"
done >"$dir/table" 2>/dev/null
[ -z "$MATRIX_SHOW" ] || cp "$dir/table" "$MATRIX_SHOW"
# What a kind has, and so what is to be refused (exit 1 or 2, with a line that says why); everything else works.
awk '
function has(kind, list) { return index(" " list " ", " " kind " ") > 0 }
BEGIN { broken = "unfinished unfinished-full empty lora/checkpoint-1 full/checkpoint-1"; model = "base.gguf ids.gguf" }
{ k = $1; c = $2; code = $3
  words = k !~ /ids/; reward = k ~ /reward/; adapter = k ~ /lora|roles|^dpo$|^reward$|gguf-dpo|gguf-reward|gguf-ids|bare/ && !has(k, broken)
  chat = c ~ /^(chat|generate)/ && c != "generate-base"
  if (has(k, broken)) works = (k ~ /unfinished/ && c ~ /-base$|^tokenize$|-config$/) || (k == "lora/checkpoint-1" && c == "tokenize")
  else if (c == "chat-role") works = k == "roles"
  else if (chat) works = words && !reward
  else if (c ~ /^(generate-base|score-text|score-chat|tokenize|inspect-config)$/) works = words
  else if (c == "peft") works = adapter
  else if (c == "gguf-lora") works = adapter && !reward
  else if (c == "gguf") works = !reward
  else if (c ~ /^eval/) works = words && k != "random-text" && k != "bare" && !has(k, model)
  else works = 1
  good = works ? code == 0 : (code == 1 || code == 2) && NF > 4
  total[k]++
  if (!(k in order)) { order[k] = ++kinds; name[kinds] = k }
  if (!good) { bad[k]++; print "# " $0 " (to " (works ? "work)" : "be refused with a reason)") }
}
END { for (i = 1; i <= kinds; i++) { k = name[i]
    print (bad[k] ? "not ok " : "ok ") n + i " - " total[k] " commands on " k (bad[k] ? ": " bad[k] " end otherwise" : "") } }' n=$n "$dir/table"
