#!/bin/bash
# Character cards and SillyTavern's chats through the program: three records a format as the template writes them (tests/golden/data/cards/*.txt, read by hand: « » stand
# around what is trained on), folders of them, cards as profiles, and what is said of files that are none. Runs the program itself.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
data=tests/golden/data/cards
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
says() { grep -qF -- "$1" "$dir/out"; }
config() { # PATH TYPE [MORE KEYS OF THE DATA SET]
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
dataset_prepared_path: %s/packs
sequence_len: 1024
max_steps: 1
device: cpu
compute: f32
datasets: [{path: %s, type: %s%s}]\n' "$dir" "$dir" "$1" "$2" "$3" >"$dir/c.yaml"
}
samples() { # GOLDEN SAMPLES [OPTION]: those of the config
    : >"$dir/all"
    for i in $2; do run "$ptrain" inspect "$dir/c.yaml" --sample "$i" ${3:+"$3"} || return 1; sed -n '/^sample/,$p' "$dir/out" >>"$dir/all"; done
    [ "${UPDATE:-}" ] && cp "$dir/all" "$data/$1"
    diff "$data/$1" "$dir/all" >"$dir/err"
}

config $data/ann.png card ', greeting: train'
samples card.txt "0 1 2"
ok "a card: its dialogues, its greeting as an answer" $?
config $data/chat.jsonl sillytavern ", profiles: $data/ann_v3.png"
samples chat.txt 0
ok "a chat with its card" $?
config $data/group.jsonl sillytavern
samples group.txt "0 1"
ok "a group chat: two points of view" $?
config $data/chat.jsonl sillytavern
samples swipes.txt "0 1 2" --objective=dpo
ok "swipes as pairs" $?
run "$ptrain" pack "$dir/c.yaml" && says 'hidden messages (is_system) are left out' && says 'extra.reasoning of messages is not in what is trained on'
ok "what a chat holds and nobody reads is counted" $?

mkdir "$dir/cards"
cp $data/ann.png $data/ann_v3.png $data/ben.json $data/ann.charx "$dir/cards"
config "$dir/cards" card
run "$ptrain" pack "$dir/c.yaml" && says 'cards without an example dialogue give no record' && says 'character_book: entries that wait for a word'
ok "a folder of cards; one gives nothing and says why" $?
cp $data/plain.png "$dir/cards/broken.png"
run "$ptrain" pack "$dir/c.yaml"
[ $? = 1 ] && grep -q "broken.png.*is a PNG image without a character card" "$dir/err"
ok "a picture without a card is refused by name" $?
run "$ptrain" pack "$dir/c.yaml" --bad_rows=0.5 && grep -q 'rows cannot be used' "$dir/err"
ok "or left out and counted" $?

# a pack follows the cards in a folder of profiles
rm "$dir"/cards/*
mkdir -p "$dir/cards"
cp $data/ben.json "$dir/cards"
echo '{"role": "Ben", "question": "Who are you?", "generated": ["Ben."]}' >"$dir/roles.jsonl"
config "$dir/roles.jsonl" rolebench ", profiles: $dir/cards"
run "$ptrain" inspect "$dir/c.yaml" && says 'Ben is the harbour pilot.'
ok "a folder of cards as profiles" $?
sed -i 's/pilot/baker/' "$dir/cards/ben.json"
run "$ptrain" inspect "$dir/c.yaml" && says 'Ben is the harbour baker.'
ok "a card that changed makes another pack" $?

for case in "$data/plain.png|without a character card" "$data/chat.jsonl|no field 'name'"; do
    config "${case%%|*}" card
    run "$ptrain" pack "$dir/c.yaml"
    [ $? = 1 ] && grep -q "${case%%|*}" "$dir/err" && grep -qF "${case##*|}" "$dir/err"
    ok "${case%%|*} is no card: ${case##*|}" $?
done
printf 'RIFF\0\0\0\0WEBPVP8 ' >"$dir/x.png"
config "$dir/x.png" card
run "$ptrain" pack "$dir/c.yaml"
[ $? != 0 ] && grep -q 'x.png is a WebP image' "$dir/err"
ok "a WebP image is refused by name" $?
sed 1d $data/chat.jsonl >"$dir/headless.jsonl"
config "$dir/headless.jsonl" sillytavern
run "$ptrain" pack "$dir/c.yaml"
[ $? = 1 ] && grep -q 'headless.jsonl:1: the chat has no first line {user_name' "$dir/err"
ok "a chat without its first line is refused" $?
config $data/chat.jsonl sillytavern ', greeting: loud'
run "$ptrain" pack "$dir/c.yaml"
[ $? = 2 ] && grep -q "c.yaml:11:.*greeting is 'context', 'train' or 'drop'" "$dir/err"
ok "a word that greeting does not know is the config's fault, by line" $?
echo "1..$n"
