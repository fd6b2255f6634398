/* Rows moved about: embedding, gather, scatter, copies, casts. */
#ifndef PT_KERNELS_MOVE_H
#define PT_KERNELS_MOVE_H
#include "kernels/ctx.h"
/* y[n,:] = scale * w[tokens[n],:] (any stored type); a token id outside [0,V) is PT_ESHAPE (checked on the host by the caller; here undefined never). */
typedef struct pt_embed_args { pt_view y, w, tokens; float scale; } pt_embed_args;
/* dw[tokens[n] - first,:] += scale * dy[n,:], in token order (deterministic). dw f32. first 0: dw has a row for every token; else it has those of tokens
 * first, first + 1 ..., and other tokens are passed over. */
typedef struct pt_embed_bwd_args { pt_view dw, dy, tokens; float scale; int64_t first; } pt_embed_bwd_args;
/* gather: y[i,:] = x[index[i],:].   scatter_add: y[index[i],:] += x[i,:], index distinct. index [1,n] i32. act types.
 * Rows of x and y may be slices of wider ones (ld > cols). */
typedef struct pt_gather_args { pt_view y, x, index; } pt_gather_args;
/* y = x with conversion of the element type (plain types); same shape. */
typedef struct pt_cast_args { pt_view y, x; } pt_cast_args;
/* y[i] = alpha*x[i] + beta*y[i]; act or f32, same type and shape. */
typedef struct pt_axpby_args { pt_view y, x; float alpha, beta; } pt_axpby_args;
#endif
