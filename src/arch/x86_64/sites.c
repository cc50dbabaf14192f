/*
 * sites.c - find the `syscall` instructions of a text and judge which of their neighbours can be moved aside
 *
 * Decoding all of libc takes a fifth of a second, so: search for the bytes 0f 05; decode only the functions around them, from the
 * start that .eh_frame gives, to learn which are instructions and what stands beside them; and collect every address near them that
 * something may jump to:
 *	near branches	the whole text is searched for anything that looks like a jmp, jcc or call rel32 and would land near a site:
 *			this finds the jumps from the cold part of a function into its hot part, and from one function into another
 *	short branches	of the same function, from decoding it; no assembler is asked for short ones across functions
 *	jump tables	of 32-bit offsets or of addresses: whatever the function takes the address of is read as if it were one
 *	endbr64		may be reached by any indirect branch
 * Finding too many targets costs at most a site; a target missed would be a jump into the middle of a rewritten instruction.
 *
 * Text that .eh_frame does not cover is hand-written, may hold data, and is trusted less: see look_at_gap().
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_phdr_info */
#endif
#include "sites.h"

#include <Zydis/Zydis.h>
#include <emmintrin.h>
#include <link.h>
#include <string.h>

#define LINE		64	/* bytes of text to a bit of the filter */
#define GAP_BEFORE	4096	/* how far back a gap is decoded: decoding falls into step within a few instructions */
#define GAP_EVIDENCE	8	/* instructions between the loading of the number and the call */
#define SHORT_REACH	(2 + 128 + 2 * GR_SITE_WINDOW)
#define TABLE_MAX	4096

struct find {
	const struct gr_text *text;
	struct gr_site *sites;
	size_t n;
	uint8_t *filter;		/* bit set: some site's window touches this line */
	ZydisDecoder decoder;
	const uint8_t *eh_hdr;		/* .eh_frame_hdr and its table of (function, FDE) offsets from it; NULL: there is none */
	const int32_t (*eh_table)[2];
	size_t eh_n;
};

/* A function; or the gap behind one, together with that function, whose last instructions may run on into the gap */
struct range {
	const uint8_t *lo, *hi;
	bool is_function;
};

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

/* --- targets ------------------------------------------------------------------------------------------------------------- */

/* The first site above @p, by a binary search */
static size_t first_above(const struct find *f, const uint8_t *p)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (f->sites[mid].at > p)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static void mark_sites(struct find *f, const uint8_t *p)
{
	for (size_t i = first_above(f, p - GR_SITE_WINDOW); i < f->n && f->sites[i].at - GR_SITE_WINDOW <= p; i++)
		f->sites[i].targets |= 1ull << (p - (f->sites[i].at - GR_SITE_WINDOW));
}

/* Something may jump to @p: note it at each site that is near. */
static inline void mark(struct find *f, const uint8_t *p)
{
	size_t off = (size_t)(p - f->text->lo);

	if (off < (size_t)(f->text->hi - f->text->lo) && (f->filter[off / LINE / 8] & GR_BIT(off / LINE % 8)))
		mark_sites(f, p);
}

