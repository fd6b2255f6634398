#!/bin/bash
# Each format as `ptrain inspect` shows it: at least three records of each, with what is trained on in « », beside texts that a person has read
# (tests/golden/data/inspect/shown/NAME.txt); and every example of docs/data.md, which is read as the line says (docs.txt there).
# PTRAIN_INSPECT_TO=FOLDER writes what is shown now, to be read before it is committed.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
data=tests/golden/data want=tests/golden/data/inspect/shown
mkdir "$dir/in" "$dir/got"
n=0
result() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        [ -s "$dir/why" ] && head -n 30 "$dir/why" | sed 's/^/# /'
        echo "not ok $n - $1"
    fi
}
same() { # NAME: the text of a format
    [ -z "$PTRAIN_INSPECT_TO" ] || cp "$dir/got/$1.txt" "$PTRAIN_INSPECT_TO/" 2>/dev/null
    diff "$want/$1.txt" "$dir/got/$1.txt" >"$dir/why" 2>&1
}
# NAME, a file of tests/golden/data, the keys of the data set. One run reads all of an objective; `own` is sft by a template's own text.
formats() {
    case $1 in
    sft) cat <<'F'
messages inspect/messages.jsonl type: messages
openai inspect/openai.jsonl type: messages
sharegpt inspect/sharegpt.jsonl type: sharegpt
ultrachat inspect/ultrachat.jsonl type: sharegpt
people inspect/people.jsonl type: sharegpt, view_of: Ann, thoughts: own
people_each inspect/people.jsonl type: messages, view_of: each, speaker_names: always
alpaca inspect/alpaca.jsonl type: alpaca
alpaca_forms inspect/alpaca_forms.jsonl type: alpaca
csv inspect/table.csv type: alpaca
tsv inspect/table.tsv type: alpaca
gz inspect/alpaca.jsonl type: alpaca
text inspect/text.jsonl type: text
lines inspect/lines.txt type: text
tokens inspect/tokens.jsonl type: tokens
rolebench inspect/rolebench.jsonl type: rolebench, references: all, profiles: tests/golden/data/inspect/profiles.json
folder inspect/folder dataset: "identity,talks,first"
card cards/ann.json type: card, greeting: train
card_png cards/ann_v3.png type: card
card_charx cards/ann.charx type: card, greeting: drop
sillytavern cards/chat.jsonl type: sillytavern
sillytavern_group cards/group.jsonl type: sillytavern, greeting: train
convai2 formats/convai2.txt type: convai2
convai2_json formats/convai2.json type: convai2
personachat formats/personachat.jsonl type: personachat
chatharuhi formats/chatharuhi.jsonl type: chatharuhi
haruhi_54k formats/haruhi_54k.jsonl type: chatharuhi
character_llm formats/character_llm.jsonl type: character_llm
characterglm formats/characterglm.json type: characterglm
characterbench formats/characterbench.jsonl type: characterbench, field_weight: annotation_score
characterchat formats/characterchat.jsonl type: characterchat
characterbox formats/characterbox.json type: characterbox
charactereval formats/charactereval.jsonl type: charactereval, profiles: tests/golden/data/formats/charactereval_profiles.json
coser formats/coser.json type: coser
coser_test formats/coser_test.json type: coser
beyond_dialogue formats/beyond_dialogue.jsonl type: beyond_dialogue
lamp formats/lamp.json type: lamp, outputs: tests/golden/data/formats/lamp_outputs.json
F
        ;;
    own) cat <<'F'
tools inspect/tools.jsonl type: messages
thoughts inspect/thoughts.jsonl type: messages
thoughts_mask inspect/thoughts.jsonl type: messages, thinking: mask
thoughts_strip inspect/thoughts.jsonl type: messages, thinking: strip
F
        ;;
    orpo) cat <<'F'
