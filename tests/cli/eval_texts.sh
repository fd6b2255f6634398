#!/usr/bin/env bash
# `evaluations` of what a model writes: text metrics base beside tuned, groups, personas, repeats, dumps, bad input by line.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"say $i\"}, {\"role\": \"assistant\", \"content\": \"yes, number $i\"}]}"; done >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
lora_target_linear: true
datasets: [{path: $dir/rows.jsonl, type: messages}]
output_dir: $dir/run
max_steps: 3
batch_rows: 8
sequence_len: 64
learning_rate: 0.05
device: cpu
compute: f32
Y
"$ptrain" "$dir/run.yaml" >"$dir/out" 2>"$dir/err"
task() { # KEYS PATH: a config with one task
    cp "$dir/run.yaml" "$dir/task.yaml"
    echo "evaluations: [{path: $2, $1}]" >>"$dir/task.yaml"
}
rows() { # KEYS ROW...: one with these rows
    local keys=$1
    shift
    printf '%s\n' "$@" >"$dir/items.jsonl"
    task "$keys" "$dir/items.jsonl"
}
ev() {
    rm -f "$dir/task.answers"
    "$ptrain" eval "$dir/task.yaml" --output "$dir/task.json" --answers "$dir/task.answers" "$@" >"$dir/out" 2>"$dir/err" </dev/null
}
tight() { tr -d ' \n' <"$dir/task.json"; }
has() { # METRIC...: each has a value on both sides, with an interval
    for m in "$@"; do tight | grep -q "\"metric\":\"$m\",\"scope\":null,\"before\":{\"value\":-*[0-9.e-]*,\"n\":[1-9][0-9]*,\"ci\":\[-*[0-9.e-]*,-*[0-9.e-]*\]},\"after\":{\"value\":-*[0-9]" || { echo "# no $m"; return 1; }; done
}
lacks() { # METRIC...
    for m in "$@"; do ! tight | grep -q "\"metric\":\"$m\"" || { echo "# $m is there"; return 1; }; done
}
refused() { # TEXT [CODE]: the last command failed, and says so
    [ $? -eq "${2:-1}" ] && grep -qF "$1" "$dir/err" || { echo "# wanted: $1"; return 1; }
}
good='{"question": "Is it day?", "references": ["Yes, it is day."]}'
bad() { # NAME KEYS ROW TEXT [CODE]: a good row, then this one
    rows "$2" "$good" "$3"
    ev
    refused "$4" "$5"
    result "$1"
}

text="task: text, max_new_tokens: 12"
task "$text, name: speech, personas: data/samples/roles_en.json, training: data/samples/eval/text_en.jsonl" data/samples/eval/text_en.jsonl
ev && grep -q "^speech (text, 6 items) *before *after *change" "$dir/out" && grep -q "^Madame Plume *2 " "$dir/out" && [ "$(wc -L <"$dir/out")" -le 100 ] &&
    has rouge_l_f rouge_l_recall rouge_1_f rouge_2_f rouge_lsum_f rouge_lsum_recall bleu bleu_1 bleu_4 chrf meteor perplexity nll_own self_bleu repeated_4grams stopped_share length length_ratio copied_share
result "text: every metric on both sides with its interval, each role's, in 100 columns"
tight | grep -q '"metric":"distinct_2","scope":null,"before":{"value":[0-9.]*,"n":6,"ci":null},"after":{"value":[0-9.]*,"n":6,"ci":null},"p":[01]' && tight | grep -q '"metric":"meteor","scope":"OrlaFenwick"'
result "distinct-n has no interval, but a p"
asked=$(sed -n 's/.*note: \([0-9]*\) questions to the model, \([0-9]*\) of them.*/\1 \2/p' "$dir/err") && [ "$asked" = "$((2 * (6 + 9))) 0" ]
result "each reference is measured once, each question asked once"
task "$text, personas: data/samples/roles_zh.json, dump: $dir/zh.jsonl, temperature: 0.8, top_p: 0.9, repeats: 3" data/samples/eval/text_zh.jsonl
ev && [ "$(grep -c '"side": "before"' "$dir/zh.jsonl")" -eq 12 ] && [ "$(grep -c '"side": "after"' "$dir/zh.jsonl")" -eq 12 ] && [ "$(sed 's/.*"answer": //' "$dir/zh.jsonl" | sort -u | wc -l)" -gt 12 ] &&
    head -n 1 "$dir/zh.jsonl" | grep -q '"item": 1, "repeat": 0, "group": "墨掌柜", "system": "你是墨掌柜.*"prompt": "停电了怎么办？", "references": \["客官.*"stopped": .*"row": {"persona"' && has rouge_l_f length &&
    tight | grep -q '"items":4,' && tight | grep -q '"metric":"length","scope":null,"before":{"value":[0-9.]*,"n":12,'
