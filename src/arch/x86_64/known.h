/*
 * known.h - texts whose sites were found when grove was built: those of libc and of what grove needs, on the machine that built it
 *
 * To find libc's sites takes longer than all else that grove does when a program starts.  So the build does it once (know.c), and what was
 * decided for each site is kept in a table.  A text is taken for the one in the table if the object has the same build id and all of its
 * bytes have the same hash; any other, as after an upgrade of libc, is searched as ever.
 */
#ifndef GR_KNOWN_H
#define GR_KNOWN_H

#include "sites.h"

#define GR_KNOWN_ID	20		/* bytes of a build id, the last ones 0 where it is shorter */
#define GR_KNOWN_MOVES	(GR_SITE_JUMP - GR_SITE_SYSCALL)	/* each instruction that is moved gives a byte at least */

struct gr_known_site {
	uint32_t at;			/* from the beginning of the text */
	uint8_t state;			/* enum gr_site_state, a final one but not NONE */
	uint8_t nbefore, nafter;	/* instructions to move */
	struct gr_insn moves[GR_KNOWN_MOVES];	/* those before it, nearest first, then those after it */
};

struct gr_known_text {
	const struct gr_known_site *sites;
	size_t n;			/* may be 0: nothing in it is a call */
	uint8_t id[GR_KNOWN_ID];
	uint64_t offset, size;		/* of the text in its object, as linked; size 0: the end of the table */
	uint64_t hash;
};

/* A text of the table, or NULL */
const struct gr_known_text *gr_known(const struct gr_text *t);
/* Fills in k->n of @sites as gr_sites_find() would, but for those that are none, and for what only choosing needs. */
void gr_known_sites(const struct gr_known_text *k, const struct gr_text *t, struct gr_site *sites);

/* For know.c and the unit test: @t as it would stand in the table, its sites apart; false: it has no build id */
bool gr_known_describe(const struct gr_text *t, struct gr_known_text *ret);
struct gr_known_site gr_known_pack(const struct gr_text *t, const struct gr_site *s);

/* known_texts.c, made by know.c; only libgrove.so and the unit test have it. */
extern const struct gr_known_text gr_known_texts[] __attribute__((weak, visibility("hidden")));

#endif
