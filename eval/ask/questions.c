#include "eval/ask/questions.h"

#include <stdlib.h>
#include <string.h>

static void free_messages(pt_message *m, size_t n)
{
    for (size_t i = 0; m && i < n; i++) {
        free((char *)m[i].text);
        free((char *)m[i].thought);
        json_decref((json_t *)m[i].calls);
        json_decref((json_t *)m[i].tools);
    }
    free(m);
}

void pt_questions_free(pt_questions *q)
{
    for (size_t i = 0; i < q->n; i++) {
        free_messages(q->list[i].prompt, q->list[i].n_prompt);
        for (size_t k = 0; k < q->list[i].n_references; k++) free(q->list[i].references[k]);
        free(q->list[i].references);
        free(q->list[i].role);
    }
    for (size_t i = 0; i < q->n_pairs; i++)
        for (int s = 0; s < 2; s++) free_messages(q->pairs[i].side[s], q->pairs[i].n[s]);
    free(q->list);
    free(q->pairs);
    for (size_t i = 0; i < q->n_sets; i++) free(q->sets[i]);
    free(q->sets);
    *q = (pt_questions){0};
}

static pt_status copy_turns(const pt_record *rec, int side, size_t n, pt_message **out)
{
    pt_status rc = PT_OK;
    pt_message *m;
    PT_RETURN(pt_alloc0(&m, n));
    for (size_t i = 0; i < n; i++) {
        const pt_turn *t = &rec->answers[side].turns.turns[i];
        m[i] = pt_turn_message(t, 0);
        m[i].text = m[i].thought = NULL;
        json_incref((json_t *)m[i].calls);
        PT_TRY(pt_strndup((char **)&m[i].text, t->text, t->bytes));
        if (t->thought) PT_TRY(pt_strndup((char **)&m[i].thought, t->thought, t->thought_bytes));
    }
    if (n) m[0].tools = json_incref((json_t *)rec->tools);
    *out = m;
    return PT_OK;
done:
    free_messages(m, n);
    return rc;
}

static bool same_prompt(const pt_question *q, const pt_record *rec, size_t n)
{
    if (q->n_prompt != n || !q->role != !rec->role || (q->role && strcmp(q->role, rec->role))) return false;
    for (size_t i = 0; i < n; i++) {
        const pt_turn *t = &rec->answers[0].turns.turns[i];
        if (q->prompt[i].speaker != t->speaker || q->prompt[i].bytes != t->bytes || memcmp(q->prompt[i].text, t->text, t->bytes)) return false;
    }
    return true;
}

static pt_status add_reference(pt_question *q, const pt_turn *answer)
{
    char **grown = realloc(q->references, (q->n_references + 1) * sizeof *grown);
    if (!grown) return pt_fail(PT_ENOMEM, "out of memory for a reference");
    q->references = grown;
    grown[q->n_references] = NULL;
    PT_RETURN(pt_strndup(&grown[q->n_references], answer->text, answer->bytes));
    q->n_references++;
    return PT_OK;
}

static pt_status add_pair(pt_questions *q, const pt_record *rec)
{
    PT_RETURN(pt_reserve(&q->pairs, &q->pair_cap, q->n_pairs + 1));
    pt_question_pair *p = &q->pairs[q->n_pairs++];
    *p = (pt_question_pair){.n_prompt = rec->n_prompt, .set = q->n_sets ? q->n_sets - 1 : 0};
    for (int s = 0; s < 2; s++) {
        PT_RETURN(copy_turns(rec, s, rec->answers[s].turns.n, &p->side[s]));
        p->n[s] = rec->answers[s].turns.n;
    }
    return PT_OK;
}

pt_status pt_questions_keep(pt_questions *q, const pt_record *rec)
{
    if (rec->kind != PT_RECORD_CHAT) return pt_fail(PT_EARG, "an evaluation needs conversations, not plain text or ids");
    if (rec->n_answers == 2) return add_pair(q, rec);
    size_t n = rec->answers[0].turns.n;
    if (n < 2 || !pt_speaker_is(rec->answers[0].turns.turns[n - 1].speaker, PT_ASSISTANT)) return PT_OK; /* nothing to compare with */
    if (!q->n || !same_prompt(&q->list[q->n - 1], rec, n - 1)) {
        PT_RETURN(pt_reserve(&q->list, &q->cap, q->n + 1));
        pt_question *x = &q->list[q->n++];
        *x = (pt_question){0};
        if (rec->role) PT_RETURN(pt_strdup(&x->role, rec->role));
        PT_RETURN(copy_turns(rec, 0, n - 1, &x->prompt));
        x->n_prompt = n - 1;
    }
    return add_reference(&q->list[q->n - 1], &rec->answers[0].turns.turns[n - 1]);
}

static pt_status keep(void *user, const pt_record *rec, int64_t line)
{
    return pt_questions_keep(user, rec);
}

/* Of judged answers the desirable ones are what an answer is to be like. */
static pt_status keep_desirable(void *user, const pt_record *rec, int64_t line)
{
    pt_record one = *rec;
    bool good = true;
    one.n_answers = 1;
    for (size_t i = 0; i < rec->columns.n; i++) good = good && (strcmp(rec->columns.list[i].name, PT_COLUMN_LABEL) || rec->columns.list[i].value > 0);
    return good ? pt_questions_keep(user, &one) : PT_OK;
}

pt_status pt_questions_set(pt_questions *q, const char *name)
{
    PT_RETURN(pt_reserve(&q->sets, &q->set_cap, q->n_sets + 1));
    PT_RETURN(pt_strdup(&q->sets[q->n_sets], name));
    q->n_sets++;
    return PT_OK;
}

pt_status pt_questions_add(pt_questions *q, const pt_dataset_spec *set, bool pairs)
{
    bool verdicts = !pairs && !pt_reader_gives(set->type, false) && pt_reader_verdicts(set->type);
    pt_reader r = {.spec = set, .pairs = pairs, .verdicts = verdicts, .passed_over = true, .sink = verdicts ? keep_desirable : keep, .user = q};
    pt_status rc = pt_reader_run(&r);
    pt_reader_free(&r);
    return rc;
}
