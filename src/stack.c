/*
 * stack.c - size classes, regions, slots
 *
 * A region is mapped PROT_NONE and made accessible slot by slot, or a few at once, when first used.  So little is committed
 * (overcommit_memory=2) or locked and filled (mlockall(MCL_FUTURE)) before it is wanted, and neighbouring slots still are one mapping to
 * the kernel.
 */
#include "stack.h"
#include "raw.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23		/* Linux 5.14 */
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define PT_SPAN		((size_t)2 << 20)	/* what one page-table page maps */
#define PT_OFFSET	((size_t)256 << 10)	/* tops begin here within it... */
#define PT_DRIFT	((size_t)2 * GR_PAGE)	/* ...and may move up by this much per slot: they must not all meet in one TLB set */
#define BIG_STRIDE	PT_SPAN			/* below it several stacks share a page-table page anyway */
#define REGION_BYTES	((size_t)1 << 30)
#define REGION_SLOTS	1024u
#define REGION_SLOTS_BIG 128u			/* PT_OFFSET + 128 * PT_DRIFT < PT_SPAN */
#define CHUNK		((size_t)64 << 10)
#define OPEN_AT_ONCE	16u		/* slots that are made accessible together */

struct class {
	struct class *next;		/* most recently used first */
	size_t size, guard;		/* rounded to pages */
	size_t stride;			/* of slots: size + guard + slack */
	struct gr_region *newest;
	uint32_t wanted;		/* slots in the next region */
	uint32_t used;			/* slots that were handed out at least once */
	uint32_t n_warm;
	struct gr_slot *warm, *cold;
	struct gr_slot *resting, *rested;	/* free, warm, beyond GR_STACK_WARM: lately, and before that */
};

struct gr_region {
	char *base;			/* of slot 0 */
	struct class *class;
	uint32_t slots, used;		/* slots [0, used) were handed out at least once, */
	uint32_t open;			/* and [used, open) are accessible, with their guards */
	struct gr_slot slot[];
};

static struct {
	struct class *classes;
	struct gr_region **regions;	/* by address */
	uint32_t n_regions, room;
	char *chunk, *chunk_end;	/* where records come from; never given back */
	struct gr_slot *last;		/* what slot_at() said last */
	struct gr_stack_stats stats;
} pool;

bool (*gr_stack_rests)(void);

static size_t to_pages(size_t n)
{
	return (n + GR_PAGE - 1) & ~(size_t)(GR_PAGE - 1);
}

