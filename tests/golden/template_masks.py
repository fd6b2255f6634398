"""Own templates as token ids, and their masks, against transformers.

python 3.11, transformers 5.24.0, tokenizers 0.23.3. Run from the repository's root:
    python tests/golden/template_masks.py ../shared/data/chat_templates > tests/golden/data/template_masks.json

The tokenizer is tests/golden/data/tok_bpe with the control tokens of `added`, which the test adds in the same way.
masks: the four training templates of TRL (../shared/data/chat_templates/training) x 40 conversations: number and hash of the ids, and the runs of
assistant_masks. strips: small templates whose control tokens swallow white space or stand alone: ids."""
import json, os, random, sys
import transformers
from tokenizers import Tokenizer

ADDED = [dict(content=c, single_word=w, lstrip=l, rstrip=r, normalized=False, special=True) for c, l, r, w in [
    ('<start_of_turn>', False, False, False), ('<end_of_turn>', False, False, False), ('<|user|>', False, True, False), ('<|assistant|>', False, True, False),
    ('<|end|>', False, True, False), ('<|left|>', True, False, False), ('<|both|>', True, True, False), ('<|word|>', False, False, True)]]
WORDS = ['knight', '"quoted"', "it's", 'Zürich', '日本', '<b>', '{{ x }}', '🙂', 'a & b', '[INST]', '\\n', 'ok.', 'quiet\nriver', 'stone', 'lamp', 'The', 'end']
TOOL = {'type': 'function', 'function': {'name': 'weather', 'description': 'The weather', 'parameters': {'type': 'object', 'properties': {'city': {'type': 'string'}}}}}


def say(r, n=9):
    return ' '.join(r.choice(WORDS) for _ in range(r.randint(1, n)))


def conversation(i):
    r = random.Random(1000 + i)
    m = [{'role': 'system', 'content': say(r)}] if i % 3 == 0 else []
    for k in range(1 + i % 4):
        m.append({'role': 'user', 'content': say(r) + r.choice(['', '\n', '  '])})
        a = {'role': 'assistant', 'content': say(r, 14) + r.choice(['', '', '\n'])}
        if i % 4 == 1:
            a['reasoning_content'] = say(r)
        if i % 10 == 7:
            a['tool_calls'] = [{'type': 'function', 'function': {'name': 'weather', 'arguments': {'city': say(r)}}}]
        m.append(a)
        if i % 10 == 7:
            m.append({'role': 'tool', 'content': say(r)})
            m.append({'role': 'assistant', 'content': say(r)})
    return m


def fnv(ids):
    h = 0xcbf29ce484222325
    for x in ids:
        for b in x.to_bytes(4, 'little'):
            h = (h ^ b) * 0x100000001b3 & 0xffffffffffffffff
    return '%016x' % h


def runs(mask):
    out = []
    for i, x in enumerate(mask):
        if x and (not i or not mask[i - 1]):
            out.append([i, i])
        if x:
            out[-1][1] = i + 1
    return out


STRIPS = [
    ['phi', "{% for m in messages %}{{ '<|' + m['role'] + '|>' + '\n' + m['content'] + '<|end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
     [[['user', '  hello there \n'], ['assistant', '\n\n a lamp ']], [['user', ''], ['assistant', 'x']], [['user', '\n'], ['assistant', ' '], ['user', 'then'], ['assistant', 'so']]]],
    ['left', "{% for m in messages %}<|left|>{{ m['content'] }}{% endfor %}<|left|>", [[['user', 'a lamp  \n'], ['assistant', ' b \t']], [['user', ' '], ['assistant', '']]]],
    ['both', "{% for m in messages %} <|both|> {{ m['content'] }} {% endfor %}<|im_end|>", [[['user', ' a stone  '], ['assistant', '\nb ']]]],
    ['word', "{% for m in messages %}{{ m['content'] }}<|word|>{{ m['content'] }}{% endfor %}<|im_end|>", [[['user', 'lamp'], ['assistant', 'b']], [['user', ' lamp '], ['assistant', '.']], [['user', ''], ['assistant', '(q)']]]],
]


def tokenizer():
    t = json.load(open('tests/golden/data/tok_bpe/tokenizer.json'))
    at = max(a['id'] for a in t['added_tokens']) + 1
    t['added_tokens'] += [dict(id=at + i, **a) for i, a in enumerate(ADDED)]
    return transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(t)), bos_token='<|begin_of_text|>', eos_token='<|im_end|>', pad_token='<|endoftext|>')


def main():
    tok, masks = tokenizer(), {}
    convs = [conversation(i) for i in range(40)]
    for name in ('gemma3', 'llama3', 'qwen2_5', 'qwen3'):
        text = open(os.path.join(sys.argv[1], 'training', name + '_training.jinja')).read()
        masks[name] = []
        for i, c in enumerate(convs):
            try:
                x = tok.apply_chat_template(json.loads(json.dumps(c)), tools=[TOOL] if i % 10 == 7 else None, chat_template=text, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
            except Exception:
                masks[name].append(None)
                continue
            masks[name].append({'n': len(x['input_ids']), 'hash': fnv(x['input_ids']), 'runs': runs(x['assistant_masks'])})
    strips = []
    for name, text, cs in STRIPS:
        rows = []
        for c in cs:
            m = [{'role': a, 'content': b} for a, b in c]
            s = tok.apply_chat_template(m, chat_template=text, tokenize=False)
            rows.append({'messages': m, 'ids': tok.backend_tokenizer.encode(s, add_special_tokens=False).ids})
        strips.append({'name': name, 'template': text, 'rows': rows})
    json.dump({'added': ADDED, 'tool': TOOL, 'conversations': convs, 'masks': masks, 'strips': strips}, sys.stdout, ensure_ascii=False, indent=None, separators=(',', ':'))
    print()


main()