static void fill_filter(struct find *f)
{
	const struct gr_text *t = f->text;
	size_t last = (size_t)(t->hi - 1 - t->lo);

	for (size_t i = 0; i < f->n; i++) {
		size_t at = (size_t)(f->sites[i].at - t->lo);
		size_t lo = at < GR_SITE_WINDOW ? 0 : at - GR_SITE_WINDOW;
		size_t hi = at + GR_SITE_WINDOW > last ? last : at + GR_SITE_WINDOW;

		for (size_t line = lo / LINE; line <= hi / LINE; line++)
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
static void mark_rel32(struct find *f, const uint8_t *p)
{
	int32_t rel;

	memcpy(&rel, p, 4);
	mark(f, p + 4 + rel);
}

/* Anything in the text that looks like e8, e9 or 0f 80..8f with a rel32, at whatever alignment */
static void mark_near_branches(struct find *f)
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

static bool in_text(const struct find *f, const uint8_t *p)
{
	return p >= f->text->lo && p < f->text->hi;
}

/* @base may be the start of a jump table: of offsets from itself, or of addresses.  Ends with the first entry that cannot be one. */
static void mark_table(struct find *f, const uint8_t *base)
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

/* Every way this instruction can make an address near a site a target */
static void mark_from(struct find *f, const uint8_t *p, const ZydisDecodedInstruction *in)
{
	const uint8_t *next = p + in->length;

	if (in->raw.imm[0].is_relative)
		mark(f, next + in->raw.imm[0].value.s);
	if (in->mnemonic == ZYDIS_MNEMONIC_ENDBR64)
		mark(f, p);
	if (in->mnemonic == ZYDIS_MNEMONIC_LEA && (in->attributes & ZYDIS_ATTRIB_IS_RELATIVE))
		mark_table(f, next + in->raw.disp.value);

	/* A program that is not position-independent names a table by its address: table(,%reg,8), or mov $table, %reg. */
	if (in->raw.disp.size == 32 && in->raw.modrm.mod == 0 && in->raw.modrm.rm == 4 && in->raw.sib.base == 5)
		mark_table(f, (const uint8_t *)(intptr_t)in->raw.disp.value);
	if (in->mnemonic == ZYDIS_MNEMONIC_MOV && in->raw.imm[0].size >= 32)
		mark_table(f, (const uint8_t *)(uintptr_t)in->raw.imm[0].value.u);
}

/* --- functions ----------------------------------------------------------------------------------------------------------- */

/* The pointer encodings that every linker of today writes; with others the object counts as having no table. */
static void open_eh_frame(struct find *f)
{
	static const uint8_t usual[4] = { 1, 0x1b, 0x03, 0x3b };	/* version; pcrel sdata4; udata4; datarel sdata4 */
	const struct dl_phdr_info *o = f->text->object;

	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const uint8_t *hdr = (const uint8_t *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr);
		uint32_t n;

		if (o->dlpi_phdr[i].p_type != PT_GNU_EH_FRAME || !gr_object_reads(o, hdr, 12) || memcmp(hdr, usual, 4) != 0)
			continue;
		memcpy(&n, hdr + 8, 4);
		if (n == 0 || !gr_object_reads(o, hdr + 12, 8 * (size_t)n))
			continue;
		f->eh_hdr = hdr;
		f->eh_table = (const int32_t (*)[2])(hdr + 12);
		f->eh_n = n;
	}
}

static const uint8_t *skip_leb128(const uint8_t *p)
{
	while (*p++ & 0x80)
		;
	return p;
}

/* How the CIE at @cie says that its FDEs write a function's start and length, or 0xff */
static uint8_t cie_encoding(const uint8_t *cie)
{
	const char *aug = (const char *)cie + 9;	/* after length, id and version */
	const uint8_t *p = cie + 9 + strlen(aug) + 1;

	if (aug[0] != 'z')
		return aug[0] ? 0xff : 0;
	p = skip_leb128(skip_leb128(p));		/* code and data alignment */
	p = cie[8] == 1 ? p + 1 : skip_leb128(p);	/* return address register */
	p = skip_leb128(p);				/* length of what follows */
	for (aug++; *aug; aug++)
		switch (*aug) {
		case 'R':
			return *p;
		case 'L':
			p++;
			break;
		case 'P':
			p += (*p & 0x0f) == 0x0b || (*p & 0x0f) == 0x03 ? 5 : 9;
			break;
		case 'S': case 'B':
			break;
		default:
			return 0xff;
		}
	return 0;
}

/* Length of the function of an FDE, 0 when it is written in an unusual way */
static size_t fde_length(const struct dl_phdr_info *o, const uint8_t *fde)
{
	uint32_t len, to_cie, range;
	uint64_t range8;

	if (!gr_object_reads(o, fde, 24))
		return 0;
	memcpy(&len, fde, 4);
	memcpy(&to_cie, fde + 4, 4);
	if (len == 0 || len == UINT32_MAX || !gr_object_reads(o, fde, 4 + (size_t)len) ||
	    !gr_object_reads(o, fde + 4 - to_cie, 32))
		return 0;
	switch (cie_encoding(fde + 4 - to_cie) & 0x0f) {
	case 0x03: case 0x0b:
		memcpy(&range, fde + 12, 4);
		return range;
	case 0x00: case 0x04: case 0x0c:
		memcpy(&range8, fde + 16, 8);
		return range8;
	default:
		return 0;
	}
}

/* The function that @p lies in, or the gap */
static struct range range_of(const struct find *f, const uint8_t *p)
{
	struct range r = { f->text->lo, f->text->hi, false };
	size_t lo = 0, hi = f->eh_n;

	while (lo < hi) {		/* to the first function above p */
		size_t mid = (lo + hi) / 2;

		if (f->eh_hdr + f->eh_table[mid][0] > p)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (lo < f->eh_n && f->eh_hdr + f->eh_table[lo][0] < r.hi)
		r.hi = f->eh_hdr + f->eh_table[lo][0];
	if (lo == 0)
		return r;

	const uint8_t *start = f->eh_hdr + f->eh_table[lo - 1][0];
	size_t length = fde_length(f->text->object, f->eh_hdr + f->eh_table[lo - 1][1]);

	if (start < r.lo)
		return r;
	r.lo = start;
	r.is_function = (size_t)(p - start) < length;
	if (r.is_function && length < (size_t)(r.hi - start))
		r.hi = start + length;
	return r;
}

/* --- decoding ------------------------------------------------------------------------------------------------------------ */

static bool decode(const struct find *f, const uint8_t *p, const uint8_t *hi, ZydisDecodedInstruction *ret)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&f->decoder, NULL, p, (size_t)(hi - p), ret));
}

