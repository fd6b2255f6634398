#!/usr/bin/env python3
"""Conversations of named people and the records that their points of view give, written here a second time: tests/golden/data/scenes.

    python3 tests/golden/scene_records.py        (Python 3.11, nothing else)

rows.jsonl: rows of type sharegpt. NAME.jsonl: first line the keys of the data set, then a record a line: [row's line, view, [[speaker, text], ...]].
The rules are those of data/read/scene.h; this file shares no code with the program and takes another way: it goes through the lines backwards.
"""
import json
import os
import random
import re

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "scenes")
NAMES = ["Ann", "Bo", "Cy", "Dée", "李白"]
WORDS = "clock rain door river stone lamp quiet seven ship letter".split()


def rows(rng, n=24):
    for i in range(n):
        people = rng.sample(NAMES, rng.randint(2, 4))
        talk = [{"from": "system", "value": f"Scene {i}."}] if rng.random() < 0.3 else []
        for _ in range(rng.randint(1, 9)):
            words = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 4)))
            shape = rng.choice(["{}", "{}", "[{}] Yes.", "No. [{}]", "({}) So [be it], then.", "[{}]", "  {} ", " "])
            talk.append({"from": rng.choice(people), "value": shape.format(words)})
        yield {"conversations": talk, "past": f"Before {i}."}


def unthought(text):
    while True:  # the innermost first: brackets within brackets go with them
        less = re.sub(r"\[[^\[\]]*\]", "\x00", text)
        if less == text:
            break
        text = less
    text = re.sub(r"(^|(?<=\s))\x00\s*", "\x00", text)
    text = re.sub(r"\x00(?:\s*\x00)*", "\x00", text)
    text = re.sub(r"\s\x00(?=[,.;:!?])", "", text)
    return text.replace("\x00", "").strip()


def view(row, who, keys):
    talk = row["conversations"]
    system = []
    while talk and talk[0]["from"] == "system":
        system.append(talk[0]["value"].strip())
        talk = talk[1:]
    crowd = len({m["from"] for m in talk}) > 2
    names = {"auto": crowd, "always": True, "never": False}[keys.get("speaker_names", "auto")]
    strip = keys.get("thoughts", "keep")
    turns, begun = [], False
    for m in reversed(talk):
        own = m["from"] == who
        text = m["value"]
        if strip == "strip" or (strip == "own" and not own):
            text = unthought(text) if "[" in text else text
        text = text.strip()
        if not text or not (begun or own):
            continue
        begun = True
        side = "assistant" if own else "user"
        if names and not own:
            text = f"{m['from']}: {text}"
        if turns and turns[0][0] == side:
            turns[0][1] = text + "\n\n" + turns[0][1]
        else:
            turns.insert(0, [side, text])
    if not turns:
        return None
    history = keys.get("history", "all")
    cut = re.fullmatch(r"last (\d+)(?: (.+))?", history)
    field = cut.group(2) if cut else None if history == "all" else history
    before = len(turns)
    if cut and len(turns) > int(cut.group(1)) + 1:
        turns = turns[len(turns) - 1 - int(cut.group(1)):]
        while len(turns) > 1 and turns[0][0] == "assistant":
            turns = turns[1:]
    if field and (not cut or len(turns) < before):
        system.append(row[field])
    return ([["system", "\n\n".join(system)]] if system else []) + turns


CASES = {
    "each": {"view_of": "each"},
    "never": {"view_of": ["Ann", "李白"], "speaker_names": "never", "thoughts": "strip"},
    "own": {"train_on_speakers": ["Bo", "Dée"], "thoughts": "own", "speaker_names": "always"},
    "last": {"view_of": "each", "history": "last 2 past", "thoughts": "own"},
    "past": {"view_of": ["Cy"], "history": "past"},
}


def main():
    rng = random.Random(15)
    os.makedirs(OUT, exist_ok=True)
    data = list(rows(rng))
    # every row has somebody to look through in the cases that take everybody
    data = [r for r in data if any(unthought(m["value"]) for m in r["conversations"] if m["from"] != "system")]
    with open(os.path.join(OUT, "rows.jsonl"), "w", encoding="utf-8") as f:
        for r in data:
            f.write(json.dumps(r, ensure_ascii=False) + "\n")
    for name, keys in CASES.items():
        wanted = keys.get("train_on_speakers") or keys["view_of"]
        with open(os.path.join(OUT, name + ".jsonl"), "w", encoding="utf-8") as f:
            said = {k: "\n".join(v) if isinstance(v, list) else v for k, v in keys.items()}
            f.write(json.dumps(said, ensure_ascii=False) + "\n")
            for line, row in enumerate(data, 1):
                cast = list(dict.fromkeys(m["from"] for m in row["conversations"] if m["from"] != "system"))
                for who in cast:
                    turns = view(row, who, keys) if wanted == "each" or who in wanted else None
                    if turns:
                        f.write(json.dumps([line, who, turns], ensure_ascii=False) + "\n")


main()
