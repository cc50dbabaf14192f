/*
 * standin.c - the threads and their orders; and who needs one
 */
#include "standin.h"
#include "arch/x86_64/arch.h"
#include "hub.h"
#include "map.h"
#include "raw.h"
#include "sched.h"
#include "signal.h"
#include <errno.h>
#include <link.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define SIZE		(16u * 1024)	/* stack and record; two pages of it are touched */
#define ROBUST_SIZE	24		/* of struct robust_list_head */

enum { IDLE, JOB, END };

/* At the top of its stack. */
struct gr_standin {
	struct gr_list link;		/* in all */
	int tid;			/* cleared by the kernel when the thread is gone */
	int lent;			/* the same, if it is a greenlet's, to the end */
	uint32_t state;			/* futex: the thread waits for it to leave IDLE */
	void *robust;			/* the list it begins with, or NULL */
	long call[2][7];		/* numbers and arguments; the second lets go of what the first has locked */
	struct robust_list_head own;
	long ret;
	bool done;			/* set by the carrier */
	struct gr_greenlet *g;		/* waits */
	struct gr_note note;
	uintptr_t tls[8];		/* what fs: points at: [0] and [2] itself; [5] stack canary */
};

static struct gr_list all = { &all, &all };

#define MOST_TIDS	(1u << 22)	/* the kernel's */

/* A bit for each tid that a greenlet has.  Written by the carrier, read by any thread; a page of it is touched where there are such. */
static uint64_t lent[MOST_TIDS / 64];

static uint64_t bit_of(int tid)
{
	return 1ull << (tid % 64);
}

static void lend(int tid)
{
	if ((unsigned)tid < MOST_TIDS)
		__atomic_fetch_or(&lent[tid / 64], bit_of(tid), __ATOMIC_RELEASE);
}

static void take_back(int tid)
{
	if ((unsigned)tid < MOST_TIDS)
		__atomic_fetch_and(&lent[tid / 64], ~bit_of(tid), __ATOMIC_RELEASE);
}

bool gr_standin_is(int tid)
{
	return (unsigned)tid < MOST_TIDS && (__atomic_load_n(&lent[tid / 64], __ATOMIC_ACQUIRE) & bit_of(tid));
}

/* --- on its thread -------------------------------------------------------------------------------------------------------------------- */

static long make(const long *a)
{
	return raw_syscall6(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

/*
 * A lock whose owner has died is passed on as what it is: by another death.  FUTEX_UNLOCK_PI fails with EAGAIN when somebody marks the word
 * meanwhile (FUTEX_TRYLOCK_PI sets FUTEX_WAITERS and leaves); then the lock is still ours, and would stay so when we are gone.
 */
static void let_go(struct gr_standin *s)
{
	const uint32_t *word = (const uint32_t *)s->call[0][1];

	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) & FUTEX_OWNER_DIED) {
		s->own.list.next = &s->own.list;
		s->own.list_op_pending = (void *)((uintptr_t)word | 1);		/* a PI lock */
		raw(SYS_set_robust_list, &s->own, ROBUST_SIZE);
		return;
	}
	while (make(s->call[1]) == -EAGAIN)
		continue;
}

static void stand_in(void *arg)
{
	struct gr_standin *s = arg;
	uint32_t state;

	raw(SYS_prctl, PR_SET_NAME, "grove-standin");
	if (s->robust)
		raw(SYS_set_robust_list, s->robust, ROBUST_SIZE);
	while ((state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE)) != END) {
		if (state == IDLE) {
			raw(SYS_futex, &s->state, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, IDLE, 0);
			continue;
		}
		s->ret = make(s->call[0]);
		if (s->ret == 0 && s->call[1][0])
			let_go(s);
		__atomic_store_n(&s->state, IDLE, __ATOMIC_RELEASE);
		gr_post(&s->note);
	}
}

/* --- on the carrier -------------------------------------------------------------------------------------------------------------------- */

static void job_done(struct gr_note *note)
{
	struct gr_standin *s = gr_container(note, struct gr_standin, note);

	s->done = true;
	gr_wake(s->g, 0);
}

