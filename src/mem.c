/*
 * mem.c - size classes and mappings
 *
 * Each block is preceded by 16 bytes that hold its capacity: the class's, or that of its mapping when larger than GR_MEM_SMALL.
 */
#include "mem.h"
#include "raw.h"
#include "sched.h"
#include <string.h>
#include <sys/mman.h>

#define HEAD		16u
#define SMALLEST	32u
#define CHUNK		(64u * 1024)
#define CLASSES		19	/* 32 48 64 96 128 192 ... 8192 12288 16384 */

struct head {
	size_t room;		/* usable bytes behind the head */
	struct head *next;	/* while free */
};
_Static_assert(sizeof(struct head) == HEAD, "keeps blocks aligned to 16");

static struct {
	struct head *free[CLASSES];
	char *at, *end;		/* what is left of the newest chunk */
} mem;

static size_t class_room(unsigned class)
{
	return class % 2 ? (SMALLEST + SMALLEST / 2) << class / 2 : (size_t)SMALLEST << class / 2;
}

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while (class_room(class) < size)
		class++;
	return class;
}

/* Nobody else may come in between while the lists are in pieces: neither a signal handler nor another greenlet. */
static uint32_t enter(void)
{
	struct gr_carrier *c = gr_carrier();
	uint32_t was = c->inside;

	if (was == GR_OUTSIDE)
		c->inside = GR_INSIDE;
	return was;
}

static void leave(uint32_t was)
{
	gr_carrier()->inside = was;
}

static void *map(size_t size)
{
	long p = raw(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return raw_failed(p) ? NULL : (void *)p;
}

static size_t mapping_of(size_t size)
{
	return (size + HEAD + GR_PAGE - 1) & ~(size_t)(GR_PAGE - 1);
}

static struct head *large_new(size_t size)
{
	size_t whole = mapping_of(size);
	struct head *h = whole < size ? NULL : map(whole);

	if (h)
		h->room = whole - HEAD;
	return h;
}

static struct head *small_new(unsigned class)
{
	size_t whole = HEAD + class_room(class);
	struct head *h = mem.free[class];

	if (h) {
		mem.free[class] = h->next;
		return h;
	}
	if ((size_t)(mem.end - mem.at) < whole) {
		char *chunk = map(CHUNK);

		if (!chunk)
			return NULL;
		mem.at = chunk;		/* the rest of the old chunk is given up: at most one block's worth */
		mem.end = chunk + CHUNK;
	}
	h = (struct head *)mem.at;
	mem.at += whole;
	h->room = class_room(class);
	return h;
}

void *gr_mem_alloc(size_t size)
{
	uint32_t was = enter();
	struct head *h = size > GR_MEM_SMALL ? large_new(size) : small_new(class_of(size));

	leave(was);
	return h ? (char *)h + HEAD : NULL;
}

void gr_mem_free(void *p)
{
	struct head *h;
	uint32_t was;

	if (!p)
		return;
	h = (struct head *)((char *)p - HEAD);
	if (h->room > GR_MEM_SMALL) {
		raw(SYS_munmap, h, h->room + HEAD);
		return;
	}
	was = enter();
	h->next = mem.free[class_of(h->room)];
	mem.free[class_of(h->room)] = h;
	leave(was);
}

static void *large_resize(struct head *h, size_t size)
{
	size_t whole = mapping_of(size);
	long p;

	if (whole < size)
		return NULL;
	p = raw(SYS_mremap, h, h->room + HEAD, whole, MREMAP_MAYMOVE);
	if (raw_failed(p))
		return NULL;
	h = (struct head *)p;
	h->room = whole - HEAD;
	return (char *)h + HEAD;
}

void *gr_mem_realloc(void *p, size_t size)
{
	struct head *h;
	void *q;

	if (!p)
		return gr_mem_alloc(size);
	h = (struct head *)((char *)p - HEAD);
	if (h->room <= GR_MEM_SMALL && size <= h->room)
		return p;
	if (h->room > GR_MEM_SMALL && size > GR_MEM_SMALL)
		return large_resize(h, size);
	q = gr_mem_alloc(size);
	if (!q)
		return NULL;
	memcpy(q, p, h->room < size ? h->room : size);
	gr_mem_free(p);
	return q;
}
