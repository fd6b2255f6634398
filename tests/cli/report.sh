#!/usr/bin/env bash
# ptrain report: from what a run leaves, and from folders that somebody wrote by hand to break it. One file that needs nothing else, well-formed, the same bytes again.
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
. tests/page/fixture.bash
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
: >"$dir/log"
sound() { # FILE: well-formed, nothing from outside, nothing that runs
    [ -s "$1" ] || return 1
    if command -v xmllint >/dev/null; then xmllint --noout --nonet "$1" >>"$dir/log" 2>&1 || return 1; fi
    head -c 200 "$1" | grep -q "<head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>" || return 1
    # what data brings may spell src=x: as text; a quotation mark it cannot bring
    ! grep -iE '<(script|img|a|link|iframe|object|embed|form|base|video|audio|use|image)[ />]| (src|href|srcset|action|on[a-z]+)=["'"'"']' "$1" >>"$dir/log" && ! sed -n '/<style>/,/<\/style>/p' "$1" | grep -iE 'url\(|@import|expression\(' >>"$dir/log" && ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$1" && ! LC_ALL=C grep -qP '\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]' "$1"
}
# A run of ours.
for i in $(seq 12); do echo "{\"messages\": [{\"role\": \"user\", \"content\": \"who is it, $i?\"}, {\"role\": \"assistant\", \"content\": \"it is number $((i % 4)) of them\"}]}"; done >"$dir/rows.jsonl"
for i in $(seq 5); do echo "{\"system\": \"You are number $((i % 2)).\", \"question\": \"who is it, $i?\", \"references\": [\"it is number $i\"], \"group\": \"g$((i % 2))\"}"; done >"$dir/text.jsonl"
echo '{"messages": [{"role": "user", "content": "nobody answers"}]}' >>"$dir/rows.jsonl"
cat >"$dir/run.yaml" <<Y
init: random
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, vocab_size: 772}
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
adapter: lora
datasets: [{path: $dir/rows.jsonl, type: messages, bad_rows: drop}]
test_datasets: [{path: $dir/rows.jsonl, type: messages, bad_rows: drop}]
evaluations: [{task: text, name: said, path: $dir/text.jsonl, max_new_tokens: 8}, {task: label, path: data/samples/eval/label_en.jsonl, limit: 12}, {task: questionnaire, name: bfi, path: data/samples/eval/questionnaire_en.jsonl, limit: 8}]
max_steps: 6
save_steps: 3
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
digest=$(sha256sum <"$dir/run/config.yaml" | cut -c1-16)
for title in "Data and plan" ">rows<" "Left out" ">train</td><td>" "no supervised token" "Audit of the data" "Sample 0 (rows.jsonl:1): " "<mark>it is number 1" "memory, as planned" ">activations<" "How to do it again" "oneDNN " "HDF5 " "PCRE2 " "jansson " "libcurl " ">instruction set<" "ptrain $dir/run.yaml --output_dir=$dir/run" "$digest"; do
    grep -qF "$title" "$dir/run/report.html" || echo "no $title" >>"$dir/log"
done
! grep "^no " "$dir/log" && grep -qx trained.json "$dir/run/.ptrain-files"
result "with the data, what was left out and why, the audit, a sample's mask, the memory, how to do it again"
cp "$dir/run/trained.json" "$dir/trained.json" && "$p" "$dir/run.yaml" --output_dir="$dir/run" --max_steps=8 --resume_from_checkpoint=auto >"$dir/log" 2>&1
cmp -s "$dir/trained.json" "$dir/run/trained.json" && "$p" "$dir/run.yaml" --output_dir="$dir/run" >"$dir/log" 2>&1 && grep -q '"supervised": ' "$dir/run/trained.json"
result "a run that goes on leaves what was said when it began"
"$p" eval "$dir/run" >"$dir/log" 2>&1 && grep -q "report: $dir/run/report.html" "$dir/log" && sound "$dir/run/report.html" && grep -q "Evaluation: label" "$dir/run/report.html" && grep -q "Right (rows) and given (columns), after" "$dir/run/report.html" &&
    grep -q "perplexity" "$dir/run/report.html"
result "evaluation makes it again, with tables and matrices"
cp "$dir/run/report.html" "$dir/first.html" && "$p" report "$dir/run" >"$dir/log" 2>&1 && cmp -s "$dir/first.html" "$dir/run/report.html"
result "the same files give the same bytes"
grep -q '<h2>Answers: test data</h2>' "$dir/run/report.html" && grep -q '<h2>Answers: said</h2>' "$dir/run/report.html" && [ "$(grep -c '<details><summary>System text ' "$dir/run/report.html")" = 2 ] &&
    grep -q '<p class="note">System text 2</p>' "$dir/run/report.html" && grep -q 'class="turn"><b>user</b> <span>who is it, 3?</span>' "$dir/run/report.html" && grep -q '"repeat": 1\|"answers": \[' "$dir/run/eval.json"
