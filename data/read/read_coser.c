/* coser: books of the CoSER project: plots with conversations in which characters think [so] and act (so). A file is a book; each of its conversations is
 * a row, in the shape that the project's test set has: {plot, scenario, topic, key_characters, character_profiles, dialogues}. */
#include <string.h>

#include "data/read/people.h"
#include "data/read/read_feed.h"

#define NAMES(...) (const char *const[]){__VA_ARGS__, NULL}

/* The member of a list of people with that name. */
static json_t *one_of(json_t *list, const char *name)
{
    size_t i;
    json_t *m;
    json_array_foreach(list, i, m)
    {
        const char *is = json_string_value(json_object_get(m, "name"));
        if (!is) is = json_string_value(json_object_get(m, "character"));
        if (is && !strcmp(is, name)) return m;
    }
    return NULL;
}

/* Who the character is in this plot, who it is in the book, and what it wants in this conversation. */
static pt_status profile_of(pt_reader *r, json_t *row, const char *name, const char **out)
{
    pt_status rc = PT_OK;
    pt_str all = {0};
    json_t *plot = json_object_get(row, "plot");
    PT_TRY(pt_profile_add(&all, json_object_get(one_of(json_object_get(plot, "key_characters"), name), "description"), "\n\n"));
    PT_TRY(pt_profile_add(&all, json_object_get(json_object_get(row, "character_profiles"), name), "\n\n"));
    PT_TRY(pt_profile_add(&all, json_object_get(one_of(json_object_get(row, "key_characters"), name), "motivation"), "\n\n"));
    pt_row_take(r, row, "plot");
    pt_row_take(r, row, "character_profiles");
    return pt_row_keep(r, &all, out);
done:
    pt_str_free(&all);
    return rc;
}

static const pt_people_shape shape = {.type = "coser", .lines = "dialogues", .name = "character", .text = "message", .cast = "key_characters",
                                      .profile_of = profile_of, .setting = NAMES("scenario"), .nobody = NAMES("Environment"), .omitted = NAMES("NSP"), .thoughts = true};

static pt_status read_row(pt_reader *r, json_t *row)
{
    return pt_read_people(r, row, &shape);
}

/* ---- books to rows ----------------------------------------------------------------------------------------------- */

/* {name: profile} of a book's characters; NULL when memory ends. */
static json_t *profiles_of(json_t *book)
{
    const char *name;
    json_t *v, *out = json_object();
    json_object_foreach(json_object_get(book, "character_datasets"), name, v)
    {
        json_t *text = json_object_get(v, "profile");
        if (json_is_string(text) && json_object_set(out, name, text)) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static pt_status conversation_row(json_t *talk, json_t *plot, json_t *profiles, json_t **out)
{
    static const char *const of_plot[] = {"summary", "chapter", "key_characters"};
    json_t *row = json_copy(talk), *about = json_object();
    bool bad = !row || !about;
    for (int i = 0; !bad && i < 3; i++) {
        json_t *v = json_object_get(plot, of_plot[i]);
        bad = v && json_object_set(about, of_plot[i], v) != 0;
    }
    if (bad || json_object_set(row, "plot", about) || json_object_set(row, "character_profiles", profiles)) {
        json_decref(row);
        json_decref(about);
        return pt_fail(PT_ENOMEM, "out of memory: a conversation of a book");
    }
    json_decref(about);
    *out = row;
    return PT_OK;
}

static pt_status rows_of_book(pt_feed *f, json_t *book, const pt_row_sink *sink)
{
    pt_status rc = PT_OK;
    size_t i, k;
    json_t *plot, *talk, *row, *profiles = profiles_of(book);
    const char *at = f->at;
    int64_t line = 1;
    PT_CHECK(profiles, PT_ENOMEM, "out of memory: %s", f->path);
    json_array_foreach(json_object_get(book, "plots"), i, plot)
    {
        json_t *list = json_object_get(plot, "conversation");
        json_array_foreach(list, k, talk)
        {
            row = NULL;
            pt_feed_find(f, "\"dialogues\"", &at, &line);
            if (json_is_object(talk) && !pt_json_odd(talk))
                PT_TRY(conversation_row(talk, plot, profiles, &row));
            else
                pt_fail(PT_EFORMAT, "conversation %zu of plot %zu is %s, an object is wanted", k + 1, i + 1, pt_row_kind(talk));
            PT_TRY(pt_row_give(sink, f->path, row, line));
        }
    }
done:
    json_decref(profiles);
    return rc;
}

static pt_status rows(pt_feed *f, const pt_dataset_spec *spec, const pt_row_sink *sink)
{
    json_t *book;
    PT_RETURN(pt_feed_object(f, &book));
    bool is_book = json_is_array(json_object_get(book, "plots"));
    pt_status rc = is_book ? rows_of_book(f, book, sink) : pt_rows_by_name(f, spec, sink);
    json_decref(book);
    return rc;
}

const pt_data_type pt_data_type_coser = {.name = "coser", .sft = read_row, .profiles = pt_scenes_profiles, .rows = rows, .fits = "key_characters dialogues",
                                         .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, NULL}};
