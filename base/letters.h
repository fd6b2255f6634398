/* How far apart two names are: what a misspelt one may have meant. */
#ifndef PT_BASE_LETTERS_H
#define PT_BASE_LETTERS_H

/* Letters to put in, to take out, to change, or neighbours to swap, so that a becomes b (optimal string alignment: Damerau 1964, no place twice);
 * 99 when one has more than 63 bytes. */
int pt_letters_apart(const char *a, const char *b);
#endif
