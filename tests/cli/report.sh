#!/usr/bin/env bash
# ptrain report: from what a run leaves, and from folders that somebody wrote by hand to break it. One file that needs nothing else, well-formed, the same bytes again.
cd "$(dirname "$0")/../.." || exit 2
p=${PTRAIN:-build/gcc/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME, by the exit code before it
    local ok=$?
    n=$((n + 1))
    if [ $ok -eq 0 ]; then echo "ok $n - $1"; else tail -n 5 "$dir/log" | sed 's/^/# /'; echo "not ok $n - $1"; fi
}
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
: >"$dir/log"
sound() { # FILE: well-formed, nothing from outside, nothing that runs
    [ -s "$1" ] || return 1
    if command -v xmllint >/dev/null; then xmllint --noout --nonet "$1" >>"$dir/log" 2>&1 || return 1; fi
    head -c 200 "$1" | grep -q "<head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>" || return 1
    ! grep -qiE '<script|<img|<a |<link|<iframe|<object|src=|href=|url\(|@import|javascript:' "$1" && ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$1" && ! LC_ALL=C grep -qP '\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]' "$1"
}
# A run of ours.
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"who is it, $i?\"}, {\"role\": \"assistant\", \"content\": \"it is number $((i % 4)) of them\"}]}"; done >"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
datasets: [{path: $dir/rows.jsonl, type: messages}]
test_datasets: [{path: $dir/rows.jsonl, type: messages}]
evaluations: [{task: label, path: data/samples/eval/label_en.jsonl, limit: 12}, {task: questionnaire, name: bfi, path: data/samples/eval/questionnaire_en.jsonl, limit: 8}]
max_steps: 6
eval_steps: 2
batch_rows: 4
sequence_len: 64
learning_rate: 0.01
device: cpu
compute: f32
Y
"$p" "$dir/run.yaml" --output_dir="$dir/run" >"$dir/log" 2>&1 && grep -q "report: $dir/run/report.html" "$dir/log" && sound "$dir/run/report.html"
result "training leaves a report"
for title in Loss "Learning rate" "Norm of the gradient" "Tokens a second" "What was trained" "Nothing was evaluated yet"; do grep -q "$title" "$dir/run/report.html" || echo "no $title" >>"$dir/log"; done
! grep -q "^no " "$dir/log"
result "with keys and curves"
"$p" eval "$dir/run" >"$dir/log" 2>&1 && grep -q "report: $dir/run/report.html" "$dir/log" && sound "$dir/run/report.html" && grep -q "Evaluation: label" "$dir/run/report.html" && grep -q "Right (rows) and given (columns), after" "$dir/run/report.html" &&
    grep -q "perplexity" "$dir/run/report.html"
