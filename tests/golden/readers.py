# What the readers must find in the files of ../shared/data, counted here by itself, for tests/unit/data_readers.c. Python 3.11, no packages.
# Writes data/readers.tsv, a file a line: path, type, what is wanted (sft, pairs, verdicts), keys of the data set, rows, records, rows left out, then turns and characters of system,
# user, assistant and tool, and supervised characters. Of pairs the prompt counts once and each answer once. No text of the files is kept.
# Run in tests/golden: python3 readers.py [../../../shared/data]
import json
import os
import re
import sys

ROOT = sys.argv[1] if len(sys.argv) > 1 else "../../../shared/data"
WHO = {"system": "S", "user": "U", "human": "U", "assistant": "A", "gpt": "A", "function_call": "A", "observation": "T", "tool": "T"}


def load(path):
    text = open(os.path.join(ROOT, path), encoding="utf-8").read()
    try:
        value = json.loads(text)
        return value if isinstance(value, list) else [value]
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def says(v):
    return v is not None and (not isinstance(v, str) or v.strip() != "") and v != [] and v != {}


# ---- records: lists of (speaker, text, whether it is trained on) -------------------------------------------------------


def said(m):
    who = WHO[m.get("role", m.get("from"))]
    text = m.get("content", m.get("value"))
    if isinstance(text, list):
        text = "".join(p.get("text", p.get("value")) for p in text)
    if m.get("from") == "function_call":
        try:
            call = json.loads(text)
            if all("arguments" in c for c in (call if isinstance(call, list) else [call])):
                text = ""  # it is a call: the template writes it
        except ValueError:
            pass
    on = who == "A" and m.get("loss_weight", 1) > 0
    return (who, text, on)


def chat(row):
    turns = []
    for m in row.get("messages") or row.get("conversations") or row.get("conversation"):
        if "human" in m:
            turns += [("U", m["human"], False), ("A", m["assistant"], True)]
        else:
            turns.append(said(m))
    if says(row.get("system")) and turns[0][0] != "S":
        turns.insert(0, ("S", row["system"], False))
    return [turns]


def question(row):
    turns = [("S", row["system"], False)] if says(row.get("system")) else []
    for q, a in row.get("history") or []:
        turns += [("U", q, False), ("A", a, True)]
    parts = [row[k] for k in ("instruction", "query", "input") if says(row.get(k))]
    return turns + [("U", "\n".join(parts), False)]


def alpaca(row):
    return [question(row) + [("A", row.get("output", row.get("response")), True)]]


def mindset(row):
    return [question(row) + [("A", a, True) for a in row["output"]]]


def rolebench(row):
    system = ("S", "You are " + row["role"].strip() + ".", False)
    return [[system, ("U", row["question"].strip(), False), ("A", a.strip(), True)] for a in row["generated"]]


def pair(row):
    if "response_j" in row:
        return [[("U", row["question"], False), ("A", row["response_j"], True), ("A", row["response_k"], True)]]
    better, worse = (row.get(k + "_messages", row.get(k)) for k in ("chosen", "rejected"))
    if isinstance(better, dict):
        prompt = [(w, t, False) for w, t, _ in map(said, row["conversations"])]
        if says(row.get("system")):
            prompt.insert(0, ("S", row["system"], False))
        return [prompt + [said(better), said(worse)]]
    turns = [(w, t, False) for w, t, _ in map(said, better[:-1])]
    return [turns + [said(better[-1]), said(worse[-1])]]


def judged(row):
    turns = [(w, t, False) for w, t, _ in map(said, row["messages"])]
    return [turns[:-1] + [(turns[-1][0], turns[-1][1], True)]]


# ---- conversations of people -------------------------------------------------------------------------------------------


def profile(v):
    """A text, a list of texts, or an object: a line a field."""
    def plain(x, comma):
        if isinstance(x, str):
            return x
        return comma.join(x) if isinstance(x, list) and all(isinstance(y, str) for y in x) else json.dumps(x, ensure_ascii=False)

    if not says(v):
        return ""
    return "\n".join(k + ": " + plain(x, ", ") for k, x in v.items() if says(x)) if isinstance(v, dict) else plain(v, "\n")


def no_thoughts(text):
    out, depth, i = "", 0, 0
    while i < len(text):
        if text[i] == "[":
            depth, k = 1, i + 1
            while k < len(text) and depth:
                depth += {"[": 1, "]": -1}.get(text[k], 0)
                k += 1
            if not depth:
                while (not out or out[-1].isspace()) and k < len(text) and text[k].isspace():
                    k += 1
                i = k
                continue
        out += text[i]
        i += 1
    return out