static enum gr_insn_kind kind_of_branch(const uint8_t *p, unsigned len)
{
	if ((len == 2 && (p[0] & 0xf0) == 0x70) || (len == 6 && p[0] == 0x0f && (p[1] & 0xf0) == 0x80))
		return GR_INSN_JCC;
	if ((len == 2 && p[0] == 0xeb) || (len == 5 && p[0] == 0xe9))
		return GR_INSN_JMP;
	return GR_INSN_STAYS;
}

static enum gr_insn_kind kind_of(const uint8_t *p, const ZydisDecodedInstruction *in)
{
	if (in->raw.imm[0].is_relative)
		return kind_of_branch(p, in->length);
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_CALL: case ZYDIS_MNEMONIC_JMP:
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_SYSCALL: case ZYDIS_MNEMONIC_SYSENTER: case ZYDIS_MNEMONIC_SYSRET: case ZYDIS_MNEMONIC_SYSEXIT:
	case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT1: case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_HLT: case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_XBEGIN: case ZYDIS_MNEMONIC_XABORT: case ZYDIS_MNEMONIC_ENDBR64: case ZYDIS_MNEMONIC_ENDBR32:
		return GR_INSN_STAYS;
	case ZYDIS_MNEMONIC_RET:
		return GR_INSN_RET;
	case ZYDIS_MNEMONIC_NOP:
		return GR_INSN_NOP;
	default:
		return (in->attributes & ZYDIS_ATTRIB_IS_RELATIVE) ? GR_INSN_RIP : GR_INSN_PLAIN;
	}
}

static struct gr_insn insn(const uint8_t *p, const ZydisDecodedInstruction *in)
{
	return (struct gr_insn){ in->length, (uint8_t)kind_of(p, in), in->raw.disp.offset };
}