result "answers stand side by side, system texts once"
printf 'report_rows: 2\n' | cat "$dir/run.yaml" - >"$dir/few.yaml" && "$p" "$dir/few.yaml" --output_dir="$dir/few" >"$dir/log" 2>&1 && "$p" eval "$dir/few" >"$dir/log" 2>&1 && [ "$(grep -c '<article>' "$dir/few/report.html")" = 4 ] &&
    grep -q '3 more rows are left out (report_rows' "$dir/few/report.html" && "$p" report "$dir/few" --rows 3 --output "$dir/few.html" >"$dir/log" 2>&1 && [ "$(grep -c '<article>' "$dir/few.html")" = 6 ]
result "report_rows says how many, --rows says otherwise"
"$p" report "$dir/run" --format json >"$dir/run.json" 2>"$dir/log" && grep -q '"format": "ptrain-report"' "$dir/run.json" && "$p" report "$dir/run" --output "$dir/run.md" >"$dir/log" 2>&1 && grep -q '^| --- ' "$dir/run.md" && grep -q '^# run$' "$dir/run.md"
result "JSON and Markdown say the same"
"$p" "$dir/run.yaml" --output_dir="$dir/two" --learning_rate=0.02 --max_steps=4 >"$dir/log" 2>&1 && "$p" report "$dir/run" "$dir/two" --output "$dir/both.html" >"$dir/log" 2>&1 && sound "$dir/both.html" && grep -q 'class="s1"' "$dir/both.html" && grep -q '>two<' "$dir/both.html" &&
    "$p" eval "$dir/two" >"$dir/log" 2>&1 && "$p" report "$dir/run" "$dir/two" --output "$dir/both.html" >"$dir/log" 2>&1 && [ "$(grep -c '<div class="side"><b>two</b>' "$dir/both.html")" = 17 ] && ! grep -q '>not asked<' "$dir/both.html"
result "two runs stand beside each other, lines told apart by dashes, answers to the same questions together"
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
rc=$? size=$(wc -c <"$dir/bad.html" 2>/dev/null)
(exit $rc)
result "markup, control characters and what turns writing around stay text; 100,000 steps make $size bytes"
"$p" report "$bad" --output "$dir/bad.md" >"$dir/log" 2>&1 && ! grep -v '^    ' "$dir/bad.md" | grep -qE '<(script|img|b>)|https?://|!\[' && grep -q '^    base_model: "</pre><script>' "$dir/bad.md"
result "Markdown is as safe: markup stands in code alone"
# Every text that a report shows, in every place where data, models and configs bring one.
page_run "$dir/evil" '</script><img src=x onerror=alert(1)> https://evil.example\u202e\u0007\ud83d' && "$p" report "$dir/evil" --output "$dir/evil.html" >"$dir/log" 2>&1 && sound "$dir/evil.html" && "$p" report "$dir/evil" --output "$dir/evil.md" >>"$dir/log" 2>&1 &&
    ! grep -v '^    ' "$dir/evil.md" | grep -E '<(script|img)|https?://|!\[' >>"$dir/log" && grep -q '<ins>' "$dir/evil.html"
result "so do texts of the data table, the audit, samples, answers, dialogues and judges"
page_run "$dir/ann" Ann && "$p" report "$dir/ann" --output "$dir/ann.html" >"$dir/log" 2>&1 && sound "$dir/ann.html"
for text in '<del>a model. </del>How' '<ins>Ann, captain of this ship. </ins>How' '<del>一个语言模型</del>' ' people</li>' 'Drift: after less before' '<h2>Dialogues: talks</h2>' '<b>Bo</b> <span>Yes?' '<b class="weight">0.5</b>' 'Judges' '<figcaption>eval_traits/acc</figcaption>' '<figcaption>Loss</figcaption>' 'What got no score' '>cost</th>' 'Pairs of the best and the worst' '7 more dialogues are left out' 'Over the 31 that have: before 3.25, after 3.5' '>1512.5<'; do
    grep -qF "$text" "$dir/ann.html" || echo "no $text" >>"$dir/log"
done
! grep "^no " "$dir/log" && ! grep -q '<figcaption>eval_loss' "$dir/ann.html"
result "what differs is marked; people's norms, drift, dialogues, judges are there"
for text in '<td>Ann 1</td><td>before</td><td>Ann said little.</td><td class="number">2.5</td><td class="number">3</td><td class="number">4</td>' '<td>Ann 1</td><td>after</td><td>Ann said more.</td><td class="number">4.5</td><td class="number">-</td>' '<td>2, again (1)</td><td>after</td><td>Two.</td>' '<p class="note">retries: 0 in every row, and left out.</p>' 'What was asked of others'; do
    grep -qF "$text" "$dir/ann.html" || echo "no $text" >>"$dir/log"
