#!/bin/bash
# Texts through the program: answers that are continued, speakers by any name, what templates leave out is counted. Runs the program itself.
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
config() { # FILE TYPE TEMPLATE
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: %s
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
sequence_len: 256
max_steps: 1
device: cpu
compute: f32
datasets: [{path: %s, type: %s}]\n' "$3" "$dir" "$1" "$2"
}
turn() { printf '{"role": "%s", "content": "%s"}' "$1" "$2"; }
echo "{\"messages\": [$(turn user a), $(turn assistant b)]}" >"$dir/d.jsonl"
config "$dir/d.jsonl" messages chatml >"$dir/c.yaml"
run "$ptrain" "$dir/c.yaml"
ok "a run to talk to" $?

# a last answer is continued: the new text stands in response, and the prompt is the answer as far as it goes
echo "{\"messages\": [$(turn user a), $(turn assistant 'The sea')]}" >"$dir/p.jsonl"
echo "{\"prompt\": \"<|im_start|>user\\na<|im_end|>\\n<|im_start|>assistant\\nThe sea\"}" >"$dir/raw.jsonl"
run "$ptrain" generate "$dir/run" --input "$dir/p.jsonl" --temperature 0 --max-new-tokens 8
ok "generate continues a last answer" $?
sed 's/.*"response"/"response"/' "$dir/out" >"$dir/a"
run "$ptrain" generate "$dir/run" --input "$dir/raw.jsonl" --raw --temperature 0 --max-new-tokens 8
sed 's/.*"response"/"response"/' "$dir/out" >"$dir/b"
cmp -s "$dir/a" "$dir/b" && [ -s "$dir/a" ]
ok "its text is what follows the same prompt given raw" $?

# the same table of speakers in training, generate and score; parts of a message; thoughts
for who in human developer model gpt observation function; do
    echo "{\"messages\": [$(turn system s), $(turn "$who" x), $(turn user a), $(turn assistant b)]}" >>"$dir/roles.jsonl"
done
echo '{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b"}]}' >>"$dir/roles.jsonl"
run "$ptrain" generate "$dir/run" --input "$dir/roles.jsonl" --max-new-tokens 2
ok "generate takes the speakers that training takes" $?
run "$ptrain" score "$dir/run" --input "$dir/roles.jsonl"
ok "score does too" $?
echo "{\"messages\": [$(turn stranger a)]}" >"$dir/x.jsonl"
run "$ptrain" score "$dir/run" --input "$dir/x.jsonl"
[ $? = 2 ] && grep -q "x.jsonl:1: .*speaker 'stranger' is unknown" "$dir/err"
ok "and names one that it does not know" $?

# what the template has no place for is counted in the table, and in that of a pack used again
echo '{"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "reasoning_content": "think", "content": "4"}]}' >"$dir/t.jsonl"
echo '{"tools": [{"name": "f"}], "messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}' >>"$dir/t.jsonl"
config "$dir/t.jsonl" messages chatml >"$dir/t.yaml"
for how in made "used again"; do
    run "$ptrain" pack "$dir/t.yaml"
    cat "$dir/out" "$dir/err" | grep -q "thoughts the template has no place for *1" && cat "$dir/out" "$dir/err" | grep -q "lists of tools the template cannot write *1"
    ok "thoughts and tools left out are counted (pack $how)" $?
done
# and what no template here writes: names of speakers, fields nobody reads
echo '{"messages": [{"role": "user", "name": "Ada", "content": "a"}, {"role": "assistant", "content": "4", "annotations": [{"x": 1}], "refusal": null, "audio": ""}]}' >"$dir/n.jsonl"
config "$dir/n.jsonl" messages chatml >"$dir/n.yaml"
run "$ptrain" pack "$dir/n.yaml"
cat "$dir/out" "$dir/err" >"$dir/both"
grep -q "message field 'name' is not in what is trained on" "$dir/both" && grep -q "message field 'annotations' is not" "$dir/both" && ! grep -q "refusal\|audio" "$dir/both"
ok "message fields that nobody reads are counted" $?

