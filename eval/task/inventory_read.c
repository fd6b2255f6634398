/* The files of instruments. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "data/read/record.h"
#include "eval/task/inventory.h"

enum { FILE_MOST = 64 << 20, ANSWERS_MOST = 101 };

static pt_status add_item(pt_inventory *v, const char *id, const char *text)
{
    PT_RETURN(pt_reserve(&v->items, &v->items_cap, v->n_items + 1));
    pt_statement *x = &v->items[v->n_items++];
    PT_RETURN(pt_strdup(&x->id, id));
    return pt_strdup(&x->text, text);
}

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* The scale of this name (of this domain), made when it is new. */
static pt_status find_scale(pt_inventory *v, const char *name, const char *domain, pt_scale **out)
{
    for (size_t i = 0; i < v->n_scales; i++) {
        *out = &v->scales[i];
        if (same((*out)->name, name) && same((*out)->domain, domain)) return PT_OK;
    }
    PT_RETURN(pt_reserve(&v->scales, &v->scales_cap, v->n_scales + 1));
    *out = &v->scales[v->n_scales++];
    PT_RETURN(pt_strdup(&(*out)->name, name));
    return domain ? pt_strdup(&(*out)->domain, domain) : PT_OK;
}

static pt_status add_keyed(pt_scale *s, size_t item, int key)
{
    PT_RETURN(pt_reserve(&s->keyed, &s->cap, s->n + 1));
    s->keyed[s->n++] = (pt_keyed){item, key};
    return PT_OK;
}

static pt_status check_range(const pt_inventory *v)
{
    if (v->low >= v->high || v->low < -100 || v->high > 100 || v->high - v->low >= ANSWERS_MOST)
        return pt_fail(PT_EFORMAT, "range [%d, %d]: from a lower to a higher whole number is wanted, %d answers at most", v->low, v->high, ANSWERS_MOST);
    return PT_OK;
}

static pt_status read_range(pt_inventory *v, const json_t *range)
{
    const json_t *low = json_array_get(range, 0), *high = json_array_get(range, 1);
    if (!range) return pt_fail(PT_EFORMAT, "there is no range: [LOW, HIGH] of its answers");
    if (json_array_size(range) != 2 || !json_is_integer(low) || !json_is_integer(high) || llabs(json_integer_value(low)) > 1000 ||
        llabs(json_integer_value(high)) > 1000)
        return pt_fail(PT_EFORMAT, "range is no [LOW, HIGH] of two whole numbers");
    v->low = (int)json_integer_value(low);
    v->high = (int)json_integer_value(high);
    return check_range(v);
}

/* ---- PsychoBench ---- */

/* Whether LOW says "agree": "1 denotes 'strongly agree'". */
static bool agrees_low(const pt_inventory *v, const char *said)
{
    char begin[32], what[64];
    snprintf(begin, sizeof begin, "%d denotes ", v->low);
    const char *at = said ? strstr(said, begin) : NULL;
    if (!at) return false;
    at += strlen(begin);
    snprintf(what, sizeof what, "%.*s", (int)strcspn(at, ",.;0123456789"), at);
    for (char *c = what; *c; c++) *c = (char)tolower((unsigned char)*c);
    return strstr(what, "agree") && !strstr(what, "disagree");
}

static pt_status bench_items(pt_inventory *v, const json_t *questions, const char *field)
{
    const char *id;
    json_t *x;
    if (!json_is_object(questions) || !json_object_size(questions)) return pt_fail(PT_EFORMAT, "there are no questions");
    json_object_foreach ((json_t *)questions, id, x) {
        const json_t *text = json_is_object(x) ? json_object_get(x, field) : x;
        if (!json_is_string(text)) return pt_fail(PT_EFORMAT, "question %s has no text in %s: it is %s", id, field, pt_json_kind(text));
        if (!json_string_length(text)) return pt_fail(PT_EFORMAT, "question %s is empty", id);
        PT_RETURN(add_item(v, id, json_string_value(text)));
    }
    return PT_OK;
}

/* The number of item `id` (a number or a text) among the items; n_items: none such. */
static size_t item_of(const pt_inventory *v, const json_t *id)
{
    char text[32];
    size_t i;
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(id));
    for (i = 0; i < v->n_items; i++)
        if (!strcmp(v->items[i].id, json_is_string(id) ? json_string_value(id) : text)) break;
    return json_is_integer(id) || json_is_string(id) ? i : v->n_items;
}

