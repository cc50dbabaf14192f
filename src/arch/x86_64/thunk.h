/*
 * thunk.h - the code that a rewritten site jumps to, in memory near enough for a rel32
 */
#ifndef GR_THUNK_H
#define GR_THUNK_H

#include "sites.h"

static inline uintptr_t gr_page_down(uintptr_t a)
{
	return a & ~(uintptr_t)(GR_PAGE - 1);
}

static inline uintptr_t gr_page_up(uintptr_t a)
{
	return gr_page_down(a + GR_PAGE - 1);
}

/* near.c: @size bytes, writable, from where a rel32 reaches all of @o and back; NULL: there are none */
void *gr_map_near(const struct dl_phdr_info *o, size_t size);

/* Thunks for the movable ones of @sites: written, not yet executable; the first at GR_THUNK_FIRST, each gr_thunk_size() long, in
 * order.  NULL when there is no memory near. */
uint8_t *gr_thunks_write(const struct gr_text *t, const struct gr_site *sites, size_t n, size_t *ret_size);
size_t gr_thunk_size(const struct gr_site *s);

#define GR_THUNK_FIRST	16

#endif
