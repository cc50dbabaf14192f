/*
 * sites.h - the `syscall` instructions of one stretch of text, and which bytes around each may be moved aside
 *
 * Finding (sites.c) only reads; changing (patch.c, thunk.c) only writes what was found.  Shared by these and the unit test.
 */
#ifndef GR_SITES_H
#define GR_SITES_H

#include "../../base.h"

struct dl_phdr_info;
struct gr_patch_stats;

#define GR_SITE_SYSCALL		2	/* bytes of `syscall` */
#define GR_SITE_JUMP		5	/* bytes of the `jmp rel32` that replaces it */
#define GR_SITE_MOVES		4	/* instructions looked at on either side */
#define GR_SITE_WINDOW		32	/* bytes looked at on either side: more than any patch reaches */

/* The executable segment of an object, or a part of it */
struct gr_text {
	const uint8_t *lo, *hi;
	const struct dl_phdr_info *object;	/* whose .eh_frame and whose tables belong to it */
	bool keep_after;			/* other kernel threads may be about to return to the address after a site */
};

enum gr_site_state {
	GR_SITE_HIT,		/* the bytes 0f 05, not yet looked at */
	GR_SITE_NONE,		/* they are part of another instruction, or data */
	GR_SITE_REAL,		/* an instruction, with its neighbours known */
	GR_SITE_KEPT,		/* the signal return */
	GR_SITE_FAILED,		/* it cannot be told apart from data, or its neighbours cannot be moved */
	GR_SITE_MOVABLE,	/* before and after are set */
};

/* What it takes to move an instruction to another address */
enum gr_insn_kind {
	GR_INSN_STAYS,		/* calls, traps, endbr64 and what has no longer form (loop, jrcxz) */
	GR_INSN_PLAIN,		/* the same bytes */
	GR_INSN_NOP,		/* the same, and it may be overwritten even where nothing comes by */
	GR_INSN_RIP,		/* the same bytes but for a displacement from rip */
	GR_INSN_JCC,		/* becomes 0f 8x rel32 */
	GR_INSN_JMP,		/* becomes e9 rel32 */
	GR_INSN_RET,		/* the same bytes */
};

struct gr_insn {
	uint8_t len;		/* 0: there is none */
	uint8_t kind;		/* enum gr_insn_kind */
	uint8_t disp;		/* GR_INSN_RIP: where in it the displacement is */
};

struct gr_site {
	const uint8_t *at;
	uint64_t targets;	/* bit i: something may jump to at - GR_SITE_WINDOW + i */
	struct gr_insn prev[GR_SITE_MOVES], next[GR_SITE_MOVES];	/* nearest first */
	enum gr_site_state state;
	uint8_t before, after;	/* bytes to move from either side; together with the site at least GR_SITE_JUMP */
	uint8_t nbefore, nafter;	/* and instructions */
};

/* How many times 0f 05 occurs in @t.  The first @room of them are written to @sites, each a HIT, in order of address. */
size_t gr_sites_search(const struct gr_text *t, struct gr_site *sites, size_t room);

/*
 * Give each of @sites, the @n that gr_sites_search() found, a final state: NONE, KEPT, FAILED or MOVABLE.  @filter is zeroed memory of
 * gr_sites_filter_size() bytes.
 */
void gr_sites_find(const struct gr_text *t, struct gr_site *sites, size_t n, uint8_t *filter);
size_t gr_sites_filter_size(const struct gr_text *t);

/* What has been done to a text; all 0 when it has no site that can be rewritten */
struct gr_rewritten {
	void *thunks;		/* mapped for it */
	size_t size;		/* of them */
	const uint8_t *jump;	/* one of the jumps now in it */
};

/* patch.c: find and rewrite the sites of @t.  0, or -errno with nothing changed.  Adds to *stats either way. */
int gr_patch_text(const struct gr_text *t, struct gr_patch_stats *stats, struct gr_rewritten *ret);

#endif
