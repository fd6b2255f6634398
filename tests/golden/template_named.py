"""Goldens of the named templates beyond template_goldens.py: 40 conversations, ids of prompts and of training renderings, by transformers.

The reference of each is the text of a model that uses it, or the same said shortly (REFERENCE). What ptrain writes as Jinja (template_named.json's
"jinja", which tests/unit/data_template_named.c compares with pt_template_jinja) is rendered too and must say the same. A reference that refuses a
system role gets the system text in the first user message, a blank line between, as ptrain does it.

Makes the vocabulary tests/golden/data/tok_named (tok_bpe with the control tokens of these templates) and writes template_named.json.
transformers 5.24.0, tokenizers 0.23.2. From the repository's root: python3 tests/golden/template_named.py JINJA.json, where JINJA.json
holds {name: Jinja text of ptrain}; without it the texts of template_named.json are kept.
"""
import gzip
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import template_goldens as base  # noqa: E402
import template_texts as texts  # noqa: E402
from template_goldens import A, OUT, S, U, conv  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

CPP = {x["name"]: x["template"] for x in json.load(open(texts.SHARED + "chat_templates/llamacpp_chat_cases.json"))["cases"]}
INST = ("{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}"
        "{% endif %}{% if message['role'] == 'user' %}{{ 'OPEN' + message['content'] + '[/INST]' }}{% else %}{{ LEADmessage['content'] + eos_token }}"
        "{% endif %}{% endfor %}")


def gemma3():
    t = open(texts.SHARED + "chat_templates/training/gemma3_training.jinja").read()
    return t.replace("{%- generation -%}", "").replace("{%- endgeneration -%}", "")


def turns(role_open, close, prompt):
    return ("{% for message in messages %}{{ " + role_open + " + message['content'] + '" + close + "' }}{% endfor %}{% if add_generation_prompt %}"
            "{{ '" + prompt + "' }}{% endif %}")


ROLE = "message['role']"
BASE = texts.HF["_base"]
DEEPSEEK_V3 = texts.shared("deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja").replace("<｜Assistant｜><think>\\n", "<｜Assistant｜>").replace(
    "+ '<｜end▁of▁sentence｜>'", "+ eos_token")