done
! grep "^no " "$dir/log" && "$p" report "$dir/ann" --rows 1 --output "$dir/one.html" >"$dir/log" 2>&1 && grep -q "<td>Ann 1</td><td>before</td>" "$dir/one.html" && ! grep -q "<td>Ann 1</td><td>after</td>" "$dir/one.html" && sed -n '/<figcaption>Verdicts/,/<\/figure>/p' "$dir/one.html" | grep -q "2 more rows are left out"
result "single verdicts of judges, beside what they are of and people's; the rest is counted"
# Several that were evaluated side by side: in the report of the first, and of all of them together.
for x in ann bo; do mkdir -p "$dir/side/$x" && printf 'objective: sft\nseed: 1\n' >"$dir/side/$x/config.yaml"; done
page_beside "$dir/side/ann" said "$dir/side/ann" "$dir/side/bo" && "$p" report "$dir/side/ann" --output "$dir/side.html" >"$dir/log" 2>&1 && sound "$dir/side.html" && grep -q '<h2>Evaluation, side by side: label</h2>' "$dir/side.html" && ! grep -q '<h2>Evaluation</h2>' "$dir/side.html" &&
    grep -q '<th class="number">base</th><th class="number">ann</th><th class="number">bo</th>' "$dir/side.html" && grep -qF '<td class="number">14.25</td><td class="number">9.5 *</td><td class="number">9.5 *</td>' "$dir/side.html" && grep -q '<ins>said by ' "$dir/side.html"
result "eval_beside.json is in the report of the run that has it: base and columns, tables and answers"
whole=$(realpath "$p")
(cd "$dir/side/bo" && "$whole" report . ../ann --output "$dir/both.html") >"$dir/log" 2>&1
sound "$dir/both.html" && grep -q "The figures stand in ../ann/eval_beside.json" "$dir/both.html" && grep -qF '0.5</td><td class="number">0.75 [0.4, 0.9] *</td>' "$dir/both.html" && ! grep -q "side by side: label" "$dir/both.html" && ! grep -q "by itself" "$dir/both.html"
result "a report of these runs, named otherwise and in another order, takes its columns"
"$p" report "$dir/side/ann" "$dir/ann" --output "$dir/other.html" >"$dir/log" 2>&1 && grep -q "Each run was evaluated by itself" "$dir/other.html" && "$p" report "$dir/side/ann/eval_beside.json" --output "$dir/file.html" >"$dir/log" 2>&1 && sound "$dir/file.html" && ! grep -q "What was trained" "$dir/file.html" &&
    grep -q 'Evaluation, side by side' "$dir/file.html" && "$p" report "$dir/ann/eval.json" >"$dir/file.html" 2>"$dir/log" && sound "$dir/file.html" && ! "$p" report "$dir/run/trained.json" >"$dir/log" 2>&1 && grep -q "is no eval.json or eval_beside.json" "$dir/log"
result "of other runs each one's own evaluation; a file of results has a page too"
page_answers "$dir/many" 200 600 && page_metrics "$dir/many/metrics.jsonl" 100000 1 && "$p" report "$dir/many" --output "$dir/many.html" >"$dir/log" 2>&1 && sound "$dir/many.html" && [ "$(grep -c '<article>' "$dir/many.html")" = 200 ] && [ "$(wc -c <"$dir/many.html")" -lt 1000000 ]
rc=$? size=$(wc -c <"$dir/many.html" 2>/dev/null)
(exit $rc)
result "200 answers of 600 characters on both sides and 100,000 steps: $size bytes"
# What is not there, and what is broken.
! "$p" report "$dir/nothing" >"$dir/log" 2>&1 && grep -q "nothing is no folder" "$dir/log" && mkdir "$dir/empty" && ! "$p" report "$dir/empty" >"$dir/log" 2>&1 && grep -q "holds no run" "$dir/log" &&
    mkdir "$dir/broken" && echo '{"step": 1, "loss"' >"$dir/broken/metrics.jsonl" && echo >>"$dir/broken/metrics.jsonl" && ! "$p" report "$dir/broken" >"$dir/log" 2>&1 && grep -q "metrics.jsonl:1" "$dir/log" &&
    ! "$p" report "$dir/run" --format pdf >"$dir/log" 2>&1 && grep -q "html, markdown or json, not 'pdf'" "$dir/log" && ! "$p" report "$dir/run" --output "$dir/run/config.yaml" >"$dir/log" 2>&1 && ! "$p" report "$dir/run" --output "$dir/x.pdf" >"$dir/log" 2>&1
result "no folder, no run, a broken file, an unknown form are told"
printf '{"step": 1, "loss": 2.5}\n{"step": 2, "lo' >"$dir/empty/metrics.jsonl" && "$p" report "$dir/empty" >"$dir/log" 2>&1 && sound "$dir/empty/report.html" && grep -q "fewer than two steps" "$dir/empty/report.html"
result "a run that is being written, with one step, has a report too"
mkdir "$dir/rates" && printf '{"step": %d, "loss": 1, "tokens_per_second": %d}\n' 1 10 2 1000 3 12 >"$dir/rates/metrics.jsonl" && "$p" report "$dir/rates" >"$dir/log" 2>&1 && grep -q '<th class="number">median tokens a second</th>' "$dir/rates/report.html" && grep -q '<td class="number">12</td>' "$dir/rates/report.html"
result "the rate of a run is its median, not what the step in its middle had"
echo "1..$n"
