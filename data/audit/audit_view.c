/* A record as the rules see it: its texts, each with the part that it plays. */
#include <stdlib.h>
#include <string.h>

#include "data/audit/audit_priv.h"
#include "data/audit/phrase.h"

static pt_status add(pt_audit_view *v, pt_audit_part_kind kind, const pt_speaker *speaker, const char *text, size_t bytes)
{
    if (!text || pt_text_blank(text, bytes)) return PT_OK;
    PT_RETURN(pt_reserve(&v->parts, &v->cap, v->n + 1));
    v->parts[v->n++] = (pt_audit_part){kind, speaker, text, bytes};
    return PT_OK;
}

/* An assistant's turn that is not trained on is asked with. */
static pt_audit_part_kind part_of(const pt_turn *t, bool worse, bool prompt)
{
    if (pt_speaker_is(t->speaker, PT_SYSTEM)) return PT_PART_SYSTEM;
    bool held = t->has_weight && !(t->weight > PT_WEIGHT_HELD) && !t->n_spans;
    if (!pt_speaker_is(t->speaker, PT_ASSISTANT) || prompt || held) return PT_PART_ASKED;
    return worse ? PT_PART_WORSE : PT_PART_ANSWER;
}

static pt_status add_turns(pt_audit_view *v, const pt_turns *t, size_t from, size_t n_prompt, bool worse)
{
    for (size_t i = from; i < t->n; i++) {
        const pt_turn *u = &t->turns[i];
        pt_audit_part_kind kind = part_of(u, worse, i < n_prompt);
        PT_RETURN(add(v, kind, u->speaker, u->text, u->bytes));
        bool named = pt_speaker_is(u->speaker, PT_USER) && u->speaker != PT_USER && !pt_speaker_find(u->speaker->name);
        for (int k = 0; k < v->n_user_names && named; k++) named = strcmp(v->user_names[k], u->speaker->name) != 0;
        if (named && v->n_user_names < (int)(sizeof v->user_names / sizeof *v->user_names)) v->user_names[v->n_user_names++] = u->speaker->name;
    }
    return PT_OK;
}

/* What the task is about, by what is asked. */
static void judge(pt_audit_view *v, const char *role)
{
    static const char *const talk[] = {"dialogue", "dialog", "dialogues", "conversation", "conversations", "script", "interview", "transcript", "screenplay", "chat log", "scene",
                                       "对话", "访谈", "采访", "剧本", "聊天记录", "台词", NULL};
    static const char *const markup[] = {"html", "xml", "css", "php", "javascript", "```", "<html", "<div", "<p>", "<body", "web page", "webpage", "code", "网页", "代码", NULL};
    static const char *const languages[] = {"translate", "translation", "language", "chinese", "english", "french", "german", "spanish", "italian", "japanese", "korean", "hindi", "marathi", "arabic",
                                            "russian", "latin", "code", "function", "翻译", "译成", "英文", "英语", "法语", "西班牙语", "德语", "日语", "韩语", "俄语", "中文", "汉语", "外语", "代码", "函数",
                                            "程序", "编程", "用户名", "密码", "网址", NULL};
    size_t at, len;
    bool system = false, machine = false;
    for (size_t i = 0; i < v->n; i++) {
        const pt_audit_part *p = &v->parts[i];
        if (p->kind & (PT_PART_ASKED | PT_PART_SYSTEM)) v->asks_talk = v->asks_talk || pt_phrase_find(p->text, p->bytes, talk, &at, &len);
        if (p->kind & (PT_PART_ASKED | PT_PART_SYSTEM)) v->asks_language = v->asks_language || pt_phrase_find(p->text, p->bytes, languages, &at, &len);
        v->asks_markup = v->asks_markup || pt_phrase_find(p->text, p->bytes, markup, &at, &len);
        if (p->kind != PT_PART_SYSTEM) continue;
        system = true;
        machine = machine || pt_rule_names_machine(p->text, p->bytes);
    }
    v->persona = (system || role) && !machine;
}

pt_status pt_audit_view_fill(pt_audit_view *v, const pt_record *rec, bool verdicts, const pt_tokenizer *tok)
{
    v->n = 0;
    v->n_user_names = 0;
    v->persona = v->asks_talk = v->asks_markup = v->asks_language = false;
    v->tok = tok;
    bool worse = verdicts && rec->n_answers == 1 && pt_values_get(&rec->columns, PT_COLUMN_LABEL) <= 0.5f;
    for (size_t k = 0; k < rec->n_answers; k++) {
        const pt_answer *a = &rec->answers[k];
        if (rec->kind == PT_RECORD_TEXT) PT_RETURN(add(v, PT_PART_TEXT, NULL, a->text, a->bytes));
        if (rec->kind == PT_RECORD_CHAT) PT_RETURN(add_turns(v, &a->turns, k ? rec->n_prompt : 0, rec->n_prompt, worse || k > 0));
    }
    judge(v, rec->role);
    return PT_OK;
}

void pt_audit_view_free(pt_audit_view *v)
{
    free(v->parts);
    *v = (pt_audit_view){0};
}