static void *map(size_t size, int prot)
{
	long p = raw(SYS_mmap, 0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return raw_failed(p) ? NULL : (void *)p;
}

static void *record_new(size_t size)
{
	void *p;

	size = (size + 15) & ~(size_t)15;
	if ((size_t)(pool.chunk_end - pool.chunk) < size) {
		size_t chunk = size > CHUNK ? to_pages(size) : CHUNK;
		char *c = map(chunk, PROT_READ | PROT_WRITE);

		if (!c)
			return NULL;
		pool.chunk = c;
		pool.chunk_end = c + chunk;
	}
	p = pool.chunk;
	pool.chunk += size;
	return p;
}

static size_t slot_stride(size_t size, size_t guard)
{
	size_t stride = size + guard;

	if (stride >= BIG_STRIDE && stride % PT_SPAN > PT_DRIFT)
		stride += PT_SPAN - stride % PT_SPAN + GR_PAGE;
	return stride;
}

static struct class *class_find(size_t size, size_t guard)
{
	struct class **link = &pool.classes, *c;

	for (; (c = *link); link = &c->next)
		if (c->size == size && c->guard == guard) {
			*link = c->next;
			break;
		}
	if (!c) {
		c = record_new(sizeof(*c));
		if (!c)
			return NULL;
		*c = (struct class){ .size = size, .guard = guard, .stride = slot_stride(size, guard), .wanted = 1 };
	}
	c->next = pool.classes;
	pool.classes = c;
	return c;
}

/* The last region that begins at or below @addr, as an index; -1 when there is none. */
static long region_below(const char *addr)
{
	long lo = -1, hi = pool.n_regions;

	while (hi - lo > 1) {
		long mid = lo + (hi - lo) / 2;

		if (pool.regions[mid]->base <= addr)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static int regions_insert(struct gr_region *r)
{
	long at = region_below(r->base) + 1;

	if (pool.n_regions == pool.room) {
		uint32_t room = pool.room ? 2 * pool.room : GR_PAGE / sizeof(*pool.regions);
		struct gr_region **more = map(room * sizeof(*more), PROT_READ | PROT_WRITE);

		if (!more)
			return -ENOMEM;
		if (pool.n_regions) {
			memcpy(more, pool.regions, pool.n_regions * sizeof(*more));
			raw(SYS_munmap, pool.regions, pool.room * sizeof(*more));
		}
		pool.regions = more;
		pool.room = room;
	}
	memmove(pool.regions + at + 1, pool.regions + at, (pool.n_regions - (size_t)at) * sizeof(*pool.regions));
	pool.regions[at] = r;
	pool.n_regions++;
	return 0;
}

static uint32_t slots_at_most(const struct class *c)
{
	uint32_t most = c->stride >= BIG_STRIDE ? REGION_SLOTS_BIG : REGION_SLOTS;

	if (c->stride >= REGION_BYTES)
		return 1;
	return most < REGION_BYTES / c->stride ? most : (uint32_t)(REGION_BYTES / c->stride);
}

/* As many slots as wanted, or half of that, and so on, where the kernel or a limit (RLIMIT_AS) does not give so much. */
static char *map_slots(struct class *c, uint32_t *ret_slots)
{
	size_t room = c->stride >= BIG_STRIDE ? PT_SPAN : 0;

	for (uint32_t slots = c->wanted; slots > 0; slots /= 2) {
		size_t bytes;
		char *p;

		if (__builtin_mul_overflow(c->stride, slots, &bytes) || __builtin_add_overflow(bytes, room, &bytes))
			continue;
		p = map(bytes, PROT_NONE);
		if (!p)
			continue;
		raw(SYS_madvise, p, bytes, MADV_NOHUGEPAGE);	/* EINVAL without transparent huge pages: just as well */
		pool.stats.mapped_bytes += bytes;
		*ret_slots = slots;
		if (!room)
			return p;
		return (char *)((((uintptr_t)p - PT_OFFSET + PT_SPAN - 1) & ~(PT_SPAN - 1)) + PT_OFFSET);
	}
	return NULL;
}

static int region_new(struct class *c)
{
	struct gr_region *r;
	uint32_t slots;
	char *base = map_slots(c, &slots);

	if (!base)
		return -ENOMEM;
	r = record_new(sizeof(*r) + slots * sizeof(r->slot[0]));
	if (!r)
		goto unmap;
	*r = (struct gr_region){ .base = base, .class = c, .slots = slots };
	if (regions_insert(r) < 0)
		goto unmap;
	c->newest = r;
	c->wanted = 2 * slots < slots_at_most(c) ? 2 * slots : slots_at_most(c);
	pool.stats.slots += slots;
	return 0;
unmap:
	raw(SYS_munmap, base, slots * c->stride);
	pool.stats.mapped_bytes -= slots * c->stride;
	return -ENOMEM;
}

static char *slot_base(const struct gr_slot *s)
{
	return s->region->base + (size_t)(s - s->region->slot) * s->region->class->stride;
}

/* The guard of an accessible slot, if the kernel can guard without a mapping of its own (it cannot in locked memory, either). */
static int guard_slot(const struct class *c, char *base)
{
	pool.stats.guard_by_madvise = raw(SYS_madvise, base, c->guard, MADV_GUARD_INSTALL) == 0;
	return pool.stats.guard_by_madvise ? 0 : (int)raw(SYS_mprotect, base, c->guard, PROT_NONE);
}

/*
 * How many to make accessible at once: one system call for all costs no more than for one, and it is half of what a fresh stack costs
 * before it is touched.  What is accessible counts as committed (overcommit_memory=2), and is filled in locked memory, so it is never
 * more than a sixteenth of what was in use at some time.
 */
static uint32_t worth_opening(const struct gr_region *r)
{
	uint32_t n = pool.stats.guard_by_madvise ? r->class->used / 16 : 1;

	n = n < 1 ? 1 : n > OPEN_AT_ONCE ? OPEN_AT_ONCE : n;
	return n < r->slots - r->used ? n : r->slots - r->used;
}

/* All slots up to the next one to be handed out, at least, are accessible then. */
static int slots_open(struct gr_region *r)
{
	struct class *c = r->class;
	char *base = r->base + r->used * c->stride;
	uint32_t n = worth_opening(r);
	int error = (int)raw(SYS_mprotect, base, n * c->stride, PROT_READ | PROT_WRITE);

	if (error < 0 && n > 1) {
		n = 1;
		error = (int)raw(SYS_mprotect, base, c->stride, PROT_READ | PROT_WRITE);
	}
	for (uint32_t i = 0; i < n && error == 0; i++) {
		error = guard_slot(c, base + i * c->stride);
		r->open += error == 0;
	}
	return r->open > r->used ? 0 : error;
}

static struct gr_slot *slot_fresh(struct class *c, int *ret_error)
{
	struct gr_region *r = c->newest;
	struct gr_slot *s;

	if (!r || r->used == r->slots) {
		*ret_error = region_new(c);
		if (*ret_error < 0)
			return NULL;
		r = c->newest;
	}
	*ret_error = r->open > r->used ? 0 : slots_open(r);
	if (*ret_error < 0)
		return NULL;
	c->used++;
	s = &r->slot[r->used++];
	*s = (struct gr_slot){ .region = r };
	return s;
}

static struct gr_slot *pop(struct gr_slot **list)
{
	struct gr_slot *s = *list;

	if (s)
		*list = s->next;
	return s;
}

static void push(struct gr_slot **list, struct gr_slot *s)
{
	s->next = *list;
	*list = s;
}

static struct gr_slot *slot_new(struct class *c, int *ret_error)
{
	struct gr_slot *s = pop(&c->warm);

	if (s) {
		c->n_warm--;
		pool.stats.warm--;
		return s;
	}
	s = pop(&c->resting);
	if (!s)
		s = pop(&c->rested);
	if (!s)
		s = pop(&c->cold);
	return s ? s : slot_fresh(c, ret_error);
}

static struct gr_stack stack_of(struct gr_slot *s)
{
	struct class *c = s->region->class;

	return (struct gr_stack){ .lo = slot_base(s) + c->stride - c->size, .size = c->size, .slot = s };
}

int gr_stack_new(size_t size, size_t guard, struct gr_stack *ret_stack)
{
	struct class *c;
	struct gr_slot *s;
	int r = -ENOMEM;

	if (size > SIZE_MAX / 4 || guard > SIZE_MAX / 4)
		return -ENOMEM;
	c = class_find(to_pages(size ? size : 1), to_pages(guard ? guard : 1));
	s = c ? slot_new(c, &r) : NULL;
	if (!s)
		return r;
	s->in_use = true;
	s->owner = 0;
	pool.stats.in_use++;
	*ret_stack = stack_of(s);
	return 0;
}

/* Where there is no memory the use will tell. */
void gr_stack_expect(const struct gr_stack *stack, size_t size)
{
	if (stack->slot->returns == 0 && size <= stack->size)
		raw(SYS_madvise, stack->lo + stack->size - size, size, MADV_POPULATE_WRITE);
}

/* All but the top @keep bytes back to the kernel. */
static void forget(const struct gr_stack *stack, size_t keep)
{
	if (stack->size > keep)
		raw(SYS_madvise, stack->lo, stack->size - keep, MADV_DONTNEED);
}

void gr_stack_free(struct gr_stack *stack)
{
	struct gr_slot *s = stack->slot;
	struct class *c = s->region->class;

	s->in_use = false;
	s->returns++;
	pool.stats.in_use--;
	stack->slot = NULL;
	if (c->n_warm >= GR_STACK_WARM && !(gr_stack_rests && gr_stack_rests())) {
		forget(stack, 0);
		push(&c->cold, s);
		return;
	}
	if (c->n_warm >= GR_STACK_HOT || s->returns % GR_STACK_TRIM_EVERY == 0)
		forget(stack, GR_STACK_KEEP);
	if (c->n_warm >= GR_STACK_WARM) {
		push(&c->resting, s);
		return;
	}
	push(&c->warm, s);
	c->n_warm++;
	pool.stats.warm++;
}

static enum gr_rest forget_rested(struct class *c, unsigned *n)
{
	for (struct gr_slot *s; *n > 0 && (s = pop(&c->rested)); --*n) {
		struct gr_stack stack = stack_of(s);

		forget(&stack, 0);
		push(&c->cold, s);
	}
	return c->rested ? GR_REST_MORE : c->resting ? GR_REST_LATER : GR_REST_NONE;
}

enum gr_rest gr_stacks_forget(unsigned n)
{
	enum gr_rest all = GR_REST_NONE;

	for (struct class *c = pool.classes; c; c = c->next) {
		enum gr_rest one = forget_rested(c, &n);

		all = all == GR_REST_MORE || one == GR_REST_NONE ? all : one;
	}
	for (struct class *c = pool.classes; c && all == GR_REST_LATER; c = c->next) {
		c->rested = c->resting;
		c->resting = NULL;
	}
	return all;
}

/*
 * The slot that @addr lies in, if it was ever handed out.  A thread's is asked for half a dozen times between its birth and its end, so the
 * last answer is kept: one word, since who asks may be interrupted by who asks, too.  A slot never moves.
 */
static struct gr_slot *slot_at(const char *addr)
{
	struct gr_slot *last = pool.last;
	struct gr_region *r;
	size_t n;
	long at;

	if (last && (size_t)(addr - slot_base(last)) < last->region->class->stride)
		return last;
	at = region_below(addr);
	r = at < 0 ? NULL : pool.regions[at];
	n = r ? (size_t)(addr - r->base) / r->class->stride : 0;
	if (!r || n >= r->used)
		return NULL;
	return pool.last = &r->slot[n];
}

bool gr_stack_at(const void *addr, struct gr_stack *ret_stack)
{
	struct gr_slot *s = slot_at(addr);

	if (!s || !s->in_use)
		return false;
	*ret_stack = stack_of(s);
	return true;
}

bool gr_stack_is_guard(const void *addr)
{
	struct gr_slot *s = slot_at(addr);

	return s && (size_t)((const char *)addr - slot_base(s)) < s->region->class->guard;
}

void gr_stack_each(void (*fn)(struct gr_stack *stack, void *arg), void *arg)
{
	for (uint32_t i = 0; i < pool.n_regions; i++)
		for (uint32_t k = 0; k < pool.regions[i]->used; k++) {
			struct gr_stack stack = stack_of(&pool.regions[i]->slot[k]);

			if (stack.slot->in_use)
				fn(&stack, arg);
		}
}

void gr_stack_get_stats(struct gr_stack_stats *ret_stats)
{
	*ret_stats = pool.stats;
}
