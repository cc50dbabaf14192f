/*
 * find.h - how sites.c, targets.c, functions.c and choose.c work together on one text
 */
#ifndef GR_FIND_H
#define GR_FIND_H

#include "sites.h"

#include <Zydis/Zydis.h>
#include <link.h>

struct gr_find {
	const struct gr_text *text;
	struct gr_site *sites;
	size_t n;
	size_t above;			/* what targets.c found last: the first site above an address */
	uint8_t *filter;		/* a bit for each GR_LINE bytes of text, set: some site's window touches them */
	ZydisDecoder decoder;
	const uint8_t *eh_hdr;		/* .eh_frame_hdr and its table of (function, FDE) offsets from it; NULL: there is none */
	const int32_t (*eh_table)[2];
	size_t eh_n;
};

#define GR_LINE		64
#define GR_AHEAD	2048	/* to ask for: text just mapped is in no near cache, and the processor does not look ahead into the next page */

/* A function; or the gap behind one, together with that function, whose last instructions may run on into the gap */
struct gr_range {
	const uint8_t *lo, *hi;
	bool is_function;
};

/* Bytes of the object @o at @p .. @p + @len can be read: they lie in one of its readable segments. */
bool gr_object_reads(const struct dl_phdr_info *o, const void *p, size_t len);

/* decode.c: the instruction at @p, which ends below @hi; false: there is none. */
struct gr_decoded {
	struct gr_insn insn;
	const uint8_t *target;		/* of a branch; else NULL */
	const uint8_t *table[2];	/* addresses that it takes, which may be those of jump tables; or NULL */
};
bool gr_decode(const struct gr_find *f, const uint8_t *p, const uint8_t *hi, struct gr_decoded *ret);
bool gr_decode_plain(const uint8_t *p, struct gr_decoded *ret);		/* the quick way, for most; for gr_decode() and the unit test */
bool gr_decode_any(const ZydisDecoder *decoder, const uint8_t *p, const uint8_t *hi, struct gr_decoded *ret);

/* functions.c */
void gr_functions_open(struct gr_find *f);
struct gr_range gr_functions_at(const struct gr_find *f, const uint8_t *p);	/* the function that @p lies in, or the gap */

/* targets.c: each notes at the sites near what may jump there */
void gr_targets_begin(struct gr_find *f);					/* fills in the filter */
void gr_targets_of(struct gr_find *f, const struct gr_decoded *in);		/* of a decoded instruction */
void gr_targets_short(struct gr_find *f, const uint8_t *lo, const uint8_t *hi);	/* short branches, at whatever alignment */
void gr_targets_near(struct gr_find *f);					/* near branches of the whole text */
void gr_targets_relocated(struct gr_find *f);					/* addresses in the object's data */
void gr_targets_around(struct gr_find *f, const uint8_t *at);			/* all that can reach @at by a short branch */

/* choose.c: the final state of each site */
bool gr_falls_through(struct gr_insn in);
void gr_choose(const struct gr_text *t, struct gr_site *sites, size_t n);

#endif