/* "E/I": the items' `category` is a pole's letter. */
static void read_poles(pt_scale *s)
{
    const char *n = s->name;
    if (strlen(n) == 3 && isalpha((unsigned char)n[0]) && n[1] == '/' && isalpha((unsigned char)n[2])) s->poles[0] = n[0], s->poles[1] = n[2];
}

static pt_status bench_key(const pt_inventory *v, const pt_scale *s, const json_t *root, size_t item, int *key)
{
    const json_t *x, *question = json_object_get(json_object_get(root, "questions"), v->items[item].id);
    const char *category = json_string_value(json_object_get(question, "category"));
    size_t i;
    *key = 1;
    if (s->poles[0]) {
        if (!category || !category[0] || category[1] || (category[0] != s->poles[0] && category[0] != s->poles[1]))
            return pt_fail(PT_EFORMAT, "question %s has no key: its category is neither %c nor %c", v->items[item].id, s->poles[0], s->poles[1]);
        *key = (category[0] == s->poles[0]) != v->agree_low ? 1 : -1;
        return PT_OK;
    }
    json_array_foreach (json_object_get(root, "reverse"), i, x)
        if (item_of(v, x) == item) *key = -1;
    return PT_OK;
}

/* The first of `crowd`: {"mean", "std", "n"}. */
static struct pt_norm bench_norm(const json_t *category)
{
    const json_t *x = json_array_get(json_object_get(category, "crowd"), 0), *n = json_object_get(x, "n");
    const double mean = json_number_value(json_object_get(x, "mean")), deviation = json_number_value(json_object_get(x, "std"));
    bool known = json_is_number(json_object_get(x, "mean")) && deviation > 0 && json_is_integer(n) && json_integer_value(n) > 1;
    return known ? (struct pt_norm){(size_t)json_integer_value(n), mean, deviation} : (struct pt_norm){0, 0, 0};
}

static pt_status bench_scale(pt_inventory *v, const json_t *root, const json_t *category)
{
    const char *name = json_string_value(json_object_get(category, "cat_name"));
    const json_t *ids = json_object_get(category, "cat_questions"), *id;
    pt_scale *s;
    size_t i;
    int key;
    if (!name) return pt_fail(PT_EFORMAT, "a category has no cat_name");
    if (!json_array_size(ids)) return pt_fail(PT_EFORMAT, "the scale %s names no items", name);
    PT_RETURN(find_scale(v, name, NULL, &s));
    if (s->n) return pt_fail(PT_EFORMAT, "there are two scales %s", name);
    read_poles(s);
    s->norm = bench_norm(category);
    json_array_foreach (ids, i, id) {
        size_t item = item_of(v, id);
        if (item == v->n_items)
            return json_is_integer(id) ? pt_fail(PT_EFORMAT, "the scale %s names item %lld, which is not there", name, (long long)json_integer_value(id))
                                       : pt_fail(PT_EFORMAT, "the scale %s names an item that is not there", name);
        for (size_t k = 0; k < s->n; k++)
            if (s->keyed[k].item == item) return pt_fail(PT_EFORMAT, "the scale %s names item %s twice", name, v->items[item].id);
        PT_RETURN(bench_key(v, s, root, item, &key));
        PT_RETURN(add_keyed(s, item, key));
    }
    return PT_OK;
}

static pt_status bench_head(pt_inventory *v, const json_t *root, const char *field)
{
    const char *name = json_string_value(json_object_get(root, "name")), *mode = json_string_value(json_object_get(root, "compute_mode"));
    const char *said = json_string_value(json_object_get(root, "psychobench_prompt"));
    const json_t *x;
    size_t i;
    PT_RETURN(pt_strdup(&v->name, name ? name : "questionnaire"));
    PT_RETURN(pt_strdup(&v->instruction, said ? said : ""));
    PT_RETURN(read_range(v, json_object_get(root, "range")));
    if (mode && strcmp(mode, "SUM") && strcmp(mode, "AVG")) return pt_fail(PT_EFORMAT, "compute_mode is '%s'; SUM or AVG is wanted", mode);
    v->sum = mode && !strcmp(mode, "SUM");
    v->agree_low = agrees_low(v, json_string_value(json_object_get(root, "psychobench_prompt_choice_instruction")));
    PT_RETURN(bench_items(v, json_object_get(root, "questions"), field));
    json_array_foreach (json_object_get(root, "reverse"), i, x)
        if (item_of(v, x) == v->n_items) return pt_fail(PT_EFORMAT, "reverse names item %lld, which is not there", (long long)json_integer_value(x));
    return PT_OK;
}