result "Chinese, three sampled repeats: items are counted once, answers are dumped with their rows"
cp "$dir/zh.jsonl" "$dir/first.jsonl" && ev && cmp -s "$dir/zh.jsonl" "$dir/first.jsonl"
result "asked again: the same dump"
ev --limit 3 && [ "$(wc -l <"$dir/zh.jsonl")" -eq 18 ]
result "--limit takes of every group, and the dump follows"
task "$text, personas: data/samples/roles_zh.json, temperature: 0.8, repeats: 2, seed: 5" data/samples/eval/text_zh.jsonl && ev && cp "$dir/task.answers" "$dir/five.answers" && ev && cmp -s <(sort "$dir/task.answers") <(sort "$dir/five.answers") &&
    sed -i 's/seed: 5/seed: 6/' "$dir/task.yaml" && ev && ! cmp -s <(grep '"text"' "$dir/task.answers" | sed 's/.*"text"//' | sort) <(grep '"text"' "$dir/five.answers" | sed 's/.*"text"//' | sort)
result "a seed of its own"
rows "$text, metrics: [perplexity, chrf]" "$good" '{"question": "Is it night?", "answer": "No."}' && ev && has perplexity nll_own chrf && lacks rouge_l_f bleu distinct_1 && grep -q '2 items' "$dir/out" && ! grep -q "(no group)" "$dir/out"
result "metrics by name; one group has no lines of groups"
rows "$text, metrics: [length]" "$good" && ev && [ "$(grep -c '"text"' "$dir/task.answers")" -eq "$(wc -l <"$dir/task.answers")" ]
result "references are not measured where no metric wants it"
rows "$text, prompts_only: true, system: 'You are {who}.', group_by: who, prompt: '{who}, {question}'" '{"question": "hello?", "who": "A"}' '{"question": "and you?", "who": "B"}' && ev && has length stopped_share && lacks rouge_l_f bleu perplexity length_ratio && grep -q "^B  *1 " "$dir/out"
result "prompts without references: what needs none is measured"
rows "$text, chat: false" "$good" "$good" && ev && has rouge_l_f
result "without a template"
rows "$text, cluster_by: group, units: characters" '{"question": "a?", "references": "yes", "group": "x"}' '{"question": "b?", "references": "no", "group": "x"}' '{"question": "c?", "references": "no", "group": "y"}' && ev && grep -q "interval, by cluster" "$dir/out"
result "clusters by group, by character"

echo '{"greets": ["yes", "good day", "op*"], "never": ["xylophone"]}' >"$dir/lists.json"
rows "$text, lexicon: $dir/lists.json" '{"question": "a?", "references": "yes", "group": "x"}' '{"question": "b?", "references": "no", "group": "y"}' && ev && grep -q "^in the list 'never'  *0.0 % ±0.0" "$dir/out" && tight | grep -q '"metric":"lexicon.greets","scope":null' &&
    tight | grep -q '"metric":"lexicon.never","scope":"y"' && [ "$(grep -c "^± half" "$dir/out")" -eq 1 ]
result "shares of a user's word lists, by group too"

