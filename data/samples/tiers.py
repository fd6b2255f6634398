#!/usr/bin/env python3
"""Weights of preference records from tiers, Fair-PP-style (the paper's own formula was not found; this one is ours).

tiers.py < IN.jsonl > OUT.jsonl: rows with persona, prompt, chosen (and whatever else) get
    tier    1 + how many other personas choose something else where the prompt's last message is the same
    weight  g(tier) / sum of g over the tiers that there are,  g(t) = (t / personas)^alpha / records of tier t ^beta,  alpha = beta = 1
so that what sets a persona apart counts more, and no tier counts more for being common. ptrain reads it by field_weight: weight.
"""
import collections
import json
import sys

ALPHA, BETA = 1.0, 1.0


def asked(row):
    return row["prompt"] if isinstance(row["prompt"], str) else row["prompt"][-1]["content"]


rows = [json.loads(line) for line in sys.stdin]
taken = collections.defaultdict(dict)
for row in rows:
    taken[asked(row)][row["persona"]] = row["chosen"]
for row in rows:
    row["tier"] = 1 + sum(c != row["chosen"] for c in taken[asked(row)].values())
personas = len({row["persona"] for row in rows})
count = collections.Counter(row["tier"] for row in rows)
g = {t: (t / personas) ** ALPHA / n**BETA for t, n in count.items()}
for row in rows:
    row["weight"] = round(g[row["tier"]] / sum(g.values()), 6)
    print(json.dumps(row, ensure_ascii=False))
