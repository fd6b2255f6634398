# Golden values for tests/unit/eval_labels.c: scikit-learn 1.9.1, krippendorff 0.9.0. Writes data/task_labels.json: a list by case, null = NAN. The
# cases are made of a seeded generator (splitmix64) here and there alike.
import json
import math
import os
import warnings

import krippendorff
import numpy as np
from sklearn import metrics

warnings.simplefilter("ignore")
CASES, M64 = 1000, (1 << 64) - 1


class Draw:
    def __init__(self, seed):
        self.s = seed

    def bits(self):
        self.s = (self.s + 0x9E3779B97F4A7C15) & M64
        z = self.s
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        return z ^ (z >> 31)

    def below(self, n):
        return self.bits() % n

    def unit(self):
        return (self.bits() >> 11) * 2.0**-53


def case(i):
    """k classes, gold[n], picked[n] (-1: none), logp[n][k] or None where it was written. Every item's likelihoods are one of a pool: ties."""
    d = Draw(i)
    k, n, written, classes = 2 + d.below(6), 1 + d.below(60), d.below(4) == 0, 0
    classes = 1 + d.below(k) if d.below(5) == 0 else k  # some never stand in the rows
    pool = [[4 * d.unit() for _ in range(k)] for _ in range(1 + d.below(30))]
    gold, picked, logp = [], [], []
    only = d.below(k) if d.below(20) == 0 else -1  # whoever says always the same
    for _ in range(n):
        gold.append(d.below(classes))
        p = list(pool[d.below(len(pool))])
        if d.below(3) == 0:
            p[gold[-1]] += 1
        logp.append(p)
        picked.append((d.below(k + 1) - 1) if written else int(np.argmax(p)))
        if only >= 0:
            picked[-1] = only
    return k, gold, picked, None if written else logp


def area(f, k, gold, p):
    v = [f([g == c for g in gold], p[:, c]) for c in range(k) if 0 < gold.count(c) < len(gold)]
    return np.mean(v) if v else math.nan


def results(k, gold, picked, logp):
    met = sorted((set(gold) | set(picked)) - {-1})
    read = [(g, p) for g, p in zip(gold, picked) if p >= 0]
    f1 = lambda average, labels=met: metrics.f1_score(gold, picked, labels=labels, average=average, zero_division=0)
    kappa = lambda w: metrics.cohen_kappa_score([g for g, _ in read], [p for _, p in read], labels=list(range(k)), weights=w) if read and len({x for r in read for x in r}) > 1 else math.nan
    alpha = lambda level: krippendorff.alpha(np.array(read).T, value_domain=list(range(k)), level_of_measurement=level) if read and len({x for r in read for x in r}) > 1 else math.nan
    out = [metrics.accuracy_score(gold, picked), f1("macro"), f1("micro"), f1("weighted"), f1(None, [1])[0], metrics.balanced_accuracy_score(gold, picked),
           metrics.matthews_corrcoef(gold, picked), metrics.cohen_kappa_score(gold, picked) if len(set(gold) | set(picked)) > 1 else math.nan, kappa("linear"), kappa("quadratic"),
           alpha("nominal"), alpha("ordinal")]
    if logp is None:
        return out + [math.nan] * 4
    p = np.exp(np.array(logp))
    p /= p.sum(axis=1, keepdims=True)
    roc, one = area(metrics.roc_auc_score, k, gold, p), [g == 1 for g in gold]
    if len(set(gold)) == k and k > 2:
        assert abs(roc - metrics.roc_auc_score(gold, p, multi_class="ovr", labels=list(range(k)))) < 1e-12
    there = 0 < sum(one) < len(gold)
    return out + [roc, area(metrics.average_precision_score, k, gold, p), metrics.roc_auc_score(one, p[:, 1]) if there else math.nan,
                  metrics.average_precision_score(one, p[:, 1]) if there else math.nan]


if __name__ == "__main__":
    rows = [[float("%.12g" % v) if math.isfinite(v) else None for v in results(*case(i))] for i in range(CASES)]
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "task_labels.json")
    with open(here, "w") as f:
        f.write("[" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "]\n")
    print({j: sum(r[j] is None for r in rows) for j in range(len(rows[0]))}, os.path.getsize(here))
