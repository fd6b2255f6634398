# JSON schemas with texts that they accept and texts that they reject, for tests/golden/constrain_verdicts.c and tests/full/constrained.sh: jsonschema 4.26.0, Python 3.11.
#   constraints.py                      writes data/constraints.jsonl (60 schemas) and data/constraints.tsv (how often each thing was drawn, there and in 1,000)
#   constraints.py draw N SEED          N schemas to standard output, half of them bounded
#   constraints.py check ROWS           rows of `ptrain generate` that hold json_schema, response and finish_reason: every ended answer is valid; counts
# A line: {"schema", "longest": bytes of the longest text in the stated form, null: there is none, "valid": [20 texts], "invalid": [20 texts]}.
# The stated form (docs/generation.md): compact JSON with at most one blank behind each ':' and ',', declared keys in the schema's order, others behind them; keys and what enum and const state are spelled
# as short as JSON allows, characters of other strings may be escaped. Valid texts are drawn from the schema and accepted by jsonschema; invalid ones are
# valid ones with something changed, and jsonschema rejects them (or they are no JSON). Formats are asserted: date, uuid, email, ipv4 by jsonschema's own checker, time and date-time by Python's
# fromisoformat with an offset (RFC 3339), as jsonschema has none of these without another package.
import collections
import copy
import datetime
import json
import os
import random
import re
import string
import sys

sys.path.pop(0)  # statistics.py beside this file is not the one that libraries want

import jsonschema
from jsonschema import Draft202012Validator, FormatChecker

SEED = 117
FIT = 256  # bytes, and so tokens at most, of the longest text of a bounded schema
FORMATS = FormatChecker(["date", "uuid", "email", "ipv4"])


