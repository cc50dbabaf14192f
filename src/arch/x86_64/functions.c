/*
 * functions.c - where functions begin and end: the binary search table that the linker makes of .eh_frame
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_phdr_info */
#endif
#include "find.h"

#include <string.h>

/* The pointer encodings that every linker of today writes; with others the object counts as having no table. */
void gr_functions_open(struct gr_find *f)
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
struct gr_range gr_functions_at(const struct gr_find *f, const uint8_t *p)
{
	struct gr_range r = { f->text->lo, f->text->hi, false };
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
