/*
 * choose.c - which of a site's neighbours to move aside, so that the jump that replaces it has room
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_phdr_info */
#endif
#include "find.h"

#include <string.h>

/* mov $15, %eax or mov $15, %rax before it: the kernel's own contract with libc, which unwinders know by these bytes.  Told by
 * the bytes alone, since the FDE of one may begin a byte too early, so that decoding from there goes wrong. */
static bool is_signal_return(const struct gr_text *t, const struct gr_site *s)
{
	return (s->at - t->lo >= 5 && memcmp(s->at - 5, "\xb8\x0f\0\0\0", 5) == 0) ||
	       (s->at - t->lo >= 7 && memcmp(s->at - 7, "\x48\xc7\xc0\x0f\0\0\0", 7) == 0);
}

bool gr_falls_through(struct gr_insn in)
{
	return in.kind == GR_INSN_PLAIN || in.kind == GR_INSN_NOP || in.kind == GR_INSN_RIP || in.kind == GR_INSN_JCC;
}

/* Does something jump behind the first byte of what would be overwritten? */
static bool is_entered(const struct gr_site *s)
{
	unsigned from = GR_SITE_WINDOW - s->before + 1, to = GR_SITE_WINDOW + GR_SITE_SYSCALL + s->after;

	return (s->targets >> from) & ((1ull << (to - from)) - 1);
}

/* How much is to be asked of the instructions that are moved */
struct terms {
	bool same_bytes;	/* only those that need no change */
	bool keep_after;	/* none from behind the site */
	const uint8_t *free_from;	/* where the patch of the site before ends */
};

static bool may_move(struct gr_insn in, const struct terms *terms)
{
	if (terms->same_bytes)
		return in.kind == GR_INSN_PLAIN || in.kind == GR_INSN_NOP;
	return in.kind != GR_INSN_STAYS;
}

/* With s->before bytes moved from in front, how many from behind?  False: none will do. */
static bool fit_after(struct gr_site *s, const struct terms *terms)
{
	bool ended = false;

	s->after = s->nafter = 0;
	while (s->before + GR_SITE_SYSCALL + s->after < GR_SITE_JUMP) {
		struct gr_insn in = s->nafter < GR_SITE_MOVES ? s->next[s->nafter] : (struct gr_insn){ 0 };

		if (terms->keep_after || !may_move(in, terms) || (ended && in.kind != GR_INSN_NOP))
			return false;
		ended |= !gr_falls_through(in);
		s->after += in.len;
		s->nafter++;
	}
	return !is_entered(s);
}

/* Choose what to move, the fewest instructions from in front. */
static bool fit(struct gr_site *s, const struct terms *terms)
{
	s->before = s->nbefore = 0;
	while (!fit_after(s, terms)) {
		struct gr_insn in = s->nbefore < GR_SITE_MOVES ? s->prev[s->nbefore] : (struct gr_insn){ 0 };

		if (!may_move(in, terms) || !gr_falls_through(in) || s->before + GR_SITE_SYSCALL >= GR_SITE_JUMP ||
		    s->at - s->before - in.len < terms->free_from)
			return false;
		s->before += in.len;
		s->nbefore++;
	}
	return true;
}

static const uint8_t *end_of(const struct gr_site *s)
{
	return s->at + GR_SITE_SYSCALL + s->after;
}

static void choose(struct gr_site *s, const uint8_t *free_from, bool keep_after)
{
	struct terms easy = { true, keep_after, free_from }, hard = { false, keep_after, free_from };

	if (fit(s, &easy) || fit(s, &hard)) {
		s->state = GR_SITE_MOVABLE;
	} else {
		s->state = GR_SITE_FAILED;
		s->before = s->nbefore = s->after = s->nafter = 0;
	}
}

/* Give @s a patch; where the one before it, @other, took what it needs, see whether that can do without. */
static void choose_after(struct gr_site *s, struct gr_site *other, const uint8_t *others_free_from, bool keep_after)
{
	struct gr_site was = *other;

	choose(s, end_of(other), keep_after);
	if (s->state != GR_SITE_FAILED || other->state != GR_SITE_MOVABLE || other->after == 0)
		return;
	choose(other, others_free_from, true);
	if (other->state == GR_SITE_MOVABLE)
		choose(s, end_of(other), keep_after);
	if (s->state == GR_SITE_FAILED)
		*other = was;
}

/* What to do with each, in order */
void gr_choose(const struct gr_text *t, struct gr_site *sites, size_t n)
{
	struct gr_site none = { .at = t->lo - GR_SITE_SYSCALL }, *other = &none;
	const uint8_t *free_from = t->lo;	/* for the other one */

	for (size_t i = 0; i < n; i++) {
		if (is_signal_return(t, &sites[i]))
			sites[i].state = GR_SITE_KEPT;
		if (sites[i].state == GR_SITE_REAL)
			choose_after(&sites[i], other, free_from, t->keep_after);
		if (sites[i].state == GR_SITE_NONE)
			continue;
		free_from = end_of(other);
		other = &sites[i];
	}
}
