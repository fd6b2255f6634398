/* The Jinja text that says what a style says. */
#include "data/text/tmpl_priv.h"

#include <stdlib.h>
#include <string.h>

#define ALTERNATE "Conversation roles must alternate user/assistant/user/assistant/..."

/* A Jinja string literal. */
static pt_status quoted(pt_str *o, const char *s)
{
    PT_RETURN(pt_str_puts(o, "'"));
    for (; *s; s++) {
        if (*s == '\n')
            PT_RETURN(pt_str_puts(o, "\\n"));
        else if (*s == '\r')
            PT_RETURN(pt_str_puts(o, "\\r"));
        else if (*s == '\'' || *s == '\\')
            PT_RETURN(pt_str_printf(o, "\\%c", *s));
        else
            PT_RETURN(pt_str_add(o, s, 1));
    }
    return pt_str_puts(o, "'");
}

/* A style's string as an expression: literals and eos_token joined by +; an empty string adds nothing. */
static pt_status expr(pt_str *o, const char *s, bool *first)
{
    while (*s) {
        size_t n = strcspn(s, PT_TMPL_EOS);
        char *part = NULL;
        if (!*first) PT_RETURN(pt_str_puts(o, " + "));
        *first = false;
        if (n == 0) {
            PT_RETURN(pt_str_puts(o, "eos_token"));
            s++;
            continue;
        }
        PT_RETURN(pt_strndup(&part, s, n));
        pt_status rc = quoted(o, part);
        free(part);
        PT_RETURN(rc);
        s += n;
    }
    return PT_OK;
}

/* {{ open + lead + what + close }} */
static pt_status turn(pt_str *o, const pt_tmpl_style *s, const pt_tmpl_tags *tags, const char *what)
{
    bool first = true;
    PT_RETURN(pt_str_puts(o, "{{ "));
    PT_RETURN(expr(o, tags->open, &first));
    if (tags == pt_tmpl_tags_of(s, PT_ASSISTANT)) PT_RETURN(expr(o, s->lead, &first));
    if (!first) PT_RETURN(pt_str_puts(o, " + "));
    PT_RETURN(pt_str_puts(o, what));
    first = false;
    PT_RETURN(expr(o, tags->close, &first));
    return pt_str_puts(o, " }}");
}

static pt_status prompt(pt_str *o, const pt_tmpl_style *s)
{
    const char *open = pt_tmpl_tags_of(s, PT_ASSISTANT)->open;
    bool first = true;
    if (!open[0]) return PT_OK;
    PT_RETURN(pt_str_puts(o, "{% if add_generation_prompt %}{{ "));
    PT_RETURN(expr(o, open, &first));
    return pt_str_puts(o, " }}{% endif %}");
}

/* What stands before everything. */
static pt_status write_head(pt_str *o, const pt_template *t)
{
    bool first = true;
    if (t->bos_once) PT_RETURN(pt_str_puts(o, "{{ bos_token }}"));
    if (!t->style->head) return PT_OK;
    PT_RETURN(pt_str_puts(o, "{{ "));
    PT_RETURN(expr(o, t->style->head, &first));
    return pt_str_puts(o, " }}");
}