# the split's unit is a key
run "$ptrain" pack "$dir/t.yaml" --val_set_size=1 --val_split_by=role
[ $? = 2 ] && grep -q "2 of 2 records have neither a role nor a system text" "$dir/err"
ok "val_split_by: role wants roles" $?
run "$ptrain" pack "$dir/t.yaml" --val_set_size=1 --audit=off
[ $? = 0 ] && grep -q "all 2 records answer one prompt" "$dir/err"
ok "val_set_size with one prompt takes single records, and says so" $?
run "$ptrain" pack "$dir/t.yaml" --val_set_size=1 --val_split_by=record
ok "val_split_by: record splits it" $?
# files as people have them: gzip, CSV, a pretty object; paths with ~ and ${VAR}; pointers of Git LFS and UTF-16 by name, whatever they stand for
printf 'instruction,output\n"a, b","c\nd"\n' | gzip >"$dir/d.csv.gz"
config '~/d.csv.gz' alpaca chatml | sed "s|$dir/run|\${PTRAIN_TEST}/run|" >"$dir/csv.yaml"
HOME=$dir PTRAIN_TEST=$dir run "$ptrain" pack "$dir/csv.yaml"
ok "a packed CSV under ~, output under a variable" $?
PTRAIN_TEST= HOME=$dir run "$ptrain" pack "$dir/csv.yaml" --output_dir='${PTRAIN_NO_SUCH}/x'
[ $? = 2 ] && grep -q "output_dir: the environment variable PTRAIN_NO_SUCH is not set" "$dir/err"
ok "a variable that is not set is named" $?
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n' >"$dir/lfs"
mkdir "$dir/hf" "$dir/tok"
cp "$dir/lfs" "$dir/hf/model.safetensors"
cp "$dir/lfs" "$dir/m.gguf"
cp "$dir/lfs" "$dir/tok/tokenizer.json"
printf '%s' '{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 772, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}' >"$dir/hf/config.json"
cp tests/golden/data/tok_bpe/*.json "$dir/hf" 2>/dev/null
echo "datasets: [{path: $dir/d.jsonl, type: messages}]" >"$dir/rest.yaml"
for what in "base_model: $dir/m.gguf" "base_model: $dir/hf" "tokenizer: $dir/tok" "tokenizer: $dir/lfs"; do
    { case $what in tok*) config "$dir/d.jsonl" messages chatml | grep -v ^tokenizer ;; *) cat "$dir/rest.yaml"; echo "output_dir: $dir/lfsrun" ;; esac; echo "$what"; } >"$dir/l.yaml"
    run "$ptrain" plan "$dir/l.yaml"
    [ $? != 0 ] && grep -q "is a pointer of Git LFS" "$dir/err"
    ok "Git LFS: ${what//$dir\//}" $?
done
run "$ptrain" score "$dir/run" --input "$dir/lfs"
[ $? != 0 ] && grep -q "is a pointer of Git LFS" "$dir/err"
ok "Git LFS: --input" $?
echo '{"prompt": "a"}' | gzip >"$dir/in.gz"
run "$ptrain" generate "$dir/run" --input "$dir/in.gz"
[ $? = 2 ] && grep -q "in.gz is compressed; unpack it: gzip -dc" "$dir/err"
ok "packed --input is named" $?
printf '\377\376o\0u\0t\0' >"$dir/u16.yaml"
run "$ptrain" plan "$dir/u16.yaml"
[ $? != 0 ] && grep -q "u16.yaml is UTF-16" "$dir/err"
ok "a config in UTF-16 is named" $?
{ printf '\357\273\277'; cat "$dir/c.yaml"; } >"$dir/bom.yaml"
run "$ptrain" pack "$dir/bom.yaml"
ok "a config with a byte order mark" $?

# a file of a model's folder that cannot be read is named, not passed over
cp -r tests/golden/data/tok_bpe "$dir/own"
config "$dir/d.jsonl" messages chatml | sed "s,^tokenizer: .*,tokenizer: $dir/own," >"$dir/k.yaml"
run "$ptrain" pack "$dir/k.yaml"
ok "a folder with a tokenizer" $?
for f in generation_config.json chat_template.jinja special_tokens_map.json tokenizer_config.json; do
    [ ! -e "$dir/own/$f" ] || mv "$dir/own/$f" "$dir/kept"
    ln -s ../blobs/gone "$dir/own/$f"
    run "$ptrain" pack "$dir/k.yaml"
    [ $? = 1 ] && grep -q "$f: it is a link that leads nowhere" "$dir/err"
    ok "$f that leads nowhere is named" $?
    rm "$dir/own/$f"
    mkdir "$dir/own/$f"
    run "$ptrain" pack "$dir/k.yaml"
    [ $? = 1 ] && grep -q "$f is not a regular file" "$dir/err"
    ok "a folder in the place of $f is named" $?
    rmdir "$dir/own/$f"
    [ ! -e "$dir/kept" ] || mv "$dir/kept" "$dir/own/$f"
done
# inspect gives a text whole
printf '{"instruction": "a\\u0000b", "output": "c"}\n' >"$dir/d.jsonl"
config "$dir/d.jsonl" alpaca chatml >"$dir/k.yaml"
run "$ptrain" inspect "$dir/k.yaml"
tr '\0' '@' <"$dir/out" | grep -q '^a@b<|im_end|>' && grep -q '«c' "$dir/out"
ok "inspect gives a text with a NUL character whole" $?
echo "1..$n"
