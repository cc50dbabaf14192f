/*
 * sites.c - find the `syscall` instructions of a text and what stands beside them
 *
 * Decoding all of libc takes a fifth of a second, so: search for the bytes 0f 05; decode only the functions around them, from the
 * start that .eh_frame gives, to learn which are instructions and what their neighbours are; collect every address near them that
 * something may jump to (targets.c); and see what can be moved (choose.c).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_phdr_info */
#endif
#include "find.h"

#include <emmintrin.h>
#include <string.h>

/* In text without an FDE */
#define GAP_BEFORE	4096	/* how far back to decode: from wherever, it falls into step within a few instructions */
#define GAP_NUMBER	8	/* a call has its number loaded so many instructions before it at most */
#define GAP_GARBAGE	32	/* where so many instructions before it one is none, it is data */

static void add_next(struct gr_site *s, struct gr_insn in)
{
	for (unsigned i = 0; i < GR_SITE_MOVES; i++)
		if (s->next[i].len == 0) {
			s->next[i] = in;
			return;
		}
}

static void shift_in(struct gr_insn *behind, struct gr_insn in)
{
	for (unsigned i = GR_SITE_MOVES - 1; i > 0; i--)
		behind[i] = behind[i - 1];
	behind[0] = in;
}

/* Decode the function @r, which holds the sites from @i on; returns the first that lies beyond it. */
static size_t look_at_function(struct gr_find *f, struct gr_range r, size_t i)
{
	struct gr_insn behind[GR_SITE_MOVES] = { 0 };	/* the last ones, nearest first */
	struct gr_site *last = NULL;
	const uint8_t *p = r.lo;
	struct gr_decoded in;

	for (; p < r.hi && gr_decode(f, p, r.hi, &in); p += in.insn.len) {
		gr_targets_of(f, &in);
		if (last)
			add_next(last, in.insn);
		while (i < f->n && f->sites[i].at < p)		/* its bytes were the inside of another instruction */
			f->sites[i++].state = GR_SITE_NONE;
		if (i < f->n && f->sites[i].at == p && in.insn.len == GR_SITE_SYSCALL) {
			last = &f->sites[i++];
			memcpy(last->prev, behind, sizeof(behind));
			last->state = GR_SITE_REAL;
		}
		shift_in(behind, in.insn);
	}
	gr_targets_short(f, p, r.hi);
	for (; i < f->n && f->sites[i].at < r.hi; i++)
		f->sites[i].state = f->sites[i].at < p ? GR_SITE_NONE : GR_SITE_FAILED;
	return i;
}

/* mov $nr, %eax, mov $nr, %rax or xor %eax, %eax */
static bool loads_number(const uint8_t *p, unsigned len)
{
	uint32_t nr;

	if (len == 2)
		return (p[0] == 0x31 || p[0] == 0x33) && p[1] == 0xc0;
	if (!(len == 5 && p[0] == 0xb8) && !(len == 7 && memcmp(p, "\x48\xc7\xc0", 3) == 0))
		return false;
	memcpy(&nr, p + len - 4, 4);
	return nr < 1024;
}

/*
 * Text without an FDE: assembly whose author left it out or ended it at the call (clone in libc), or constants kept among the code.
 * Decode from the function before; believe in a site only when an instruction shortly before it, and nothing in between that leads
 * elsewhere, loads a plausible call number: data that happens to spell both is out of the question.  A site without it fails.
 */
static enum gr_site_state judge_gap(struct gr_find *f, struct gr_range r, struct gr_site *s)
{
	struct gr_insn behind[GR_SITE_MOVES] = { 0 };
	unsigned since_number = GAP_NUMBER, since_garbage = GAP_GARBAGE;
	const uint8_t *p = s->at - r.lo > GAP_BEFORE ? s->at - GAP_BEFORE : r.lo;
	struct gr_decoded in;

	for (; p < s->at; p += behind[0].len) {
		struct gr_insn ours = { .len = 1 };

		since_garbage++;
		if (gr_decode(f, p, r.hi, &in)) {
			ours = in.insn;
			gr_targets_of(f, &in);
		} else {
			since_garbage = 0;
		}
		if (loads_number(p, ours.len))
			since_number = 0;
		else
			since_number = gr_falls_through(ours) ? since_number + 1 : GAP_NUMBER;
		shift_in(behind, ours);
	}
	memcpy(s->prev, behind, sizeof(s->prev));
	if (p == s->at && since_number < GAP_NUMBER)
		return GR_SITE_REAL;
	return p == s->at && since_garbage >= GAP_GARBAGE ? GR_SITE_FAILED : GR_SITE_NONE;
}

static void look_at_gap(struct gr_find *f, struct gr_range r, struct gr_site *s)
{
	const uint8_t *p = s->at + GR_SITE_SYSCALL;
	struct gr_decoded in;

	s->state = judge_gap(f, r, s);
	if (s->state != GR_SITE_REAL)
		return;
	gr_targets_around(f, s->at);
	for (unsigned i = 0; i < GR_SITE_MOVES && p < r.hi && gr_decode(f, p, r.hi, &in); i++, p += in.insn.len)
		s->next[i] = in.insn;
}

/* 0f at p[i] and 05 at p[i + 1], for 16 of them */
static inline __m128i hits(const uint8_t *p)
{
	__m128i a = _mm_loadu_si128((const __m128i *)p), b = _mm_loadu_si128((const __m128i *)(p + 1));

	return _mm_and_si128(_mm_cmpeq_epi8(a, _mm_set1_epi8(0x0f)), _mm_cmpeq_epi8(b, _mm_set1_epi8(0x05)));
}

size_t gr_sites_search(const struct gr_text *t, struct gr_site *sites, size_t room)
{
	const uint8_t *p = t->lo;
	size_t n = 0;

	for (; t->hi - p >= 65; p += 64) {
		__m128i h[4] = { hits(p), hits(p + 16), hits(p + 32), hits(p + 48) };

		__builtin_prefetch(p + GR_AHEAD);
		if (!_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(h[0], h[1]), _mm_or_si128(h[2], h[3]))))
			continue;
		for (unsigned i = 0; i < 4; i++)
			for (unsigned m = (unsigned)_mm_movemask_epi8(h[i]); m; m &= m - 1, n++)
				if (n < room)
					sites[n] = (struct gr_site){ .at = p + 16 * i + __builtin_ctz(m) };
	}
	for (; t->hi - p >= 2; p++)
		if (p[0] == 0x0f && p[1] == 0x05) {
			if (n < room)
				sites[n] = (struct gr_site){ .at = p };
			n++;
		}
	return n;
}

size_t gr_sites_filter_size(const struct gr_text *t)
{
	return (size_t)(t->hi - t->lo) / GR_LINE / 8 + 1;
}

static bool any_real(const struct gr_site *sites, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sites[i].state == GR_SITE_REAL)
			return true;
	return false;
}

void gr_sites_find(const struct gr_text *t, struct gr_site *sites, size_t n, uint8_t *filter)
{
	struct gr_find f = { .text = t, .sites = sites, .n = n, .filter = filter };

	gr_targets_begin(&f);
	ZydisDecoderInit(&f.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&f.decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
	gr_functions_open(&f);
	for (size_t i = 0; i < f.n;) {
		struct gr_range r = gr_functions_at(&f, sites[i].at);

		if (r.is_function)
			i = look_at_function(&f, r, i);
		else
			look_at_gap(&f, r, &sites[i++]);
	}
	if (any_real(sites, f.n)) {
		gr_targets_near(&f);
		gr_targets_relocated(&f);
	}
	gr_choose(t, sites, f.n);
}
