/* Answers that fall out of their part. Wordings are few and plain on purpose: a false alarm costs more trust than a missed one. */
#include <string.h>

#include "data/audit/audit_priv.h"
#include "data/audit/phrase.h"

static const char *const machines[] = {"ai", "a.i.", "artificial intelligence", "language model", "chatbot", "chat bot", "assistant", "android", "robot",
                                       "人工智能", "语言模型", "机器人", "助手", "助理", "大模型", NULL};
static const char *const denials[] = {"not", "never", "don't", "doesn't", "avoid", "without", "no", "rather than", "不要", "不能", "不得", "不可", "不是", "不会", "别", "勿", "而非", NULL};

/* The sentence that [at] lies in. */
static void sentence(const char *text, size_t bytes, size_t at, size_t *from, size_t *to)
{
    *from = at;
    *to = at;
    while (*from && !strchr(".!?;\n", text[*from - 1]) && !(*from >= 3 && !memcmp(text + *from - 3, "。", 3))) --*from;
    while (*to < bytes && !strchr(".!?;\n", text[*to]) && !(*to + 3 <= bytes && !memcmp(text + *to, "。", 3))) ++*to;
}

bool pt_rule_names_machine(const char *text, size_t bytes)
{
    size_t at, len, from, to, d, n;
    for (size_t begin = 0; begin < bytes && pt_phrase_find(text + begin, bytes - begin, machines, &at, &len); begin = to) {
        sentence(text, bytes, begin + at, &from, &to);
        if (to < begin + at + len) to = begin + at + len; /* a.i. */
        if (!pt_phrase_find(text + from, to - from, denials, &d, &n)) return true;
    }
    return false;
}

static bool finds(const pt_audit_part *p, size_t most, const char *const *phrases, pt_audit_hit *hit)
{
    size_t n = p->bytes < most ? p->bytes : most;
    return pt_phrase_find(p->text, n, phrases, &hit->at, &hit->n);
}

bool pt_rule_as_an_ai(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    static const char *const phrases[] = {
        "as an ai", "as an a.i.", "as an artificial intelligence", "as a language model", "as a large language model", "i am an ai", "i'm an ai", "i am just an ai", "i'm just an ai",
        "i am only an ai", "i'm only an ai", "i am an artificial intelligence", "i'm an artificial intelligence", "i am a language model", "i'm a language model",
        "i am a large language model", "i'm a large language model", "i am chatgpt", "i'm chatgpt", "trained by openai", "developed by openai", "作为一个ai", "作为一名ai", "作为ai",
        "作为一个人工智能", "作为一名人工智能", "作为人工智能", "作为一个语言模型", "作为语言模型", "作为一个大语言模型", "作为大语言模型", "作为一种人工智能", "我是一个ai", "我是一个人工智能", "我是人工智能",
        "我是一个语言模型", "我是chatgpt", NULL};
    return v->persona && finds(p, SIZE_MAX, phrases, hit);
}

/* What assistants say of requests; "I'm sorry, but I can't" alone is said by people too. */
bool pt_rule_refusal(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    static const char *const phrases[] = {
        "i can't assist", "i cannot assist", "i can't help with that", "i cannot help with that", "i can't help you with that", "i cannot help you with that", "unable to assist",
        "i cannot provide", "i can't provide", "unable to provide", "i cannot fulfill", "i can't fulfill", "i cannot fulfil", "i can't fulfil", "unable to fulfill", "i cannot comply with",
        "i can't comply with", "i cannot generate", "i cannot engage in", "i can't engage in", "i cannot create content", "i can't create content",
        "i can't discuss", "i cannot discuss", "against my programming", "my programming", "content policy", "无法提供", "无法协助", "无法满足您", "不能提供", "无法回答这个问题", "无法回答该问题", "无法完成您", NULL};
    return v->persona && finds(p, 200, phrases, hit);
}

/* The user's name, or what stands for one, and a colon at the beginning of a line. */
static size_t label_at(const pt_audit_view *v, const char *line, size_t n)
{
    static const char *const labels[] = {"user:", "human:", "{{user}}:", "<user>:", "### user:", "### human:", "[user]:", "用户:", "用户：", NULL};
    size_t skip = 0, k;
    while (skip < n && skip < 4 && (line[skip] == '*' || line[skip] == ' ' || line[skip] == '"')) skip++;
    for (const char *const *l = labels; *l; l++)
        if ((k = pt_phrase_at(line + skip, n - skip, 0, *l))) return skip + k;
    for (int i = 0; i < v->n_user_names; i++) {
        size_t len = strlen(v->user_names[i]);
        if (len < 2 || n - skip <= len || memcmp(line + skip, v->user_names[i], len)) continue;
        const char *after = line + skip + len;
        if (*after == ':' || (n - skip - len >= 3 && !memcmp(after, "：", 3))) return skip + len + 1;
    }
    return 0;
}

bool pt_rule_speaks_for_user(const pt_audit_view *v, const pt_audit_part *p, pt_audit_hit *hit)
{
    if (v->asks_talk) return false;
    for (size_t at = 0; at < p->bytes;) {
        size_t n = label_at(v, p->text + at, p->bytes - at);
        if (n) {
            *hit = (pt_audit_hit){at, n};
            return true;
        }
        const char *nl = memchr(p->text + at, '\n', p->bytes - at);
        if (!nl) return false;
        at = (size_t)(nl - p->text) + 1;
    }
    return false;
}
