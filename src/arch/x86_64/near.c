/*
 * near.c - memory within 2 GiB of an object, in a gap of /proc/self/maps
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dl_phdr_info */
#endif
#include "thunk.h"
#include "../../raw.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define REACH		0x7ff00000l	/* of a rel32, with room to spare */
#define LOWEST		0x10000l	/* vm.mmap_min_addr as everyone has it */

/* Reads /proc/self/maps a buffer at a time; only the addresses */
struct maps {
	int fd;
	size_t pos, len;
	char buf[4096];
};

static int next_char(struct maps *m)
{
	if (m->pos == m->len) {
		long n = raw(SYS_read, m->fd, m->buf, sizeof(m->buf));

		if (n <= 0)
			return -1;
		m->pos = 0;
		m->len = (size_t)n;
	}
	return (unsigned char)m->buf[m->pos++];
}

static uintptr_t next_hex(struct maps *m)
{
	uintptr_t v = 0;

	for (int c; (c = next_char(m)) >= 0;) {
		if (c >= '0' && c <= '9')
			v = v << 4 | (uintptr_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uintptr_t)(c - 'a' + 10);
		else
			break;
	}
	return v;
}

static bool next_mapping(struct maps *m, uintptr_t *ret_lo, uintptr_t *ret_hi)
{
	int c;

	*ret_lo = next_hex(m);
	*ret_hi = next_hex(m);
	while ((c = next_char(m)) >= 0 && c != '\n')
		;
	return *ret_hi != 0;
}

static void *map_at(uintptr_t at, size_t size, int how)
{
	long r = raw(SYS_mmap, at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | how, -1, 0);

	if (raw_failed(r))
		return NULL;
	return (void *)r;
}

/* The object a text is part of: thunks must reach its data too. */
struct span {
	uintptr_t lo, hi;
};

static struct span span_of(const struct dl_phdr_info *o)
{
	struct span s = { UINTPTR_MAX, 0 };

	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		uintptr_t lo = o->dlpi_addr + o->dlpi_phdr[i].p_vaddr, hi = lo + o->dlpi_phdr[i].p_memsz;

		if (o->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		s.lo = lo < s.lo ? lo : s.lo;
		s.hi = hi > s.hi ? hi : s.hi;
	}
	return s;
}

static bool in_reach(struct span s, uintptr_t at, size_t size)
{
	return (intptr_t)(at + size - s.lo) < REACH && (intptr_t)(s.hi - at) < REACH;
}

/* Libraries lie together, and what the kernel maps next comes near them, so most often there is no need to ask it where all the mappings
 * are, which takes a tenth of the start.  The program, behind which the heap begins, lies elsewhere, or it is asked. */
static void *map_beside(const struct dl_phdr_info *o, struct span s, size_t size)
{
	void *p = o->dlpi_name[0] ? map_at(0, size, 0) : NULL;

	if (p && in_reach(s, (uintptr_t)p, size))
		return p;
	if (p)
		raw(SYS_munmap, p, size);
	return NULL;
}

/*
 * A gap within reach: the nearest below the object, else in the middle of one above.  Not at the foot of one above: the heap
 * grows into that one.
 */
static void *map_in_gap(struct span s, size_t size)
{
	uintptr_t lowest = (intptr_t)s.hi < REACH + LOWEST ? LOWEST : gr_page_up(s.hi - REACH);
	uintptr_t highest = gr_page_down(s.lo + REACH);
	uintptr_t below = 0, above = 0, foot = LOWEST, lo, hi;
	struct maps m = { .fd = (int)raw(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0) };
	void *p = NULL;

	while (m.fd >= 0 && !above && next_mapping(&m, &lo, &hi)) {
		uintptr_t from = foot > lowest ? foot : lowest, to = lo < highest ? lo : highest;

		foot = hi;
		if (from >= to || to - from < size)
			continue;
		if (to <= s.lo)
			below = to - size;
		else
			above = gr_page_down(from + (to - from - size) / 2);
	}
	if (m.fd >= 0)
		raw(SYS_close, m.fd);
	if (below)
		p = map_at(below, size, MAP_FIXED_NOREPLACE);
	if (!p && above)
		p = map_at(above, size, MAP_FIXED_NOREPLACE);
	if (!p)
		p = map_at(gr_page_down(s.lo - size), size, 0);	/* no /proc: the kernel may know a place near */
	if (p && !in_reach(s, (uintptr_t)p, size)) {
		raw(SYS_munmap, p, size);
		p = NULL;
	}
	return p;
}

void *gr_map_near(const struct dl_phdr_info *o, size_t size)
{
	struct span s = span_of(o);
	void *p = map_beside(o, s, size);

	return p ? p : map_in_gap(s, size);
}
