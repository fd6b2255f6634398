"""The template language against transformers: every filter, test, method, tag and error of data/text/jinja.h, one template each.

python 3.11, transformers 5.24.0, jinja2 3.1.6; the clock stands at 2025-07-10.
    python tests/golden/jinja_language.py > tests/golden/data/jinja_language.json
Each case: [template, what transformers writes (null = it raises)]. `not_here`: what this program refuses and transformers does not."""
import datetime, json
import transformers.utils.chat_template_utils as U


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 7, 10)


U.datetime = Clock


def render(template, data):
    data = dict(data)
    messages, tools = data.pop('messages'), data.pop('tools', None)
    return U.render_jinja_template([messages], tools=tools, chat_template=template, add_generation_prompt=data.pop('add_generation_prompt', False), **data)[0][0]


CONTEXT = dict(messages=[{'role':'user','content':' Hi <b>&"x"\' '},{'role':'assistant','content':'Ünïcode straße ﬁ ĳ 日本 \u200b','n':3,'f':2.5,'z':None,'l':[1,'a',None,True,2.0],'d':{'b':1,'a':[{}]}}],
  tools=[{'type':'function','function':{'name':'f','parameters':{'type':'object','properties':{'x':{'type':'string','enum':['a','b']}}}}},{'type':'other','k':{}}],
  bos_token='<s>',eos_token='</s>',add_generation_prompt=True,num=7,neg=-7,flt=3.14159,big=123456789012,s='hello world foo',e='',lst=[3,1,2],dct={'k':'v','K2':2},none=None,words=['b','A','c','a'],nested=[[1,2],[3,4]])
