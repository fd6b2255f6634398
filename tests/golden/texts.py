# Golden values of text metrics for tests/unit/eval_text_metrics.c: sacrebleu 2.6.0, rouge-score 0.1.2, nltk 3.10.4, Python 3.11.
# Writes data/texts.json: {"cases": [[units, references, answer, numbers]], "corpora": [[first, n, BLEU, chrF]], "selves": [[first, n, self-BLEU]], "tokens": [[units, text, tokens]],
# "stems": "word stem word stem ..."}. numbers: F and highest recall of ROUGE-1, -2, -L, -Lsum; sentence BLEU-1 .. 4 (nltk, method1), BLEU-4 with method2 and without
# smoothing; sacrebleu's BLEU of the answer alone; chrF; METEOR without synonyms. The first cases are written by hand, then 1,000 random ones.
# Words are rouge_score's tokens; characters are code points other than white space.
import json
import os
import random
import warnings


import sacrebleu
from nltk.stem.porter import PorterStemmer
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from nltk.translate.meteor_score import meteor_score
from rouge_score import rouge_scorer, tokenize

warnings.simplefilter("ignore")
R = random.Random(20261130)


class Chars:
    def tokenize(self, text):
        return [c for c in text if not c.isspace()]


class Words:
    def tokenize(self, text):
        return tokenize.tokenize(text, None)


class NoSynonyms:
    def synsets(self, word):
        return []


TOKENS = {"words": Words(), "chars": Chars()}
ROUGE = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
SCORERS = {u: rouge_scorer.RougeScorer(ROUGE, tokenizer=TOKENS[u]) for u in TOKENS}
BLEU = {u: sacrebleu.BLEU(tokenize=t) for u, t in (("words", "13a"), ("chars", "zh"))}
CHRF = sacrebleu.CHRF()
SMOOTH = SmoothingFunction()


def sentence(references, answer, order, method):
    return float(sentence_bleu(references, answer, (1 / order,) * order, method))


def case(units, references, answer):
    scores = [SCORERS[units].score(r, answer) for r in references]
    out = []
    for k in ROUGE:
        out += [float(max(s[k].fmeasure for s in scores)), float(max(s[k].recall for s in scores))]
        assert float(SCORERS[units].score_multi(references, answer)[k].fmeasure) == out[-2]
    split = TOKENS[units].tokenize
    refs, ans = [split(r) for r in references], split(answer)
    out += [sentence(refs, ans, n, SMOOTH.method1) for n in (1, 2, 3, 4)]
    out += [sentence(refs, ans, 4, SMOOTH.method2), sentence(refs, ans, 4, SMOOTH.method0)]
    out += [BLEU[units].corpus_score([answer], [[r] for r in references]).score, CHRF.corpus_score([answer], [[r] for r in references]).score]
    out += [meteor_score(refs, ans, wordnet=NoSynonyms())]
    return [units, references, answer, [round(x, 12) for x in out]]


HAND = [
    ("words", ["Keep the lamp lit, little lantern."], "Keep the lamp lit, little lantern."),
    ("words", ["Keep the lamp lit."], ""), ("words", ["Keep the lamp lit."], "   \n\t "), ("words", ["..."], "..."), ("words", ["?!"], "Yes!"), ("words", ["a"], "a"),
    ("words", ["a b"], "b a"), ("words", ["a b c"], "a b c d e f g"), ("words", ["the the the"], "the the the the the the"),
    ("words", ["It's 3.14, not 3,14 -- or 5-6?"], "It is 3.14; not 3.14 - or 5-6."), ("words", ["one\ntwo three\nfour"], "two three\none four\n\nfour"),
    ("words", ["He &quot;said&quot; &amp; left &lt;now&gt;"], "He \"said\" & left <now>"), ("words", ["a well-\nknown <skipped> thing"], "a wellknown thing"),
    ("words", ["The sailors were sailing happily", "A sailor sails happy seas"], "Sailor, sail happily; the sailing sailors sailed"),
    ("words", ["Caf\u00e9 na\u00efve \U0001f600 ok"], "cafe naive \U0001f600\U0001f600 OK"), ("words", ["x y z", "x y", "w"], "x y w"),
    ("words", ["\u0130stanbul \u212aelvin"], "istanbul kelvin"), ("words", ["\u00a0nbsp\u00a0space\u3000wide"], "nbsp space wide"),
    ("words", ["e.g. U.S.A., 1,000.50 a.m."], "E.g. the U.S.A. 1,000.50 am"), ("words", ["[a]{b}(c)|d~e`f^g_h"], "a b c d e f g h"), ("words", ["..,,.. 1.2.3 .5 5."], "., 1.2.3 .5 5."),
    ("chars", ["\u6162\u6162\u559d\uff0c\u4e0d\u7740\u6025\u3002"], "\u6162\u6162\u559d\uff0c\u522b\u7740\u6025\u3002"), ("chars", ["\u597d"], ""), ("chars", ["\u597d"], "\u574f"),
    ("chars", ["\u4f60\u597d \u4e16\u754c"], "\u4f60\u597d\u4e16\u754c"), ("chars", ["\u201c\u8336\u201d\u2014\u2014\u8bf7\u2026\u2026"], "\u201c\u8bf7\u201d\u2014\u8336\u2026"),
    ("chars", ["\u5ba2\u5b98\u8bf7\u5750\uff01\nWelcome, guest 3.5\u5143"], "\u5ba2\u5b98\u5750\uff01\nwelcome guest, 3.5 \u5143"),
    ("chars", ["\u3002\uff1f\uff01"], "\uff01\uff1f\u3002"), ("chars", ["\U0001f375\U0001f600"], "\U0001f600\U0001f375"), ("chars", ["\U00020000\u4e00", "\u4e00"], "\u4e00\U00020000\u4e00"),
    ("chars", [".5\u5143 \u597d", "\u597d"], " .5\u5143\u597d."), ("chars", ["AbC \u4e2d"], "aBc\u4e2d"),
]
STEMS = "sail lantern run happi argu operat hop relat nation form light keep care decid polici tri fli agre controll activ vietnam triplic electr depend adopt differ commun".split()
ENDINGS = ["", "s", "es", "ed", "ing", "er", "ly", "ness", "ation", "ful", "ies", "y"]
WORDS = [s + e for s in STEMS for e in ENDINGS]
HAN = "\u6162\u559d\u8336\u5ba2\u5b98\u8bf7\u5750\u597d\u5929\u6c14\u4eca\u660e\u8001\u677f\u6765\u4e86\u5427\uff0c\u3002\uff01\u201c\u201d\u2014\u2026"


