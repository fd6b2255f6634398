#!/bin/bash
# Named templates through the program: each goes into an export and is known there again, inspect shows its answers; conversations that a template
# refuses are put as it takes them, or refused by line, as the config says.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
ok() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        sed 's/^/# /' "$dir/out" "$dir/err"
        echo "not ok $n - $1"
    fi
}
run() { "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
says() { grep -q -e "$1" "$dir/out" "$dir/err"; }
config() { # DATA LINE...
    printf 'init: random
tokenizer: tests/golden/data/tok_named
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 794}
output_dir: %s/run
dataset_prepared_path: %s/prep
sequence_len: 256
batch_rows: 2
max_steps: 2
device: cpu
compute: f32
seed: 3
val_set_size: 0
datasets: [{path: %s, type: messages}]\n' "$dir" "$dir" "$dir/$1"
    printf '%s\n' "${@:2}"
}
turn() { printf '{"role": "%s", "content": "%s"}' "$1" "$2"; }
for i in 1 2 3 4; do
    echo "{\"messages\": [$(turn system "be $i"), $(turn user "q $i"), $(turn assistant "a $i")]}"
done >"$dir/d.jsonl"
config d.jsonl "chat_template: chatml" >"$dir/c.yaml"
run "$ptrain" "$dir/c.yaml"
ok "a run" $?
echo "{\"messages\": [$(turn system s), $(turn user q)]}" >"$dir/p.jsonl"
answer() { run "$ptrain" generate "$1" --input "$dir/p.jsonl" --temperature 0 --max-new-tokens 5 "${@:2}" && cp "$dir/out" "$dir/said"; }
# TEMPLATE, and the answer with its prompt as inspect shows them
while read -r name shown; do
    rm -rf "$dir/hf" "$dir/m.gguf"
    run "$ptrain" inspect "$dir/c.yaml" --chat_template="$name" --sample 0 && tr '\n' '~' <"$dir/out" | grep -qF -e "$shown"
    ok "$name: inspect" $?
    run "$ptrain" export "$dir/run" --to hf --out "$dir/hf" --chat_template="$name" && run "$ptrain" export "$dir/run" --to gguf --out "$dir/m.gguf" --chat_template="$name" &&
        answer "$dir/run" --chat_template="$name" && cp "$dir/said" "$dir/want" && answer "$dir/hf" && cmp "$dir/want" "$dir/said" && answer "$dir/m.gguf" && cmp "$dir/want" "$dir/said"
    ok "$name: its export answers as the run does" $?
done <<'E'
gemma be 1~~q 1<end_of_turn>~<start_of_turn>model~«a 1<end_of_turn>»
gemma3 be 1~~q 1<end_of_turn>~<start_of_turn>model~«a 1<end_of_turn>»
mistral_v3 [INST] be 1~~q 1[/INST]« a 1<|im_end|>»
mistral_v3_tekken [INST]be 1~~q 1[/INST]«a 1<|im_end|>»
mistral_v7_tekken [SYSTEM_PROMPT]be 1[/SYSTEM_PROMPT][INST]q 1[/INST]«a 1<|im_end|>»
metharme <|system|>be 1<|user|>q 1<|model|>«a 1<|im_end|>»
phi3 <|user|>~q 1<|end|>~<|assistant|>~«a 1<|end|>»
phi4 <|im_start|>user<|im_sep|>q 1<|im_end|><|im_start|>assistant<|im_sep|>«a 1<|im_end|>»
glm4 [gMASK]<sop><|system|>~be 1<|user|>~q 1<|assistant|>~«a 1<|user|>»
deepseek User: q 1~~Assistant:« a 1<|im_end|>»
deepseek_v2 be 1~~<｜User｜>q 1<｜Assistant｜>«a 1<|im_end|>»
deepseek_v3 be 1<｜User｜>q 1<｜Assistant｜>«a 1<|im_end|>»
command_r <|CHATBOT_TOKEN|>«a 1<|END_OF_TURN_TOKEN|>»
chatml_bos <|begin_of_text|><|im_start|>system
chatml_no_newline <|im_end|><|im_start|>assistant~«a 1<|im_end|>»
E

# ---- policies ----
{
    echo "{\"messages\": [$(turn assistant "Welcome!"), $(turn user a), $(turn user b), $(turn assistant c)]}"
    echo "{\"messages\": [$(turn user a), $(turn assistant b), $(turn system s), $(turn user c), $(turn assistant d)]}"
    echo "{\"messages\": [$(turn system s), $(turn user a), $(turn assistant b)]}"
} >"$dir/odd.jsonl"
config odd.jsonl "chat_template: gemma" "bad_rows: 0.9" >"$dir/odd.yaml"
run "$ptrain" pack "$dir/odd.yaml" && says 'records kept  *3$' && says "turns joined to the same speaker's before  *1$" && says "system texts put into the user's turn  *1$" && says 'greetings with a question put before  *1$'
ok "what a template refuses is joined, folded, greeted, and counted" $?
run "$ptrain" inspect "$dir/odd.yaml" --sample 0 && tr '\n' '~' <"$dir/out" | grep -qF '<start_of_turn>user~<end_of_turn>~<start_of_turn>model~«Welcome!<end_of_turn>»~<start_of_turn>user~a~~b<end_of_turn>'
ok "as inspect shows" $?
run "$ptrain" inspect "$dir/odd.yaml" --sample 0 --greeting_prompt=Begin. && tr '\n' '~' <"$dir/out" | grep -qF '<start_of_turn>user~Begin.<end_of_turn>~<start_of_turn>model~«Welcome!'
ok "greeting_prompt" $?
run "$ptrain" pack "$dir/odd.yaml" --alternate_roles=refuse && says 'records kept  *2$' && says 'must take turns' && says 'odd.jsonl:1'
ok "alternate_roles: refuse leaves the row out by its line" $?
run "$ptrain" pack "$dir/odd.yaml" --system_role=keep && says 'records kept  *1$' && says 'has no system role' && says 'odd.jsonl:3'
ok "system_role: keep too" $?
run "$ptrain" pack "$dir/odd.yaml" --chat_template=chatml && says 'records kept  *3$' && ! says 'joined' && ! says 'put before'
ok "what a template takes is not touched" $?
run "$ptrain" inspect "$dir/odd.yaml" --chat_template=chatml --alternate_roles=join --system_role=fold --sample 1 && tr '\n' '~' <"$dir/out" | grep -qF '<|im_start|>user~s~~c<|im_end|>'
ok "unless it is said" $?
run "$ptrain" pack "$dir/odd.yaml" --alternate_roles=shuffle
[ $? = 2 ] && says 'auto | join | refuse\|auto, join'
ok "another word is refused" $?
echo "{\"messages\": [$(turn user q), $(turn user r)]}" >"$dir/two.jsonl"
echo "{\"messages\": [$(turn user 'q\n\nr')]}" >"$dir/one.jsonl"
same() { run "$ptrain" "$1" "$dir/run" --input "$dir/two.jsonl" "${@:2}" && grep -o '"response":.*\|"logprobs":.*' "$dir/out" >"$dir/two" && run "$ptrain" "$1" "$dir/run" --input "$dir/one.jsonl" "${@:2}" && grep -o '"response":.*\|"logprobs":.*' "$dir/out" | cmp - "$dir/two"; }
same generate --chat_template=gemma --temperature 0 --max-new-tokens 5
ok "a prompt for generate goes the same way" $?
echo "1..$n"