static pt_status write_turns(pt_str *o, const pt_template *t)
{
    const pt_tmpl_style *s = t->style;
    PT_RETURN(write_head(o, t));
    if (t->system) {
        pt_str sys = {0};
        pt_status rc = quoted(&sys, t->system);
        if (rc == PT_OK && s->strip && !s->keep_system) rc = pt_str_puts(&sys, " | trim");
        if (rc == PT_OK) rc = pt_str_puts(o, "{% if messages[0]['role'] != 'system' %}");
        if (rc == PT_OK) rc = turn(o, s, pt_tmpl_tags_of(s, PT_SYSTEM), sys.text);
        if (rc == PT_OK) rc = pt_str_puts(o, "{% endif %}");
        pt_str_free(&sys);
        PT_RETURN(rc);
    }
    if (s->alternate) PT_RETURN(pt_str_puts(o, "{% set first = 1 if messages[0]['role'] == 'system' else 0 %}"));
    PT_RETURN(pt_str_puts(o, "{% for message in messages %}"));
    if (s->alternate)
        PT_RETURN(pt_str_puts(o, "{% if loop.index0 >= first and (message['role'] == 'user') != ((loop.index0 - first) % 2 == 0) %}"
                                 "{{ raise_exception('" ALTERNATE "') }}{% endif %}"));
    bool some = false;
    for (const pt_tmpl_tags *tags = s->tags; tags->speaker; tags++) {
        PT_RETURN(pt_str_printf(o, "{%% %s message['role'] == '%s' %%}", some ? "elif" : "if", tags->speaker));
        bool strip = s->strip && !(s->keep_system && tags == pt_tmpl_tags_of(s, PT_SYSTEM));
        PT_RETURN(turn(o, s, tags, strip ? "message['content'] | trim" : "message['content']"));
        some = true;
    }
    PT_RETURN(pt_str_puts(o, "{% endif %}{% endfor %}"));
    return prompt(o, s);
}

static pt_status write_folded(pt_str *o, const pt_template *t)
{
    const pt_tmpl_style *s = t->style;
    const char *what = s->strip && !s->keep_system ? "content | trim" : "content", *said = s->keep_system ? "message['content'] | trim" : "message['content']";
    const pt_tmpl_tags *of_system = pt_tmpl_tags_of(s, PT_SYSTEM);
    bool first = true;
    PT_RETURN(write_head(o, t));
    PT_RETURN(pt_str_puts(o, "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
                             "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
                             "{% set system_message = "));
    PT_RETURN(t->system ? quoted(o, t->system) : pt_str_puts(o, "false"));
    PT_RETURN(pt_str_puts(o, " %}{% endif %}{% for message in loop_messages %}"
                             "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
                             "{{ raise_exception('" ALTERNATE "') }}{% endif %}"
                             "{% if loop.index0 == 0 and system_message != false %}{% set content = "));
    PT_RETURN(expr(o, of_system->open, &first));
    PT_RETURN(pt_str_puts(o, first ? "system_message" : " + system_message"));
    first = false;
    PT_RETURN(expr(o, of_system->close, &first));
    PT_RETURN(pt_str_printf(o, " + %s %%}{%% else %%}{%% set content = %s %%}{%% endif %%}{%% if message['role'] == 'user' %%}", said, said));
    if (t->bos_each) PT_RETURN(pt_str_puts(o, "{{ bos_token }}"));
    PT_RETURN(turn(o, s, pt_tmpl_tags_of(s, PT_USER), what));
    PT_RETURN(pt_str_puts(o, "{% elif message['role'] == 'assistant' %}"));
    PT_RETURN(turn(o, s, pt_tmpl_tags_of(s, PT_ASSISTANT), what));
    PT_RETURN(pt_str_puts(o, "{% endif %}{% endfor %}"));
    return prompt(o, s);
}