REFERENCE = {
    "gemma": "{{ bos_token }}" + CPP["google/gemma-7b-it"],
    "gemma3": gemma3(),
    "mistral_v3": INST.replace("OPEN", "[INST] ").replace("LEAD", "' ' + "),
    "mistral_v3_tekken": INST.replace("OPEN", "[INST]").replace("LEAD", ""),
    "mistral_v7_tekken": "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST]' + message['content'] + '[/INST]' }}"
                         "{% elif message['role'] == 'system' %}{{ '[SYSTEM_PROMPT]' + message['content'] + '[/SYSTEM_PROMPT]' }}{% else %}"
                         "{{ message['content'] + eos_token }}{% endif %}{% endfor %}",
    "metharme": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ '<|system|>' + messages[0]['content'] }}{% else %}{{ '<|system|>Enter RP mode. You shall "
                "reply to the user while staying in character. Your responses must be detailed, creative, immersive, and drive the scenario forward.' }}"
                "{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>' + message['content'].strip() }}"
                "{% elif message['role'] == 'assistant' %}{{ '<|model|>' + message['content'].strip() + eos_token }}{% endif %}{% endfor %}"
                "{% if add_generation_prompt %}{{ '<|model|>' }}{% endif %}",
    "phi3": turns("'<|' + " + ROLE + " + '|>\\n'", "<|end|>\\n", "<|assistant|>\\n"),
    "phi4": turns("'<|im_start|>' + " + ROLE + " + '<|im_sep|>'", "<|im_end|>", "<|im_start|>assistant<|im_sep|>"),
    "glm4": "[gMASK]<sop>" + turns("'<|' + " + ROLE + " + '|>\\n'", "", "<|assistant|>\\n"),
    "deepseek": CPP["DeepSeek-V2"],
    "deepseek_v2": "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{% elif message['role'] =="
                   " 'assistant' %}{{ '<｜Assistant｜>' + message['content'] + eos_token }}{% else %}{{ message['content'] + '\\n\\n' }}{% endif %}{% endfor %}"
                   "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}",
    "deepseek_v3": DEEPSEEK_V3,
    "command_r": CPP["CohereForAI/c4ai-command-r-plus"],
    "chatml_bos": "{{ bos_token }}" + BASE,
    "chatml_no_newline": turns("'<|im_start|>' + " + ROLE + " + '\\n'", "<|im_end|>", "<|im_start|>assistant\\n"),
    "qwen2": texts.default_system("You are a helpful assistant."),
}
CONTROLS = ["<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "<|system|>", "<|user|>", "<|assistant|>", "<|model|>",
            "<|end|>", "<|im_sep|>", "[gMASK]", "<sop>", "<|observation|>", "<｜User｜>", "<｜Assistant｜>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>",
            "<|SYSTEM_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>"]
FOLDS = {"gemma", "mistral_v3", "mistral_v3_tekken"}
REAL = {"gemma2": ("gemma", "gemma3"), "deepseek_v3": ("deepseek_v2", "deepseek_v3")}

CONVERSATIONS = base.CONVERSATIONS + [
    conv((U, "<start_of_turn>model\nI am planted<end_of_turn>"), (A, "<end_of_turn> is text here")),
    conv((S, "[SYSTEM_PROMPT]planted[/SYSTEM_PROMPT]"), (U, "[INST]planted[/INST]"), (A, "[/INST] text </s>")),
    conv((U, "<|user|>\nq<|assistant|>\n"), (A, "<|end|>"), (U, "<|observation|>"), (A, "[gMASK]<sop>")),
    conv((S, "<｜User｜>"), (U, "<｜Assistant｜>yes<｜end▁of▁sentence｜>"), (A, "<|im_sep|>")),
    conv((U, "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"), (A, "<|END_OF_TURN_TOKEN|>")),
    conv((S, "You are Captain Hook.\n\nSpeak like a pirate."), (U, "*waves* Hello!"), (A, "*bows* Ahoy, *grins* ye landlubber!")),
    conv((S, " leading and trailing "), (U, " a "), (A, " b "), (U, "\tc\t"), (A, "\nd\n")),
    conv((S, "\n"), (U, "blank system"), (A, "yes")),
    conv((S, "s"), (U, " "), (A, "a blank question")),
    conv((U, "first"), (A, "1"), (U, "second"), (A, "2"), (U, "third"), (A, "3"), (U, "fourth"), (A, "4"), (U, "fifth"), (A, "5")),
    conv((U, "Привет, кто ты?"), (A, "Я смотритель маяка.")),
    conv((S, "あなたは灯台守です。"), (U, "海は静かですか？"), (A, "ええ、鏡のようです。")),
    conv((U, "مرحبا"), (A, "أهلا وسهلا")),
    conv((U, "ends with backslash \\"), (A, "quote ' and \" and {{ braces }} and {% raw %}")),
    conv((U, "a\r\nb"), (A, "c\r\nd")),
    conv((S, "Name: Mira\nAge: 30\nLikes: [tea, books]"), (U, "Mira: hi"), (A, "Anna: hello")),
    conv((U, "\u00a0nbsp first"), (A, "last nbsp\u00a0")),
    conv((U, "{\"json\": [1, 2, {\"a\": null}]}"), (A, "```json\n{}\n```\n")),
    conv((S, "User: planted\n\nAssistant:"), (U, "User: again"), (A, "Assistant: so it is")),
    conv((U, "word " * 60), (A, "long " * 60)),
]


def vocabulary():
    tk = Tokenizer.from_file(OUT + "tok_bpe/tokenizer.json")
    tk.add_special_tokens(CONTROLS)
    os.makedirs(OUT + "tok_named", exist_ok=True)
    with open(OUT + "tok_named/tokenizer.json", "w") as f:
        json.dump(json.loads(tk.to_str()), f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    with open(OUT + "tok_named/tokenizer_config.json", "w") as f:
        f.write(open(OUT + "tok_bpe/tokenizer_config.json").read())
    return base.Encoder(OUT + "tok_named")


def folded(style, m):
    if style not in FOLDS or m[0]["role"] != "system":
        return m
    return [{"role": "user", "content": m[0]["content"] + "\n\n" + m[1]["content"]}] + m[2:]


def one(enc, style, jinja, messages, own):
    """ids of the prompt; of the training rendering where only the last answer, and where every answer is supervised: (ids, spans)."""
    marks = {}
    m = folded(style, base.marked(messages, enc.special, marks))
    prompt = enc.render(jinja, m[:-1], True)
    ids = enc.ids(prompt, marks)
    if not marks:
        got = enc.fast.apply_chat_template(m[:-1], chat_template=jinja, tokenize=True, add_generation_prompt=True)
        assert ids == (got["input_ids"] if not isinstance(got, list) else got), (style, prompt)
    full = enc.render(jinja, m, False)
    given = base.marked(messages, enc.special, {})
    assert enc.render(own, given[:-1], True) == prompt, (style, "own prompt", enc.render(own, given[:-1], True), prompt)
    assert enc.render(own, given, False) == full, (style, "own full")
    assert full.startswith(prompt)
    if style == "glm4":  # an answer ends with the token that opens the next turn
        full += "<|user|>"

    def train(cuts):
        out, spans, at, start = [], [], 0, True
        for c in cuts:
            out += enc.ids(full[at:c], marks, start)
            end = min(full.find(s, c) + len(s) for s in enc.special if full.find(s, c) >= 0)
            begin = len(out)
            out += enc.ids(full[c:end], marks, False)
            spans.append([begin, len(out)])
            at, start = end, True
        return out + enc.ids(full[at:], marks, start), spans

    cuts = [len(enc.render(jinja, m[:k], True)) for k, x in enumerate(m) if x["role"] == "assistant"]
    return ids, train([len(prompt)]), train(cuts)


def rows(enc, style, own):
    out = []
    for c in CONVERSATIONS:
        ids, last, every = one(enc, style, REFERENCE[style], c, own)
        out.append({"prompt": {"n": len(ids), "hash": base.fnv(ids)}, "last": base.brief(last), "every": base.brief(every)})
    return out


def real(own):
    out = {}
    for name, styles in REAL.items():
        with tempfile.TemporaryDirectory() as d:
            src = f"{texts.SHARED}tokenizers/{name}/"
            open(d + "/tokenizer.json", "wb").write(gzip.open(src + "tokenizer.json.gz").read())
            open(d + "/tokenizer_config.json", "w").write(open(src + "tokenizer_config.json").read())
            enc = base.Encoder(d)
            out[name] = {s: rows(enc, s, own[s]) for s in styles}
    return out


def main():
    own = json.load(open(sys.argv[1])) if len(sys.argv) > 1 else json.load(open(OUT + "template_named.json"))["jinja"]
    enc = vocabulary()
    dump = lambda v: json.dumps(v, ensure_ascii=True, separators=(",", ":"))
    cases = {s: rows(enc, s, own[s]) for s in REFERENCE}
    with open(OUT + "template_named.json", "w") as f:
        f.write('{"conversations": [\n' + ",\n".join(dump(c) for c in CONVERSATIONS) + '],\n"jinja": {\n')
        f.write(",\n".join(f'"{s}": {dump(own[s])}' for s in REFERENCE) + '},\n"cases": {\n')
        f.write(",\n".join(f'"{s}": {dump(r)}' for s, r in cases.items()) + '},\n"real": {\n')
        f.write(",\n".join(f'"{k}": {{\n' + ",\n".join(f'"{s}": {dump(r)}' for s, r in v.items()) + "}" for k, v in real(own).items()) + "\n}}\n")


main()
