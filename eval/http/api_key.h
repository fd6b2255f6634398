/* An API key, and how it stays out of everything that is kept or shown. */
#ifndef PT_EVAL_API_KEY_H
#define PT_EVAL_API_KEY_H
#include "base/mem.h"

#define PT_API_KEY_MASK "[api key]"
/* What can be sent in a header and told from ordinary words: 8 to 4,096 visible ASCII characters but those that escapes begin with (\ % & "), which no key
 * in use has (RFC 6750 has none of them). PT_EARG, without the key. */
pt_status pt_api_key_check(const char *key);
/* Appends text with PT_API_KEY_MASK for each place where the key stands: as it is, in escapes (\u0073, \x73, \u{73}, %73, &#115;, also of several
 * backslashes), and with control characters, terminal sequences, invisible or direction characters between its own. key NULL: as it is. */
pt_status pt_api_key_mask(pt_str *out, const char *text, size_t n, const char *key);
#endif
