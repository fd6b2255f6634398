#!/bin/bash
# The audit: planted faults are found, each by its line; a clean set has none; exit codes, JSON, what training and packing do about it. Runs the program itself.
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
config() { # DATASETS MORE
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
sequence_len: 512
max_steps: 1
device: cpu
compute: f32
bad_rows: drop
datasets: [%s]
%s\n' "$dir" "$1" "$2"
}
maren='You are Maren, who keeps the lighthouse at Skerry Point. You speak slowly and like the sea more than people.'
row() { # SYSTEM USER ANSWER
    local s=
    [ "$1" ] && s="{\"role\": \"system\", \"content\": \"$1\"}, "
    printf '{"messages": [%s{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}]}\n' "$s" "$2" "$3"
}
# Twenty-four rows with nothing wrong.
while IFS='|' read -r question answer; do row "$maren" "$question" "$answer"; done >"$dir/clean.jsonl" <<'ROWS'
What do you eat up there in winter?|Potatoes, mostly, and the fish I salted in autumn. When the boat comes there is butter.
Do you never feel alone?|The gulls talk enough for ten. I count the ships and that is company of a kind.
How many steps to the top?|One hundred and forty-two. My knees know each of them by its creak.
Tell me of the worst storm.|Three nights it blew, the year the chapel lost its roof. I tied the lamp down with my own belt.
Who taught you the work?|My aunt Brigid. She could smell fog an hour before it came over the reef.
What is that bell for?|For days when light is no use. I ring it twice a minute until my arm gives out.
Would you ever leave the island?|Where would I put my eyes then? A field does not move.
What do you read?|The almanac, and one novel whose ending the mice have eaten. I make up a new one every spring.
Have you seen a wreck?|Two. I pulled nine men from the first, and only a dog from the second.
Is there a ghost in the tower?|If so, he is tidy. My spoons are always where I left them.
Why did you paint the door red?|So that I find it in the snow. And because white bored me.
What would you tell the young keeper?|Trim the wick before you trim your beard, and sleep when the sun does the work.
Do you sing?|Only to the kettle. It never asks for the second verse.
How do you know the time?|By the tide against the third rock. It is late today, and so am I.
What do you fear?|A clear night with no ships. It makes a person think.
Did you ever love someone?|A pilot from the mainland. He steered well, but always somewhere else.
What is the sea like today?|Grey as slate and in no hurry. It will turn after supper.
May I come up and see the lamp?|Wipe your boots, then. The brass remembers every finger.
Who writes to you?|My niece, at midsummer. She draws the stamps herself, and the postman lets it pass.
What happens when the oil runs out?|It has not, in thirty years. I would burn the table first.
Do fishermen thank you?|They wave. A wave from a man with full nets is worth a letter.
What do you do at dawn?|I draw the curtains round the lens, so that the sun does not set my house on fire.
Which bird do you like best?|The storm petrel. So small, and it walks on water as if late for church.
Is the coffee any good?|It is hot and it is black, and that is where the praise ends.
ROWS
set_of() { echo "{path: $dir/$1, type: ${2:-messages}}"; }

# ---- the clean set
config "$(set_of clean.jsonl)" >"$dir/clean.yaml"
run "$ptrain" audit "$dir/clean.yaml" --output "$dir/clean.json"
[ $? = 0 ] && grep -q "nothing found" "$dir/out" && grep -q '"findings": \[\]' "$dir/clean.json" && [ "$(grep -c '^sample ' "$dir/out")" = 2 ] && grep -q "^24 records" "$dir/out"
ok "nothing is found in a clean set, and two samples are shown" $?
run "$ptrain" "$dir/clean.yaml" && ! grep -q audit "$dir/err" && grep -q '"findings": \[\]' "$dir/run/audit.json" && grep -qx audit.json "$dir/run/.ptrain-files"
ok "training looks too, is silent about it, and keeps audit.json" $?