/* mov $15, %eax or mov $15, %rax before it: the kernel's own contract with libc, which unwinders know by these bytes.  Told by the bytes
 * alone, since the FDE of one may begin a byte too early, so that decoding from there goes wrong. */
static bool is_signal_return(const struct gr_text *t, const struct gr_site *s)
{
	return (s->at - t->lo >= 5 && memcmp(s->at - 5, "\xb8\x0f\0\0\0", 5) == 0) ||
	       (s->at - t->lo >= 7 && memcmp(s->at - 7, "\x48\xc7\xc0\x0f\0\0\0", 7) == 0);
}

static bool falls_through(struct gr_insn in)
{
	return in.kind == GR_INSN_PLAIN || in.kind == GR_INSN_NOP || in.kind == GR_INSN_RIP || in.kind == GR_INSN_JCC;
}

static void set_real(struct gr_site *s, const struct gr_insn *behind)
{
	memcpy(s->prev, behind, sizeof(s->prev));
	s->state = GR_SITE_REAL;
}

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
	memmove(behind + 1, behind, (GR_SITE_MOVES - 1) * sizeof(*behind));
	behind[0] = in;
}

/* Where it is not known which bytes begin instructions, any may begin a short branch. */
static void mark_short_branches(struct find *f, const uint8_t *lo, const uint8_t *hi)
{
	for (const uint8_t *p = lo; hi - p >= 2; p++)
		if ((*p & 0xf0) == 0x70 || *p == 0xeb || (*p & 0xfc) == 0xe0)
			mark(f, p + 2 + (int8_t)p[1]);
}

/* Decode the function @r, which holds the sites from @i on; returns the first that lies beyond it. */
static size_t look_at_function(struct find *f, struct range r, size_t i)
{
	struct gr_insn behind[GR_SITE_MOVES] = { 0 };	/* the last ones, nearest first */
	struct gr_site *last = NULL;
	const uint8_t *p = r.lo;
	ZydisDecodedInstruction in;

	for (; p < r.hi && decode(f, p, r.hi, &in); p += in.length) {
		struct gr_insn ours = insn(p, &in);

		mark_from(f, p, &in);
		if (last)
			add_next(last, ours);
		while (i < f->n && f->sites[i].at < p)		/* its bytes were the inside of another instruction */
			f->sites[i++].state = GR_SITE_NONE;
		if (i < f->n && f->sites[i].at == p && in.length == GR_SITE_SYSCALL) {
			last = &f->sites[i++];
			set_real(last, behind);
		}
		shift_in(behind, ours);
	}
	mark_short_branches(f, p, r.hi);
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

/* All that can jump to @at and is near enough for a short branch, in whichever functions or gaps */
static void mark_around(struct find *f, const uint8_t *at)
{
	const uint8_t *hi = f->text->hi - at < SHORT_REACH ? f->text->hi : at + SHORT_REACH;
	ZydisDecodedInstruction in;
	struct range r;

	for (const uint8_t *p = at - f->text->lo < SHORT_REACH ? f->text->lo : at - SHORT_REACH; p < hi; p = r.hi) {
		r = range_of(f, p);
		if (r.is_function)
			for (p = r.lo; p < r.hi && decode(f, p, r.hi, &in); p += in.length)
				mark_from(f, p, &in);
		mark_short_branches(f, p, r.hi < hi ? r.hi : hi);
	}
}

/*
 * Text without an FDE: assembly whose author left it out or ended it at the call (clone in libc), or constants kept among the code.
 * Decode from the function before; believe in a site only when an instruction shortly before it, and nothing in between that leads
 * elsewhere, loads a plausible call number: data that happens to spell both is out of the question.  A site without it fails.
 */
static void look_at_gap(struct find *f, struct range r, struct gr_site *s)
{
	struct gr_insn behind[GR_SITE_MOVES] = { 0 };
	unsigned since_number = GAP_EVIDENCE;
	ZydisDecodedInstruction in;
	const uint8_t *p = r.lo == f->text->lo && s->at - r.lo > GAP_BEFORE ? s->at - GAP_BEFORE : r.lo;

	for (; p < s->at; p += behind[0].len) {
		struct gr_insn ours = { .len = 1 };

		if (decode(f, p, r.hi, &in)) {
			ours = insn(p, &in);
			mark_from(f, p, &in);
		}
		if (loads_number(p, ours.len))
			since_number = 0;
		else
			since_number = falls_through(ours) ? since_number + 1 : GAP_EVIDENCE;
		shift_in(behind, ours);
	}
	if (p != s->at) {
		s->state = GR_SITE_NONE;
		return;
	}
	if (since_number >= GAP_EVIDENCE) {
		s->state = GR_SITE_FAILED;
		return;
	}
	set_real(s, behind);
	mark_around(f, s->at);
	p = s->at + GR_SITE_SYSCALL;
	for (unsigned i = 0; i < GR_SITE_MOVES && p < r.hi && decode(f, p, r.hi, &in); i++, p += in.length)
		s->next[i] = insn(p, &in);
}

/* --- judging ------------------------------------------------------------------------------------------------------------- */

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
		ended |= !falls_through(in);
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

		if (!may_move(in, terms) || !falls_through(in) || s->before + GR_SITE_SYSCALL >= GR_SITE_JUMP ||
		    s->at - s->before - in.len < terms->free_from)
			return false;
		s->before += in.len;
		s->nbefore++;
	}
	return true;
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