def scene(lines, people, setting="", thoughts=False):
    """lines: (name or None, text); people: {name: (profile, user, main)}. Views: the main people, else all who are not the user; of those who speak."""
    cast = list(dict.fromkeys(n for n, _ in lines if n is not None))
    main = any(p[2] for p in people.values())
    out = []
    for view in cast:
        about, user, is_main = people.get(view, ("", False, False))
        if not is_main if main else user:
            continue
        sides = []
        for name, text in lines:
            own = name == view
            if thoughts and not own and name is not None:
                text = no_thoughts(text)
            text = text.strip()
            if not text:
                continue
            if not own and name is not None and len(cast) > 2:
                text = name + ": " + text
            who = "A" if own else "U"
            if sides and sides[-1][0] == who:
                sides[-1][1] += "\n\n" + text
            else:
                sides.append([who, text])
        while sides and sides[-1][0] != "A":
            sides.pop()
        if not sides:
            continue
        system = "\n\n".join(t.strip() for t in (about, setting) if t.strip())
        out.append(([("S", system, False)] if system else []) + [(w, t, w == "A") for w, t in sides])
    return out


def haruhi(row):
    return scene([(None if m["role"] in ("旁白", "", "scene", "'''Scene'''") else m["role"], m["text"]) for m in row["dialogue"]], {})


def interview(row):
    asked = {p["role"] for t in row["content"] if t["turn_role"] == "interviewer" for p in t["turn_content"]}
    lines = []
    for t in row["content"]:
        for p in t["turn_content"]:
            action = p["action"].strip("() ")
            text = p["content"] if action in ("speaking", "") else "[" + p["content"] + "]" if action == "thinking" else "(%s) %s" % (action, p["content"])
            lines.append((p["role"] if p["role"] in asked else row["character"], text))
    people = {a: ("", True, False) for a in asked}
    people[row["character"]] = ("", False, True)
    return scene(lines, people, thoughts=True)


def glm(row):
    setting = row["user_name"] + ": " + row["user_info"] if says(row["user_info"]) else ""
    return scene([(row["bot_name"], row["greeting"])], {row["bot_name"]: (row["bot_info"], False, True)}, setting)


def bench(row):
    bot, user = row["character_name"], row.get("user_name") or "user"
    lines = [(bot, row["greeting"])] if says(row.get("greeting")) else []
    lines += [({"character": bot, "user": user}.get(m["speaker"], m["speaker"]), m["utterance"]) for m in row["dialogue"]]
    lines.append((bot, row["response_messages"]["response"]))
    about = profile(row.get("user_profile"))
    return scene(lines, {bot: (profile(row["character_profile"]), False, True), user: (about, True, False)}, user + ": " + about if about else "")


def bench_en(row):
    return bench(row["translation_en"])


def mbti(row):
    people = {k: (row[k + "_info"][k + "_statement"], False, k == "supporter") for k in ("supporter", "seeker")}
    return scene([(m["speaker"], m["utterance"]) for m in row["dial"]], people)


def box(row):
    people = {c["name"]: ("\n".join(c[k] for k in ("description", "position", "states") if says(c[k])), False, False) for c in row["characters"]}
    lines = [(a["character"], "(%s) %s" % (a["action"], a["dialogue"])) for a in row["actions"]]
    return scene(lines, people, "\n".join(row[k] for k in ("event", "time", "location", "description") if says(row[k])))


PROFILES = {}


def evaluated(row):
    lines = []
    for line in row["context"].split("\n"):
        found = re.match(r"([^:：]{1,20})[:：](.*)", line, re.S)
        if found:
            lines.append((found[1], found[2].strip()))
        elif line.strip():
            lines[-1] = (lines[-1][0], lines[-1][1] + "\n" + line)
    PROFILES.update(PROFILES or load("eval/charactereval_profiles.json")[0])
    return scene(lines, {row["role"]: (profile(PROFILES[row["role"]]), False, True)})


def book(row):
    """Of a conversation as books() makes it."""
    people = {}
    for name in [k["name"] for k in row["key_characters"]] + [d["character"] for d in row["dialogues"]]:
        plot = [k.get("description", "") for k in row["plot"] if k["name"] == name][:1]
        talk = [k.get("motivation", "") for k in row["key_characters"] if k["name"] == name][:1]
        parts = plot + [row["profiles"].get(name, {}).get("profile", "")] + talk
        people[name] = ("\n\n".join(p for p in parts if says(p)), False, False)
    lines = [(None if d["character"] == "Environment" else d["character"], d["message"]) for d in row["dialogues"] if d["character"] != "NSP"]
    return scene(lines, people, row["scenario"], True)


def books(rows):
    for b in rows:
        for p in b["plots"]:
            for c in p["conversation"]:
                yield {**c, "plot": p["key_characters"], "profiles": b["character_datasets"]}


def aligned(row):
    comma = "，" if row["language"] == "cn" else ", "
    turns = [(w, t, False) for w, t, _ in map(said, row["Q"])]
    return [turns + [("A", json.dumps({row["type"]: comma.join(row["A"])}, ensure_ascii=False), True)]]


def parlai(path):
    episodes = []
    for line in open(os.path.join(ROOT, path), encoding="utf-8"):
        number, text = line.rstrip("\n").split(" ", 1)
        if number == "1":
            episodes.append(([], []))
        if text.startswith("your persona:"):
            episodes[-1][0].append(text[13:].strip())
        else:
            asked, reply = text.split("\t")[:2]
            episodes[-1][1].extend([("partner", asked.strip()), ("you", reply.strip())])
    return [(lines, persona) for persona, lines in episodes]