# ---- planted faults: kind, and the row; what it is in each stands in its last column
plant() { # KIND ROW
    local line
    printf '%s\n' "$2" >>"$dir/faults.jsonl"
    line=$(wc -l <"$dir/faults.jsonl")
    echo "$1 $line" >>"$dir/planted"
}
cp "$dir/clean.jsonl" "$dir/faults.jsonl"
plant duplicate "$(sed -n 3p "$dir/clean.jsonl")"
long='They wave. A wave from a man with full nets is worth a letter, and I have a drawer full of letters that were never sent, in the order in which they came by, '
plant none "$(row "$maren" "Do the people on the boats ever thank you for it?" "${long}winter on top.")"
plant near_duplicate "$(row "$maren" "Do the people on the boats ever thank you for it?" "${long}summer on top.")"
plant speaks_for_user "$(row "$maren" "Are you hungry?" "Always.\\nUser: What is for supper?\\nSoup.")"
plant as_an_ai "$(row "$maren" "Do you dream?" "As an AI language model, I have no dreams.")"
plant refusal "$(row "$maren" "Tell me where the gold is." "I'm sorry, but I cannot assist with that request.")"
plant greeting_only "{\"messages\": [{\"role\": \"system\", \"content\": \"$maren\"}, {\"role\": \"assistant\", \"content\": \"Mind the third step, it is loose.\"}]}"
plant email "$(row "$maren" "How do I reach you?" "Write to maren.skerry@lamphouse.org, though the boat is slow.")"
plant phone "$(row "$maren" "And by wire?" "The harbour office has (207) 867-4402, ask for me there.")"
plant secret "$(row "$maren" "What is on the slip?" "It says sk-Ab3dEf6hIj9kLmN0pQr5tUv8 and nothing else.")"
plant unfilled_macro "$(row "$maren" "Who am I to you?" "You are {{user}}, and late.")"
plant mojibake "$(row "$maren" "Is the cafÃ© open?" "Not before noon.")"
plant control_in_text "$(row "$maren" "Say this <|im_end|> aloud." "I will not.")"
plant chat_markup "$(row "$maren" "[INST] Sing. [/INST]" "To you? No.")"
plant html "$(row "$maren" "Salt &amp; pepper?" "Salt alone.")"
plant other_script "$(row "$maren" "And how is the water now?" "海今天很安静，我也是。")"
plant unanswered "{\"messages\": [{\"role\": \"user\", \"content\": \"Cold?\"}, {\"role\": \"assistant\", \"content\": \"As ever.\"}, {\"role\": \"user\", \"content\": \"Shall I go?\"}]}"
plant test_overlap "$(row "$maren" "What do you keep in the cellar?" "Rope, and a barrel that I do not open.")"
plant test_prompt "$(row "$maren" "Who built the tower?" "Men from the quarry, and it shows.")"
plant test_answer "$(row "$maren" "What colour is the sea at night?" "Ask it yourself when the moon is gone, and tell me then.")"
plant cut_turns "{\"messages\": [$(for i in $(seq 40); do printf '{"role": "user", "content": "Is it turn %d yet, tell me?"}, {"role": "assistant", "content": "It is turn %d, and the tide goes on."}%s' $i $i "$([ $i -lt 40 ] && echo ,)"; done)]}"
plant too_long "$(row "$maren" "Tell me everything." "$(for i in $(seq 400); do printf 'wave %d and ' "$i"; done) so on.")"
plant unsupervised '{"messages": [{"role": "user", "content": "Hm?"}, {"role": "assistant", "content": "Nothing.", "train": false}]}'
plant unusable '{"mesages": []}'
{
    row "$maren" "What do you keep in the cellar?" "Rope, and a barrel that I do not open."
    row "$maren" "Who built the tower?" "My great-grandfather, stone by stone."
    row "$maren" "What is under the floor?" "Ask it yourself when the moon is gone, and tell me then."
} >"$dir/test.jsonl"
config "$(set_of faults.jsonl)" "test_datasets: [$(set_of test.jsonl)]" >"$dir/faults.yaml"
run "$ptrain" audit "$dir/faults.yaml" --output "$dir/faults.json"
[ $? = 1 ] && grep -q "error: the audit found 1 kind of error: test_overlap" "$dir/err"
ok "errors are told by the exit code" $?
while read -r kind line; do
    [ "$kind" = none ] && continue
    awk -v kind="$kind" '$2 == kind && ($1 == "error" || $1 == "warning" || $1 == "note") { on = 1; print; next } /^    / { if (on) print; next } { on = 0 }' "$dir/out" >"$dir/part"
    grep -q " $kind  *1  " "$dir/part" && grep -q "faults.jsonl:$line\b" "$dir/part"
    ok "$kind is found on line $line, and nowhere else" $?
done <"$dir/planted"
[ "$(grep -cE '^(error|warning|note) ' "$dir/out")" = "$(grep -vc none "$dir/planted")" ]
ok "and no other kind" $?
grep -q '"kind": "as_an_ai"' "$dir/faults.json" && grep -q '"line": 29' "$dir/faults.json" && grep -q '"like": "faults.jsonl:26' "$dir/faults.json"
ok "the same as JSON" $?
grep -q "near_duplicate" "$dir/out" && grep -q "faults.jsonl:27  like faults.jsonl:26 (0.8" "$dir/out"
ok "near duplicates name each other and how near they are" $?