/* The line of "word" as a text of its own behind the key `behind`; 1: not found. */
static int line_of(const char *text, const char *behind, const char *word)
{
    char quoted[256];
    int line = 1;
    snprintf(quoted, sizeof quoted, "\"%s\"", word);
    const char *from = strstr(text, behind), *at = from ? strstr(from, quoted) : NULL;
    for (const char *p = text; at && p < at; p++) line += *p == '\n';
    return line;
}

static pt_status read_bench(pt_inventory *v, const json_t *root, const char *path, const char *text, const char *field)
{
    const json_t *x;
    size_t i;
    pt_status rc = bench_head(v, root, field);
    if (rc != PT_OK) return pt_fail_prefix(rc, "%s:1", path);
    json_array_foreach (json_object_get(root, "categories"), i, x) {
        const char *name = json_string_value(json_object_get(x, "cat_name"));
        rc = bench_scale(v, root, x);
        if (rc != PT_OK) return pt_fail_prefix(rc, "%s:%d", path, line_of(text, "\"categories\"", name ? name : "cat_name"));
    }
    return PT_OK;
}

/* ---- rows: ours, and the IPIP's ---- */

typedef struct rows {
    pt_inventory *v;
    const char *path;
    bool head; /* ours: it was read */
} rows;

static pt_status ipip_row(pt_inventory *v, const json_t *row)
{
    const char *text = json_string_value(json_object_get(row, "text")), *facet = json_string_value(json_object_get(row, "label_raw"));
    const char *domain = json_string_value(json_object_get(row, "label_ocean")), *key = json_string_value(json_object_get(row, "key"));
    char id[24];
    pt_scale *s;
    if (!text || !*text) return pt_fail(PT_EFORMAT, "the item has no text");
    if (!domain || !*domain) return pt_fail(PT_EFORMAT, "the item has no label_ocean");
    if (!key || (strcmp(key, "1") && strcmp(key, "-1"))) return pt_fail(PT_EFORMAT, "the item has no key: 1 or -1, not '%s'", key ? key : "");
    snprintf(id, sizeof id, "%zu", v->n_items + 1);
    PT_RETURN(add_item(v, id, text));
    PT_RETURN(find_scale(v, domain, NULL, &s));
    PT_RETURN(add_keyed(s, v->n_items - 1, *key == '-' ? -1 : 1));
    if (!facet || !*facet) return PT_OK;
    PT_RETURN(find_scale(v, facet, domain, &s));
    return add_keyed(s, v->n_items - 1, *key == '-' ? -1 : 1);
}

static pt_status own_labels(pt_inventory *v, const json_t *labels)
{
    const json_t *x;
    size_t i, n = (size_t)(v->high - v->low + 1);
    if (!labels) return PT_OK;
    if (json_array_size(labels) != n) return pt_fail(PT_EFORMAT, "%zu labels for the %zu answers of the range %d to %d", json_array_size(labels), n, v->low, v->high);
    PT_RETURN(pt_alloc0(&v->labels, n));
    json_array_foreach (labels, i, x) {
        if (!json_is_string(x)) return pt_fail(PT_EFORMAT, "label %zu is %s, not a text", i + 1, pt_json_kind(x));
        PT_RETURN(pt_strdup(&v->labels[i], json_string_value(x)));
    }
    return PT_OK;
}

static pt_status own_head(rows *r, const json_t *row)
{
    static const char *const words[][2] = {{"mean", "sum"}, {"high", "low"}}, *const keys[] = {"compute", "agree"};
    const char *name = json_string_value(json_object_get(row, "questionnaire")), *said = json_string_value(json_object_get(row, "instruction"));
    bool set[2] = {false, false};
    pt_inventory *v = r->v;
    if (r->head) return pt_fail(PT_EFORMAT, "a second questionnaire: a file holds one");
    if (!name) return pt_fail(PT_EFORMAT, "questionnaire is %s, not its name", pt_json_kind(json_object_get(row, "questionnaire")));
    r->head = true;
    for (int i = 0; i < 2; i++) {
        const json_t *x = json_object_get(row, keys[i]);
        const char *word = json_string_value(x);
        if (x && (!word || (strcmp(word, words[i][0]) && strcmp(word, words[i][1]))))
            return pt_fail(PT_EFORMAT, "%s is %s or %s, not %s", keys[i], words[i][0], words[i][1], word ? word : pt_json_kind(x));
        set[i] = word && !strcmp(word, words[i][1]);
    }
    v->sum = set[0];
    v->agree_low = set[1];
    free(v->name);
    free(v->instruction);
    v->name = v->instruction = NULL;
    PT_RETURN(pt_strdup(&v->name, name));
    PT_RETURN(pt_strdup(&v->instruction, said ? said : ""));
    PT_RETURN(read_range(v, json_object_get(row, "range")));
    return own_labels(v, json_object_get(row, "labels"));
}

