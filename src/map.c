/*
 * map.c - the sorted table of shared ranges
 */
#include "map.h"
#include "raw.h"
#include <string.h>
#include <sys/mman.h>

struct gr_map_table gr_map_table;

#define FIRST_ROOM (GR_PAGE / sizeof(struct gr_map_range))

/* the first range that ends at or after @addr; used when there is none */
static size_t place_of(const struct gr_map_table *t, uintptr_t addr)
{
	size_t lo = 0, hi = t->used;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (t->ranges[mid].hi < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool grow(struct gr_map_table *t)
{
	size_t room = t->room ? t->room * 2 : FIRST_ROOM;
	long p = raw(SYS_mmap, 0, room * sizeof(*t->ranges), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw_failed(p))
		return false;
	if (t->room) {
		memcpy((void *)p, t->ranges, t->used * sizeof(*t->ranges));
		raw(SYS_munmap, t->ranges, t->room * sizeof(*t->ranges));
	}
	t->ranges = (struct gr_map_range *)p;
	t->room = room;
	return true;
}

/* Put @n ranges in the place of @old of them at @at. */
static bool replace(struct gr_map_table *t, size_t at, size_t old, const struct gr_map_range *with, size_t n)
{
	if (t->used + n > t->room + old && !grow(t)) {
		t->unsure = true;
		return false;
	}
	memmove(t->ranges + at + n, t->ranges + at + old, (t->used - at - old) * sizeof(*t->ranges));
	memcpy(t->ranges + at, with, n * sizeof(*with));
	t->used = t->used + n - old;
	return true;
}

static struct gr_map_range pages(uintptr_t lo, size_t size)
{
	uintptr_t mask = GR_PAGE - 1, hi = lo + size + mask;

	return (struct gr_map_range){ lo & ~mask, hi < lo ? ~mask : hi & ~mask };
}

void gr_map_add_shared(uintptr_t lo, size_t size)
{
	struct gr_map_table *t = &gr_map_table;
	struct gr_map_range r = pages(lo, size);
	size_t at, end;

	if (!size)
		return;
	at = end = place_of(t, r.lo);
	for (; end < t->used && t->ranges[end].lo <= r.hi; end++) {	/* touching ones become one */
		if (t->ranges[end].lo < r.lo)
			r.lo = t->ranges[end].lo;
		if (t->ranges[end].hi > r.hi)
			r.hi = t->ranges[end].hi;
	}
	replace(t, at, end - at, &r, 1);
}

void gr_map_remove(uintptr_t lo, size_t size)
{
	struct gr_map_table *t = &gr_map_table;
	struct gr_map_range r = pages(lo, size), rest[2];
	size_t at, end, n = 0;

	if (!size || !t->used)
		return;
	at = place_of(t, r.lo + 1);
	for (end = at; end < t->used && t->ranges[end].lo < r.hi; end++)
		;
	if (at == end)
		return;
	if (t->ranges[at].lo < r.lo)
		rest[n++] = (struct gr_map_range){ t->ranges[at].lo, r.lo };
	if (t->ranges[end - 1].hi > r.hi)
		rest[n++] = (struct gr_map_range){ r.hi, t->ranges[end - 1].hi };
	replace(t, at, end - at, rest, n);
}

bool gr_map_find(uintptr_t addr)
{
	return gr_map_table.unsure || gr_map_size_at(addr) != 0;
}

size_t gr_map_size_at(uintptr_t addr)
{
	const struct gr_map_table *t = &gr_map_table;
	size_t at = place_of(t, addr + 1);

	return at < t->used && t->ranges[at].lo <= addr ? t->ranges[at].hi - addr : 0;
}

void gr_map_reset(void)
{
	struct gr_map_table *t = &gr_map_table;

	if (t->room)
		raw(SYS_munmap, t->ranges, t->room * sizeof(*t->ranges));
	*t = (struct gr_map_table){ 0 };
}