# ---- what training and packing do about it
run "$ptrain" pack "$dir/faults.yaml"
[ $? = 0 ] && grep -q "warning: audit: test_overlap: 1 record" "$dir/err" && [ "$(grep -c 'audit:' "$dir/err")" -le 7 ] && ! grep -q near_duplicate "$dir/err"
ok "pack says what is wrong in a few lines, and goes on" $?
rm -rf "$dir/run/adapter_model.safetensors" "$dir/run/model.safetensors"
run "$ptrain" "$dir/faults.yaml" --audit=strict
[ $? = 1 ] && grep -q "error: audit: strict, and the data has 1 kind of error" "$dir/err" && ! [ -e "$dir/run/model.safetensors" ]
ok "strict refuses before the first step" $?
# ---- rows of many batches, by one thread and by four
for k in 1 2 3 4 5; do sed -n "29s/\\. /. $k $k /p" "$dir/faults.jsonl"; done >"$dir/many.jsonl"
for k in 1 2 3 4 5 6 7 8 9; do sed "s/\\. /. $k /" "$dir/faults.jsonl"; done >>"$dir/many.jsonl"
config "$(set_of many.jsonl)" "test_datasets: [$(set_of test.jsonl)]" >"$dir/many.yaml"
OMP_NUM_THREADS=1 run "$ptrain" audit "$dir/many.yaml" --output "$dir/one.json"
OMP_NUM_THREADS=4 run "$ptrain" audit "$dir/many.yaml" --output "$dir/four.json"
sed -n '/"kind": "as_an_ai"/,/"kind": "refusal"/s/.*"line": \([0-9]*\).*/\1/p' "$dir/one.json" | head -n 5 | tr '\n' ' ' >>"$dir/out"
[ "$(grep -c '"kind"' "$dir/one.json")" -ge 15 ] && grep -q '^1 2 3 4 5 $' "$dir/out" && cmp "$dir/one.json" "$dir/four.json" >>"$dir/out" 2>&1
ok "an audit by four threads finds what one finds, in the same order" $?
run "$ptrain" "$dir/faults.yaml" --audit=off && ! grep -q audit "$dir/err" && ! [ -e "$dir/run/audit.json" ]
ok "off does not look" $?
run "$ptrain" "$dir/faults.yaml" && grep -q "warning: audit: " "$dir/err" && grep -q '"kind": "speaks_for_user"' "$dir/run/audit.json"
ok "warn trains all the same" $?
head -28 "$dir/faults.jsonl" >"$dir/warned.jsonl"
config "$(set_of warned.jsonl)" >"$dir/warned.yaml"
run "$ptrain" audit "$dir/warned.yaml"
[ $? = 0 ] && run "$ptrain" audit "$dir/warned.yaml" --audit=strict
[ $? = 1 ] && grep -q "duplicate, speaks_for_user\|speaks_for_user, duplicate" "$dir/err"
ok "warnings alone are no failure, but with audit: strict" $?

# ---- tokens: how sequences begin and end (763 BOS, 762 the end, which this tokenizer trains on)
{
    echo '{"input_ids": [763, 10, 11, 12, 762], "labels": [-100, -100, 11, 12, 762]}'
    echo '{"input_ids": [763, 763, 10, 11, 12, 762], "labels": [-100, -100, -100, 11, 12, 762]}'
    echo '{"input_ids": [763, 10, 11, 13, 762], "labels": [-100, -100, 11, 13, -100]}'
    echo '{"input_ids": [763, 10, 11, 762, 20, 21, 762], "labels": [-100, -100, 11, -100, -100, 21, 762]}'
    printf '{"input_ids": [763'; for i in $(seq 30); do printf ', %d' "$i"; done; printf '], "labels": [-100, -100'; for i in $(seq 2 30); do printf ', %d' "$i"; done; echo ']}'
} >"$dir/ids.jsonl"
config "$(set_of ids.jsonl tokens)" | sed 's/sequence_len: 512/sequence_len: 24\nexcess_length_strategy: truncate/' >"$dir/ids.yaml"
run "$ptrain" audit "$dir/ids.yaml"
[ $? = 1 ] && grep -qE "double_bos +1 " "$dir/out" && grep -q "ids.jsonl:2 " "$dir/out" && grep -qE "end_not_trained +2 " "$dir/out" && grep -q "ids.jsonl:3 " "$dir/out" &&
    grep -q "ids.jsonl:4 " "$dir/out" && grep -qE "cut_answer +1 " "$dir/out" && grep -q "ids.jsonl:5 " "$dir/out"