static pt_status own_item(rows *r, const json_t *row)
{
    const char *text = json_string_value(json_object_get(row, "item")), *scale = json_string_value(json_object_get(row, "scale"));
    const char *facet = json_string_value(json_object_get(row, "facet"));
    const json_t *key = json_object_get(row, "key"), *given = json_object_get(row, "id");
    json_int_t sign = json_integer_value(key);
    char id[64];
    pt_scale *s;
    if (!r->head) return pt_fail(PT_EFORMAT, "the first row is no head: {\"questionnaire\": NAME, \"range\": [LOW, HIGH], ...}");
    if (!text || !*text) return pt_fail(PT_EFORMAT, "item is %s, not its text", pt_json_kind(json_object_get(row, "item")));
    if (json_is_string(given)) snprintf(id, sizeof id, "%s", json_string_value(given));
    else snprintf(id, sizeof id, "%lld", json_is_integer(given) ? (long long)json_integer_value(given) : (long long)r->v->n_items + 1);
    for (size_t i = 0; i < r->v->n_items; i++)
        if (!strcmp(r->v->items[i].id, id)) return pt_fail(PT_EFORMAT, "there is an item %s already", id);
    if (!scale && (key || facet)) return pt_fail(PT_EFORMAT, "the item has no scale, but a %s", key ? "key" : "facet");
    if (scale && (!json_is_integer(key) || (sign != 1 && sign != -1)))
        return pt_fail(PT_EFORMAT, "the item has no key: 1, or -1 where who agrees has less of %s", scale);
    PT_RETURN(add_item(r->v, id, text));
    if (!scale) return PT_OK; /* one that fills in */
    if (r->v->agree_low) sign = -sign;
    PT_RETURN(find_scale(r->v, scale, NULL, &s));
    read_poles(s);
    PT_RETURN(add_keyed(s, r->v->n_items - 1, (int)sign));
    if (!facet) return PT_OK;
    PT_RETURN(find_scale(r->v, facet, scale, &s));
    return add_keyed(s, r->v->n_items - 1, (int)sign);
}

static pt_status take_row(void *user, json_t *row, int64_t line)
{
    rows *r = user;
    if (!row) return pt_fail_prefix(PT_EFORMAT, "%s:%lld", r->path, (long long)line);
    if (json_object_get(row, "questionnaire")) return own_head(r, row);
    if (json_object_get(row, "label_ocean")) return ipip_row(r->v, row);
    if (json_object_get(row, "item")) return own_item(r, row);
    return pt_fail(PT_EFORMAT, "the row is neither a head (questionnaire) nor an item (item; label_ocean of the IPIP lists)");
}

static pt_status read_rows(pt_inventory *v, const char *path)
{
    rows r = {.v = v, .path = path};
    v->low = 1; /* of the IPIP's lists, which do not say it */
    v->high = 5;
    PT_RETURN(pt_strdup(&v->name, pt_path_base(path)));
    PT_RETURN(pt_strdup(&v->instruction, "Say how accurately each statement describes you, from 1 (very inaccurate) to 5 (very accurate)."));
    return pt_rows_read(path, NULL, take_row, &r);
}

/* Whether a file is one JSON object with questions; its text and value then. */
static pt_status load_bench(const char *path, char **text, json_t **root)
{
    const char *dot = strrchr(path, '.');
    size_t bytes;
    if (!dot || strcmp(dot, ".json")) return PT_OK;
    PT_RETURN(pt_text_read(text, &bytes, path, FILE_MOST));
    const char *p = *text + strspn(*text, " \t\r\n");
    if (*p != '{' || !strstr(p, "\"questions\"")) return PT_OK;
    return pt_json_parse(root, *text, bytes, path, PT_JSON_OBJECT);
}

pt_status pt_inventory_read(pt_inventory *v, const char *path, const char *field)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    json_t *root = NULL;
    *v = (pt_inventory){0};
    PT_TRY(load_bench(path, &text, &root));
    PT_TRY(root ? read_bench(v, root, path, text, field) : read_rows(v, path));
    PT_CHECK(v->n_items, PT_EFORMAT, "%s holds no items", path);
    PT_CHECK(v->n_scales, PT_EFORMAT, "%s holds no scale: no item says what it measures", path);
done:
    json_decref(root);
    free(text);
    return rc;
}