preference inspect/preference.jsonl type: preference, field_margin: margin
transcripts inspect/transcripts.jsonl type: preference
openai_pairs inspect/openai_pairs.jsonl type: messages
swift_pairs inspect/swift_pairs.jsonl type: preference
ranking inspect/ranking.jsonl type: alpaca
sharegpt_ranking inspect/sharegpt_ranking.jsonl type: sharegpt
mindset inspect/mindset.jsonl type: mindset
swipes cards/chat.jsonl type: sillytavern
F
        ;;
    kto) echo 'unpaired inspect/unpaired.jsonl type: unpaired' ;;
    plackett_luce) echo 'rated inspect/rated.jsonl type: rated' ;;
    classify) echo 'labels inspect/labels.jsonl type: labels, labels: [introvert, extravert]' ;;
    regress) echo 'traits inspect/traits.jsonl type: labels, labels: [warmth, order]' ;;
    pretrain) echo 'pretrain inspect/text.jsonl type: text' ;;
    esac
}
config() { # OBJECTIVE, its data sets on standard input
    local template='chat_template: chatml' objective=$1
    [ "$1" = own ] && objective=sft template="chat_template_jinja: $data/inspect/own.jinja"
    { printf 'init: random
tokenizer: tests/golden/data/tok_bpe
%s
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
adapter: lora
sequence_len: 4096
val_set_size: 0
device: cpu
objective: %s
datasets:\n' "$template" "$dir" "$objective" && cat; } >"$dir/c.yaml"
}
sets() { # OBJECTIVE: copies each file under the format's name, so that a sample says whose it is
    local name file keys to
    while read -r name file keys; do
        to=$dir/in/$name
        [ -d "$data/$file" ] || to=$to.${file##*.}
        cp -r "$data/$file" "$to"
        [ "$name" = gz ] && gzip "$to" && to=$to.gz
        echo "  - {path: $to, $keys}"
    done < <(formats "$1")
}
show() { # all samples
    "$ptrain" inspect "$dir/c.yaml" --sample 0-999999 >"$dir/out" 2>"$dir/why" </dev/null
    local all
    all=$(sed -n 's/.*there are \([0-9]*\) samples.*/\1/p' "$dir/why")
    [ -n "$all" ] && "$ptrain" inspect "$dir/c.yaml" --sample "0-$((all - 1))" >"$dir/out" 2>"$dir/why" </dev/null
}

for objective in sft own orpo kto plackett_luce classify regress pretrain; do
    config $objective < <(sets $objective)
    show && ! grep '^left out' "$dir/out" >"$dir/why"
    result "$objective: every row of its formats is read" $?
    awk -v in_="$dir/in/" -v to="$dir/got/" '
        /^sample [0-9]+  / { sub(/^sample [0-9]+  /, ""); sub(/^.*\/in\//, ""); name = $0; sub(/[.\/:].*/, "", name); if (name ~ /^folder/) name = "folder" }
        { print >(to name ".txt") }' "$dir/out"
    while read -r name _; do
        same "$name"
        result "$objective: $name" $?
    done < <(formats $objective)
done

# ---- docs/data.md: each example of its tables of types, as written there -------------------------------------------------
# Lines "OBJECTIVE TYPE FILE" in $dir/examples; the files are made. What an example is of (the lines of a chat file, answers in a file of their own) is said here.
awk -F'|' -v to="$dir/in/" '
    /^## Preferences/ { judged = 1 }
    /^\| type \| a row / { on = 1; next }
    !/^\|/ { on = 0 }
    on && /^\| `/ {
        split($2, name, "`"); type = name[2]; n = split($3, part, "`"); chat = ""
        for (i = 2; i <= n; i += 2) {
            if (part[i] !~ /^[{0-9]/) continue
            gsub(/<TAB>/, "\t", part[i])
            if (part[i] ~ /^[{]"golds"/) { print part[i] >(to "golds.json"); continue }
            whole = part[i] !~ /^[0-9]/ && type != "sillytavern" # else a line of a file
            if (whole || !chat) chat = to "docs_" type "_" ++k[type] (whole ? ".json" : type == "convai2" ? ".txt" : ".jsonl")
            print part[i] >chat
            if (chat in seen) continue
            seen[chat] = 1
            pairs = part[i] ~ /"(non_preferred_output|rejected|rejected_response)"/ || type == "mindset"
            print pairs ? "orpo" : !judged ? "sft" : type == "labels" ? "classify" : type == "rated" ? "plackett_luce" : "kto", type, chat
        }
    }' docs/data.md >"$dir/examples"
keys() { # TYPE: what its example needs beside it
    case $1 in
    labels) echo ', labels: [introvert, extravert]' ;;
    lamp) echo ", outputs: $dir/in/golds.json" ;;
    rolebench) echo ", profiles: $data/inspect/ann.json" ;;
    charactereval) echo ", profiles: $data/inspect/ann.json" ;;
    esac
}
for objective in sft orpo kto plackett_luce classify; do
    config $objective < <(awk -v o=$objective '$1 == o { print $2, $3 }' "$dir/examples" | while read -r type file; do echo "  - {path: $file, type: $type$(keys "$type")}"; done)
    show && ! grep '^left out' "$dir/out" >"$dir/why"
    result "docs/data.md, $objective: each example is a row of its type" $?
    sed 's,^sample [0-9]*  .*/in/,,' "$dir/out" >"$dir/got/docs_$objective.txt"
    same docs_$objective
    result "docs/data.md, $objective: as they are shown" $?
done
types=$(sed -n 's/^override READERS := \(.*\) $(READERS)/\1/p' Makefile)
missing=$(for t in $types; do grep -q " $t /" "$dir/examples" || echo "$t"; done)
echo "types without an example: $missing" >"$dir/why"
[ -n "$types" ] && [ -z "$missing" ]
result "docs/data.md: every type of data has an example" $?
"$ptrain" help datasets >"$dir/help" 2>"$dir/why"
keys=$(awk -F'|' '/^\| type \| a row / { on = 1; next } !/^\|/ { on = 0 } on { n = split($4, w, "`"); for (i = 2; i <= n; i += 2) if (w[i] ~ /^[a-z_]+$/) print w[i] }' docs/data.md | sort -u)
wrong=$(for k in $keys; do grep -qw "$k" "$dir/help" || echo "$k"; done)
echo "keys that no data set has: $wrong" >"$dir/why"
many=$(wc -w <<<"$keys")
[ "$many" -gt 20 ] && [ -z "$wrong" ]
result "docs/data.md: the keys of its tables are keys ($many)" $?
echo "1..$n"
