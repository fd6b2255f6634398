"""Whole templates against transformers: 34 templates x 40 conversations, what they write or that they raise, and the marks of {% generation %}.

python 3.11, transformers 5.24.0, jinja2 3.1.6; the clock stands at 2025-07-10. The templates are those of ../shared/data/chat_templates.
    python tests/golden/jinja_templates.py ../shared/data/chat_templates > tests/golden/data/jinja_templates.json
Each row: the first 16 digits of the text's SHA-256, "-" where transformers raises; marks: the same of "FROM TO;..." in bytes, "" where there are none.
Also which goldens of ../shared say something else than transformers ("differs")."""
import glob, hashlib, json, os, random, sys
import datetime
import transformers.utils.chat_template_utils as U


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 7, 10)


U.datetime = Clock
SPECIAL = {'bos_token': '<|startoftext|>', 'eos_token': '<|endoftext|>'}
WORDS = ['knight', ' "quoted" ', "it's", 'Zürich', '日本', '<b>', '{{ x }}', '<|im_end|>', '\n', '  ', '\t', '🙂', '</think>', '<think>', 'a & b', '[INST]', '\\n', 'ok.']
TOOL = {'type': 'function', 'function': {'name': 'weather', 'description': 'The weather', 'parameters': {'type': 'object', 'properties': {
    'city': {'type': 'string', 'description': 'Where', 'enum': ['Wien', "L'Aquila"]}, 'days': {'type': 'integer', 'default': 3}, 'deep': {'type': 'object', 'properties': {
        'x': {'type': ['number', 'null']}, 'l': {'type': 'array', 'items': {'type': 'string'}}}}}, 'required': ['city']}}}


def text(r):
    return ' '.join(r.choice(WORDS) for _ in range(r.randint(0, 6)))


def conversation(i):
    r = random.Random(i)
    m = [{'role': 'system', 'content': text(r)}] if r.random() < .5 else []
    for k in range(r.randint(1, 3)):
        m.append({'role': 'user', 'content': text(r)})
        if k or r.random() < .8:
            a = {'role': 'assistant', 'content': text(r)}
            if i % 4 == 1:
                a['reasoning_content'] = a['thinking'] = text(r)
            if i % 5 == 2:
                a['tool_calls'] = [{'id': 'call%05d' % i, 'type': 'function', 'function': {'name': 'weather', 'arguments': {'city': text(r), 'days': 2, 'f': [1.5, None, True]}}}]
            m.append(a)
            if i % 5 == 2 and r.random() < .8:
                m.append({'role': 'tool', 'name': 'weather', 'tool_call_id': 'call%05d' % i, 'content': text(r)})
                m.append({'role': 'assistant', 'content': text(r)})
    if i % 7 == 3:
        m.append({'role': r.choice(['user', 'system', 'tool', 'critic']), 'content': text(r)})
    given = {'messages': m, 'tools': [TOOL] if i % 5 in (2, 3) else None, 'documents': None}
    if i % 8 == 5:
        given['enable_thinking'] = bool(i % 16 == 5)
    return given, i % 3 == 0


def digest(s):
    return hashlib.sha256(s.encode()).hexdigest()[:16]


def render(template, given, prompt):
    kw = {k: v for k, v in given.items() if k not in ('messages', 'tools', 'documents')}
    try:
        rows, marks = U.render_jinja_template([json.loads(json.dumps(given['messages']))], tools=given['tools'], documents=None, chat_template=template,
                                              return_assistant_tokens_mask=True, add_generation_prompt=prompt, **SPECIAL, **kw)
    except Exception:
        return '-', ''
    at = lambda k: len(rows[0][:k].encode())
    said = ''.join('%d %d;' % (at(a), at(b)) for a, b in marks[0])
    return digest(rows[0]), digest(said) if said else ''


def golden(template, data):
    data = dict(data)
    try:
        return U.render_jinja_template([data.pop('messages')], tools=data.pop('tools', None), chat_template=template, add_generation_prompt=data.pop('add_generation_prompt', False), **data)[0][0]
    except Exception:
        return None


def main():
    root = sys.argv[1]
    read = lambda name: open(os.path.join(root, name)).read()
    hf = json.loads(read('hf_jinja_goldens.json'))
    renders = json.loads(read('template_renders.json'))
    templates = [(os.path.relpath(p, root), open(p).read()) for p in sorted(glob.glob(root + '/t*/*.jinja'))]
    templates += [('hf:' + g['name'], g['template']) for g in hf[:36:5]]
    conversations = [conversation(i) for i in range(40)]
    for given, _ in conversations:
        given['messages'] = U._alias_reasoning_fields(given['messages'])
    rows, marks = {}, {}
    for name, t in templates:
        said = [render(t, *c) for c in conversations]
        rows[name] = [a for a, _ in said]
        if name.startswith('training'):
            marks[name] = [b for _, b in said]
    differs = ['hf:' + g['name'] for g in hf if golden(g['template'], g['data']) != g['expected']]
    differs += [c['template_file'] + ':' + k for c in renders['cases'] for k, want in c['results'].items() if golden(read('templates/' + c['template_file']), renders['contexts'][k]) != want]
    parts = ['"%s": %s' % (k, json.dumps(v, ensure_ascii=False)) for k, v in (('own', SPECIAL), ('differs', differs), ('marks', marks))]
    parts.append('"conversations": [\n%s\n]' % ',\n'.join(json.dumps({'given': g, 'prompt': p}, ensure_ascii=False) for g, p in conversations))
    parts.append('"rows": {\n%s\n}' % ',\n'.join('%s: %s' % (json.dumps(k), json.dumps(v)) for k, v in rows.items()))
    print('{' + ',\n'.join(parts) + '}')


main()