LINES = r'''
{{ m }}|{{ messages[1].content|upper }}|{{ messages[1].content|title }}|{{ messages[1].content|capitalize }}|{{messages[1].content|lower}}
{{ messages[1].content[1:4] }}|{{ messages[1].content[::-1] }}|{{ messages[1].content[-3:] }}|{{ s[100:] }}|{{ s[2] }}|{{ s[99] }}|{{ s[::2] }}|{{ s[5:1:-1] }}
{{ messages[1] }}
{{ messages[1]|tojson }}
{{ messages[1]|tojson(indent=2) }}
{{ messages[1]|tojson(ensure_ascii=True) }}
{{ dct|tojson(sort_keys=true) }}
{{ tools|tojson(indent=4) }}
{{ 1/2 }}|{{ 7//2 }}|{{ -7//2 }}|{{ -7%3 }}|{{ 7.5//2 }}|{{ -7.5%2 }}|{{ 2**10 }}|{{ 2**-1 }}|{{ 1e20 }}|{{ 1e-7 }}|{{ 0.1+0.2 }}|{{ 1e16 }}|{{ 123456.0 }}
{{ true }}|{{ none }}|{{ True and 0 }}|{{ 0 or 'x' }}|{{ not 1 }}|{{ 1 if 0 }}|{{ 1 if 0 else 2 if 0 else 3 }}
{{ 'a' ~ 1 ~ none ~ 2.0 ~ [1] }}|{{ 'a' + 'b' * 3 }}|{{ [1]+[2] }}|{{ (1,2) }}|{{ (1,) }}|{{ () }}|{{ {} }}|{{ {'a':1,2:'b'} }}
{{ 1 < 2 < 3 }}|{{ 1 < 3 < 2 }}|{{ 'a' in 'abc' }}|{{ 'x' not in ['x'] }}|{{ 'k' in dct }}|{{ 1 == 1.0 }}|{{ true == 1 }}|{{ 'a' < 'b' }}|{{ [1,2] < [1,3] }}
{{ undefinedvar }}|{{ undefinedvar is defined }}|{{ undefinedvar|default('d') }}|{{ e|default('d', true) }}|{{ none|default('d') }}|{{ undefinedvar == other }}
{{ undefinedvar.x }}
{{ undefinedvar + 1 }}
{{ 1 + undefinedvar }}
{{ undefinedvar ~ 'x' }}
{{ undefinedvar < 1 }}
{{ undefinedvar() }}
{{ undefinedvar|tojson }}
{{ undefinedvar|length }}|{{ undefinedvar|list }}|{{ undefinedvar|upper }}|{{ undefinedvar|trim }}|{{ 'a' in undefinedvar }}
{{ undefinedvar|int }}
{{ undefinedvar|first }}|{{ [][0] }}|{{ []|first }}
{{ messages[5].role }}
{{ messages.foo }}|{{ dct.foo }}|{{ s.foo }}|{{ s['foo'] }}|{{ dct['foo'] }}|{{ num.foo }}|{{ none.foo }}
{{ dct.items() }}|{{ dct.keys() }}|{{ dct.values()|list }}|{{ dct.get('k') }}|{{ dct.get('q') }}|{{ dct.get('q', 5) }}|{{ dct.items()|list }}|{{ dct|items|list }}
{{ dct.pop('k') }}
{{ lst.append(1) }}
{% do lst.append(1) %}
{{ dct.update({}) }}
{{ lst|sort }}|{{ lst|sort(reverse=true) }}|{{ words|sort }}|{{ words|sort(case_sensitive=true) }}|{{ words|unique|list }}|{{ words|unique(true)|list }}|{{ lst|max }}|{{ lst|min }}|{{ lst|sum }}|{{ dct|dictsort }}|{{ words|reverse|list }}|{{ 'abc'|reverse }}
{{ words|join(', ') }}|{{ lst|join }}|{{ tools|map(attribute='type')|join('-') }}|{{ tools|map(attribute='function.name')|list }}|{{ words|map('upper')|list }}|{{ lst|map('string')|join }}
{{ tools|selectattr('type','equalto','function')|list|length }}|{{ tools|selectattr('function')|list|length }}|{{ tools|rejectattr('type','eq','other')|list|length }}|{{ lst|select('odd')|list }}|{{ lst|reject('gt',1)|list }}
{{ tools|selectattr('type','equalto','function')|length }}
{{ lst|select('odd') }}
{{ lst|map('nope')|list }}
{{ lst|length }}|{{ s|length }}|{{ dct|length }}|{{ messages[1].content|length }}
{{ 5|length }}
{{ none|length }}
{{ s.split() }}|{{ s.split(' ') }}|{{ s.split('o', 1) }}|{{ s.rsplit('o', 1) }}|{{ s.partition(' ') }}|{{ s.rpartition(' ') }}|{{ 'a\nb\r\nc'.splitlines() }}|{{ '  a  b '.split() }}|{{ ''.split() }}|{{ ''.split(',') }}|{{ ' a b c '.split(none, 1) }}
{{ s.split('') }}
{{ s.replace('o','0') }}|{{ s.replace('o','0',1) }}|{{ s|replace('l','L') }}|{{ 'ab'.replace('','-') }}|{{ s|replace('o','0',1) }}|{{ 5|replace('5','6') }}
{{ s.startswith('he') }}|{{ s.endswith(('x','foo')) }}|{{ s.find('o') }}|{{ s.rfind('o') }}|{{ s.find('q') }}|{{ s.count('o') }}|{{ s.index('w') }}
{{ s.index('q') }}
{{ ' x '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xxaxx'.lstrip('x') }}|{{ 'xxaxx'.rstrip('x') }}|{{ '..a'|trim('.') }}|{{ 'ab'.center(7,'*') }}|{{ 'ab'.ljust(4) }}|{{ 'ab'.rjust(4) }}|{{ '-5'.zfill(4) }}|{{ 'abc'.removeprefix('a').removesuffix('c') }}
{{ 'aB c'.swapcase() }}|{{ "they're bill's".title() }}|{{ "they're bill-x (y"|title }}|{{ 'ABC d'.capitalize() }}|{{ 'x1'.isalnum() }}|{{ '12'.isdigit() }}|{{ 'ab'.isalpha() }}|{{ ''.isspace() }}|{{ 'A'.isupper() }}|{{ 'a1'.islower() }}
{{ ','.join(words) }}|{{ ','.join(lst|map('string')) }}
{{ ','.join(lst) }}
{{ '%s-%d-%5.2f|%-5s|%5s|%x|%%|%r' % ('a', 3, 2.5, 'l', 'r', 255, 'q') }}|{{ '%s' % 5 }}|{{ '%s and %s'|format('a','b') }}|{{ '{} {1} {n}'.format }}
{{ '{} {}'.format('a', 1) }}|{{ '{1}{0}'.format('a','b') }}|{{ '{x}{{}}'.format(x='y') }}
{{ '%d' % 'x' }}
{{ '%s %s' % ('a',) }}
{{ 3.7|int }}|{{ '42.9'|int }}|{{ 'x'|int }}|{{ 'x'|int(5) }}|{{ ' 12 '|int }}|{{ '3.5'|float }}|{{ 'q'|float }}|{{ 42.55|round }}|{{ 42.55|round(1) }}|{{ 42.55|round(1,'floor') }}|{{ 2.5|round }}|{{ 7|round }}|{{ -3|abs }}|{{ none|int }}|{{ true|int }}
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb'|indent('>>') }}
{{ 'foo bar baz qux'|truncate(9) }}|{{ 'foo bar baz qux'|truncate(9, True) }}|{{ 'foo bar baz qux'|truncate(11, False, '...', 0) }}|{{ s|wordcount }}|{{ 'ab'|center(6) }}|
{{ lst|batch(2)|list }}|{{ lst|slice(2)|list }}|{{ lst|batch(2,'x')|list }}|{{ lst|first }}|{{ lst|last }}|{{ nested|sum(start=[]) }}
{{ '<a&b>'|e }}|{{ '<a>'|safe + '<b>' }}|{{ ('<a>'|safe) ~ '<b>' }}|{{ '<a>'|e|upper }}|{{ '<'|safe|e }}|{{ ('<'|safe).replace('<','>') }}|{{ '<'|forceescape }}
{{ 1 is odd }}|{{ 2 is even }}|{{ 6 is divisibleby 3 }}|{{ 6 is divisibleby(4) }}|{{ 1 is number }}|{{ 'a' is string }}|{{ [] is iterable }}|{{ {} is mapping }}|{{ 'a' is sequence }}|{{ 1 is iterable }}|{{ true is boolean }}|{{ 1.0 is float }}|{{ 1 is integer }}|{{ true is integer }}|{{ 'a' is in 'abc' }}|{{ 1 is sameas 1 }}|{{ none is none }}|{{ x is undefined }}|{{ 'a' is lower }}|{{ 'a' is upper }}|{{ 1 is not none }}|{{ range is callable }}|{{ 'upper' is filter }}|{{ true is true }}|{{ 1 is true }}|{{ 0 is false }}|{{ 3 is eq 3 }}|{{ 3 is gt 2 }}
{{ 'a' is odd }}
{{ 1 is nosuch }}
{{ 1|nosuch }}
{% if false %}{{ 1|nosuch }}{% endif %}ok
{{ 1|nosuch if false else 2 }}
{{ (1|nosuch) if false else (2) }}
{{ 2 if true else 1|nosuch }}
{% if false %}{% for x in [] %}{{ 1|nosuch }}{% endfor %}{% endif %}ok
{% for x in lst %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ x }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a','b') }}{{ loop.changed(x>1) }}{{ loop.depth }};{% endfor %}
{% for x in [] %}a{% else %}empty{% endfor %}|{% for x in lst if x > 1 %}{{ x }}{{ loop.length }}{% else %}n{% endfor %}
{% for k, v in dct.items() %}{{ k }}={{ v }};{% endfor %}{% for c in 'ab' %}[{{ c }}]{% endfor %}{% for k in dct %}{{ k }}{% endfor %}
{% for a, b in lst %}{% endfor %}
{% for a in 5 %}{% endfor %}
{% for a in none %}{% endfor %}
{% for a in undefinedvar %}x{% else %}y{% endfor %}
{% for x in lst %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% endfor %}
{% set x = 1 %}{% for i in lst %}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(a=1, b='q') %}{% for i in lst %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns }}
{% set ns = {} %}{% set ns.a = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set x = 1, 2 %}{{ x }}
{% set x %}cap{{ s }}{% endset %}{{ x }}|{{ x|length }}{% set y | upper %}low{% endset %}{{ y }}
{% macro f(a, b=2, c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ f(1) }}{{ f(1, c=5) }}{{ f(b=9, a=8) }}{{ f() }}|{{ f }}
{% macro f(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, b=5) }}{{ f(b=9, a=8) }}{{ f() }}{{ f(1)|length }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(z=2) }}
{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, z=3) }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(3) }}
{% macro f() %}({{ caller() }}){% endmacro %}{% call f() %}in{{ s }}{% endcall %}
{% macro f() %}({{ caller(1, 2) }}){% endmacro %}{% call(a, b) f() %}{{ a }}{{ b }}{% endcall %}
{% set x = 5 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 6 %}{{ f() }}
{% filter upper %}abc{{ s }}{% endfilter %}|{% filter trim|replace('a','b') %} aa {% endfilter %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% raw %}{{ x }} {% if %}{% endraw %}|{%- raw -%} x {%- endraw -%} |
{# c #}a{#- d -#} b {#+ e #}
a   {%- if true -%}   b   {%- endif -%}   c
  {% if true %}
  x
  {% endif %}
y
  {%+ if true %}z{% endif %}
{%- for x in lst %}
    {{- x }}
{%- endfor %}
{{ "a\tb\\n\x41\u00e9\101\q" }}|{{ 'it''s' }}|{{ "a" 'b' }}
{{ range(3)|list }}|{{ range(1,7,2)|list }}|{{ range(3,0,-1)|list }}|{{ range(3) }}|{{ range(5)[1:3] }}|{{ range(4)|length }}|{{ range(0) }}|{{ range(1,5,2) }}
{{ range(1000000) }}
{{ dict(a=1)|tojson }}|{{ dict({'x':1}, y=2) }}|{{ namespace(x=1).x }}
{{ raise_exception('boo ' ~ 1) }}
{{ strftime_now('%d %b %Y %A %B %H:%M %j %y %m %a %p') }}
{{ messages|map(attribute='role')|join(',') }}|{{ messages[::-1]|map(attribute='role')|list }}|{{ messages[1:]|length }}|{{ messages[-1].role }}
{{ none + 'a' }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + (2,) }}
{{ 'a' - 'b' }}
{{ 1 // 0 }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ {[]: 1} }}
{{ s() }}
{{ s.encode() }}
{{ {'a': 1}.items }}
{{ lst[0:2] }}|{{ lst[-1] }}|{{ lst[7] }}|{{ lst['a'] }}|{{ lst.0 }}|{{ nested.1.0 }}|{{ (1,2,3)[1:] }}|{{ lst[::-1] }}|{{ lst[true] }}
{{ lst[::0] }}
{{ -num }}|{{ +num }}|{{ -s }}
{{ - num ** 2 }}|{{ 2 ** 3 ** 2 }}|{{ 10 - 2 - 3 }}|{{ 2 * 3 + 4 ~ 5 }}|{{ 1 + 2 ~ 3 + 4 }}|{{ not 1 == 2 }}|{{ 1 in [1] == true }}|{{ -1|abs }}|{{ -5 // 2 }}|{{ 7 % 3 * 2 }}
{% if s %}a{% elif num %}b{% else %}c{% endif %}{% if e %}a{% elif num %}b{% else %}c{% endif %}{% if e %}a{% elif none %}b{% else %}c{% endif %}
{% if a = 1 %}{% endif %}
{{ 1 2 }}
{{ }}
{% endif %}
{% if true %}
{% for x in lst %}
{{ 'abc }}
{{ (1 }}
{{ [1, 2,] }}{{ {'a':1,} }}{{ (1,2,) }}
{{ foo(a=1, 2) }}
{{ 1 is defined is defined }}
{% unknown %}
{% break %}
{% set true = 1 %}
{% set x.y = 1 %}
{# open
{% raw %} open
{{ 'a'.__class__ }}|{{ 'a'.__class__ is defined }}
{{ ''.__class__.__mro__ }}
{{ lst|attr('append') }}|{{ s|attr('upper') is defined }}
{{ self }}
{{ loop }}
{% for x in [1] %}{{ loop.foo }}{{ loop['index'] }}{% endfor %}
{{ ['\n', "'", '"', '\'"', '\\', 'é', '\u200b', '\x00', '\x7f'] }}
{{ [none, true, 1.0, 'a', {'b': ()}]|string }}|{{ none|string }}|{{ 3|string + 'x' }}|{{ lst|string|length }}
{{ {'a': {'b': [1, 2.5, none, 'é"']}}|tojson }}|{{ '</script>&'|tojson }}|{{ 1e100|tojson }}|{{ '\x7f\x01'|tojson }}|{{ (1,2)|tojson }}|{{ {1:2, none:3, true:4}|tojson }}|{{ {}|tojson(indent=2) }}|{{ []|tojson(indent=2) }}
{{ range(2)|tojson }}
{{ dct.items()|tojson }}
{{ [1, [2, [3]]]|tojson(indent=2) }}
{% print 1, 2 %}
{{ messages|tojson }}
{{ true + true }}|{{ true * 3 }}|{{ 'ab' * true }}|{{ 'ab' * -1 }}|{{ 3 * [1] }}
{{ 'a,b;c'|replace(',', '')|replace(';', '') }}|{{ s|list }}|{{ dct|list }}|{{ s|first }}|{{ s|last }}|{{ dct|first }}
{{ s|select('in', 'hlo')|join }}|{{ [1,0,none,'a']|select|list }}|{{ ['x', 'y']|map('replace', 'x', 'z')|list }}|{{ tools|map(attribute='nope', default='D')|list }}|{{ tools|map(attribute='k')|list }}
{% set x = 'a' if s else 'b' %}{{ x }}{% set y = x is defined and x == 'a' %}{{ y }}
{%- set a = [] -%}{%- set a = a + [{'r': 1}] -%}{{ a }}{{ a|map(attribute='r')|sum }}
{% if not loop is defined %}L{% endif %}{{ 'x' if none is not none else 'y' }}{{ 'b' if 'k' in dct and dct['k'] else 'c' }}
{{ "a" if "b" is not in "c" }}{{ dct is mapping and dct is not string }}{{ [1,2] is sequence }}{{ 1 == 1 is true }}
{% for m in messages %}{% generation %}{{ m.role }}{% endgeneration %}{% endfor %}
{% for m in messages %}{% generation %}{% set q = 1 %}{{ m.role }}{{ loop.first }}{% endgeneration %}{{ q }}{% endfor %}
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | first | trim }}
{{ messages | rejectattr('role', 'in', ['user']) | list | length }}
{{ ['a', 'b'] | map('upper') | join(' | ') }}
{{ 'a' if x is undefined else x }}{{ x.y is defined }}
{{ dct.k.upper() }}{{ dct['k'].upper }}
{{ 0x10 }}
{{ 1_000 }}|{{ 1.5e3 }}|{{ 1E2 }}|{{ 00 }}
{{ "é" }}{{ 'Ω'|lower }}{{ 'ΑΣ'|lower }}
{{ 'x'.join(['a','b']) }}{{ ''.join([]) }}{{ [1,2]|join(none) }}
{% set messages = [{'role':'system','content':'S'}] + messages %}{{ messages|length }}{{ messages[0].content }}
{% autoescape true %}{{ '<' }}{% endautoescape %}
{% block x %}a{% endblock %}
{{ lst|groupby('x') }}
{{ joiner() }}
{{ lst|pprint }}
{{ 10000000000000000000000 }}
{{ 9223372036854775807 + 1 }}
'''
SPACES = ["a\n  {% if true %}\nb\n  {% endif %}\nc\n","{% if true %}\n\n x {% endif %}\n\n","x {#- c -#}  \n y\n","a\r\nb\rc\n\n","  {{ 1 }}\n  {{- 2 -}}  \n 3","{%- if 1 +%}\n x{% endif +%}\n y","\t {% set a = 1 %}\t\n{{ a }}","{% raw %}\n  {% a %}\n  {% endraw %}\nq","  {# c #}\n  {# d +#}\nx","\u00a0{% if 1 %}y{% endif %}","a {%+ if 1 -%}  b {%- endif %} c\n\n\n","{{ '\n' }}\n{{- '\n\n' -}}\n","   {%- raw %} x {% endraw -%}   y","{%- if true %}{%- endif %}\n\n"]