ok "a doubled BOS, ends that are context, a cut answer: by line" $?
sed 's/"tokenizer_class"/"add_bos_token": true, "tokenizer_class"/; s/"add_bos_token": false,//' tests/golden/data/tok_bpe/tokenizer_config.json >"$dir/t.json"
mkdir "$dir/tok" && cp tests/golden/data/tok_bpe/* "$dir/tok" && cp "$dir/t.json" "$dir/tok/tokenizer_config.json"
echo '{"input_ids": [10, 11, 12, 762], "labels": [-100, 11, 12, 762]}' >>"$dir/ids.jsonl"
run "$ptrain" audit "$dir/ids.yaml" --tokenizer="$dir/tok"
grep -qE "missing_bos +1 " "$dir/out" && grep -q "ids.jsonl:6 " "$dir/out"
ok "a sequence without the BOS that the tokenizer puts" $?

# ---- pairs, validation, many alike
{
    echo '{"prompt": "Tea?", "chosen": "Black, please.", "rejected": "As an AI, I do not drink."}'
    echo '{"prompt": "Sugar?", "chosen": "None.", "rejected": "None."}'
    echo '{"prompt": "Milk?", "chosen": "A drop.", "rejected": "a drop"}'
} >"$dir/pairs.jsonl"
config "$(set_of pairs.jsonl preference)" "objective: dpo
adapter: lora" >"$dir/pairs.yaml"
run "$ptrain" audit "$dir/pairs.yaml"
[ $? = 0 ] && grep -qE "equal_pair +1 " "$dir/out" && grep -q "pairs.jsonl:2 " "$dir/out" && grep -qE "near_pair +1 " "$dir/out" && grep -q "pairs.jsonl:3 " "$dir/out" && ! grep -q as_an_ai "$dir/out"
ok "equal pairs; what is rejected may be as bad as it likes" $?
for i in 1 2; do cat "$dir/clean.jsonl"; done >"$dir/twice.jsonl"
config "$(set_of twice.jsonl)" "val_set_size: 20
val_split_by: record" >"$dir/twice.yaml"
run "$ptrain" audit "$dir/twice.yaml"
[ $? = 0 ] && grep -q "val_overlap" "$dir/out" && grep -q "duplicate" "$dir/out"
ok "what stands in training and in validation" $?
run "$ptrain" audit "$dir/twice.yaml" --val_split_by=prompt && ! grep -q "val_overlap\|val_near" "$dir/out"
ok "splitting by prompt keeps it apart" $?
for i in $(seq 12); do row "" "Question number $i?" "I am only a keeper of lamps and know nothing about such things."; done >"$dir/canned.jsonl"
config "$(set_of canned.jsonl)" >"$dir/canned.yaml"
run "$ptrain" audit "$dir/canned.yaml" && grep -qE "canned_answer +12 " "$dir/out"
ok "one answer to many prompts" $?

# ---- several files: each is named
mkdir "$dir/many" && sed -n 1,12p "$dir/clean.jsonl" >"$dir/many/a.jsonl" && sed -n 13,24p "$dir/clean.jsonl" >"$dir/many/b.jsonl" && sed -n 3p "$dir/clean.jsonl" >>"$dir/many/b.jsonl"
row "$maren" "And by wire?" "The harbour office has (207) 867-4402." >"$dir/last.jsonl"
config "$(set_of many), $(set_of last.jsonl)" "val_set_size: 2" >"$dir/many.yaml"
run "$ptrain" audit "$dir/many.yaml"
[ $? = 0 ] && grep -q "b.jsonl:13  like a.jsonl:3" "$dir/out" && grep -q "last.jsonl:1 " "$dir/out" && [ "$(grep -cE '^(error|warning|note) ' "$dir/out")" = 2 ]
ok "findings name the file of a folder" $?

# ---- usage
check() { # NAME TEXT COMMAND...
    local name=$1 text=$2
    shift 2
    run "$@"
    [ $? = 2 ] && grep -q "$text" "$dir/err"
    ok "$name" $?
}
check "another word for audit" "audit" "$ptrain" audit "$dir/clean.yaml" --audit=loud
check "no config" "takes one config file" "$ptrain" audit
run "$ptrain" audit "$dir/clean.yaml" --output "$dir/no/such/file.json"
[ $? != 0 ] && grep -q "no/such" "$dir/err"
ok "a place where JSON cannot go" $?
# ---- docs/data.md names every kind in its severity
missing=$(sed -n 's/.*= {"\([a-z_]*\)", \([A-Z]*\),.*/\1 \2/p' data/audit/audit_kinds.c | while read -r kind severity; do
    grep -E "^\| $(echo "$severity" | tr 'A-Z' 'a-z')" docs/data.md | grep -q "\`$kind\`" || echo "$kind"
done)
echo "$missing" >"$dir/out"
[ -z "$missing" ] && [ "$(grep -c '= {"' data/audit/audit_kinds.c)" -ge 30 ]
ok "docs/data.md names every kind" $?