@FORMATS.checks("time", raises=ValueError)
def is_time(x):
    return not isinstance(x, str) or (re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", x) and datetime.time.fromisoformat(x.upper().replace("Z", "+00:00")) is not None)


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(x):
    return not isinstance(x, str) or (x[10:11] in ("T", "t") and datetime.date.fromisoformat(x[:10]) is not None and is_time(x[11:]))


LETTERS = string.ascii_letters + string.digits + "    .,!?'-_"
ODD = ['"', "\\", "/", "\n", "\t", "\u00e9", "\u00df", "\u0416", "\u4e2d", "\u6587", "\u3042", "\U0001f600", "\U0001d11e", "{", "}", "[", "]", ":", ","]
KEYS = ["name", "age", "mood", "says", "role", "tags", "score", "where", "a", "b", "id", "kind", "next step", "\u00e9tat", "\u540d", "x_1", "quote\"d", "back\\slash"]
# pattern, a function that draws what matches, characters at most (None: no bound)
PATTERNS = [
    ("^[a-z]{2,5}$", lambda r: "".join(r.choice(string.ascii_lowercase) for _ in range(r.randint(2, 5))), 5),
    ("^[A-Z][0-9]{3}$", lambda r: r.choice(string.ascii_uppercase) + "".join(r.choice(string.digits) for _ in range(3)), 4),
    ("^(yes|no|may be)$", lambda r: r.choice(["yes", "no", "may be"]), 6),
    ("^[0-9]+(\\.[0-9]{1,2})?$", lambda r: str(r.randint(0, 99999)) + r.choice(["", ".5", ".25"]), None),
    ("^#[0-9a-fA-F]{6}$", lambda r: "#" + "".join(r.choice("0123456789abcdefABCDEF") for _ in range(6)), 7),
    ("^\\w+( \\w+)*$", lambda r: " ".join("".join(r.choice("abc_XYZ019") for _ in range(r.randint(1, 6))) for _ in range(r.randint(1, 3))), None),
    ("^[^\"\\\\]{1,4}$", lambda r: "".join(r.choice("ab !\u00e9\u4e2d") for _ in range(r.randint(1, 4))), 4),
    ("ab", lambda r: plain(r, 3) + "ab" + plain(r, 3), None),
]


def plain(r, most):
    n = r.randint(0, most)
    return "".join(r.choice(ODD) if r.random() < 0.12 else r.choice(LETTERS) for _ in range(n))


def exactly(r, n):
    return "".join(r.choice(ODD) if r.random() < 0.12 else r.choice(LETTERS) for _ in range(n))


def digits(r, n, low=0, high=9):
    return "".join(str(r.randint(low, high)) for _ in range(n))


FORMAT = {
    "date": (lambda r: "%04d-%02d-%02d" % (r.randint(1, 9999), r.randint(1, 12), r.randint(1, 28)), 10),
    "time": (lambda r: "%02d:%02d:%02d%s" % (r.randint(0, 23), r.randint(0, 59), r.randint(0, 59), r.choice(["Z", "+01:00", "-05:30"])), None),
    "date-time": (lambda r: FORMAT["date"][0](r) + "T" + FORMAT["time"][0](r), None),
    "uuid": (lambda r: "-".join("".join(r.choice("0123456789abcdef") for _ in range(n)) for n in (8, 4, 4, 4, 12)), 36),
    "email": (lambda r: "".join(r.choice("abcxyz019") for _ in range(r.randint(1, 6))) + "@" + r.choice(["a.org", "mail.example.com"]), None),
    "ipv4": (lambda r: ".".join(str(r.randint(0, 255)) for _ in range(4)), 15),
}


# ---- schemas ----

class Draw:
    """A schema at a time. bounded: every text of it has a longest one."""

    def __init__(self, r, bounded):
        self.r, self.bounded, self.defs, self.drawn = r, bounded, {}, collections.Counter()

    def said(self, what):
        self.drawn[what] += 1

    def root(self, depth):
        s = self.node(depth, True)
        if self.defs:
            s["$defs"] = self.defs
        if self.r.random() < 0.3:
            s = {"title": "A thing", "description": "What is wanted.", **s}
            self.said("annotations")
        self.said("depth %d" % depth)
        return s

    def node(self, depth, root=False):
        r = self.r
        if depth <= 1:
            pick = r.choices(["string", "integer", "number", "boolean", "null", "enum", "const", "types"], [8, 5, 2, 2, 1, 3, 1, 2])[0]
            return getattr(self, pick + "_")()
        pick = r.choices(["object", "map", "array", "anyOf", "oneOf", "allOf", "ref", "recursive", "leaf"], [8, 1.5, 5, 2, 1, 1, 1, 0 if self.bounded else 1, 0 if root else 4])[0]
        return self.node(1) if pick == "leaf" else getattr(self, pick + "_")(depth - 1)

    def string_(self):
        r, s = self.r, {"type": "string"}
        how = r.choices(["free", "maxLength", "minLength", "both", "pattern", "format"], [0 if self.bounded else 4, 3, 0 if self.bounded else 1, 3, 3, 3])[0]
        self.said("string: " + how)
        if how in ("maxLength", "both"):
            s["maxLength"] = r.randint(1, 6) if self.bounded else r.randint(1, 40)
        if how == "minLength":
            s["minLength"] = r.randint(1, 8)
        if how == "both":
            s = {"type": "string", "minLength": r.randint(0, s["maxLength"]), "maxLength": s["maxLength"]}
        if how == "pattern":
            s["pattern"] = r.choice([p for p in PATTERNS if not self.bounded or p[2]])[0]
        if how == "format":
            s["format"] = r.choice([f for f in FORMAT if not self.bounded or FORMAT[f][1]])
            self.said("format: " + s["format"])
        return s

    def integer_(self):
        r, s = self.r, {"type": "integer"}
        how = r.choices(["free", "minimum", "maximum", "both", "exclusive", "multipleOf"], [0 if self.bounded else 3, 0 if self.bounded else 1, 0 if self.bounded else 1, 4, 2, 1])[0]
        self.said("integer: " + how)
        low = r.choice([0, 1, -5, -1000, 18, r.randint(-99999, 99999)])
        high = low + r.choice([0, 1, 9, 120, 10000])
        if how in ("minimum", "both", "multipleOf"):
            s["minimum"] = low
        if how in ("maximum", "both", "multipleOf"):
            s["maximum"] = high
        if how == "exclusive":
            s["exclusiveMinimum"], s["exclusiveMaximum"] = low, high + 2
        if how == "multipleOf":
            s["multipleOf"] = r.choice([2, 3, 5, 7])
            s["minimum"], s["maximum"] = r.randint(-30, 0), r.randint(10, 60)
        return s

    def number_(self):
        r, s = self.r, {"type": "number"}
        how = r.choices(["free", "both", "exclusive", "minimum"], [0 if self.bounded else 3, 2, 1, 0 if self.bounded else 1])[0]
        self.said("number: " + how)
        low = r.choice([0, -1, 0.5, -273.15, r.randint(-5000, 5000) / 8])
        high = round(low + r.choice([1, 0.25, 100, 36.5]), 4)
        if how in ("both", "minimum"):
            s["minimum"] = low
        if how == "both":
            s["maximum"] = high
        if how == "exclusive":
            s["exclusiveMinimum"], s["exclusiveMaximum"] = low, high
        return s

    def boolean_(self):
        self.said("boolean")
        return {"type": "boolean"}

    def null_(self):
        self.said("null")
        return {"type": "null"}

    def scalar(self):
        r = self.r
        return r.choice([lambda: exactly(r, r.randint(0, 5)), lambda: r.randint(-99, 999), lambda: r.choice([True, False]), lambda: None, lambda: r.choice(["yes", "no", "A", "AB", "ABC"])])()

    def enum_(self):
        self.said("enum")
        out = []
        for _ in range(self.r.randint(2, 5)):
            v = self.scalar()
            if not any(same(v, x) for x in out):
                out.append(v)
        return {"enum": out}

    def const_(self):
        self.said("const")
        return {"const": self.r.choice([self.scalar, lambda: [1, "a"], lambda: {"k": self.scalar(), "l": []}])()}

    def types_(self):
        self.said("list of types")
        if self.bounded:
            return {"type": ["string", "null"], "maxLength": self.r.randint(1, 5)}
        return {"type": self.r.choice([["string", "null"], ["integer", "boolean"], ["string", "number", "null"]])}

    def object_(self, depth, keys=None, closed=None):
        r = self.r
        self.said("object")
        keys = keys or r.sample(KEYS, r.randint(1, 4))
        s = {"type": "object", "properties": {k: self.node(depth if i == 0 else r.randint(1, depth)) for i, k in enumerate(keys)}}
        needed = [k for k in keys if r.random() < 0.6]
        if needed:
            r.shuffle(needed)
            s["required"] = needed
            self.said("required")
        if len(needed) < len(keys):
            self.said("optional keys")
        more = closed or ("false" if self.bounded else r.choices(["false", "absent", "true", "schema"], [5, 2, 1, 1])[0])
        self.said("additionalProperties: " + more)
        if more == "false":
            s["additionalProperties"] = False
        if more == "true":
            s["additionalProperties"] = True
        if more == "schema":
            s["additionalProperties"] = self.node(1)
        return s

    def map_(self, depth):
        """An object of keys that are not listed."""
        r, s = self.r, {"type": "object"}
        if self.bounded or r.random() < 0.6:
            self.said("patternProperties")
            s["patternProperties"] = {r.choice(["^[a-z]{1,4}$", "^x_[0-9]$", "^(left|right)$"]): self.node(depth)}
            s["additionalProperties"] = False
        else:
            self.said("additionalProperties alone")
            s["additionalProperties"] = self.node(depth)
        if r.random() < 0.5:
            self.said("minProperties")
            s["minProperties"] = 1
        if self.bounded or r.random() < 0.3:
            self.said("maxProperties")
            s["maxProperties"] = r.randint(1, 2)
        return s

    def array_(self, depth):
        r, s = self.r, {"type": "array"}
        if r.random() < 0.25:
            self.said("prefixItems")
            s["prefixItems"] = [self.node(depth if i == 0 else 1) for i in range(r.randint(1, 3))]
            s["items"] = False if self.bounded or r.random() < 0.6 else self.node(1)
            self.said("items: false" if s["items"] is False else "items behind prefixItems")
            if r.random() < 0.5:
                s["minItems"] = r.randint(0, len(s["prefixItems"]))
                self.said("minItems")
            return s
        s["items"] = self.node(depth)
        self.said("items")
        if r.random() < 0.4:
            s["minItems"] = r.randint(0, 2)
            self.said("minItems")
        if self.bounded or r.random() < 0.4:
            s["maxItems"] = s.get("minItems", 0) + r.randint(0 if s.get("minItems") else 1, 3)
            self.said("maxItems")
        return s

    def anyOf_(self, depth):
        self.said("anyOf")
        return {"anyOf": [self.node(depth if i == 0 else 1) for i in range(self.r.randint(2, 3))]}

    def oneOf_(self, depth):
        """Branches of different types, so that one alone can hold."""
        self.said("oneOf")
        two = [self.object_(depth), self.r.choice([self.string_, self.boolean_, self.integer_])()]
        self.r.shuffle(two)
        return {"oneOf": two}

    def allOf_(self, depth):
        """Objects whose keys are different ones; they are open, or else nothing could satisfy both."""
        self.said("allOf")
        keys = self.r.sample(KEYS, 4)
        if self.bounded:  # the bound comes from a closed object that names all keys
            return {"allOf": [self.object_(depth, keys[:2], "false")]}
        return {"allOf": [self.object_(depth, keys[:2], "absent"), self.object_(1, keys[2:], "absent")]}

    def ref_(self, depth):
        self.said("$ref")
        name = "part%d" % len(self.defs)
        self.defs[name] = {}
        self.defs[name] = self.node(depth)
        return {"$ref": "#/$defs/" + name}

    def recursive_(self, depth):
        self.said("$ref to itself")
        name = "tree%d" % len(self.defs)
        self.defs[name] = {}
        leaf, ref = self.node(1), {"$ref": "#/$defs/" + name}
        if self.r.random() < 0.5:
            self.defs[name] = {"type": "object", "properties": {"v": leaf, "below": {"type": "array", "items": ref, "maxItems": 2}}, "required": ["v"], "additionalProperties": False}
        else:
            self.defs[name] = {"type": "object", "properties": {"v": leaf, "then": {"anyOf": [{"type": "null"}, ref]}}, "required": ["v", "then"], "additionalProperties": False}
        return dict(ref)


def same(a, b):
    return type(a) is type(b) and a == b


def add(parts):
    parts = list(parts)
    return None if any(p is None for p in parts) else sum(parts)


def most(parts):
    parts = list(parts)
    return None if any(p is None for p in parts) else max(parts)


def written(v):
    """Bytes of a value, each character in its longest spelling."""
    return len(json.dumps(v, separators=(",", ":")).encode()) * 6


def longest(s, defs, seen=()):
    """Bytes of the longest text, None: there is none. Above rather than below: every character of a string counts as two \\uXXXX."""
    if "$ref" in s:
        name = s["$ref"].split("/")[-1]
        return None if name in seen else longest(defs[name], defs, seen + (name,))
    for key in ("anyOf", "oneOf"):
        if key in s:
            return most(longest(x, defs, seen) for x in s[key])
    if "allOf" in s:
        return add(longest(x, defs, seen) for x in s["allOf"])
    if "enum" in s or "const" in s:
        return max(written(v) for v in s.get("enum", [s.get("const")]))
    kinds = s["type"] if isinstance(s["type"], list) else [s["type"]]
    return most(longest_of(k, s, defs, seen) for k in kinds)


def longest_of(kind, s, defs, seen):
    if kind in ("boolean", "null"):
        return 5
    if kind == "number":  # between bounds: a sign, nine digits, a point, six digits
        return 17 if {"maximum", "exclusiveMaximum"} & set(s) and {"minimum", "exclusiveMinimum"} & set(s) else None
    if kind == "integer":
        ends = [s.get("minimum", s.get("exclusiveMinimum")), s.get("maximum", s.get("exclusiveMaximum"))]
        return None if None in ends else max(len(str(v)) for v in ends)
    if kind == "string":
        bound = s.get("maxLength")
        if "pattern" in s:
            bound = [p[2] for p in PATTERNS if p[0] == s["pattern"]][0]
        if "format" in s:
            bound = FORMAT[s["format"]][1]
        return None if bound is None else 2 + bound * (12 if "maxLength" in s else 6)
    if kind == "array":
        first = [longest(x, defs, seen) for x in s.get("prefixItems", [])]
        if s["items"] is False:
            rest = []
        elif "maxItems" not in s:
            return None
        else:
            rest = [longest(s["items"], defs, seen)] * s["maxItems"]
        n = len(first) + len(rest)
        total = add(first + rest)
        return None if total is None else total + 2 + 2 * max(n - 1, 0)
    if "patternProperties" in s and "maxProperties" in s:
        one = longest(list(s["patternProperties"].values())[0], defs, seen)
        return None if one is None else 2 + s["maxProperties"] * (one + 5 + 6 + 4)
    if s.get("additionalProperties", True) is not False or "patternProperties" in s:
        return None
    total = add(longest(x, defs, seen) for x in s["properties"].values())
    return None if total is None else total + 2 + sum(written(k) + 4 for k in s["properties"])


# ---- texts ----

class Free(str):
    """A string whose characters may be escaped."""


def instance(r, s, defs, deep=0):
    """A value that the schema accepts, keys in its order."""
    if "$ref" in s:
        return instance(r, defs[s["$ref"].split("/")[-1]], defs, deep + 1)
    for key in ("anyOf", "oneOf"):
        if key in s:
            return instance(r, s[key][0] if deep > 4 else r.choice(s[key]), defs, deep)
    if "allOf" in s:
        out = {}
        for x in s["allOf"]:
            out.update(instance(r, x, defs, deep))
        return out
    if "enum" in s:
        return copy.deepcopy(r.choice(s["enum"]))
    if "const" in s:
        return copy.deepcopy(s["const"])
    kind = r.choice(s["type"]) if isinstance(s["type"], list) else s["type"]
    return globals()["some_" + kind](r, s, defs, deep)


def some_string(r, s, defs, deep):
    if "pattern" in s:
        return [p[1] for p in PATTERNS if p[0] == s["pattern"]][0](r)
    if "format" in s:
        return FORMAT[s["format"]][0](r)
    low = s.get("minLength", 0)
    return Free(exactly(r, r.choice([low, s.get("maxLength", low + 12), r.randint(low, s.get("maxLength", low + 12))])))


def some_integer(r, s, defs, deep):
    low, high = s.get("minimum", s.get("exclusiveMinimum", -10**6) + ("exclusiveMinimum" in s)), s.get("maximum", s.get("exclusiveMaximum", 10**6) - ("exclusiveMaximum" in s))
    if low > high:
        low, high = (low, low + 10**6) if "minimum" in s else (high - 10**6, high)
    if "multipleOf" in s:
        m = s["multipleOf"]
        return m * r.randint(-(-low // m), high // m)
    return r.choice([low, high, r.randint(low, high), r.randint(low, high)])


def some_number(r, s, defs, deep):
    low, high = [s.get(k, s.get("exclusive" + k[0].upper() + k[1:])) for k in ("minimum", "maximum")]
    if low is not None:
        high = low + 1000 if high is None else high
        return r.choice([low, high, round(r.uniform(low, high), r.randint(1, 6)), round(r.uniform(low, high), 2), int(high)])  # those that are outside are left out by jsonschema
    return r.choice([r.randint(-1000, 1000), round(r.uniform(-100, 100), r.randint(1, 6)), r.uniform(-1, 1) * 1e-7, r.uniform(1, 10) * 1e20, 0.0])


def some_boolean(r, s, defs, deep):
    return r.random() < 0.5


def some_null(r, s, defs, deep):
    return None


def some_array(r, s, defs, deep):
    first, low = s.get("prefixItems", []), s.get("minItems", 0)
    if first:
        n = r.randint(low, len(first))
        out = [instance(r, x, defs, deep) for x in first[:n]]
        if n == len(first) and s["items"] is not False:
            out += [instance(r, s["items"], defs, deep) for _ in range(r.randint(0, 2))]
        return out
    high = s.get("maxItems", low + 3)
    return [instance(r, s["items"], defs, deep) for _ in range(r.randint(low, low if deep > 3 else high))]


def some_map(r, s, defs, deep):
    pattern, sub = list(s["patternProperties"].items())[0] if "patternProperties" in s else (None, s["additionalProperties"])
    keys = {None: ["other", "more", "zz", "\u00fc"], "^[a-z]{1,4}$": ["a", "zz", "left", "mood"], "^x_[0-9]$": ["x_0", "x_7", "x_9"], "^(left|right)$": ["left", "right"]}[pattern]
    low = s.get("minProperties", 0)
    return {k: instance(r, sub, defs, deep) for k in r.sample(keys, r.randint(low, s.get("maxProperties", 2)))}


def some_object(r, s, defs, deep):
    if "properties" not in s:
        return some_map(r, s, defs, deep)
    out = {k: instance(r, x, defs, deep) for k, x in s["properties"].items() if k in s.get("required", []) or r.random() < (0.1 if deep > 3 else 0.5)}
    more = s.get("additionalProperties", False)  # where nothing is said of others, none are drawn
    if more is not False:
        for k in r.sample(["other", "more", "zz", "\u00fc"], r.randint(0, 2)):
            out[k] = r.choice(["any", 1, None, [1, {"x": True}], -2.5]) if more is True else instance(r, more, defs, deep)
    return out


def spell(r, v):
    escaped, blanks = r.random() < 0.2, r.choice([0, 0, 0, 0.5, 1])

    def mark(c):
        return c + (" " if r.random() < blanks else "")

    def go(x):
        if isinstance(x, dict):
            return "{" + "".join((mark(",") if i else "") + go(k) + mark(":") + go(y) for i, (k, y) in enumerate(x.items())) + "}"
        if isinstance(x, list):
            return "[" + "".join((mark(",") if i else "") + go(y) for i, y in enumerate(x)) + "]"
        return json.dumps(x, ensure_ascii=escaped and isinstance(x, Free))

    return go(v)


def places(v, path=()):
    yield path
    if isinstance(v, (dict, list)):
        for k in (v if isinstance(v, dict) else range(len(v))):
            yield from places(v[k], path + (k,))


def changed(r, v):
    """The value with one thing changed, somewhere in it."""
    v = copy.deepcopy(v)
    path = r.choice(list(places(v)))
    top = {"it": v}
    at, key = top, "it"
    for k in path:
        at, key = at[key], k
    x = at[key]
    how = []
    if isinstance(x, dict):
        how += [lambda: x.pop(r.choice(list(x)), None) if x else None, lambda: x.update({"extra" + digits(r, 1): r.choice([1, "x", None])}),
                lambda: x.update({r.choice(list(x)).upper() + "_": x.pop(r.choice(list(x)))}) if x else None]
    if isinstance(x, list):
        how += [lambda: x.pop() if x else None, lambda: x.extend([copy.deepcopy(r.choice(x)) if x else 0] * r.randint(1, 5)), lambda: x.insert(0, {"odd": 1}), lambda: x.reverse()]
    if isinstance(x, str):
        how += [lambda: at.__setitem__(key, x + exactly(r, r.randint(1, 30))), lambda: at.__setitem__(key, x[1:]), lambda: at.__setitem__(key, x[:-1]), lambda: at.__setitem__(key, r.choice("!~\u4e2d") + x[1:]),
                lambda: at.__setitem__(key, x.upper()), lambda: at.__setitem__(key, x.replace("-", "/"))]
    if isinstance(x, (int, float)) and not isinstance(x, bool):
        how += [lambda: at.__setitem__(key, x + r.choice([1, -1, 10**4, -10**4, 10**7])), lambda: at.__setitem__(key, x + 0.5), lambda: at.__setitem__(key, -x), lambda: at.__setitem__(key, str(x))]
    if isinstance(x, bool):
        how += [lambda: at.__setitem__(key, int(x)), lambda: at.__setitem__(key, not x)]
    other = [None, True, 0, -7, 2.5, "", "text", [], [[1]], {}, {"a": 1}]
    how += [lambda: at.__setitem__(key, r.choice(other))]
    r.choice(how)()
    return top["it"]


def broken(r, text):
    """No JSON any more, or more than one value."""
    at = r.randrange(len(text))
    return r.choice([text[:-1], text + r.choice(["}", "]", "\"", ",", " x", "1 2"]), text[:at] + text[at + 1:], text[:at] + r.choice(",:}]\"\\{") + text[at:], "'" + text[1:-1] + "'", text.replace(":", "=")])


def strict(text):
    def no(_):
        raise ValueError("no JSON number")
    return json.loads(text, parse_constant=no)


def twice(text):
    """Whether a key stands twice in an object: JSON allows it, and jsonschema sees the last one."""
    found = []
    json.loads(text, object_pairs_hook=lambda p: found.append(len({k for k, _ in p}) != len(p)))
    return any(found)


def accepted(validator, text):
    try:
        return validator.is_valid(strict(text))
    except ValueError:
        return False


def texts(r, schema, n):
    validator = Draft202012Validator(schema, format_checker=FORMATS)
    defs = schema.get("$defs", {})
    valid, invalid = [], []
    for _ in range(40 * n):
        if len(valid) == n:
            break
        t = spell(r, instance(r, schema, defs))
        if accepted(validator, t) and len(t) < 400 and (t not in valid or _ > 10 * n):
            valid.append(t)
    if len(valid) < n:
        return None
    for _ in range(400 * n):
        if len(invalid) == n:
            break
        text = r.choice(valid)
        t = broken(r, text) if r.random() < 0.2 else spell(r, changed(r, json.loads(text)))
        if t and t not in invalid and len(t) < 500 and not accepted(validator, t):
            invalid.append(t)
    return (valid, invalid) if len(invalid) == n else None


def draw(n, seed, each=20):
    r = random.Random(seed)
    drawn, out = collections.Counter(), []
    while len(out) < n:
        bounded = len(out) % 2 == 0
        d = Draw(r, bounded)
        s = d.root(1 + len(out) // 2 % 4)
        size = longest(s, s.get("$defs", {}))
        if (size is None) == bounded or (bounded and size > FIT):
            continue
        Draft202012Validator.check_schema(s)
        t = texts(r, s, each)
        if t is None:
            continue
        drawn.update(d.drawn)
        drawn["bounded" if bounded else "unbounded"] += 1
        out.append({"schema": s, "longest": size, "valid": t[0], "invalid": t[1]})
    return out, drawn


def line(x):
    return json.dumps(x, ensure_ascii=False, separators=(",", ":"))


def check(path):
    """Prints counts and what is wrong; 1 where an ended answer is not valid."""
    counts, bad, doubled = collections.Counter(), 0, 0
    for row in map(json.loads, open(path, encoding="utf-8")):
        schema = row["json_schema"]
        kind = "bounded" if row.get("longest") is not None else "unbounded"
        ended = row["finish_reason"] == "stop"
        counts[kind, ended] += 1
        doubled += ended and accepted(Draft202012Validator(schema, format_checker=FORMATS), row["response"]) and twice(row["response"])
        if ended and not accepted(Draft202012Validator(schema, format_checker=FORMATS), row["response"]):
            bad += 1
            print("# not valid: %s\n#   by %s" % (row["response"][:300], line(schema)[:600]))
    for kind in ("bounded", "unbounded"):
        a, b = counts[kind, True], counts[kind, False]
        print("%s %d ended %d length %d share %.4f" % (kind, a + b, a, b, a / (a + b) if a + b else 0))
    print("invalid %d; valid with a free key twice %d" % (bad, doubled))
    return bad > 0


def main():
    if sys.argv[1:2] == ["check"]:
        return check(sys.argv[2])
    if sys.argv[1:2] == ["draw"]:
        for x in draw(int(sys.argv[2]), int(sys.argv[3]), 1)[0]:
            print(line(x))
        return 0
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
    small, few = draw(60, SEED)
    _, many = draw(1000, SEED + 1, 1)
    with open(os.path.join(here, "constraints.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(line(x) + "\n" for x in small)
    with open(os.path.join(here, "constraints.tsv"), "w", encoding="utf-8") as f:
        f.write("drawn\tof 60\tof 1000\n")
        f.writelines("%s\t%d\t%d\n" % (k, few[k], many[k]) for k in sorted(set(few) | set(many)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
