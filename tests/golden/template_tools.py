"""Goldens of what stands beside texts in conversations: thoughts, tool calls, tools, tool results and their roles.

Every conversation is rendered with the real Jinja text of each model (template_texts.py) in the environment that transformers' apply_chat_template
makes (sandboxed, trim_blocks, lstrip_blocks, its own tojson). null: the template cannot render it. Writes
tests/golden/data/template_tools.json: jinja2 3.1.6, checked against transformers 5.24.0's apply_chat_template (--check).
From the repository's root: python tests/golden/template_tools.py
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import template_texts as texts  # noqa: E402
from jinja2.ext import loopcontrols  # noqa: E402
from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: E402

OUT = "tests/golden/data/template_tools.json"
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Das Wetter \"heute\", 天気", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "enum": [1, 2, 3]}}, "required": []}}},
         {"name": "clock", "parameters": {}}]
WILD = {"a": [1, -2.5, 1e-7, 1e16, 123456789012345680.0, 0.1, 1e22, 3.0, True, None], "b": {}, "c": "tab\tline\nquote\"back\\slash</é\u0001\u007f", "d": []}


def u(t):
    return {"role": "user", "content": t}


def a(t, **more):
    return {"role": "assistant", "content": t, **more}


def r(t, role="tool"):
    return {"role": role, "content": t}


def call(args, name="weather"):
    return {"type": "function", "id": "c1", "function": {"name": name, "arguments": args}}


S = {"role": "system", "content": "Be brief."}
ROWS = {
    "thought": {"messages": [u("2+2?"), a("4", reasoning_content="two and two")]},
    "thought_lines": {"messages": [S, u("2+2?"), a("\n\n4\n", reasoning_content="\n\ntwo\n\nand two\n")]},
    "thoughts_twice": {"messages": [u("q1"), a("a1", reasoning_content="t1"), u("q2"), a("a2", reasoning_content="t2")]},
    "thought_inside": {"messages": [u("q1"), a("<think>\nt1\n</think>\n\na1"), u("q2"), a("<think>\nt2\n</think>\n\na2")]},
    "thought_open": {"messages": [u("q1"), a("<think>never closed")]},
    "thought_empty": {"messages": [u("q"), a("<think>x</think>y", reasoning_content="")]},
    "thought_null": {"messages": [u("q"), a("<think>x</think>y", reasoning_content=None)]},
    "no_thought": {"messages": [u("q1"), a("a1"), u("q2"), a("a2")]},
    "result": {"messages": [u("a"), a("call"), r("res"), a("done")]},
    "result_wild": {"messages": [u("a"), a("call"), r(" say \"hi\"\n\té 天 </s>\\ \u0001\u007f "), a("done")]},
    "result_ipython": {"messages": [u("a"), a("call"), r("res", "ipython"), a("done")]},
    "result_function": {"messages": [u("a"), a("call"), r(" res ", "function"), a("done")]},
    "results_run": {"messages": [u("a"), a("calls"), r("one"), r("two"), a("done"), u("b"), a("more"), r("three"), a("end")]},
    "call": {"tools": TOOLS, "messages": [u("a"), a("", tool_calls=[call({"city": "Köln", "days": 2})]), r('{"t": 3.5}'), a("done")]},
    "call_system": {"tools": TOOLS, "messages": [S, u(" a "), a("", tool_calls=[call(WILD)]), r("3"), a("done")]},
    "call_null_text": {"messages": [u("a"), a(None, tool_calls=[call({})]), r("3"), a("done")]},
    "call_text": {"messages": [u("a"), a("let me see", tool_calls=[call({"city": "x"})]), r("3"), a("done")]},
    "call_string": {"messages": [u("a"), a("", tool_calls=[call('{"city": "x"}')]), r("3"), a("done")]},
    "calls_two": {"messages": [u("a"), a("", tool_calls=[call({"city": "x"}), call([], "clock")]), r("3"), r("4"), a("done")]},
    "call_bare": {"messages": [u("a"), a("", tool_calls=[{"name": "clock", "arguments": {"z": 1}}]), r("3"), a("done")]},
    "calls_none": {"messages": [u("a"), a("b", tool_calls=[])]},
    "tools_only": {"tools": TOOLS, "messages": [u("a"), a("b"), u("c"), a("d")]},
    "tools_none": {"tools": [], "messages": [u("a"), a("b")]},
    "loop": {"tools": TOOLS, "messages": [u("a"), a("", reasoning_content="which?", tool_calls=[call({"city": "x"})]), r("3"),
                                          a("it is 3", reasoning_content="so")]},
    "last_is_call": {"tools": TOOLS, "messages": [u("a"), a("", tool_calls=[call({"city": "x"})])]},
}
REAL = {"chatml": texts.HF["_base"], "smollm": texts.SMOLLM, "qwen": texts.shared("Qwen-Qwen2.5-7B-Instruct.jinja"),
        "qwen2": texts.default_system("You are a helpful assistant."), "qwen3": texts.shared("Qwen-Qwen3-0.6B.jinja"),
        "qwen3 later": texts.qwen3_later(), "llama3": texts.llama3(True), "llama3.1": texts.shared("meta-llama-Llama-3.1-8B-Instruct.jinja"),
        "llama3.1 later": texts.llama32()}


class Refused(Exception):
    pass


def refuse(text):
    raise Refused(text)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


ENV = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
ENV.filters["tojson"] = tojson
ENV.globals["raise_exception"] = refuse


def render(jinja, row, tools):
    try:
        return ENV.from_string(jinja).render(messages=row["messages"], tools=tools, documents=None, bos_token="<|begin_of_text|>",
                                             eos_token="<|eot_id|>", add_generation_prompt=False)
    except Exception as e:  # noqa: BLE001
        print("  cannot:", type(e).__name__, e)
        return None


def checked(jinja, row):
    """The same by transformers itself."""
    from transformers.utils import chat_template_utils as c
    try:
        return c.render_jinja_template(conversations=[row["messages"]], tools=row.get("tools"), chat_template=jinja,
                                       bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")[0][0]
    except Exception:  # noqa: BLE001
        return None


def main():
    texts_of = {}
    own = json.load(open("tests/golden/data/template_jinja.json"))["qwen"]  # what ptrain writes for it says the same
    for row in ROWS.values():
        if "ipython" not in str(row) and "'function'," not in str(row["messages"][2:3]):
            assert render(own, row, row.get("tools")) == render(REAL["qwen"], row, row.get("tools")), row
    for style, jinja in REAL.items():
        for name, row in ROWS.items():
            print(style, name)
            out = render(jinja, row, row.get("tools"))
            if "--check" in sys.argv:
                got = checked(jinja, row)
                got = got and re.sub("Today Date: .*", "Today Date: 26 Jul 2024", got)  # Llama 3.2's text asks the clock
                assert out == got, (style, name, out, got)
            texts_of.setdefault(style, {})[name] = out
    with open(OUT, "w") as f:
        dump = lambda v: json.dumps(v, ensure_ascii=True)  # noqa: E731
        f.write('{"rows": {\n' + ",\n".join(f'{dump(k)}: {dump(v)}' for k, v in ROWS.items()) + '},\n"texts": {\n')
        f.write(",\n".join(f'{dump(s)}: {{\n' + ",\n".join(f'{dump(k)}: {dump(v)}' for k, v in t.items()) + "}" for s, t in texts_of.items()))
        f.write("\n}}\n")


main()
