"""What a model says in each answer of a conversation, where its template writes answers otherwise once others follow.

python 3.11, transformers 5.24.0, jinja2 3.1.6; the clock stands at 2025-07-10. Run from the repository's root:
    python tests/golden/template_split.py ../shared/data/chat_templates > tests/golden/data/template_split.json

For each template and conversation, for each answer k: the first 16 digits of the SHA-256 of transformers' text of the conversation up to and with it, as far as
the token that ends it; and what of that stands behind the prompt (add_generation_prompt over what precedes), which is supervised."""
import hashlib, json, os, random, sys
import datetime
import transformers.utils.chat_template_utils as U


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 7, 10)


U.datetime = Clock
SPECIAL = {'bos_token': '<|begin_of_text|>', 'eos_token': '<|im_end|>', 'pad_token': '<|endoftext|>'}
WORDS = ['knight', 'quiet', 'river', 'stone', 'lamp', 'walks', 'sings', 'over', 'morning', 'letter', 'Zürich']
# thoughts of earlier answers cut off at their mark, as R1's own template does, but not of the last one; an end token of its own there
R1 = ("{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}{% set c = m.content %}{% if not loop.last and '</think>' in c %}{% set c = c.split('</think>')[-1] %}{% endif %}"
      "{{ '<|Assistant|>' + c + '<|end_of_sentence|>' }}{% else %}{{ '<|User|>' + m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|>' }}{% endif %}")


def say(r, n=5):
    return ' '.join(r.choice(WORDS) for _ in range(r.randint(1, n)))


def conversation(i):
    r = random.Random(77 + i)
    m = [{'role': 'system', 'content': say(r)}] if i % 3 == 0 else []
    if i % 6 == 4:
        m.append({'role': 'assistant', 'content': say(r)})  # a greeting
    for k in range(1 + (i + 2) % 4):
        m.append({'role': 'user', 'content': say(r)})
        a = {'role': 'assistant', 'content': say(r)}
        if i % 4 == 1 or (i % 4 == 2 and k % 2):
            a['reasoning_content'] = say(r)
        if i % 4 == 3 and k % 2 == 0:
            a['content'] = '<think>\n' + say(r) + '\n</think>\n\n' + a['content']
        m.append(a)
    if i % 7 == 5:
        m.append({'role': 'user', 'content': say(r)})  # nobody answers it
    return m


def common(a, b):
    return len(os.path.commonprefix([a, b]))


def main():
    read = lambda name: open(os.path.join(sys.argv[1], 'templates', name)).read()
    convs = [conversation(i) for i in range(24)]
    # name, text, file, the token that ends an answer, whether we ask for the empty thought as the named template does
    templates = [('qwen3', read('Qwen-Qwen3-0.6B.jinja'), 'Qwen-Qwen3-0.6B.jinja', '<|im_end|>', True), ('qwen3 own', read('Qwen-Qwen3-0.6B.jinja'), 'Qwen-Qwen3-0.6B.jinja', '<|im_end|>', False),
                 ('gpt-oss', read('openai-gpt-oss-120b.jinja'), 'openai-gpt-oss-120b.jinja', '<|return|>', False), ('r1', R1, None, '<|end_of_sentence|>', False)]
    out = {'conversations': convs, 'templates': []}
    for name, text, file, ends, empty in templates:
        rows = []
        for c in convs:
            c = json.loads(json.dumps(c))
            for m in c:
                if 'reasoning_content' in m:
                    m['thinking'] = m['reasoning_content']  # both names are given
            row = []
            for k, m in enumerate(c):
                if m['role'] != 'assistant':
                    continue
                go = lambda n, prompt, **kw: U.render_jinja_template([c[:n]], chat_template=text, add_generation_prompt=prompt, **SPECIAL, **kw)[0][0]
                try:
                    whole = go(k + 1, False)
                    if not k:  # nothing precedes a greeting: templates that look at messages[0] write no prompt
                        say_a = lambda p: U.render_jinja_template([[{'role': 'user', 'content': 'a'}]], chat_template=text, add_generation_prompt=p, **SPECIAL)[0][0]
                        ask = say_a(True)[len(say_a(False)):]
                        at, to = whole.index(ask) + len(ask), whole.rindex(ends) + len(ends)
                        row.append([hashlib.sha256(whole[:to].encode()).hexdigest()[:16], whole[at:to]])
                        continue
                    thinks = m.get('reasoning_content') or '</think>' in m['content']
                    prompt = go(k, True, **({'enable_thinking': False} if empty and not thinks and k and any(x['role'] == 'user' for x in c[:k]) else {}))
                except Exception as e:
                    raise SystemExit('%s: %s' % (name, e))
                to = whole.rindex(ends) + len(ends)
                row.append([hashlib.sha256(whole[:to].encode()).hexdigest()[:16], whole[common(prompt, whole):to]])
            rows.append(row)
        out['templates'].append({'name': name, 'file': file, 'text': text if not file else None, 'rows': rows})
    json.dump(out, sys.stdout, ensure_ascii=False, separators=(',', ':'))
    print()


main()
