# Golden ROUGE-L scores for tests/unit/eval_rouge.c: rouge-score 0.1.2, Python 3.11. Writes data/rouge.json: cases of
# {units, references, candidate, best, precision, recall, f, most}; several references are scored as score_multi does, and `most` is
# the highest recall of any of them.
# Characters are scored by the same scorer with a tokenizer that lists code points other than white space.
import json
import os
import random

import numpy as np
from rouge_score import rouge_scorer


class Chars:
    def tokenize(self, text):
        return [c for c in text if not c.isspace()]


WORDS = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
CHARS = rouge_scorer.RougeScorer(["rougeL"], tokenizer=Chars())

FOX = "The quick brown fox jumps over the lazy dog."
PAIRS = [
    ("", ""), ("", "a"), ("a", ""), ("   \t\n", "a b"), ("...!?", "a"), ("a", "---"), ("!!!", "???"),
    ("a", "a"), ("a", "A"), ("a b c", "c b a"), ("a b c d", "a c d"), ("a a a a", "a a"), ("a a", "a a a a"),
    ("a b a b a b", "b a b a"),
    (FOX, FOX), (FOX, FOX.upper()), (FOX, "A lazy dog sleeps; the brown fox jumps."), (FOX, "Nothing here matches"),
    (FOX, "the the the the"), ("don't stop", "dont stop"), ("don't stop", "Don't  STOP!"), ("e-mail me", "email me"),
    ("3.14 and 42", "3 14 and 42"), ("v2 alpha1", "V2, alpha1!"), ("snake_case_name", "snake case name"),
    ("tab\tand\nline", "tab and line"),
    ("caf\u00e9 au lait", "cafe au lait"), ("caf\u00e9 au lait", "caf au lait"), ("na\u00efve", "na ve"),
    ("\u00dcber alles", "ber alles"),
    ("\u0130stanbul city", "i stanbul city"), ("\u0130stanbul city", "istanbul city"),
    ("5 \u212aelvin", "5 kelvin"), ("mil\u212a", "milk"),
    ("\u212b unit", "a unit"), ("\u2160 \u2161", "i ii"), ("\uff41\uff42", "ab"), ("\u00b2 \u00bd", "2 1"),
    ("\U0001d41a bold", "a bold"),
    ("\u4eca\u5929\u5929\u6c14\u5f88\u597d", "\u4eca\u5929\u5929\u6c14\u5f88\u597d"),
    ("\u4eca\u5929 ok fine", "ok fine \u660e\u5929"),
    ("\U0001f600 smile \U0001f600", "smile"), ("zero\u200bwidth", "zero width"),
    ("soft\u00adhyphen", "soft hyphen"), ("nbsp\u00a0here", "nbsp here"),
    ("Listen up, recruit! Wear dry boots.", "Listen up, recruit! Polish the boots twice."),
    ("By the long light, little lantern, keep the lamp lit.", "little lantern, by the lamp keep the long light lit"),
]
CHAR_PAIRS = [
    ("", ""), ("", "\u597d"), ("\u3000 \n", "\u597d"),
    ("\u4eca\u5929\u5929\u6c14\u5f88\u597d", "\u4eca\u5929\u5929\u6c14\u4e0d\u597d"),
    ("\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002", "\u597d\u5f88\u6c14\u5929\u5929\u4eca"),
    ("\u6162\u6162\u559d\uff0c\u4e0d\u7740\u6025\u3002", "\u6162 \u6162 \u559d , \u4e0d \u7740 \u6025"),
    ("\u4f60\u597d\u3000\u4e16\u754c", "\u4f60\u597d\u4e16\u754c"), ("AB \u4e2d c", "ab \u4e2d C"),
    ("a\u0301 b", "\u00e1 b"), ("\U00020000\u4e00", "\u4e00\U00020000"),
    ("\U0001f600\U0001f601", "\U0001f601"), ("x\x1cy\x85z\u2028w", "xyzw"), ("\u200bx", "x"),
    ("\u5ba2\u5b98\u8bf7\u5750\uff0c\u8336\u521a\u6c8f\u597d\u3002", "\u5ba2\u5b98\uff0c\u8336\u597d\u4e86\uff0c\u8bf7\u5750\u3002"),
]
MULTI = [
    ("words", ["a b c", "a b", "b c d e"], "a b"), ("words", ["x", "y"], "z"), ("words", ["", "a b"], "b"),
    ("words", ["a b", "b a"], "b"),
    ("words", ["one two three four", "two three"], "two three five"),
    ("words", [FOX, FOX.lower(), "the dog"], "the lazy dog"),
    ("chars", ["\u4eca\u5929\u597d", "\u660e\u5929\u597d", "\u597d"], "\u660e\u5929\u4e0d\u597d"),
    ("chars", ["", "\u597d"], "\u597d\u597d"),
    # the highest recall is of a reference whose f is not the highest
    ("words", ["one two three four five six", "two"], "one two three four"), ("words", ["b", "a b c d e"], "a b c d"),
    ("words", ["a b c d e f", "f", "a"], "a b c"),
    ("chars", ["\u4eca\u5929\u5929\u6c14\u5f88\u597d", "\u6c14"], "\u4eca\u5929\u5929\u6c14"),
]


def case(units, references, candidate):
    scorer = CHARS if units == "chars" else WORDS
    scores = [scorer.score(r, candidate)["rougeL"] for r in references]
    best = int(np.argmax([s.fmeasure for s in scores]))
    s = scorer.score_multi(references, candidate)["rougeL"]
    assert s == scores[best]
    return {"units": units, "references": references, "candidate": candidate, "best": best,
            "precision": float(s.precision), "recall": float(s.recall), "f": float(s.fmeasure),
            "most": float(max(x.recall for x in scores))}


def main():
    rng = random.Random(20261123)
    cases = [case("words", [r], c) for r, c in PAIRS] + [case("chars", [r], c) for r, c in CHAR_PAIRS]
    cases += [case(u, r, c) for u, r, c in MULTI]
    for k in range(16):  # random strings over few words: long subsequences that are not contiguous
        vocabulary = ["w%d" % i for i in range(2 + k)]
        text = lambda n: " ".join(rng.choice(vocabulary) for _ in range(n))
        cases.append(case("words", [text(rng.randint(1, 60)) for _ in range(1 + k % 3)], text(rng.randint(1, 60))))
    for n in (300, 700):  # longer than the scratch on the stack
        text = lambda: "".join(rng.choice("abcdefgh \u4e00\u4e8c\u4e09") for _ in range(n))
        cases.append(case("chars", [text()], text()))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "rouge.json")
    with open(path, "w", encoding="ascii") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    print(len(cases), "cases")


main()
