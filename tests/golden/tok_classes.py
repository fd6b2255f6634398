"""Writes data/text/tok_class_table.h: the classes of characters that the components of tokenizer.json go by, asked of the tokenizers library
itself, code point by code point (its crates have Unicode tables of several ages), and the scripts of its UnicodeScripts.

tokenizers 0.23.3; the scripts out of tokenizers/src/pre_tokenizers/unicode_scripts/scripts.rs of huggingface/tokenizers 3ba8ad0.
From the repository's root: /opt/gold/bin/python tests/golden/tok_classes.py SCRIPTS_RS
"""
import re
import sys

from tokenizers import normalizers as N, pre_tokenizers as P

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(**on):
    return N.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **on})


def removed(norm):
    return lambda c: norm.normalize_str("a" + c + "a") == "aa"


def splits(pre, parts, around="a"):
    return lambda c: len(pre.pre_tokenize_str(around + c + around)) == parts


CLASSES = {"clean": removed(bert(clean_text=True)), "nonspacing": removed(bert(strip_accents=True)), "mark": removed(N.StripAccents()),
           "punct": splits(P.Punctuation(), 3)}


def ranges(keep):
    out = []
    for c in POINTS:
        if keep(chr(c)):
            if out and out[-1][1] in (c - 1, c - 2049 if c == 0xE000 else -1):
                out[-1][1] = c
            else:
                out.append([c, c])
    return out


def word():
    """What Whitespace takes for a word's character: of what is no white space, what joins with a letter."""
    ws = P.Whitespace()
    return ranges(lambda c: ws.pre_tokenize_str("a" + c + "a") == [("a" + c + "a", (0, 3))])


def scripts(path):
    found = []
    names = {}
    for a, b, name in re.findall(r"0x([0-9A-F]+)(?:\.\.=0x([0-9A-F]+))? => Script::(\w+)", open(path).read()):
        found.append((int(a, 16), int(b or a, 16), name))
    out = []
    for a, b, name in sorted(found):
        name = "Han" if name in ("Hiragana", "Katakana") else name
        k = names.setdefault(name, len(names) + 1)
        if out and out[-1][2] == k and out[-1][1] == a - 1:
            out[-1][1] = b
        else:
            out.append([a, b, k])
    return out, names


def table(f, kind, name, rows):
    f.write(f"static const {kind} {name}[] = {{\n")
    line = "    "
    for r in rows:
        item = "{" + ", ".join((f"0x{x:x}" if i < 2 else str(x)) for i, x in enumerate(r)) + "}, "
        if len(line) + len(item) > 150:
            f.write(line.rstrip() + "\n")
            line = "    "
        line += item
    f.write(line.rstrip().rstrip(",") + "};\n")


def main():
    with open("data/text/tok_class_table.h", "w") as f:
        f.write("/* Made by tests/golden/tok_classes.py; see there. Included by data/text/tok_class.c alone. */\n"
                "#ifndef PT_DATA_TOK_CLASS_TABLE_H\n#define PT_DATA_TOK_CLASS_TABLE_H\n#include <stdint.h>\n\n"
                "typedef struct pt_tok_range {\n    uint32_t from, to;\n} pt_tok_range;\n"
                "typedef struct pt_tok_script_range {\n    uint32_t from, to;\n    uint8_t script;\n} pt_tok_script_range;\n\n")
        for name, keep in CLASSES.items():
            table(f, "pt_tok_range", name + "_ranges", ranges(keep))
        table(f, "pt_tok_range", "word_ranges", word())
        rows, names = scripts(sys.argv[1])
        f.write("/* Hiragana and Katakana count as Han. */\n")
        table(f, "pt_tok_script_range", "script_ranges", rows)
        f.write("#endif\n")


main()
