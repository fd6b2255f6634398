# Golden values of answers that are right or wrong, for tests/unit/eval_matches.c: seqeval 1.2.2, and the functions of SQuAD's evaluate-v2.0.py, Python 3.11.
# Writes data/matches.json: {"squad": [[answer, reference, normal form of the answer, exact, F1]], "spans": [[wanted sequences, found sequences, micro precision, recall, F1, macro
# precision, recall, F1]]}: strict IOB2; the first cases of each are written by hand, then 1,000 and 1,000 random ones.
import collections
import json
import os
import random
import re
import string
import warnings


from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

warnings.simplefilter("ignore")
R = random.Random(20261130)


def normalize_answer(s):
    def remove_articles(text):
        return re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)

    def white_space_fix(text):
        return " ".join(text.split())

    def remove_punc(text):
        return "".join(ch for ch in text if ch not in set(string.punctuation))

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def compute_f1(gold, pred):
    gold_toks, pred_toks = normalize_answer(gold).split(), normalize_answer(pred).split()
    num_same = sum((collections.Counter(gold_toks) & collections.Counter(pred_toks)).values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision, recall = num_same / len(pred_toks), num_same / len(gold_toks)
    return 2 * precision * recall / (precision + recall)


def squad_case(answer, reference):
    n = normalize_answer(answer)
    return [answer, reference, n, int(n == normalize_answer(reference)), round(compute_f1(reference, answer), 12)]


SQUAD = [("The cat", "cat"), ("a an the", ""), ("", ""), ("...", "the"), ("don't", "dont"), ("A.", "a"), ("An apple a day", "apple day"), ("theater", "the ater"), ("the-cat", "cat"),
         ("the\u2014cat", "cat"), ("\u201cThe\u201d end", "end"), ("x_the_y", "xthey"), ("\u00c9COLE  an", "\u00e9cole"), ("\u0130x", "i\u0307x"), ("a\u0301 b", "b"), ("the\u3000tea\u00a0an\tb\nc", "tea b c"),
         ("\u8336 the \u6162", "\u8336 \u6162"), ("\u8336the", "\u8336"), ("42 %", "42"), ("a1 a", "a1"), ("\U0001f600 a", "\U0001f600"), ("the the cat cat cat", "cat cat"), ("\u00bda", "\u00bda"), ("a\u200bb", "a b")]
PARTS = ["the", "a", "an", "cat", "Cat", "dog", "dogs", "it's", "U.S.", "3.5", "tea", "\u8336", "\u2014", "\u00c9t\u00e9", "-", "...", "The", "theatre", "an-other", "\U0001f375", "_", "''"]


def words(n):
    return "".join(R.choice(PARTS) + R.choice([" ", " ", " ", "", "  ", "\n", ", "]) for _ in range(n))


def sequence(n, types):
    return [R.choice(["O", "O", "B-" + R.choice(types), "I-" + R.choice(types), "I-" + types[0]]) for _ in range(n)]


def noisy(seq, types):
    return [x if R.random() < 0.7 else R.choice(sequence(1, types)) for x in seq]


def span_case(gold, found):
    r = classification_report(gold, found, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    out = [r[k][m] for k in ("micro avg", "macro avg") for m in ("precision", "recall", "f1-score")]
    return [[" ".join(s) for s in gold], [" ".join(s) for s in found]] + [round(float(x), 12) for x in out]


SPANS = [(["B-A I-A O"], ["B-A I-A O"]), (["B-A I-A O"], ["B-A O O"]), (["B-A I-A"], ["B-A B-A"]), (["B-A I-B"], ["B-A I-A"]), (["I-A I-A B-A"], ["I-A O B-A"]), (["B-A"], ["O"]),
         (["O B-A"], ["B-B O"]), (["B-A I-A I-B I-A"], ["B-A I-A O O"]), (["B-A O", "B-B I-B"], ["B-A O", "B-B O"])]


def main():
    squad = [squad_case(a, r) for a, r in SQUAD + [(r, a) for a, r in SQUAD]]
    for _ in range(1000):
        a = words(R.randint(0, 7))
        squad.append(squad_case(a, R.choice([words(R.randint(0, 6)), " ".join(R.sample(a.split(), len(a.split())))])))
    spans = [span_case([s.split() for s in g], [s.split() for s in f]) for g, f in SPANS]
    while len(spans) < 1000 + len(SPANS):
        types = R.sample("ABCD", R.randint(1, 4))
        gold = [sequence(R.randint(1, 12), types) for _ in range(R.choice([1, 1, 2]))]
        found = [noisy(s, R.choice([types, "ABCDE"])) for s in gold]
        if any(x[0] == "B" for s in gold + found for x in s):  # seqeval fails where there is no entity at all
            spans.append(span_case(gold, found))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "matches.json")
    with open(path, "w", encoding="utf-8") as f:
        rows = lambda v: "[\n" + ",\n".join(json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in v) + "\n]"
        f.write('{"squad": %s,\n"spans": %s}\n' % (rows(squad), rows(spans)))
    print(len(squad), len(spans), os.path.getsize(path), "bytes")


main()
