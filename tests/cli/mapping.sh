#!/bin/bash
# Data sets without a reader of their own: configs/data over the samples, as `ptrain inspect` shows them; folders of LLaMA-Factory; rows that count several
# times; faults by their lines. Expected texts are written by hand from the samples.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
run() { "$ptrain" "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
kept() { [ "$(sed -n 's/^records kept *//p' "$dir/out")" = "$1" ]; }
says() { tr '\n' '~' <"$dir/out" | grep -qF -- "$1"; }
code() { # CODE TEXT COMMAND...: exit code and a part of standard error
    local want=$1 text=$2
    shift 2
    run "$@"
    [ $? -eq "$want" ] && grep -qF -- "$text" "$dir/err"
}
tiny() { # a small model of random weights, for the data sets on standard input
    cat - >"$dir/sets"
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772, max_position_embeddings: 2048}
output_dir: %s/run
sequence_len: 1024
device: cpu
compute: f32
batch_rows: 1
num_epochs: 1
val_set_size: 0
' "$dir" | cat - "$dir/sets" >"$dir/c.yaml"
}
data() { sed -n '/^objective:/p; /^datasets:/,$p' "configs/data/$1.yaml" | tiny; }
user='<|im_start|>user~' bot='<|im_start|>assistant~' end='<|im_end|>~'

# ---- configs/data -------------------------------------------------------------------------------------------------------
data esconv
run inspect "$dir/c.yaml" --sample 0 &&
    says "<|im_start|>system~You support somebody who feels anxiety (job crisis). Say your strategy in brackets first.${end}${user}The shop is empty every day. I cannot sleep.${end}${bot}«[Question] How long has it been like this?<|im_end|>»~${user}Since the bridge was closed.${end}${bot}«[Reflection of feelings] You watch the door all day, and nobody comes. That must wear you out.<|im_end|>»~${bot}«[Providing Suggestions] Could you sell on the other bank until the bridge opens?<|im_end|>»"
result "esconv: the strategy stands before the supporter's text and is learnt with it"
run inspect "$dir/c.yaml" --sample 1 && says "«[Self-disclosure] When my sister left, I set the table for two for weeks.<|im_end|>»~" && says "${bot}«Then write to her at nine.<|im_end|>»"
result "esconv: a turn without one stands as it is"
run pack "$dir/c.yaml" && says "reads emotion_type, problem_type, dialog; not read: experience_type, situation" && kept 3
result "esconv: which columns were read"
data finerob
run inspect "$dir/c.yaml" --sample 0 &&
    says "You are Tilda: keeps bees, reads maps${end}${user}Before:~liked 'Wax for winter'~shared 'The lock is frozen'~commented 'Mine swarm in May' on 'Early bees'~~You see 'A hive on the roof' by harbour news. You may: like~share~comment~pass${end}${bot}«comment Turn it to the south.<|im_end|>»"
result "finerob: profile, history, item and options by templates"
run inspect "$dir/c.yaml" --sample 2 && says "You are Ines: ${end}${user}Before:~shared 'Choir on Sunday'~"
result "finerob: {user.bio?} is nothing where a row has none"
data personamem
run inspect "$dir/c.yaml" --sample 0 &&
    says "<|im_start|>system~The user is Mara, who tends the lighthouse.${end}${user}I stopped eating fish this spring.${end}${bot}«Then I will not suggest any.<|im_end|>»~${user}What could I cook tonight?~~(a) Herring with onions.~(b) Barley soup, since you no longer eat fish.${end}${bot}«(b)<|im_end|>»"