/* --- searching ----------------------------------------------------------------------------------------------------------- */

static size_t search(const struct gr_text *t, struct gr_site *ret, size_t room)
{
	const __m128i of = _mm_set1_epi8(0x0f), o5 = _mm_set1_epi8(0x05);
	const uint8_t *p = t->lo;
	size_t n = 0;

	for (; t->hi - p >= 17; p += 16) {
		__m128i a = _mm_loadu_si128((const __m128i *)p), b = _mm_loadu_si128((const __m128i *)(p + 1));
		unsigned m = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(a, of), _mm_cmpeq_epi8(b, o5)));

		for (; m; m &= m - 1, n++)
			if (n < room)
				ret[n] = (struct gr_site){ .at = p + __builtin_ctz(m) };
	}
	for (; t->hi - p >= 2; p++)
		if (p[0] == 0x0f && p[1] == 0x05) {
			if (n < room)
				ret[n] = (struct gr_site){ .at = p };
			n++;
		}
	return n;
}

size_t gr_sites_count(const struct gr_text *t)
{
	return search(t, NULL, 0);
}

size_t gr_sites_filter_size(const struct gr_text *t)
{
	return (size_t)(t->hi - t->lo) / LINE / 8 + 1;
}

void gr_sites_find(const struct gr_text *t, struct gr_site *sites, size_t n, uint8_t *filter)
{
	struct find f = { .text = t, .sites = sites, .filter = filter };
	const uint8_t *free_from = t->lo;

	f.n = search(t, sites, n);
	fill_filter(&f);
	ZydisDecoderInit(&f.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&f.decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
	open_eh_frame(&f);
	for (size_t i = 0; i < f.n;) {
		struct range r = range_of(&f, sites[i].at);

		if (r.is_function)
			i = look_at_function(&f, r, i);
		else
			look_at_gap(&f, r, &sites[i++]);
	}
	mark_near_branches(&f);
	for (size_t i = 0; i < f.n; i++) {
		if (is_signal_return(t, &sites[i]))
			sites[i].state = GR_SITE_KEPT;
		if (sites[i].state == GR_SITE_REAL)
			choose(&sites[i], free_from, t->keep_after);
		if (sites[i].state != GR_SITE_NONE)
			free_from = sites[i].at + GR_SITE_SYSCALL + sites[i].after;
	}
}
