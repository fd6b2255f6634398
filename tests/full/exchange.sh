#!/bin/bash
# exchange.sh: files exchanged both ways with llama.cpp's programs: models over several files (llama-gguf-split), importances in both formats
# (llama-imatrix), quantised with them (llama-quantize). LLAMA_BIN: the folder of these programs.
cd "$(dirname "$0")/../.." || exit 2
ptrain=$(realpath "${PTRAIN:-build/ptrain}") bin=${LLAMA_BIN:-}
skip() { echo "1..1"; echo "ok 1 - files of llama.cpp's programs # SKIP $1"; exit 0; }
for p in llama-gguf-split llama-imatrix llama-quantize; do
    [ -x "$bin/$p" ] || skip "no $p (LLAMA_BIN names the folder of llama.cpp's programs)"
done
text=../shared/data/text/tinyshakespeare_train.txt
[ -e $text ] || skip "no $text"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0 failed=0
result() { # NAME: by the exit code of what stands before it
    local rc=$?
    n=$((n + 1))
    if [ $rc -eq 0 ]; then echo "ok $n - $1"; else
        tail -n 5 "$dir/log" | sed 's/^/# /'
        echo "not ok $n - $1"
        failed=1
    fi
}
says() { "$ptrain" score "$1" --compute=f32 --input "$dir/d.jsonl" 2>>"$dir/log" | grep -o '"nll":[^,}]*'; }
head -c 40000 $text >"$dir/t.txt"
echo '{"text": "Before we proceed any further, hear me speak."}' >"$dir/d.jsonl"
printf 'init: random\nmodel_config: {family: llama, hidden_size: 256, intermediate_size: 512, num_hidden_layers: 4, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 800}\ntokenizer: tests/golden/data/tok_bpe
objective: pretrain\ndatasets: [{path: %s/d.jsonl, type: text}]\noutput_dir: %s/run\nsequence_len: 64\nmax_steps: 2\nval_set_size: 0\ndevice: cpu\ncompute: f32\n' "$dir" "$dir" >"$dir/run.yaml"
"$ptrain" "$dir/run.yaml" >"$dir/log" 2>&1 && "$ptrain" export "$dir/run" --to gguf --type F32 --out "$dir/m.gguf" >"$dir/log" 2>&1
result "a model"
want=$(says "$dir/m.gguf")
"$ptrain" export "$dir/run" --to gguf --type F32 --out "$dir/s.gguf" --split-max-size 3M >"$dir/log" 2>&1 && first=$(echo "$dir"/s-00001-of-*.gguf) && [ -e "$first" ] && "$bin/llama-gguf-split" --merge "$first" "$dir/merged.gguf" >"$dir/log" 2>&1 && [ "$want" = "$(says "$dir/merged.gguf")" ]
result "llama-gguf-split merges our files"
"$bin/llama-gguf-split" --split --split-max-size 3M "$dir/m.gguf" "$dir/l" >"$dir/log" 2>&1 && first=$(echo "$dir"/l-00001-of-*.gguf) && [ -e "$first" ] && [ "$want" = "$(says "$first")" ]
result "its files are read"
"$bin/llama-gguf-split" --split --split-max-tensors 5 --no-tensor-first-split "$dir/m.gguf" "$dir/k" >"$dir/log" 2>&1 && first=$(echo "$dir"/k-00001-of-*.gguf) && [ -e "$first" ] && [ "$want" = "$(says "$first")" ]
result "with a first file of keys alone too"

"$ptrain" imatrix "$dir/m.gguf" --input "$dir/t.txt" --context 64 --tokens 1024 --compute=f32 --out "$dir/ours.gguf" >"$dir/log" 2>&1
result "importances"
for f in gguf dat; do
    "$bin/llama-imatrix" -m "$dir/m.gguf" -f "$dir/t.txt" -c 64 --chunks 16 --no-ppl -ctk f32 -ctv f32 -fa off -t "$(nproc)" --output-format $f -o "$dir/theirs.$f" >"$dir/log" 2>&1
    result "llama-imatrix writes $f"
done
# Both hold sums and counts of each matrix by name at their end: 4 layers of 7 matrices.
numbers() { tail -c $((4 * 4 * (6 * 256 + 512))) "$1" | od -An -v -w4 -tf4; }
most=$(paste <(numbers "$dir/ours.gguf") <(numbers "$dir/theirs.gguf") | awk '{ d = $1 - $2; if (d < 0) d = -d; if ($2 > 0 && d / $2 > m) m = d / $2; n++ } END { print (n > 8000 ? m + 0 : 1) }')
awk -v m="$most" 'BEGIN { exit !(m < 1e-4) }'
result "importances equal llama-imatrix's within ${most:-?}"
for t in Q4_K_M Q2_K; do
    for im in ours.gguf theirs.gguf theirs.dat; do
        "$ptrain" export "$dir/m.gguf" --to gguf --type $t --imatrix "$dir/$im" --out "$dir/$im.q" >"$dir/log" 2>&1
        result "$t by $im"
    done
    a=$(says "$dir/theirs.gguf.q") b=$(says "$dir/theirs.dat.q") c=$(says "$dir/ours.gguf.q")
    awk -v a="${a#*:}" -v b="${b#*:}" -v c="${c#*:}" 'BEGIN { exit !(a > 0 && a - b < 0.002 * a && b - a < 0.002 * a && a - c < 0.002 * a && c - a < 0.002 * a) }'
    result "$t: the same loss by any of them (${a#*:}, ${b#*:}, ${c#*:})"
    "$bin/llama-quantize" --imatrix "$dir/ours.gguf" "$dir/m.gguf" "$dir/lq.gguf" $t 2 >"$dir/log" 2>&1 && ! grep -q "did not find weights" <(grep -vE "token_embd|output" "$dir/log") && [ "$(says "$dir/lq.gguf" | cut -c1-10)" ]
    result "llama-quantize takes our importances for $t, and we read its file"
done
echo "1..$n"
exit $failed