result "personamem: the talk, the question and its options"
data labor_llm
run inspect "$dir/c.yaml" --sample 0 && says "${user}Born 1962, vocational school, from the coast.~1984: Rope makers~1986: Rope makers~1988:${end}${bot}«Ferry crews<|im_end|>»"
result "labor_llm: a career as a text, numbers as they are, the last element of a list"
data panorama
run inspect "$dir/c.yaml" --sample 0 && says "orum post, Lene Abelard of Overwater~My kiln is cold again. Ask for Lene at the pottery."
result "panorama: a text of several fields"
run "$dir/c.yaml" && [ "$(grep -c '"grad_norm"' "$dir/run/metrics.jsonl")" = 16 ]
result "panorama: rows that count 1, 5 and 10 times are drawn 16 times an epoch"
rm -rf "$dir/run"
wrong=
for config in configs/data/*.yaml; do
    run pack "$config" --output_dir="$dir/p"
    [ $? -le 1 ] && ! grep -q "^ptrain: configs\|unknown" "$dir/err" || wrong="$wrong $config"
done
[ -z "$wrong" ]
result "every config is one, whether its base is there or not:$wrong"

# ---- faults by their lines --------------------------------------------------------------------------------------------------
printf '%s\n' '{"meta": {"q": "q"}, "a": "a"}' '{"meta": {"x": "q"}, "a": "a"}' '{"meta": "q", "a": "a"}' '{"meta": {"q": ["x", {"y": 1}]}, "a": "a"}' '{"meta": {"q": "q"}, "a": ["a"]}' >"$dir/d.jsonl"
mapped() { printf 'datasets:\n  - {path: %s/d.jsonl, type: alpaca, bad_rows: %s, %s}\n' "$dir" "$1" "$2" | tiny; }
mapped refuse 'field_prompt: meta.q, field_output: a'
code 1 "d.jsonl:2: no field 'meta.q': 'meta' has 'x'; the row has 'meta', 'a'" pack "$dir/c.yaml"
result "a path that is not there, by file and line"
mapped drop 'prompt_template: "{meta.q}?", field_output: a'
run pack "$dir/c.yaml" && says "prompt_template: no field 'meta.q': 'meta' has 'x'" && says "d.jsonl:2" && says "'meta' is a string" && says "d.jsonl:3" && kept 2
result "templates: each fault is counted with its line"
mapped refuse 'field_system: meta, field_prompt: a, field_output: a'
code 1 "d.jsonl:1: field 'meta' is an object, a string is wanted" pack "$dir/c.yaml"
result "an object where a text is wanted"
mapped refuse 'prompt_template: "{meta.q", field_output: a'
code 2 "c.yaml:13:" pack "$dir/c.yaml" && grep -qF "prompt_template: '{' at character 1 is not closed" "$dir/err"
result "an unclosed brace: exit 2 and the config's line"

# ---- LLaMA-Factory's folders ------------------------------------------------------------------------------------------------
mkdir -p "$dir/lf"
cat >"$dir/lf/dataset_info.json" <<'J'
{
  "identity": {"file_name": "identity.json"},
  "named": {"file_name": "named.json", "columns": {"prompt": "ask", "query": "more", "response": "say", "system": "who", "history": "past"}},
  "talk": {"file_name": "talk.json", "formatting": "sharegpt", "columns": {"messages": "turns", "tools": "can"},
           "tags": {"role_tag": "by", "content_tag": "says", "user_tag": "guest", "assistant_tag": "host", "observation_tag": "seen", "function_tag": "does", "system_tag": "rule"}},
  "open": {"file_name": "open.jsonl", "formatting": "openai", "num_samples": 1},
  "pairs": {"file_name": "pairs.json", "ranking": true, "columns": {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"}},
  "judged": {"file_name": "judged.json", "formatting": "sharegpt", "columns": {"messages": "messages", "kto_tag": "good"}},
  "seen": {"file_name": "talk.json", "formatting": "sharegpt", "columns": {"messages": "turns", "images": "pictures"}},
  "far": {"hf_hub_url": "someone/far", "ms_hub_url": "someone/far"},
  "made": {"script_url": "make_it"}
}
J
echo '[{"instruction": "Who are you?", "input": "", "output": "Ann."}]' >"$dir/lf/identity.json"
echo '[{"ask": "Who?", "more": "Say it.", "say": "Ann.", "who": "You are Ann.", "past": [["Hi", "Hello"]], "system": "not this"}]' >"$dir/lf/named.json"
echo '[{"turns": [{"by": "rule", "says": "Be Ann."}, {"by": "guest", "says": "Time?"}, {"by": "host", "says": "Nine."}], "can": "[]", "system": "not this"}]' >"$dir/lf/talk.json"
for i in 1 2; do echo '{"messages": [{"role": "user", "content": "Hm '$i'?"}, {"role": "assistant", "content": "Hm."}]}'; done >"$dir/lf/open.jsonl"
echo '[{"instruction": "Who?", "input": "", "chosen": "Ann.", "rejected": "A model."}]' >"$dir/lf/pairs.json"
echo '[{"messages": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Ann."}], "good": true}, {"messages": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Bot."}], "good": false}]' >"$dir/lf/judged.json"
echo "datasets: [{path: $dir/lf, dataset: 'identity,named,talk,open'}]" | tiny
run inspect "$dir/c.yaml" --sample 0-3 && says "${user}Who are you?${end}${bot}«Ann.<|im_end|>»" &&
    says "<|im_start|>system~You are Ann.${end}${user}Hi${end}${bot}«Hello<|im_end|>»~${user}Who?~Say it.${end}${bot}«Ann.<|im_end|>»" &&
    says "<|im_start|>system~Be Ann.${end}${user}Time?${end}${bot}«Nine.<|im_end|>»" && says "${user}Hm 1?${end}" && ! says "Hm 2?"
result "a folder with dataset: several names, columns, tags, num_samples"
echo "datasets: [{path: $dir/lf/dataset_info.json, dataset: [pairs]}]" | tiny
run inspect "$dir/c.yaml" --objective=dpo && says "«Ann.<|im_end|>»" && says "«A model.<|im_end|>»"
result "ranking: pairs, through the file itself"
echo "datasets: [{path: $dir/lf, dataset: judged}]" | tiny
run pack "$dir/c.yaml" --objective=kto && kept 2
result "kto_tag"
printf 'dataset_dir: %s/lf\ndataset: identity, talk\n' "$dir" | tiny
run pack "$dir/c.yaml" && kept 2
result "dataset_dir and dataset as LLaMA-Factory's own config has them"
echo "datasets: [{path: $dir/lf, dataset: identity, name: mine, system_prompt: Be brief.}, {path: $dir/lf/open.jsonl, type: messages}]" | tiny
run inspect "$dir/c.yaml" --sample 0-2 && says "<|im_start|>system~Be brief.${end}${user}Who are you?" && says "Hm 2?"
result "other keys stand in place of the entry's, beside sets of other kinds"
lf() { echo "datasets: [{path: $dir/lf, dataset: '$1'}]" | tiny; }
lf nobody; code 2 "lf/dataset_info.json has no data set 'nobody'; it has identity, named, talk" pack "$dir/c.yaml"
result "an unknown name: the names that are there"
echo "datasets: [{path: $dir/lf, type: alpaca}]" | tiny; code 2 "$dir/lf holds a dataset_info.json: dataset: NAME says which" pack "$dir/c.yaml"
result "such a folder without a name"
lf seen; code 2 "images: only text is trained on" pack "$dir/c.yaml"
result "pictures are refused by name"
lf far; code 1 "someone/far: no such file or folder; nothing is downloaded here" pack "$dir/c.yaml"
result "a set of a hub is refused by its name"
lf made; code 1 "make_it" pack "$dir/c.yaml"
result "and one that a script makes"
if [ -d ../shared/data/sft ]; then
    for f in sft/llamafactory_alpaca_en_demo:alpaca_en_demo sft/llamafactory_alpaca_zh_demo:alpaca_zh_demo sft/llamafactory_identity:identity sft/llamafactory_glaive_toolcall_en:glaive_toolcall_en_demo \
        pref/llamafactory_dpo_en_demo:dpo_en_demo pref/llamafactory_kto_en_demo:kto_en_demo; do
        ln -sf "$PWD/../shared/data/${f%%:*}.json" "$dir/lf/${f##*:}.json"
    done
    cat >"$dir/lf/dataset_info.json" <<'J'
{"identity": {"file_name": "identity.json"}, "alpaca_en_demo": {"file_name": "alpaca_en_demo.json"}, "alpaca_zh_demo": {"file_name": "alpaca_zh_demo.json"},
 "glaive_toolcall_en_demo": {"file_name": "glaive_toolcall_en_demo.json", "formatting": "sharegpt", "columns": {"messages": "conversations", "tools": "tools"}},
 "dpo_en_demo": {"file_name": "dpo_en_demo.json", "ranking": true, "formatting": "sharegpt", "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}},
 "kto_en_demo": {"file_name": "kto_en_demo.json", "formatting": "sharegpt", "columns": {"messages": "messages", "kto_tag": "label"},
                 "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}}}
J
    lf identity,alpaca_en_demo,alpaca_zh_demo,glaive_toolcall_en_demo
    run pack "$dir/c.yaml" --sequence_len=16384 && kept $((91 + 680 + 677 + 188))
    result "LLaMA-Factory's demonstration sets: every row"
    lf dpo_en_demo; run pack "$dir/c.yaml" --sequence_len=16384 --objective=dpo && kept 197
    result "its pairs"
    lf kto_en_demo; run pack "$dir/c.yaml" --sequence_len=16384 --objective=kto && kept 214
    result "its judged answers"
fi
echo "1..$n"
