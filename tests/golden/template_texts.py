"""The chat templates of real models that data/text/tmpl_*.c recognises by digest, and the list of those digests.

Long texts are read from ../shared/data; short ones, public facts about the models, stand here. Writes data/text/tmpl_digests.inc:
    /opt/gold/bin/python tests/golden/template_texts.py
"""
import hashlib
import json

SHARED = "../shared/data/"
HF = {x["name"]: x["template"] for x in json.load(open(SHARED + "chat_templates/hf_jinja_goldens.json"))}


def shared(path):
    return open(SHARED + "chat_templates/templates/" + path).read()


CHATML_TURN = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
CHATML_PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"


def default_system(text):
    return ("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n" + text +
            "<|im_end|>\n' }}{% endif %}" + CHATML_TURN + "{% endfor %}" + CHATML_PROMPT)


LLAMA2_HEAD = ("{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = "
               "messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
               "{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
               "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
               "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + "
               "'\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}"
               "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}")
LLAMA2_SYS = "{% elif message['role'] == 'system' %}{{ '<<SYS>>\\n' + content.strip() + '\\n<</SYS>>\\n\\n' }}"


def llama2(system_branch, gap):
    return (LLAMA2_HEAD + (LLAMA2_SYS if system_branch else "") + "{% elif message['role'] == 'assistant' %}{{ ' '" + gap +
            "+ content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")


def llama3(prompt_asked):
    ask, end = ("{% if add_generation_prompt %}", "{% endif %}") if prompt_asked else ("", "")
    return ("{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
            "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
            "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}" + ask +
            "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}" + end)


def llama32():
    """Llama 3.2's text is Llama 3.1's with another date block and without built-in tools."""
    t = shared("meta-llama-Llama-3.1-8B-Instruct.jinja")
    for old, new in [
        ('    {%- set date_string = "26 Jul 2024" %}\n',
         '    {%- if strftime_now is defined %}\n        {%- set date_string = strftime_now("%d %b %Y") %}\n    {%- else %}\n'
         '        {%- set date_string = "26 Jul 2024" %}\n    {%- endif %}\n'),
        ("{#- System message + builtin tools #}", "{#- System message #}"),
        ("{%- if builtin_tools is defined or tools is not none %}", "{%- if tools is not none %}"),
    ]:
        assert old in t
        t = t.replace(old, new)
    a = t.index("{%- if builtin_tools is defined %}\n    {{- \"Tools: ")
    b = t.index('{{- "Cutting Knowledge Date')
    t = t[:a] + t[b:]
    a = t.index("        {%- if builtin_tools is defined and tool_call.name in builtin_tools %}")
    b = t.index("        {%- else  %}\n", a)
    c = t.index("        {%- endif %}\n        {%- if builtin_tools is defined %}", b)
    body = t[b + len("        {%- else  %}\n"):c].replace("\n    ", "\n")[4:]
    d = t.index('            {{- "<|eot_id|>" }}\n        {%- endif %}\n', c)
    t = t[:a] + body + '        {{- "<|eot_id|>" }}\n' + t[d + len('            {{- "<|eot_id|>" }}\n        {%- endif %}\n'):]
    return t


def qwen3_later():
    """Qwen3's later text says the same and minds contents that are no strings."""
    t = shared("Qwen-Qwen3-0.6B.jinja")
    for old, new in [
        ('message.role == "user" and not(', 'message.role == "user" and message.content is string and not('),
        ("{%- for message in messages %}\n    {%- if (message.role",
         "{%- for message in messages %}\n    {%- if message.content is string %}\n        {%- set content = message.content %}\n"
         "    {%- else %}\n        {%- set content = '' %}\n    {%- endif %}\n    {%- if (message.role"),
        ("'\\n' + message.content + '<|im_end|>' + '\\n' }}", "'\\n' + content + '<|im_end|>' + '\\n' }}"),
        ("        {%- set content = message.content %}\n        {%- set reasoning_content", "        {%- set reasoning_content"),
        ("message.reasoning_content is defined and message.reasoning_content is not none", "message.reasoning_content is string"),
        ("'</think>' in message.content", "'</think>' in content"),
        ("                {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}\n", ""),
        ("message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}",
         "content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\n"
         "                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}"),
        ("        {{- message.content }}\n", "        {{- content }}\n"),
    ]:
        assert t.count(old) == 1, old
        t = t.replace(old, new)
    return t


MISTRAL_V3_TEKKEN = ("{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles "
                     "must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST]' + message['content'] + '[/INST]' }}"
                     "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}{{ raise_exception('Only user and assistant roles are "
                     "supported!') }}{% endif %}{% endfor %}")
