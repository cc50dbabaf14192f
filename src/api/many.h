/*
 * many.h - waiting for several objects, and learning of them in the order in which they become ready
 */
#ifndef GR_API_MANY_H
#define GR_API_MANY_H

#include "api.h"

struct gr_many;

/* Watch @n objects (not NULL, of any kind; none more than once matters).  Outside; NULL: ENOMEM. */
struct gr_many *gr_many_new(void *const *objects, size_t n);
void gr_many_free(struct gr_many *m);

/* The next that has become ready, each once; NULL with *ret_error 0 when there are no more, -EAGAIN, -ETIMEDOUT, ...  Inside. */
struct gr_object *gr_many_next(struct gr_many *m, gr_time deadline, int *ret_error);

/* Is @err, from gr_many_next(), the end of the time that the caller gave, and not of a scope around it or the like? */
bool gr_many_time_over(const struct gr_many *m, int err);

#endif