bad "no question" "$text" '{"references": ["a"]}' "items.jsonl:2: the row has no question"
bad "no reference" "$text" '{"question": "a?"}' "items.jsonl:2: the row has no references: nothing to compare with"
bad "references that are none" "$text" '{"question": "a?", "references": []}' "items.jsonl:2: references holds no text: nothing to compare with"
bad "an empty reference" "$text" '{"question": "a?", "references": ["b", "  "]}' "items.jsonl:2: references holds an empty text"
bad "a reference that is a number" "$text" '{"question": "a?", "answer": 3}' "items.jsonl:2: answer holds an integer, not a text"
bad "a system text that is none" "$text" '{"question": "a?", "answer": "b", "system": ["c"]}' "items.jsonl:2: system is a list, not a text"
bad "a persona that does not exist" "$text, personas: data/samples/roles_en.json" '{"question": "a?", "answer": "b", "persona": "Nobody"}' "items.jsonl:2: data/samples/roles_en.json has no persona 'Nobody'"
bad "a prompt's field that the row has not" "$text, prompt: '{who}'" "$good" "items.jsonl:1: the prompt wants {who}: the row has no such field"
bad "a field to cluster by that rows have not" "$text, cluster_by: who" "$good" "items.jsonl:1: the row has no field 'who', which cluster_by names"
bad "repeats that say the same" "$text, repeats: 2" "$good" "repeats goes with a temperature above 0" 2
bad "a metric that is none" "$text, metrics: [rouge]" "$good" "metrics: the task text has no 'rouge'; it has: rouge_l_f, bleu," 2
bad "a dump in no folder" "$text, dump: $dir/none/x.jsonl" "$good" "dump: there is no folder for $dir/none/x.jsonl" 2
bad "a dump over something else" "$text, dump: $dir/rows.jsonl" "$good" "rows.jsonl is there and is no dump of answers: it is left alone" 2
rows "$text, training: $dir/train.jsonl" "$good" && printf '{"reference": "a"}\n{"quest": 1}\n' >"$dir/train.jsonl" && ev
refused "train.jsonl:2: the row has no references"
result "a training answer that is none"
echo '{"greets": []}' >"$dir/lists.json"
bad "an empty word list" "$text, lexicon: $dir/lists.json" "$good" "lists.json: 'greets' is empty"
rows "$text" && : >"$dir/items.jsonl" && ev
refused "items.jsonl is empty"
result "an empty file"

talk='{"messages": [{"role": "system", "content": "You are Orla."}, {"role": "user", "content": "Fog?"}, {"role": "assistant", "content": "It lifts."}, {"role": "user", "content": "When?"}, {"role": "assistant", "content": "At noon."}]}'
rows "$text, dump: $dir/talk.jsonl, metrics: [perplexity, rouge_l_f]" "$talk" '{"messages": [{"from": "human", "value": "Fog?"}], "system": "You are Orla.", "references": ["It lifts.", "Yes."]}' '{"question": "Fog?", "system": "You are Orla.", "references": ["It lifts.", "Yes."]}' &&
    ev && has perplexity rouge_l_f && head -n 1 "$dir/talk.jsonl" | grep -q '"prompt": null, "references": \["At noon."\], "answer"' && grep -q "note: $((2 * (1 + 1 + 2 + 1))) questions to the model" "$dir/err" &&
    [ "$(sed -n 's/.*"answer": \(.*\), "row".*/\1/p' "$dir/talk.jsonl" | sed -n 2p)" = "$(sed -n 's/.*"answer": \(.*\), "row".*/\1/p' "$dir/talk.jsonl" | sed -n 3p)" ]
result "conversations: the last answer is the reference; one question is the same in both forms"
rows "$text, chat: false" "$talk" && ev
refused "a conversation (messages) is asked through a chat template" 2
result "a conversation without a template"
bad "a message that is none" "$text" '{"messages": [{"role": "user", "content": 3}]}' 'items.jsonl:2: message 1 is no {"role": TEXT, "content": TEXT}'
bad "a speaker whom nobody knows" "$text" '{"messages": [{"role": "ghost", "content": "boo"}]}' "items.jsonl:2: message 1: nobody is called 'ghost'"
bad "a conversation of an answer alone" "$text" '{"messages": [{"role": "system", "content": "x"}, {"role": "assistant", "content": "boo"}]}' "items.jsonl:2: messages hold nothing that is to be answered"
bad "messages that are none" "$text" '{"messages": "hello"}' "items.jsonl:2: messages are a text"
bad "a conversation without a reference" "$text" '{"messages": [{"role": "user", "content": "boo"}]}' "items.jsonl:2: the row has no references"

