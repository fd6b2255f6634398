#!/usr/bin/env bash
# Conversations of named people by points of view: inspect, a run with its profiles, chat as one of them, eval by role.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
for i in $(seq 12); do
    echo '{"conversations": [{"from": "Ann", "value": "Good day."}, {"from": "Bo", "value": "Good day, Ann."}, {"from": "Cy", "value": "Room '"$i"'?"}, {"from": "Ann", "value": "Yes, '"$i"'."}, {"from": "Bo", "value": "Come in."}]}'
done >"$dir/d.jsonl"
echo '{"Ann": "A clockmaker.", "Bo": "An innkeeper."}' >"$dir/p.json"
cat >"$dir/c.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
datasets:
  - path: $dir/d.jsonl
    type: sharegpt
    view_of: [Ann, Bo]
    profiles: $dir/p.json
    system_template: "You are {char}. {profile}"
test_datasets: [{path: $dir/d.jsonl, type: sharegpt, view_of: each, split: "train[:3]"}]
output_dir: $dir/run
max_steps: 2
batch_rows: 4
sequence_len: 256
val_set_size: 0
eval_questions: 9
eval_max_new_tokens: 4
device: cpu
compute: f32
Y
text() { tr '\n' '~' <"$dir/log"; }
"$p" inspect "$dir/c.yaml" >"$dir/log" 2>&1 && text | grep -qF 'system~You are Ann. A clockmaker.<|im_end|>~<|im_start|>assistant~«Good day.<|im_end|>»~<|im_start|>user~Bo: Good day, Ann.~~Cy: Room 1?<|im_end|>~<|im_start|>assistant~«Yes, 1.<|im_end|>»'
result "one record a view: own lines are trained on with their ends, others' lines are one user turn by name"
"$p" inspect "$dir/c.yaml" --sample 1 >"$dir/log" 2>&1 && text | grep -qF 'system~You are Bo. An innkeeper.<|im_end|>~<|im_start|>user~Ann: Good day.<|im_end|>~<|im_start|>assistant~«Good day, Ann.<|im_end|>»'
result "and the next one is another's"
"$p" "$dir/c.yaml" >"$dir/log" 2>&1 && tr -d ' \n' <"$dir/run/profiles.json" | grep -qF '"Ann":"YouareAnn.Aclockmaker."' && grep -q "view_of: \[" "$dir/run/config.yaml"
result "a run keeps the system texts, and its config says whose views were taken"
echo hi | "$p" chat "$dir/run" --role Bo >"$dir/log" 2>&1
result "chat --role takes one of the people"
echo hi | "$p" chat "$dir/run" --role Dan >"$dir/log" 2>&1
[ $? -ne 0 ] && grep -q "no role 'Dan' in this run; roles: .*Ann" "$dir/log"
result "and names them where there is no such"
"$p" eval "$dir/run" --output "$dir/ev.json" >"$dir/log" 2>&1 && grep -q '"Ann"' "$dir/ev.json" && grep -q '"Bo"' "$dir/ev.json" && grep -q '"Cy"' "$dir/ev.json"
result "eval reports by name"
"$p" pack "$dir/c.yaml" --roles_to_train=Cy --datasets="[{path: $dir/d.jsonl, type: sharegpt}]" >"$dir/log" 2>&1 && grep -qE "supervised end tokens +12$" "$dir/log"
result "roles_to_train: NAME is that person's view"
"$p" pack "$dir/c.yaml" --datasets="[{path: $dir/d.jsonl, type: sharegpt, view_of: Dan}]" >"$dir/log" 2>&1
[ $? -ne 0 ] && grep -q "d.jsonl: view_of: nobody is called 'Dan'; those who speak: Ann, Bo, Cy" "$dir/log"
result "a name that nobody has is refused with those that are there"
sed "s/view_of: \[Ann, Bo\]/history: last/" "$dir/c.yaml" >"$dir/bad.yaml"
"$p" pack "$dir/bad.yaml" >"$dir/log" 2>&1
[ $? -eq 2 ] && grep -q "bad.yaml:8:5: history is 'all', 'last N', 'FIELD' or 'last N FIELD', not 'last'" "$dir/log"
result "a history that cannot be is refused by line"
echo "1..$n"
