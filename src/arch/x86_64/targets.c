/*
 * targets.c - which addresses near the sites something may jump to
 *
 *	near branches	the whole text is searched for anything that looks like a jmp, jcc or call rel32 and leads near a site:
 *			this finds the jumps from the cold part of a function into its hot part, and between functions
 *	short branches	of the same function, from decoding it; no assembler is asked for short ones across functions
 *	jump tables	of 32-bit offsets or of addresses: whatever the function takes the address of is read as if it were one;
 *			and every address that is relocated counts, since a library may not have been relocated yet
 *	endbr64		may be reached by any indirect branch; it needs no mark, since it is never moved
 * Finding too many targets costs at most a site; a target missed would be a jump into the middle of a rewritten instruction.
 * Landing pads of exceptions are not looked for: they find the exception in rax, so nothing runs into one from a call.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_phdr_info */
#endif
#include "find.h"

#include <emmintrin.h>
#include <string.h>

#define TABLE_MAX	4096
#define SHORT_REACH	(2 + 128 + 2 * GR_SITE_WINDOW)

bool gr_object_reads(const struct dl_phdr_info *o, const void *p, size_t len)
{
	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &o->dlpi_phdr[i];
		uintptr_t lo = o->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_R) && (uintptr_t)p >= lo && len <= ph->p_memsz &&
		    (uintptr_t)p - lo <= ph->p_memsz - len)
			return true;
	}
	return false;
}

static bool is_first_above(const struct gr_find *f, size_t i, const uint8_t *p)
{
	return (i == f->n || f->sites[i].at > p) && (i == 0 || f->sites[i - 1].at <= p);
}

/* The first site above @p: the same as last time or the next one, since most targets are of the function that is being decoded, else by a
 * binary search */
static size_t first_above(struct gr_find *f, const uint8_t *p)
{
	size_t lo = 0, hi = f->n;

	for (size_t i = f->above; i <= f->above + 1 && i <= f->n; i++)
		if (is_first_above(f, i, p))
			return f->above = i;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (f->sites[mid].at > p)
			hi = mid;
		else
			lo = mid + 1;
	}
	return f->above = lo;
}

static void mark_sites(struct gr_find *f, const uint8_t *p)
{
	for (size_t i = first_above(f, p - GR_SITE_WINDOW); i < f->n && f->sites[i].at - GR_SITE_WINDOW <= p; i++)
		f->sites[i].targets |= 1ull << (p - (f->sites[i].at - GR_SITE_WINDOW));
}

/* Something may jump to @p: note it at each site that is near. */
static inline void mark(struct gr_find *f, const uint8_t *p)
{
	size_t off = (size_t)(p - f->text->lo);

	if (off < (size_t)(f->text->hi - f->text->lo) && (f->filter[off / GR_LINE / 8] & GR_BIT(off / GR_LINE % 8)))
		mark_sites(f, p);
}

void gr_targets_begin(struct gr_find *f)
{
	const struct gr_text *t = f->text;
	size_t last = (size_t)(t->hi - 1 - t->lo);

	for (size_t i = 0; i < f->n; i++) {
		size_t at = (size_t)(f->sites[i].at - t->lo);
		size_t lo = at < GR_SITE_WINDOW ? 0 : at - GR_SITE_WINDOW;
		size_t hi = at + GR_SITE_WINDOW > last ? last : at + GR_SITE_WINDOW;

		for (size_t line = lo / GR_LINE; line <= hi / GR_LINE; line++)
			f->filter[line / 8] |= GR_BIT(line % 8);
	}
}

/* Do these 16 bytes end the opcode of a jmp, call or jcc rel32?  One bit each. */
static uint64_t near_opcodes(const uint8_t *p)
{
	__m128i a = _mm_loadu_si128((const __m128i *)p), behind = _mm_loadu_si128((const __m128i *)(p - 1));
	__m128i jmp = _mm_cmpeq_epi8(_mm_and_si128(a, _mm_set1_epi8((char)0xfe)), _mm_set1_epi8((char)0xe8));
	__m128i jcc = _mm_cmpeq_epi8(_mm_and_si128(a, _mm_set1_epi8((char)0xf0)), _mm_set1_epi8((char)0x80));
	__m128i two = _mm_cmpeq_epi8(behind, _mm_set1_epi8(0x0f));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(jmp, _mm_and_si128(jcc, two)));
}

/* A rel32 at @p, as the last bytes of a branch */
static void mark_rel32(struct gr_find *f, const uint8_t *p)
{
	int32_t rel;

	memcpy(&rel, p, 4);
	mark(f, p + 4 + rel);
}