def english(vocabulary, n):
    words = []
    for _ in range(n):
        w = R.choice(vocabulary)
        w = w.capitalize() if R.random() < 0.1 else w
        words.append(w + R.choice([""] * 12 + [",", ".", "!", "?", ";", "'s", "-", "\n", " \U0001f600", " 3.5", "..."]))
    return " ".join(words)


def chinese(n):
    return "".join(R.choice(HAN[:R.choice([6, len(HAN)])]) if R.random() < 0.93 else R.choice([" ", "ok", "3.5", "\n", ".", "\U0001f375", "A"]) for _ in range(n))


def near(text, fresh):
    """Some words of the one, some of the other: answers that are partly right."""
    a, b = text.split(" "), fresh.split(" ")
    return " ".join(R.choice([x, x, y]) for x, y in zip(a, b + a)) + " ".join(b[len(a):])


def random_case(k):
    if k % 3:
        vocabulary = R.sample(WORDS, R.choice([3, 8, 40]))
        references = [english(vocabulary, R.randint(1, 16)) for _ in range(R.choice([1, 1, 1, 2, 3]))]
        answer = english(vocabulary, R.randint(0, 16))
        return "words", references, near(references[-1], answer) if R.random() < 0.4 else answer
    references = [chinese(R.randint(1, 24)) or "\u597d" for _ in range(R.choice([1, 1, 2, 3]))]
    answer = chinese(R.randint(0, 24))
    if R.random() < 0.4:
        cut = R.randint(0, len(references[0]))
        answer = references[0][:cut] + answer[cut:]
    references = [r if r.strip() else "\u597d" for r in references]
    return "chars", references, answer


def self_bleu(units, answers):
    said = [TOKENS[units].tokenize(a) for a in answers]
    scores = [sentence([x for j, x in enumerate(said) if j != i], s, 4, SMOOTH.method1) for i, s in enumerate(said)]
    return sum(scores) / len(scores)


def main():
    cases = [case(*x) for x in HAND] + [case(*random_case(k)) for k in range(1000)]
    cases = sorted(cases[:len(HAND)], key=lambda c: c[0]) + sorted(cases[len(HAND):], key=lambda c: c[0])
    corpora, selves = [], []
    for first in range(0, len(cases), 37):
        some = cases[first:first + 37]
        if len({c[0] for c in some}) > 1:
            continue
        streams = [[c[1][k] if k < len(c[1]) else None for c in some] for k in range(3)]
        answers = [c[2] for c in some]
        corpora.append([first, len(some), BLEU[some[0][0]].corpus_score(answers, streams).score, CHRF.corpus_score(answers, streams).score])
        n = R.choice([2, 3, 10, len(some)])
        selves.append([first, min(n, len(some)), self_bleu(some[0][0], answers[:n])])
    tokens = [[c[0], t, BLEU[c[0]].tokenizer(t.rstrip())] for c in cases[:len(HAND)] for t in [c[2]] + c[1]]
    letters = "aaeeiiouybcdfglmnstvxz"
    endings = "ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness " \
        "al ance ence er ic able ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize e ll s es sses ies ied eed ed ing ated bled izing y ly".split()
    words = WORDS + "sky skies dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed died dies spied spies flies enjoy enjoyment by say toy syzygy y yy " \
        "yyy is as ties cats feed agreed bled motoring sing hopping falling hissing fizzed failing filing roll controll geologi theologi a be 3 42nd v2s 1950s".split()
    words += ["".join(R.choice(letters) for _ in range(R.randint(1, 6))) + R.choice(endings) + R.choice(["", "", "", "s", "ly", "ed", "ing"]) for _ in range(2500)]
    stemmer = PorterStemmer()
    out = {"cases": cases, "corpora": corpora, "selves": selves, "tokens": tokens, "stems": " ".join(f"{w} {stemmer.stem(w)}" for w in dict.fromkeys(words))}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "texts.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write("{" + ",\n".join(json.dumps(k) + ": " + ("[\n" + ",\n".join(json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in v) + "\n]" if isinstance(v, list) else json.dumps(v))
                                 for k, v in out.items()) + "}\n")
    print(len(cases), "cases", len(corpora), "corpora", len(tokens), "token lists", os.path.getsize(path), "bytes")


main()
