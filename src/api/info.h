/*
 * info.h - reports about greenlets for grove's own use
 */
#ifndef GR_API_INFO_H
#define GR_API_INFO_H

#include "api.h"

/* One line for each greenlet that is parked: what it waits for.  In the hub or inside: no malloc, no stdio. */
void gr_info_print_blocked(int fd);

/* What an object is, in a word; NULL: it is none. */
const char *gr_info_kind(const void *object);

/* Return addresses of @g, the innermost first; at most @room.  Inside. */
int gr_info_walk(const struct gr_greenlet *g, void **ret_addresses, int room);

/* generator.c: where the consumer of a running generator left off, as gr_walk_from() wants it, and in whose body it is (or NULL). */
const void *gr_generator_consumer(const struct grove_generator *gen, const struct grove_generator **ret_outer);

#endif