def persona(row):
    return scene(row[0], {"you": ("\n".join(row[1]), False, True)})


SIDES = "field_prompt=question;field_chosen=response_j;field_rejected=response_k"
FILES = [("sft/machine_mindset_%s.jsonl" % n, "alpaca", "sft", "", alpaca) for n in (
    "en_energy_extraversion", "en_energy_introversion", "zh_energy_extraversion", "zh_energy_introversion", "zh_execution_judging", "zh_execution_perceiving")]
FILES += [("sft/rolebench_%s.jsonl" % n, "rolebench", "sft", "references=all;system_template=You are {role}.", rolebench) for n in ("en_general", "en_role_specific", "zh_general", "zh_role_specific")]
FILES += [("sft/llamafactory_%s.json" % n, "alpaca", "sft", "", alpaca) for n in ("alpaca_en_demo", "alpaca_zh_demo", "identity")]
FILES += [("sft/llamafactory_glaive_toolcall_%s.json" % n, "sharegpt", "sft", "", chat) for n in ("en", "zh")]
FILES += [("sft/formats/msswift_%s.jsonl" % n, t, "sft", "", f) for n, t, f in (
    ("alpaca", "alpaca", alpaca), ("chatml", "messages", chat), ("conversations", "sharegpt", chat), ("sharegpt", "sharegpt", chat), ("swift_multi", "alpaca", alpaca))]
FILES += [("sft/formats/torchtune_%s_tiny.json" % n, t, "sft", "", f) for n, t, f in (("alpaca", "alpaca", alpaca), ("chat", "sharegpt", chat), ("instruct", "alpaca", alpaca))]
FILES += [("sft/llamafactory_v1_sft_demo.jsonl", "messages", "sft", "", chat), ("sft/coser_king_lear_sharegpt.json", "sharegpt", "sft", "", chat)]
FILES += [("sft/chatharuhi_%s.jsonl" % n, "chatharuhi", "sft", "", haruhi) for n in ("en_sheldon", "zh_baizhantang", "zh_haruhi")]
FILES += [("sft/character_llm_interview_%s.jsonl" % n, "character_llm", "sft", "", interview) for n in ("beethoven", "caesar", "socrates")]
FILES += [("sft/characterglm_characters.json", "characterglm", "sft", "", glm), ("sft/characterchat_mbti_dialogues.jsonl", "characterchat", "sft", "", mbti)]
FILES += [("sft/characterbox_honglou_scenes.json", "characterbox", "sft", "", box), ("sft/coser_king_lear_book.json", "coser", "sft", "", book)]
FILES += [("sft/convai2_sample_train_self_original_no_cands.txt", "convai2", "sft", "", persona)]
FILES += [("eval/characterbench_%s.jsonl" % n, "characterbench", "sft", k, f) for n in ("engagement", "human_likeness", "memory_consistency")
          for k, f in (("", bench), ("field_scene=translation_en", bench_en))]
FILES += [("eval/charactereval_test.jsonl", "charactereval", "sft", "profiles=eval/charactereval_profiles.json", evaluated)]
FILES += [("eval/beyond_dialogue_cesrp.jsonl", "beyond_dialogue", "sft", "", aligned)]
FILES += [("pref/machine_mindset_dpo_%s.jsonl" % n, "mindset", "pairs", "", mindset) for n in ("energy_i_e", "execution_p_j")]
FILES += [("pref/llamafactory_%s" % n, "preference", "pairs", "", pair) for n in ("dpo_en_demo.json", "dpo_zh_demo.json", "v1_dpo_demo.jsonl")]
FILES += [("pref/torchtune_hh_rlhf_tiny.json", "preference", "pairs", "", pair), ("pref/torchtune_stack_exchange_paired_tiny.json", "preference", "pairs", SIDES, pair)]
FILES += [("pref/llamafactory_kto_en_demo.json", "unpaired", "verdicts", "", judged)]


def rows_of(path, kind):
    if kind == "convai2":
        return parlai(path)
    rows = load(path)
    if kind == "characterglm":
        return list(rows[0].values())
    if kind == "characterbox":
        return rows[0]["scenes"]
    return list(books(rows)) if kind == "coser" else rows


with open("data/readers.tsv", "w", encoding="utf-8") as out:
    for path, kind, want, keys, read in FILES:
        rows = rows_of(path, kind)
        each = [read(r) for r in rows]
        records = [r for e in each for r in e]
        turns = [t for r in records for t in r]
        cells = [path, kind, want, keys or "-", len(rows), len(records), sum(not e for e in each)]
        for who in "SUAT":
            cells += [sum(w == who for w, _, _ in turns), sum(len(t) for w, t, _ in turns if w == who)]
        cells.append(sum(len(t) for _, t, on in turns if on))
        print(*cells, sep="\t", file=out)