match="task: match, max_new_tokens: 12"
task "$match, name: exact, dump: $dir/match.jsonl" data/samples/eval/match_en.jsonl
ev && grep -q "^exact (match, 10 items) *before *after" "$dir/out" && grep -q "^field 'loves' is right  *0.0 % ±0.0" "$dir/out" && grep -q "^card  *2 " "$dir/out" && [ "$(wc -L <"$dir/out")" -le 100 ] &&
    has normal_match token_f1 exact_match contains_match pattern_match json_fields json_whole json_parse_failures span_f1 span_precision span_recall span_parse_failures field.kind span_f1_macro span.WHO && lacks rouge_l_f length &&
    tight | grep -q '"metric":"span.WHERE","scope":null,"before":{"value":0.0' && tight | grep -q '"metric":"json_fields","scope":"card","before":{"value":0.0,"n":2,' && tight | grep -q '"metric":"json_fields","scope":"facts","before":{"value":null,"n":0,' && [ "$(wc -l <"$dir/match.jsonl")" -eq 20 ]
result "match: references, patterns, JSON fields, slots and labels, each by itself"
# what was answered is known: rows that want just that
task "$match" data/samples/eval/match_en.jsonl && sed -i 's/match, max/match, metrics: [exact_match], dump: DUMP, max/; s#DUMP#'"$dir/own.jsonl"'#' "$dir/task.yaml" && ev && grep '"side": "before"' "$dir/own.jsonl" |
    sed 's/^{.*"prompt": \(.*\), "references": .*"answer": \(.*\), "stopped".*/{"question": \1, "references": ["no, never", \2]}/' >"$dir/known.jsonl" && task "$match" "$dir/known.jsonl" && ev &&
    tight | grep -q '"metric":"exact_match","scope":null,"before":{"value":1.0,"n":10,' && tight | grep -q '"metric":"token_f1","scope":null,"before":{"value":1.0,"n":10,' && tight | grep -q '"metric":"contains_match","scope":null,"before":{"value":1.0,'
result "a model's own answers as references: all exact"
task "$match" data/samples/eval/match_zh.jsonl && ev && has normal_match pattern_match json_fields span_f1 "field.住处" "span.名字"
result "Chinese names of slots and fields"
rows "$match, pattern: '.'" '{"question": "a?"}' '{"question": "b?", "pattern": "^$"}' && ev && tight | grep -q '"metric":"pattern_match","scope":null,"before":{"value":0.5,"n":2,'
result "a pattern for all rows, and a row's own"
rows "$match" '{"question": "a?", "answers": {"text": ["b", "c"], "answer_start": [1, 2]}}' '{"question": "b?", "gold": "c"}' && ev && has token_f1
result "SQuAD's rows"
bad "nothing to compare with" "$match" '{"question": "a?"}' "items.jsonl:2: the row has no references (nor pattern, json, labels, slots): nothing to compare with"
bad "a bad pattern" "$match" '{"question": "a?", "pattern": "[a"}' "items.jsonl:2: pattern '[a' is no regular expression: "
bad "a bad pattern for all" "$match, pattern: '(a'" '{"question": "a?", "answer": "b"}' "items.jsonl:1: pattern '(a' is no regular expression: "
bad "labels that are none" "$match" '{"question": "a?", "labels": ["B-X", "E-X"]}' "items.jsonl:2: label 2, 'E-X', is none of O, B-X, I-X"
bad "no fields" "$match" '{"question": "a?", "json": {}}' "items.jsonl:2: json is empty"
bad "a slot in a slot" "$match" '{"question": "a?", "slots": {"b": {"c": "d"}}}' "items.jsonl:2: slot 'b' holds an object"
echo "1..$n"