result "evaluation makes it again, with tables and matrices"
cp "$dir/run/report.html" "$dir/first.html" && "$p" report "$dir/run" >"$dir/log" 2>&1 && cmp -s "$dir/first.html" "$dir/run/report.html"
result "the same files give the same bytes"
"$p" report "$dir/run" --format json >"$dir/run.json" 2>"$dir/log" && grep -q '"format": "ptrain-report"' "$dir/run.json" && "$p" report "$dir/run" --output "$dir/run.md" >"$dir/log" 2>&1 && grep -q '^| --- ' "$dir/run.md" && grep -q '^# run$' "$dir/run.md"
result "JSON and Markdown say the same"
"$p" "$dir/run.yaml" --output_dir="$dir/two" --learning_rate=0.02 --max_steps=4 >"$dir/log" 2>&1 && "$p" report "$dir/run" "$dir/two" --output "$dir/both.html" >"$dir/log" 2>&1 && sound "$dir/both.html" && grep -q 'class="s1"' "$dir/both.html" && grep -q '>two<' "$dir/both.html"
result "two runs stand beside each other, lines told apart by dashes"
# Somebody's folder: names that are markup, tags in values, NaN, an unbroken word, many steps.
mkdir -p "$dir/x</script><img src=x onerror=alert(1)>" && bad="$dir/x</script><img src=x onerror=alert(1)>"
long=$(printf 'w%.0s' $(seq 500))
printf 'objective: sft\nbase_model: "</pre><script>alert(1)</script>"\nchat_template: "\xe2\x80\xaeevil\x01\xff"\n' >"$bad/config.yaml"
awk 'BEGIN { for (i = 1; i <= 100000; i++) printf "{\"step\": %d, \"loss\": %s, \"lr\": 0.001, \"<b>x\": %d}\n", i, i % 50 == 7 ? "NaN" : 2 + sin(i / 300), i % 9 }' >"$bad/metrics.jsonl"
cat >"$bad/eval.json" <<J
{"format": "ptrain-eval", "before": {"name": "a", "perplexity": 4.5, "ci": {"perplexity": [4, 5]}}, "after": {"name": "b", "perplexity": null, "</td><script>": 1, "ci": {}}, "p": {},
 "tasks": [{"name": "</h2><script>alert(2)</script>", "task": "label", "rows": [{"metric": "acc", "scope": null, "before": {"value": 0.5, "n": 12, "ci": [0.2, 0.8]}, "after": {"value": 0.75, "n": 9, "ci": [0.4, 0.9]}, "p": 0.01},
  {"metric": "acc", "scope": "$long", "before": {"value": 0.5, "n": 6}, "after": null}, {"metric": "acc", "scope": "角色扮演<>&\"'", "before": {"value": 1, "n": 6}, "after": {"value": 0.25, "n": 6}}],
  "confusion": {"before": {"A\u0007": {"</th>": 3}}, "after": {}}}]}
J
"$p" report "$bad" --output "$dir/bad.html" >"$dir/log" 2>&1 && sound "$dir/bad.html" && [ "$(wc -c <"$dir/bad.html")" -lt 1000000 ] && grep -q '(n 9)' "$dir/bad.html" && grep -q '角色扮演' "$dir/bad.html"
result "markup, control characters and what turns writing around stay text; 100,000 steps make $(wc -c <"$dir/bad.html" 2>/dev/null) bytes"
"$p" report "$bad" --output "$dir/bad.md" >"$dir/log" 2>&1 && ! grep -v '^    ' "$dir/bad.md" | grep -qE '<(script|img|b>)|https?://|!\[' && grep -q '^    base_model: "</pre><script>' "$dir/bad.md"
result "Markdown is as safe: markup stands in code alone"
# What is not there, and what is broken.
! "$p" report "$dir/nothing" >"$dir/log" 2>&1 && grep -q "nothing is no folder" "$dir/log" && mkdir "$dir/empty" && ! "$p" report "$dir/empty" >"$dir/log" 2>&1 && grep -q "holds no run" "$dir/log" &&
    mkdir "$dir/broken" && echo '{"step": 1, "loss"' >"$dir/broken/metrics.jsonl" && echo >>"$dir/broken/metrics.jsonl" && ! "$p" report "$dir/broken" >"$dir/log" 2>&1 && grep -q "metrics.jsonl:1" "$dir/log" &&
    ! "$p" report "$dir/run" --format pdf >"$dir/log" 2>&1 && grep -q "html, markdown or json, not 'pdf'" "$dir/log" && ! "$p" report "$dir/run" --output "$dir/run/config.yaml" >"$dir/log" 2>&1 && ! "$p" report "$dir/run" --output "$dir/x.pdf" >"$dir/log" 2>&1
result "no folder, no run, a broken file, an unknown form are told"
printf '{"step": 1, "loss": 2.5}\n{"step": 2, "lo' >"$dir/empty/metrics.jsonl" && "$p" report "$dir/empty" >"$dir/log" 2>&1 && sound "$dir/empty/report.html" && grep -q "fewer than two steps" "$dir/empty/report.html"
result "a run that is being written, with one step, has a report too"
echo "1..$n"