MISTRAL_SYSTEM = """{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- ' [INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + message['content'] + eos_token}}
    {%- else %}
        {{- raise_exception('Only user and assistant roles are supported, with the exception of an initial optional system message!') }}
    {%- endif %}
{%- endfor %}
"""
CPP = {x["name"]: x["template"] for x in json.load(open(SHARED + "chat_templates/llamacpp_chat_cases.json"))["cases"]}
GEMMA = "{{ bos_token }}" + CPP["google/gemma-7b-it"]
DEEPSEEK = CPP["DeepSeek-V2"]
SMOLLM = default_system("You are a helpful AI assistant named SmolLM, trained by Hugging Face")
ZEPHYR = HF["HuggingFaceH4/zephyr-7b-beta (add_generation_prompt=true)"]


def variants():
    """(style, text, what)"""
    out = [
        ("chatml", HF["_base"], "ChatML, the common text"),
        ("chatml", HF["_base"].replace("\n", "\\n"), "ChatML, line ends escaped"),
        ("chatml", HF["cognitivecomputations/dolphin-2.5-mixtral-8x7b"], "ChatML, Dolphin"),
        ("chatml", HF["cognitivecomputations/dolphin-2.5-mixtral-8x7b"].replace("\n", "\\n"), "ChatML, Dolphin, escaped"),
        ("smollm", SMOLLM, "SmolLM2-Instruct"),
        ("smollm", SMOLLM.replace("\n", "\\n"), "SmolLM2-Instruct, escaped"),
        ("qwen", shared("Qwen-Qwen2.5-7B-Instruct.jinja"), "Qwen2.5-Instruct"),
        ("qwen2", default_system("You are a helpful assistant."), "Qwen2-Instruct"),
        ("qwen2", default_system("You are a helpful assistant.").replace("\n", "\\n"), "Qwen2-Instruct, escaped"),
        ("qwen3", shared("Qwen-Qwen3-0.6B.jinja"), "Qwen3"),
        ("qwen3", qwen3_later(), "Qwen3, later text"),
        ("llama3", llama3(False), "Llama 3 Instruct"),
        ("llama3", llama3(False).replace("\n", "\\n"), "Llama 3 Instruct, escaped"),
        ("llama3", llama3(True), "Llama 3 Instruct, later text"),
        ("llama3", llama3(True).replace("\n", "\\n"), "Llama 3 Instruct, later text, escaped"),
        ("llama3.1", shared("meta-llama-Llama-3.1-8B-Instruct.jinja"), "Llama 3.1 and 3.3 Instruct"),
        ("llama3.1", llama32(), "Llama 3.2 Instruct (dated as its own fallback, 26 Jul 2024)"),
        ("mistral-v0.1", HF["TheBloke/Mistral-7B-Instruct-v0.1-GPTQ"], "Mistral Instruct v0.1"),
        ("mistral", HF["mistralai/Mixtral-8x7B-Instruct-v0.1"], "Mistral Instruct v0.2, Mixtral v0.1"),
        ("mistral-system", MISTRAL_SYSTEM, "Mistral Instruct v0.1 and v0.2, later text"),
        ("zephyr", ZEPHYR, "Zephyr, TinyLlama-Chat"),
        ("zephyr", ZEPHYR.replace("\n'", "\\n'"), "the same, escaped"),
        ("zephyr", ZEPHYR.replace("'  +", "' +"), "the same, single blank"),
        ("zephyr", ZEPHYR.replace("'  +", "' +").replace("\n'", "\\n'"), "the same, single blank, escaped"),
        ("llama2", HF["llama"], "Llama 2, the library's default"),
        ("gemma", GEMMA, "Gemma and Gemma 2"),
        ("gemma", GEMMA.replace("\\n", "\n"), "Gemma and Gemma 2, line ends as they are"),
        ("deepseek", DEEPSEEK, "DeepSeek LLM and V2"),
        ("deepseek", DEEPSEEK.replace("\n", "\\n"), "DeepSeek LLM and V2, line ends escaped"),
        ("command_r", CPP["CohereForAI/c4ai-command-r-plus"], "Command R+"),
        ("chatml_bos", "{{ bos_token }}" + HF["_base"], "ChatML behind BOS"),
        ("chatml_bos", "{{ bos_token }}" + HF["_base"].replace("\n", "\\n"), "ChatML behind BOS, line ends escaped"),
        ("mistral_v3_tekken", MISTRAL_V3_TEKKEN, "Mistral v3 tekken, as axolotl writes it"),
    ]
    out += [("llama2", llama2(b, g), "Llama 2 Chat") for b in (True, False) for g in (" ", "  ")]
    return out


def digest(text):
    return hashlib.sha256((text[:-1] if text.endswith("\n") else text).encode()).hexdigest()


if __name__ == "__main__":
    assert llama3(False) == json.load(open(SHARED + "tokenizers/llama3/tokenizer_config.json"))["chat_template"]
    seen = {}
    with open("data/text/tmpl_digests.inc", "w") as f:
        for style, text, what in variants():
            d = digest(text)
            assert seen.setdefault(d, style) == style
            f.write(f'    {{"{style}", "{d}"}}, /* {what} */\n')