/* chatml turns with Qwen 2.5's places for tools, calls and a run of results in one user turn. */
static pt_status write_qwen25(pt_str *o, const pt_template *t)
{
    const pt_tmpl_style *s = t->style;
    PT_RETURN(pt_str_puts(o, "{% if tools %}{{ '<|im_start|>system\\n' }}{% if messages[0]['role'] == 'system' %}"
                             "{{ messages[0]['content'] + '\\n\\n' }}"));
    if (t->system) {
        PT_RETURN(pt_str_puts(o, "{% else %}{{ "));
        PT_RETURN(quoted(o, t->system));
        PT_RETURN(pt_str_puts(o, " + '\\n\\n' }}"));
    }
    PT_RETURN(pt_str_puts(o, "{% endif %}{{ "));
    PT_RETURN(quoted(o, PT_TMPL_QWEN_TOOLS));
    PT_RETURN(pt_str_puts(o, " }}{% for tool in tools %}{{ '\\n' }}{{ tool | tojson }}{% endfor %}{{ "));
    PT_RETURN(quoted(o, PT_TMPL_QWEN_CALLS));
    PT_RETURN(pt_str_puts(o, " }}"));
    if (t->system) {
        PT_RETURN(pt_str_puts(o, "{% elif messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\n' + "));
        PT_RETURN(quoted(o, t->system));
        PT_RETURN(pt_str_puts(o, " + '<|im_end|>\\n' }}"));
    }
    PT_RETURN(pt_str_puts(o, "{% endif %}{% for message in messages %}{% if message['role'] == 'tool' %}"
                             "{% if loop.first or messages[loop.index0 - 1]['role'] != 'tool' %}{{ '<|im_start|>user' }}{% endif %}"
                             "{{ '\\n<tool_response>\\n' + message['content'] + '\\n</tool_response>' }}"
                             "{% if loop.last or messages[loop.index0 + 1]['role'] != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}"
                             "{% elif message['role'] == 'assistant' and message['tool_calls'] %}{{ '<|im_start|>assistant' }}"
                             "{% if message['content'] %}{{ '\\n' + message['content'] }}{% endif %}"
                             "{% for call in message['tool_calls'] %}{% if call['function'] is defined %}"
                             "{% set call = call['function'] %}{% endif %}{{ '\\n<tool_call>\\n{\"name\": \"' + call['name'] + "
                             "'\", \"arguments\": ' }}{{ call['arguments'] | tojson }}{{ '}\\n</tool_call>' }}{% endfor %}"
                             "{{ '<|im_end|>\\n' }}{% elif not (tools and loop.first and message['role'] == 'system') %}"
                             "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
                             "{% endif %}{% endfor %}"));
    return prompt(o, s);
}

/* The model's own template behind what makes it say the same as here: another default system text, Qwen3 without thinking. */
static pt_status write_prefixed(pt_str *o, const pt_template *t, const char *own)
{
    if (t->style->kind == PT_TMPL_QWEN3) PT_RETURN(pt_str_puts(o, PT_TMPL_NO_THINK));
    if (t->system) {
        bool fold = t->style->kind == PT_TMPL_OWN && !t->takes.system;
        PT_RETURN(pt_str_puts(o, fold ? PT_TMPL_FOLD_BEFORE : PT_TMPL_SYSTEM_BEFORE));
        PT_RETURN(quoted(o, t->system));
        PT_RETURN(pt_str_puts(o, fold ? PT_TMPL_FOLD_BEHIND : PT_TMPL_SYSTEM_BEHIND));
    }
    return pt_str_puts(o, own);
}

pt_status pt_tmpl_write_jinja(char **out, const pt_template *t, const char *own, bool system_replaced)
{
    pt_str o = {0};
    pt_status rc = PT_OK;
    *out = NULL;
    if (own && !system_replaced && t->style->kind != PT_TMPL_QWEN3) return pt_strdup(out, own);
    switch (t->style->kind) {
    case PT_TMPL_TURNS: PT_TRY(write_turns(&o, t)); break;
    case PT_TMPL_FOLDED: PT_TRY(write_folded(&o, t)); break;
    case PT_TMPL_QWEN25: PT_TRY(write_qwen25(&o, t)); break;
    default:
        PT_CHECK(own, PT_ENOSUP, "template %s is taken from a model that brings it (chat_template: tokenizer_default)",
                 t->style->name);
        PT_TRY(write_prefixed(&o, t, own));
    }
    *out = o.text;
    o.text = NULL;
done:
    free(o.text);
    return rc;
}

pt_status pt_template_jinja_scored(const pt_template *t, char **out)
{
    return pt_asprintf(out, "%s%s%s", PT_TMPL_SCORED_BEFORE, t->jinja, PT_TMPL_SCORED_BEHIND);
}
