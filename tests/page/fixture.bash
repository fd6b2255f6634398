# Folders as runs leave them, written by hand, for tests of the report. TEXT stands wherever data, models or configs bring a text: as JSON, without the quotes around it.
#   page_run DIR TEXT [STEPS [NUMBER]]     everything that a report shows, with STEPS steps of metrics (0: none; default 40); NUMBER turns the curves
#   page_beside DIR TEXT NAME...           eval_beside.json with a column of each name
#   page_answers DIR N LENGTH              eval.json with N answers of LENGTH characters on both sides
page_metrics() { # FILE STEPS NUMBER: every 25th loss is NaN
    awk -v n="$2" -v k="$3" 'BEGIN { srand(k); for (i = 1; i <= n; i++) printf "{\"step\": %d, \"epoch\": %.4f, \"loss\": %s, \"lr\": %.8f, \"grad_norm\": %.5f, \"tokens_per_second\": %.1f, \"records\": 4, \"supervised_tokens\": 120%s}\n", i, i / n, i % 25 == 7 ? "NaN" : 1 + 2 * exp(-i / n) + rand() / 5, 2e-4 * (1 - i / n), 0.5 + rand(), 900 + 90 * rand(), i % 8 == 0 ? sprintf(", \"eval_loss\": %.4f, \"eval_traits/acc\": %.3f", 1.2 + exp(-i / n), 0.4 + i / n / 3) : "" }' >"$1"
}
page_trained() { # FILE TEXT
    cat >"$1" <<J
{"format": "ptrain-trained", "version": 1, "program": "ptrain 0.1.0", "compiler": "12.2.0", "command": "ptrain $2 --lora_r=8", "config_sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
 "plan": "model     134.5 M parameters, 2.44 M trained\n$2\nmemory\n  weights  92.1 MiB\n", "memory": [{"what": "weights", "bytes": 96468992}, {"what": "activations", "bytes": 44040192}, {"what": "total", "bytes": 300000000}],
 "train": {"rows_read": 130, "records_kept": 120, "records_cut": 3, "records_dropped": 10, "tokens": 9000, "supervised_tokens": 4000, "turns_cut_where": "$2:4, 17", "said": "  $2 (messages): content, role\n",
  "dropped": [{"reason": "longer than sequence_len", "n": 7, "where": "$2:3, 9, 12 ..."}, {"reason": "$2", "n": 3, "where": ""}],
  "sets": [{"name": "$2", "path": "$2", "type": "messages", "records": 120, "validation": 10, "tokens": 9000, "supervised": 4000}]},
 "test": {"records_kept": 20, "dropped": [], "sets": [{"name": "held out", "path": "$2", "type": "messages", "records": 20, "validation": 0, "tokens": 900, "supervised": 400}]},
 "sample": {"sample": 0, "file": "$2", "line": 1, "role": null, "weight": 1.0, "answers": [{"is": "chosen", "tokens": 30, "supervised": 9, "ended": true, "left_out": 0, "pieces": [
  {"weight": null, "control": true, "text": "<|im_start|>"}, {"weight": null, "control": false, "text": "system\n$2\n"}, {"weight": "1", "control": false, "text": "$2"}, {"weight": "0.5", "control": false, "text": " and half of it"}, {"weight": "1", "control": true, "text": "<|im_end|>"}]}]}}
J
}
page_audit() { # FILE TEXT
    cat >"$1" <<J
{"version": 1, "records": 120, "findings": [{"kind": "cut_answer", "severity": "error", "records": 12, "what": "an answer ends without its end token: $2", "do": "raise sequence_len", "places": [
 {"file": "$2", "line": 3, "text": "$2", "like": ""}, {"file": "b.jsonl", "line": 9, "text": "two", "like": "$2"}, {"where": "$2", "text": ""}, {"file": "b.jsonl", "line": 12, "text": "", "like": ""}]}]}
J
}
page_row() { # METRIC SCOPE BEFORE AFTER P: a row of eval.json; SCOPE "": of all
    local scope=null
    [ "$2" ] && scope="\"$2\""
    echo "{\"metric\": \"$1\", \"scope\": $scope, \"before\": {\"value\": $3, \"n\": 40, \"ci\": [$(awk -v x="$3" 'BEGIN { printf "%.3f, %.3f", x - 0.1, x + 0.1 }')]}, \"after\": {\"value\": $4, \"n\": 38, \"ci\": [$(awk -v x="$4" 'BEGIN { printf "%.3f, %.3f", x - 0.08, x + 0.12 }')]}, \"p\": $5, \"change_ci\": [$(awk -v a="$3" -v b="$4" 'BEGIN { printf "%.3f, %.3f", b - a - 0.1, b - a + 0.1 }')]}"
}
page_tasks() { # TEXT: the tasks' list
    cat <<J
{"name": "bfi $1", "task": "questionnaire", "rows": [$(page_row scale.Openness "" 3.5 4.1 0.01), $(page_row scale.Conscientiousness "" 3.1 3.3 0.4), $(page_row "scale.$1" "" 2.2 3.9 0.001), $(page_row scale.Agreeableness "" 3.2 2.9 null), $(page_row scale.Neuroticism "" 2.8 2.7 null),
  $(page_row scale.Openness "$1" 3.6 4.2 null), $(page_row scale.Openness Ann 3.3 4.0 null)],
 "scales": [{"scale": "Openness", "low": 1, "high": 5, "people": {"mean": 3.92, "deviation": 0.66, "n": 300}}, {"scale": "Conscientiousness", "low": 1, "high": 5, "people": {"mean": 3.5, "deviation": 0.7, "n": 300}}, {"scale": "$1", "low": 1, "high": 5, "people": null}, {"scale": "Agreeableness", "low": 1, "high": 5, "people": null}, {"scale": "Neuroticism", "low": 1, "high": 5, "people": null}], "confusion": {}},
{"name": "label", "task": "label", "rows": [$(page_row acc "" 0.5 0.75 0.01), $(page_row acc "$1" 0.4 0.8 null), $(page_row acc 角色 0.6 0.2 null)], "confusion": {"before": {"$1": {"$1": 9, "sad": 3}, "sad": {"sad": 7, "none": 1}}, "after": {"$1": {"$1": 12}, "sad": {"$1": 2, "sad": 6}}}},
{"name": "traits", "task": "statements", "rows": [$(page_row acc "" 0.5 0.66 0.03), $(page_row acc "$1" 0.4 0.8 null), $(page_row acc openness 0.6 0.2 null)], "confusion": {}},
{"name": "talks", "task": "dialogue", "rows": [$(page_row stopped_share "" 0.5 0.66 0.03)], "confusion": {}, "talks": [{"side": "before", "name": "$1", "turns": [{"who": "$1", "text": "$1"}, {"who": "Bo", "text": "Yes?\nNo."}]}, {"side": "after", "name": "a scene", "turns": [{"who": "Ann", "text": "Good day, $1"}, {"who": "$1", "text": "Good day."}]}],
 "judges": [{"name": "$1", "side": "after", "n": 40, "missing": 2, "mean": 3.4, "retries": 0}, {"name": "gpt", "side": "after", "n": 41, "missing": 0, "mean": 3.1, "cost": 0.42, "retries": 0}], "voices": [{"name": "$1", "side": "after", "requests": 17}],
 "verdicts": [{"item": 0, "repeat": 0, "group": "$1", "said": {"before": "$1 said little.", "after": "$1 said more."}, "gold": 4, "before": {"$1": 2.5, "gpt": 3}, "after": {"$1": 4.5, "gpt": null}}, {"item": 1, "repeat": 1, "group": "", "said": {"before": "", "after": "Two."}, "gold": null, "before": null, "after": {"$1": 3, "gpt": 3.25}}], "failures": [{"judge": "gpt", "cause": "$1", "n": 2}], "ratings": [{"name": "$1", "rating": 1512.5, "lo": 1400.2, "hi": 1600.9}], "talks_left_out": 7, "compared": {"texts": 31, "before": 3.25, "after": 3.5},
 "best_of": {"before": {"prompts": 40, "samples": 8, "pairs": 31, "equal": 6, "unscored": 3}, "after": {"prompts": 40, "samples": 8, "pairs": 33, "equal": 4, "unscored": 3, "failures": {"$1": 2}}, "written": {"pairs": 33}}}
J
}
page_answer() { # TEXT
    cat <<J
{"group": "$1", "system": "You are $1.", "turns": [{"role": "user", "text": "Who is it? $1"}], "references": ["It is $1."], "before": "I am a model. How may I help you today, $1?", "after": "I am $1, captain of this ship. How may I help you today?"},
{"group": "角色", "system": "You are $1.", "turns": [{"role": "user", "text": "你是谁？"}], "references": [], "before": "我是一个语言模型，很高兴为您服务。", "after": "我是这艘船的船长，很高兴见到你。"},
{"group": null, "system": null, "turns": [{"role": "user", "text": "$1"}, {"role": "assistant", "text": "No."}, {"role": "user", "text": "Why?"}], "references": ["$1", "two"], "before": "", "after": "$1"}
J
}
page_eval() { # FILE TEXT
    cat >"$1" <<J
{"format": "ptrain-eval", "before": {"name": "base", "perplexity": 14.25, "rouge_l_f": 0.21, "ci": {"perplexity": [13, 15.5]}}, "after": {"name": "tuned", "perplexity": 9.5, "rouge_l_f": null, "$2": 1, "ci": {"perplexity": [9, 10.1]}}, "p": {"perplexity": 0.001},
 "answers": [$(page_answer "$2")], "tasks": [$(page_tasks "$2")]}
J
}
page_beside() {
    local dir=$1 text=$2 names= columns= nulls=
    shift 2
    for x in "$@"; do names="$names${names:+, }{\"name\": \"$x\", \"perplexity\": 9.5, \"p\": {\"perplexity\": 0.001}}"; columns="$columns${columns:+, }{\"value\": 0.75, \"n\": 12, \"ci\": [0.4, 0.9], \"p\": 0.01}"; nulls="$nulls${nulls:+, }\"$text by $x\""; done
    mkdir -p "$dir"
    cat >"$dir/eval_beside.json" <<J
{"format": "ptrain-eval-beside", "version": 1, "base": {"name": "base of all", "perplexity": 14.25}, "columns": [$names], "tasks": [{"name": "label", "task": "label", "rows": [{"metric": "acc", "scope": null, "base": {"value": 0.5, "n": 12}, "columns": [$columns]}]}],
 "answers": [{"group": "$text", "system": null, "turns": [{"role": "user", "text": "Who?"}], "references": [], "base": "A model.", "columns": [$nulls]}]}
J
}
page_run() {
    mkdir -p "$1"
    printf 'objective: sft\nbase_model: "%s"\nadapter: lora\nlora_r: 8\nlearning_rate: 0.0002\nseed: 1\nchat_template: "%s"\n' "$2" "$2" >"$1/config.yaml"
    page_metrics "$1/metrics.jsonl" "${3-40}" "${4-1}"
    page_trained "$1/trained.json" "$2"
    page_audit "$1/audit.json" "$2"
    page_eval "$1/eval.json" "$2"
}
page_answers() {
    mkdir -p "$1"
    awk -v n="$2" -v len="$3" 'function said(k, s, w) { s = ""; while (length(s) < len) { w = int(rand() * 400); s = s (length(s) ? " " : "") (w % 7 == 0 && k ? "other" : "word") w } return substr(s, 1, len) }
        BEGIN { srand(3); printf "{\"format\": \"ptrain-eval\", \"before\": {\"name\": \"base\", \"ci\": {}}, \"after\": {\"name\": \"tuned\", \"ci\": {}}, \"p\": {}, \"answers\": ["
            for (i = 0; i < n; i++) printf "%s{\"group\": \"role %d\", \"system\": \"You are role %d.\", \"turns\": [{\"role\": \"user\", \"text\": \"question %d\"}], \"references\": [], \"before\": \"%s\", \"after\": \"%s\"}", i ? ", " : "", i % 9, i % 9, i, said(0), said(1)
            printf "]}\n" }' >"$1/eval.json"
}
