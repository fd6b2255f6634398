# Golden prompt ids for tests/unit/eval_dialogue.c: transformers 5.24.0. Three speakers, four turns each: what each sees, written out by
# hand, through the ChatML template and the tokenizer of data/tok_bpe. Writes data/dialogue_views.json.
import json
import os

import transformers

assert transformers.__version__ == "5.24.0", transformers.__version__
here = os.path.dirname(os.path.abspath(__file__))
chatml = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def system(text):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def said(text):
    return {"role": "assistant", "content": text}


# Who says what, in turn: Ann, Bo, the Host. The test's voice says the same.
lines = ["Good day. Mood: calm", "So it is.", "Welcome, both.\nShall we?", "Is anybody cold? \u2744", "I am \u2014 a little.", "Then: tea.", "No! Mood: cross", "Why not?", "\u8336\u5f88\u597d\u3002",
         "Because.", "As you like.", "That is all."]
views = {
    "Ann": [system("You are Ann, at the harbour."), user("Begin."), said(lines[0]), user("Bo: So it is.\nthe Host: Welcome, both.\nShall we?"), said(lines[3]),
            user("Bo: I am \u2014 a little.\nthe Host: Then: tea."), said(lines[6]), user("Bo: Why not?\nthe Host: \u8336\u5f88\u597d\u3002")],
    # the second system text, from turn 8 on
    "Bo": [system("You are Bo. Ann is calm."), user("Ann: Good day. Mood: calm"), said(lines[1]), user("the Host: Welcome, both.\nShall we?\nAnn: Is anybody cold? \u2744"), said(lines[4]),
           user("the Host: Then: tea.\nAnn: No! Mood: cross"), said(lines[7]), user("the Host: \u8336\u5f88\u597d\u3002\nAnn: Because.")],
    # no system text, and names behind
    "Host": [user("Good day. Mood: calm (Ann)\nSo it is. (Bo)"), said(lines[2]), user("Is anybody cold? \u2744 (Ann)\nI am \u2014 a little. (Bo)"), said(lines[5]),
             user("No! Mood: cross (Ann)\nWhy not? (Bo)"), said(lines[8]), user("Because. (Ann)\nAs you like. (Bo)")],
}
cross = system("You are Bo. Ann is cross.")
tok = transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(here, "data", "tok_bpe", "tokenizer.json"))
turns = []
for speaker, seen in views.items():
    ends = [i + 1 for i, m in enumerate(seen) if m["role"] == "user"]
    assert len(ends) == 4
    for k, end in enumerate(ends):
        shown = [cross] + seen[1:end] if speaker == "Bo" and k >= 2 else seen[:end]
        text = tok.apply_chat_template(shown, chat_template=chatml, add_generation_prompt=True, tokenize=False)
        turns.append({"turn": 3 * k + list(views).index(speaker), "speaker": speaker, "text": text, "ids": tok(text, add_special_tokens=False)["input_ids"]})
turns.sort(key=lambda t: t["turn"])
with open(os.path.join(here, "data", "dialogue_views.json"), "w", encoding="utf-8") as f:
    json.dump({"lines": lines, "turns": turns}, f, ensure_ascii=False)
    f.write("\n")
print(transformers.__version__, [len(t["ids"]) for t in turns])