NOT_HERE = ("{% autoescape", "{% block", "joiner()", "|pprint", "10000000000000000000000", "9223372036854775807", ".encode()", "{{ self", "lst|groupby",
            "{{ lst|select('odd') }}", "'{} {1} {n}'.format }}", "f() }}|{{ f }}", "{'a': 1}.items }}", "dct['k'].upper }}")


def main():
    own = {k: CONTEXT[k] for k in ('bos_token', 'eos_token', 'add_generation_prompt')}
    given = {k: v for k, v in CONTEXT.items() if k not in own}
    given['documents'] = None
    given['messages'] = U._alias_reasoning_fields(given['messages'])
    templates = []
    for line in LINES.strip('\n').split('\n'):
        templates.append(line)
        if line.startswith('{{') and '}}|{{' in line:
            for part in line.split('}}|{{'):
                part = part.strip()
                templates.append(('' if part.startswith('{{') else '{{ ') + part + ('' if part.endswith('}}') else ' }}'))
    cases, not_here = [], []
    for t in dict.fromkeys(templates + SPACES):
        try:
            want = render(t, CONTEXT)
        except Exception:
            want = None
        if want is not None and any(x in t for x in NOT_HERE):
            not_here.append(t)
        else:
            cases.append([t, want])
    rows = ',\n'.join(json.dumps(c, ensure_ascii=False) for c in cases)
    print('{"own": %s,\n"given": %s,\n"not_here": %s,\n"cases": [\n%s\n]}' % tuple([json.dumps(x, ensure_ascii=False) for x in (own, given, not_here)] + [rows]))


main()
