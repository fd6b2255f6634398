#!/bin/bash
# Data and templates that cannot be used, through the program: the message names the file and the line and says what fits, the exit code is not 0, and nothing
# is written.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        sed 's/^/# /' "$dir/out" "$dir/err" | cut -c1-400
        echo "not ok $n - $1"
    fi
}
config() { # KEYS OF THE DATA SET, MORE LINES
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
dataset_prepared_path: %s/packs
sequence_len: 512
max_steps: 1
device: cpu
datasets: [{%s}]\n%s\n' "$dir" "$dir" "$1" "${2:-chat_template: chatml}" >"$dir/c.yaml"
}
refused() { # NAME, PART OF THE MESSAGE: by config(); neither packing nor training leaves anything
    local ok=0 how
    for how in pack train; do
        rm -rf "$dir/run" "$dir/packs"
        if [ $how = pack ]; then "$ptrain" pack "$dir/c.yaml"; else "$ptrain" "$dir/c.yaml"; fi >"$dir/out" 2>"$dir/err" </dev/null
        { [ $? -ge 1 ] && grep -qF -- "$2" "$dir/err" && [ -z "$(find "$dir/run" "$dir/packs" -type f 2>/dev/null)" ]; } || ok=1
        [ $ok = 0 ] || { echo "$how: $2: $(find "$dir/run" "$dir/packs" -type f 2>/dev/null)" >>"$dir/err"; break; }
    done
    result "$1" $ok
}
row() { printf '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}]}\n' "$1" "$2"; }

for i in 1 2 3; do row "ask $i" "say $i"; done >"$dir/good.jsonl"
config "path: $dir/good.jsonl, type: messages"
"$ptrain" pack "$dir/c.yaml" >"$dir/out" 2>"$dir/err" && [ -n "$(find "$dir/packs" -name '*.h5')" ]
result "good rows are packed" $?

# ---- rows -----------------------------------------------------------------------------------------------------------------
printf 'instruction,output\na,b\n"c\nd",e\nf,g,h\ni\n' >"$dir/ragged.csv"
config "path: $dir/ragged.csv, type: alpaca, bad_rows: 0"
refused "CSV: a record of more fields than the header has" "ragged.csv:5: "
printf 'instruction,output\na,b\n"c,d\ne,f\n' >"$dir/open.csv"
config "path: $dir/open.csv, type: alpaca"
refused "CSV: a quote that is never closed" "open.csv:3: "
{ cat "$dir/good.jsonl"; echo '{"messages": [{"role": "user", "content": "x"]}'; } >"$dir/broken.jsonl"
config "path: $dir/broken.jsonl, type: messages"
refused "JSON that is broken" "broken.jsonl:4:"
{ cat "$dir/good.jsonl"; row x "$(printf '\377')"; } >"$dir/latin.jsonl"
config "path: $dir/latin.jsonl, type: messages"
refused "bytes that are no UTF-8" "latin.jsonl:4:"
echo '{"prompt": "q", "chosen": "a", "rejected": "b"}' >"$dir/pairs.jsonl"
config "path: $dir/pairs.jsonl, type: messages"
refused "rows of another type are told which one reads them" "pairs.jsonl:1: no field 'messages'; the row has 'prompt', 'chosen', 'rejected'; this shape is read with type: preference"
echo '{"role": "Ann", "question": "q", "generated": ["a"]}' >"$dir/bench.jsonl"
config "path: $dir/bench.jsonl, type: sharegpt"
refused "rows of rolebench too" "this shape is read with type: rolebench"
config "path: $dir/good.jsonl, type: messages, view_of: Ann"
refused "a speaker nobody has" "nobody is called 'Ann'"
printf '%s\n' '{"user_name": "Tom", "character_name": "Ann"}' '{"name": "Tom", "is_user": true, "mes": "Late?"}' '{"name": "Ann", "is_user": false, "mes": "It is {{time}}."}' >"$dir/chat.jsonl"
config "path: $dir/chat.jsonl, type: sillytavern"
refused "a macro without a value" "chat.jsonl:1: "

# ---- cards ----------------------------------------------------------------------------------------------------------------
config "path: tests/golden/data/cards/plain.png, type: card"
refused "a picture without a card" "plain.png"
echo '{"spec": "chara_card_v4", "spec_version": "4.0", "data": {"name": "A"}}' >"$dir/card.json"
config "path: $dir/card.json, type: card"
refused "a card of another version" "card.json:1: a card of spec 'chara_card_v4' 4.0"
head -c 60 tests/golden/data/cards/ann.png >"$dir/cut.png"
config "path: $dir/cut.png, type: card"
refused "a picture that is cut off" "cut.png"
head -c 200 tests/golden/data/cards/ann.charx >"$dir/cut.charx"
config "path: $dir/cut.charx, type: card"
refused "an archive that is cut off" "cut.charx"

# ---- packed files ---------------------------------------------------------------------------------------------------------
for i in $(seq 2000); do row "ask $i $RANDOM" "say $i $RANDOM"; done | gzip >"$dir/whole.jsonl.gz"
head -c 9000 "$dir/whole.jsonl.gz" >"$dir/cut.jsonl.gz"
config "path: $dir/cut.jsonl.gz, type: messages"
refused "gzip that is cut off" "cut.jsonl.gz"
{ head -c 9000 "$dir/whole.jsonl.gz"; head -c 300 /dev/zero; tail -c +9301 "$dir/whole.jsonl.gz"; } >"$dir/holed.jsonl.gz"
config "path: $dir/holed.jsonl.gz, type: messages"
refused "gzip with a hole" "holed.jsonl.gz"
{ printf '{"text": "'; head -c 150000000 /dev/zero | tr '\0' a; printf '"}\n'; } | gzip -1 | gzip -1 >"$dir/bomb.gz.gz"
mv "$dir/bomb.gz.gz" "$dir/bomb.jsonl.gz"
config "path: $dir/bomb.jsonl.gz, type: text"
refused "gzip within gzip" "bomb.jsonl.gz"
gzip -dc "$dir/bomb.jsonl.gz" >"$dir/line.jsonl.gz"
config "path: $dir/line.jsonl.gz, type: text"
(
    ulimit -v 400000
    export OMP_NUM_THREADS=1
    "$ptrain" pack "$dir/c.yaml" >"$dir/out" 2>"$dir/err" </dev/null
    [ $? = 1 ]
) && grep -q "line.jsonl.gz" "$dir/err" && [ -z "$(find "$dir/packs" -type f 2>/dev/null)" ]
result "a line of 150 MB out of $(($(stat -c %s "$dir/line.jsonl.gz") / 1000)) kB ends with a message in 400 MB of memory" $?

# ---- templates ------------------------------------------------------------------------------------------------------------
template() { printf '%s' "$1" >"$dir/t.jinja" && config "path: $dir/good.jsonl, type: messages" "chat_template_jinja: $dir/t.jinja"; }
template '{% for i in range(99999999) %}{% for j in range(99999999) %}{% endfor %}{% endfor %}{% for m in messages %}{{ m.content }}{% endfor %}'
refused "a template that does not end" "line 1, column"
template $'{% for m in messages %}\n{{ m.content | shout }}{% endfor %}'
refused "a filter that nobody knows" "line 2, column"
template '{% for m in messages %}{{ m.content }}'
refused "a block that is not closed" "line 1"
echo "1..$n"