/* Anything in the text that looks like e8, e9 or 0f 80..8f with a rel32, at whatever alignment */
void gr_targets_near(struct gr_find *f)
{
	const uint8_t *p = f->text->lo, *hi = f->text->hi;

	if (hi - p >= 5 && (*p & 0xfe) == 0xe8)		/* the rest looks at the byte behind, too */
		mark_rel32(f, p + 1);
	for (p++; hi - p >= 64 + 4; p += 64) {
		uint64_t m = near_opcodes(p) | near_opcodes(p + 16) << 16 | near_opcodes(p + 32) << 32 | near_opcodes(p + 48) << 48;

		for (; m; m &= m - 1)
			mark_rel32(f, p + __builtin_ctzll(m) + 1);
	}
	for (; hi - p >= 5; p++)
		if ((*p & 0xfe) == 0xe8 || (p[-1] == 0x0f && (*p & 0xf0) == 0x80))
			mark_rel32(f, p + 1);
}

/* Every address in the object's data that the dynamic linker relocates, or is going to: tables, wherever they are used */
void gr_targets_relocated(struct gr_find *f)
{
	const struct dl_phdr_info *o = f->text->object;
	const ElfW(Rela) *rela = NULL;
	const ElfW(Dyn) *dyn = NULL;
	size_t size = 0;

	for (unsigned i = 0; i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_DYNAMIC)
			dyn = (const ElfW(Dyn) *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr);
	for (; dyn && gr_object_reads(o, dyn, sizeof(*dyn)) && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_RELA)
			rela = (const ElfW(Rela) *)dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_RELASZ)
			size = dyn->d_un.d_val;
	}
	if (!gr_object_reads(o, rela, size))		/* some linkers leave it relative to the object */
		rela = (const ElfW(Rela) *)((uintptr_t)rela + o->dlpi_addr);
	if (!gr_object_reads(o, rela, size))
		return;
	for (; size >= sizeof(*rela); rela++, size -= sizeof(*rela))
		if (ELF64_R_TYPE(rela->r_info) == R_X86_64_RELATIVE)
			mark(f, (const uint8_t *)(o->dlpi_addr + (uintptr_t)rela->r_addend));
}

static bool in_text(const struct gr_find *f, const uint8_t *p)
{
	return p >= f->text->lo && p < f->text->hi;
}

/* @base may be the start of a jump table: of offsets from itself, or of addresses.  It ends where an entry cannot be one. */
static void mark_table(struct gr_find *f, const uint8_t *base)
{
	const struct dl_phdr_info *o = f->text->object;

	for (size_t i = 0; i < TABLE_MAX && gr_object_reads(o, base + 4 * i, 4); i++) {
		int32_t rel;

		memcpy(&rel, base + 4 * i, 4);
		if (!in_text(f, base + rel))
			break;
		mark(f, base + rel);
	}
	for (size_t i = 0; i < TABLE_MAX && gr_object_reads(o, base + 8 * i, 8); i++) {
		const uint8_t *p;

		memcpy(&p, base + 8 * i, 8);
		if (!in_text(f, p))
			break;
		mark(f, p);
	}
}

/*
 * Every way this instruction can make an address near a site a target.  A table's address is taken by lea or, in a program that is not
 * position-independent, named: table(,%reg,8), or mov $table, %reg.
 */
void gr_targets_of(struct gr_find *f, const struct gr_decoded *in)
{
	if (in->target)
		mark(f, in->target);
	for (unsigned i = 0; i < GR_LENGTH(in->table); i++)
		if (in->table[i])
			mark_table(f, in->table[i]);
}

/* Where it is not known which bytes begin instructions, any may begin a short branch. */
void gr_targets_short(struct gr_find *f, const uint8_t *lo, const uint8_t *hi)
{
	for (const uint8_t *p = lo; hi - p >= 2; p++)
		if ((*p & 0xf0) == 0x70 || *p == 0xeb || (*p & 0xfc) == 0xe0)
			mark(f, p + 2 + (int8_t)p[1]);
}

/* All that can jump to @at and is near enough for a short branch, in whichever functions or gaps */
void gr_targets_around(struct gr_find *f, const uint8_t *at)
{
	const uint8_t *hi = f->text->hi - at < SHORT_REACH ? f->text->hi : at + SHORT_REACH;
	struct gr_decoded in;
	struct gr_range r;

	for (const uint8_t *p = at - f->text->lo < SHORT_REACH ? f->text->lo : at - SHORT_REACH; p < hi; p = r.hi) {
		r = gr_functions_at(f, p);
		if (r.is_function)
			for (p = r.lo; p < r.hi && gr_decode(f, p, r.hi, &in); p += in.insn.len)
				gr_targets_of(f, &in);
		gr_targets_short(f, p, r.hi < hi ? r.hi : hi);
	}
}