static struct gr_standin *new(void *robust)
{
	struct gr_standin *s;
	long r = raw(SYS_mmap, 0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (raw_failed(r))
		return NULL;
	s = (struct gr_standin *)(r + SIZE - sizeof(*s));
	s->robust = robust;
	s->note.fn = job_done;
	s->tls[0] = s->tls[2] = (uintptr_t)s->tls;
	r = gr_raw_thread(s, s->tls, &s->tid, stand_in, s);
	if (raw_failed(r)) {
		raw(SYS_munmap, (char *)s + sizeof(*s) - SIZE, SIZE);
		return NULL;
	}
	gr_list_push(&all, &s->link);
	return s;
}

static void order(struct gr_standin *s, uint32_t state)
{
	__atomic_store_n(&s->state, state, __ATOMIC_RELEASE);
	raw(SYS_futex, &s->state, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

static long run(struct gr_standin *s)
{
	s->g = gr_carrier()->current;
	s->done = false;
	if (!gr_carrier()->hub && gr_hub_start() < 0)
		return make(s->call[0]);
	order(s, JOB);
	while (!s->done)
		if (gr_park("futex", GR_NEVER, GR_PARK_INTR | GR_PARK_HOLD | GR_PARK_OUTSIDE) == -EINTR && !s->done)
			gr_signal_handle();
	return s->ret;
}

void gr_standin_robust(struct gr_standin *s, void *head)
{
	if (head == s->robust)
		return;
	memset(s->call, 0, sizeof(s->call));
	s->call[0][0] = SYS_set_robust_list;
	s->call[0][1] = (long)head;
	s->call[0][2] = ROBUST_SIZE;
	s->robust = head;
	run(s);
}

static void set_futex(long *call, uint32_t *uaddr, int op, const void *timeout)
{
	call[0] = SYS_futex;
	call[1] = (long)uaddr;
	call[2] = op;
	call[4] = (long)timeout;
}

long gr_standin_futex(struct gr_standin *s, uint32_t *uaddr, int op, const void *timeout)
{
	memset(s->call, 0, sizeof(s->call));
	set_futex(s->call[0], uaddr, op, timeout);
	return run(s);
}

long gr_standin_wait_for(uint32_t *uaddr, int op, const void *timeout)
{
	struct gr_standin *s = new(NULL);
	long r;

	if (!s)
		return -EAGAIN;
	set_futex(s->call[0], uaddr, op, timeout);
	set_futex(s->call[1], uaddr, FUTEX_UNLOCK_PI, NULL);
	r = run(s);
	gr_standin_end(s);
	return r;
}

/* The greenlet's memory may be gone when we return, so the kernel must have walked its list. */
void gr_standin_end(struct gr_standin *s)
{
	int tid;

	take_back(s->lent);
	order(s, END);
	while ((tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE)))
		raw(SYS_futex, &s->tid, FUTEX_WAIT, tid, 0);	/* the kernel wakes it when it clears it */
	gr_list_del(&s->link);
	raw(SYS_munmap, (char *)s + sizeof(*s) - SIZE, SIZE);
}

void gr_standin_give(struct gr_greenlet *g, uintptr_t tls)
{
	const struct gr_carrier *c = gr_carrier();
	char *of_main = c->main->robust;

	/* libc keeps the head of the list at the same place in each thread */
	g->standin = new(of_main ? (void *)(tls + (uintptr_t)(of_main - (char *)c->main->fs)) : NULL);
	if (!g->standin)
		return;
	g->standin->lent = g->standin->tid;
	lend(g->standin->lent);
	gr_greenlet_rename(g, g->standin->lent);
}

void gr_standin_reset(void)
{
	gr_list_each_safe(it, &all) {
		struct gr_standin *s = gr_container(it, struct gr_standin, link);

		take_back(s->lent);
		gr_list_del(it);
		raw(SYS_munmap, (char *)s + sizeof(*s) - SIZE, SIZE);
	}
}

/* --- who needs one --------------------------------------------------------------------------------------------------------------------- */

enum { SHARED = 1, OWNED = 2 };

/* @text begins with @word; what comes after it, or NULL */
static const char *after(const char *text, const char *word)
{
	while (*word)
		if (*text++ != *word++)
			return NULL;
	return text;
}

static bool is(const char *text, const char *word)
{
	text = after(text, word);
	return text && !*text;
}

static unsigned asks_for(const char *name)
{
	name = after(name, "pthread_mutexattr_set");
	if (!name)
		return 0;
	return is(name, "pshared") ? SHARED : is(name, "robust") || is(name, "robust_np") || is(name, "protocol") ? OWNED : 0;
}

/* The dynamic linker has made addresses of them, but in what it cannot write to. */
static uintptr_t address(const struct link_map *l, uintptr_t value)
{
	return value < l->l_addr ? value + l->l_addr : value;
}

static unsigned relocations(const ElfW(Rela) *v, size_t size, const ElfW(Sym) *symbols, const char *names)
{
	unsigned found = 0;

	for (size_t i = 0; v && i < size / sizeof(*v); i++)
		if (ELF64_R_SYM(v[i].r_info))
			found |= asks_for(names + symbols[ELF64_R_SYM(v[i].r_info)].st_name);
	return found;
}

/* What an object imports is what its relocations name. */
static unsigned imports(const struct link_map *l)
{
	const ElfW(Rela) *plt = NULL, *rela = NULL;
	const ElfW(Sym) *symbols = NULL;
	const char *names = NULL;
	size_t plt_size = 0, rela_size = 0;

	for (const ElfW(Dyn) *d = l->l_ld; d && d->d_tag != DT_NULL; d++)
		switch (d->d_tag) {
		case DT_SYMTAB: symbols = (void *)address(l, d->d_un.d_ptr); break;
		case DT_STRTAB: names = (void *)address(l, d->d_un.d_ptr); break;
		case DT_JMPREL: plt = (void *)address(l, d->d_un.d_ptr); break;
		case DT_RELA: rela = (void *)address(l, d->d_un.d_ptr); break;
		case DT_PLTRELSZ: plt_size = d->d_un.d_val; break;
		case DT_RELASZ: rela_size = d->d_un.d_val; break;
		}
	return symbols && names ? relocations(plt, plt_size, symbols, names) | relocations(rela, rela_size, symbols, names) : 0;
}

/* Looked at anew when objects came or went. */
bool gr_standin_wanted(void)
{
	static uintptr_t seen;
	static bool wanted;
	uintptr_t now = 0;

	if (GR_LIKELY(!gr_map_table.used))
		return false;
	for (const struct link_map *l = _r_debug.r_map; l; l = l->l_next)
		now = now * 31 + l->l_addr + 1;
	if (now == seen)
		return wanted;
	seen = now;
	wanted = false;
	for (const struct link_map *l = _r_debug.r_map; l && !wanted; l = l->l_next)
		wanted = imports(l) == (SHARED | OWNED);
	return wanted;
}
