/* One YAML document as a tree of nodes with places (libyaml). Hostile input: depth, nodes and text are bounded with aliases counted as what they
 * stand for, which may not be themselves. A key may stand once in a mapping; << is merged (YAML 1.1: what stands there itself wins, then the first).
 * A second document and tags of other programs are refused. Places are 1-based; of what an alias stands for, the anchor's. */
#ifndef PT_CLI_YAML_H
#define PT_CLI_YAML_H
#include <stdbool.h>
#include "base/mem.h"

typedef enum pt_ykind { PT_YSCALAR, PT_YSEQ, PT_YMAP } pt_ykind;
typedef struct pt_ynode pt_ynode;
struct pt_ynode {
    pt_ykind kind;
    char *text;       /* scalar */
    bool quoted;      /* scalar in quotes or a block, or !!str: never null */
    int line, column;
    size_t n, cap;
    char **keys;      /* map: [n] */
    pt_ynode **items; /* seq and map: [n] */
    int *key_line, *key_column; /* map */
};
/* name: what errors call the source ("configs/x.yaml", "command line"). Without a document an empty map. */
pt_status pt_yaml_parse(pt_ynode **out, const char *text, size_t bytes, const char *name);
void pt_yaml_free(pt_ynode *n);
/* Changes of a tree: the value of a key (NULL = none); a text under it in place of what is there; the key and its value away. */
pt_ynode *pt_yaml_get(const pt_ynode *map, const char *key);
pt_status pt_yaml_put(pt_ynode *map, const char *key, const char *text);
pt_status pt_yaml_take(pt_ynode *map, const pt_ynode *from, size_t i); /* entry i of another mapping, in place of what is there under its key */
pt_status pt_yaml_copy(pt_ynode **out, const pt_ynode *n);
void pt_yaml_drop(pt_ynode *map, const char *key);
/* "~", "null", "" unquoted. */
bool pt_yaml_is_null(const pt_ynode *n);
/* Appends `text` as a YAML scalar, quoted when it needs to be. */
pt_status pt_yaml_quote(pt_str *out, const char *text);
#endif
