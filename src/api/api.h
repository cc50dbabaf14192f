/*
 * api.h - what every file of the public API is made with: the way in and out, objects, waiting in line, native threads
 *
 * A public function looks like this:
 *
 *	int grove_event_wait(grove_event *e, int64_t timeout)
 *	{
 *		gr_time deadline;
 *		int r;
 *
 *		GR_ANYWHERE(-1, grove_event_wait, e, timeout);		on a native thread: a greenlet does it
 *		if (!gr_is(e, GR_EVENT) || !gr_until(timeout, &deadline))
 *			return gr_fails(EINVAL);
 *		gr_enter();						from here no signal handler runs, nobody else does
 *		r = e->object.ready ? 0 : gr_wait_turn(&e->waiters, "event", e, deadline, NULL);
 *		return gr_leave(r);					0 or more, or -errno: becomes errno and -1
 *	}
 *
 * Between gr_enter() and gr_leave() only gr_wait_turn() and gr_park() switch.  What lies there must not call malloc() or anything else
 * of libc that takes a lock (a greenlet switched out within it could hold that lock), nor the program's functions.
 *
 * Sources of this folder are ordinary C: they may use libc, errno and vector registers outside of gr_enter().  Unwinding may go
 * through them (pthread_cancel, pthread_exit, C++ exceptions of the program's callbacks).
 */
#ifndef GR_API_H
#define GR_API_H

#include "../base.h"
#include "../hub.h"
#include "../list.h"
#include "../sched.h"
#include <errno.h>
#include <grove/greenlet.h>
#include <pthread.h>

/* --- the way in and out -------------------------------------------------------------------------------------------------------- */

/* Is the caller a greenlet?  Starts the runtime on first use.  False on native threads, and where it cannot start: gr_why_not(). */
bool gr_here_slow(void);

/* ENOTSUP; or EMFILE, ENFILE, ENOMEM when it may be tried again */
int gr_why_not(void);

static inline bool gr_here(void)
{
	struct gr_carrier *c = gr_carrier();
	struct gr_greenlet *g = c->current;
	uintptr_t sp;

	if (GR_UNLIKELY(!c->api_on || c->inside))
		return gr_here_slow();
	__asm__("movq %%rsp, %0" : "=r"(sp));
	return GR_LIKELY(sp - g->own_lo < g->own_size) || GR_LIKELY(gr_fs_self() == g->fs) || gr_here_slow();
}

static inline void gr_enter(void)
{
	gr_carrier()->inside = GR_INSIDE;
	__asm__ volatile("" : : : "memory");
}

/* The handlers of signals that came meanwhile, while outside */
void gr_run_handlers(void);

static inline void gr_leave_quietly(void)
{
	struct gr_carrier *c = gr_carrier();

	__asm__ volatile("" : : : "memory");
	c->inside = GR_OUTSIDE;
	if (GR_UNLIKELY(c->todo & GR_TODO_SIGNAL))
		gr_run_handlers();
}

static inline int gr_result(long r)
{
	if (GR_LIKELY(r >= 0))
		return (int)r;
	errno = (int)-r;
	return -1;
}

static inline int gr_leave(long r)
{
	gr_leave_quietly();
	return gr_result(r);
}

static inline int gr_fails(int err)
{
	errno = err;
	return -1;
}

static inline void *gr_fails_null(int err)
{
	errno = err;
	return NULL;
}

/* --- native threads -------------------------------------------------------------------------------------------------------------- */

/*
 * GR_ANYWHERE(@failed, function, its arguments) - the first line of a public function: when the caller is a native thread, have a
 * greenlet call the function, sleep in the kernel until that is done, and return its result and errno.  @failed: what to return where
 * the runtime cannot start.  At most six arguments, of integer and pointer types.
 */
#define GR_ANYWHERE(failed, fn, ...)                                                                                               \
	do {                                                                                                                       \
		long ret_;                                                                                                         \
		if (GR_UNLIKELY(!gr_here()))                                                                                       \
			return gr_remote(&ret_, (void (*)(void))(fn), GR_LONGS(__VA_ARGS__)) ? (__typeof__(failed))ret_ : (failed); \
	} while (0)
#define GR_L(x) ((long)(x))
#define GR_PICK7(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define GR_LONGS(...) GR_PICK7(_, ##__VA_ARGS__, GR_L6, GR_L5, GR_L4, GR_L3, GR_L2, GR_L1, GR_L0)(__VA_ARGS__)
#define GR_L0() 0, 0, 0, 0, 0, 0
#define GR_L1(a) GR_L(a), 0, 0, 0, 0, 0
#define GR_L2(a, b) GR_L(a), GR_L(b), 0, 0, 0, 0
#define GR_L3(a, b, c) GR_L(a), GR_L(b), GR_L(c), 0, 0, 0
#define GR_L4(a, b, c, d) GR_L(a), GR_L(b), GR_L(c), GR_L(d), 0, 0
#define GR_L5(a, b, c, d, e) GR_L(a), GR_L(b), GR_L(c), GR_L(d), GR_L(e), 0
#define GR_L6(a, b, c, d, e, f) GR_L(a), GR_L(b), GR_L(c), GR_L(d), GR_L(e), GR_L(f)

/* False with errno, as gr_why_not(): there is no runtime. */
bool gr_remote(long *ret, void (*fn)(void), long a, long b, long c, long d, long e, long f);

/* Who calls: a token for owners of locks, which no other caller ever has.  The greenlet's, or that of the native thread for which it works. */
uintptr_t gr_asker(void);

/* --- time ------------------------------------------------------------------------------------------------------------------------ */

#define GR_AT_ONCE	0		/* a deadline: do not wait */

/* Stops it, if it was started; for cleanup: errno stays. */
struct grove_timeout;
void gr_timeout_end(struct grove_timeout *t);

/* What a timeout of the API means as a deadline; false: EINVAL. */
bool gr_until_time(int64_t timeout, gr_time *ret_deadline);

static inline bool gr_until(int64_t timeout, gr_time *ret_deadline)
{
	if (timeout != GROVE_FOREVER)
		return gr_until_time(timeout, ret_deadline);
	*ret_deadline = GR_NEVER;
	return true;
}

/* --- objects --------------------------------------------------------------------------------------------------------------------- */

/* The first word of every object tells its kind, so that pointers to something else are EINVAL. */
enum gr_type {
	GR_GREENLET = 0x67720001, GR_FUTURE, GR_EVENT, GR_SEMAPHORE, GR_RLOCK, GR_CONDITION, GR_RWLOCK, GR_BARRIER, GR_QUEUE, GR_CHANNEL,
	GR_GROUP, GR_CHILD, GR_SERVER, GR_GENERATOR, GR_TASK_GROUP, GR_THREADPOOL, GR_PREFORK, GR_PIPELINE, GR_IWAIT, GR_IMAP,
	GR_TYPES_END
};

struct gr_object {
	enum gr_type type;		/* 0 once it is freed */
	bool ready;			/* as grove/wait.h defines it for its kind */
	struct gr_list links;		/* gr_link: who wants to know when it becomes ready */
};

static inline bool gr_is(const void *object, enum gr_type type)
{
	return object && ((const struct gr_object *)object)->type == type;
}

static inline bool gr_is_any(const void *object)
{
	return object && ((const struct gr_object *)object)->type >= GR_GREENLET && ((const struct gr_object *)object)->type < GR_TYPES_END;
}

static inline void gr_object_init(struct gr_object *o, enum gr_type type, bool ready)
{
	o->type = type;
	o->ready = ready;
	gr_list_init(&o->links);
}

/* Somebody who is told, inside, each time an object becomes ready: @fire runs once, after the link has left the list. */
struct gr_link {
	struct gr_list link;
	void (*fire)(struct gr_link *, struct gr_object *);
};

void gr_object_fire(struct gr_object *o);		/* tell the links */

/* The object's state has changed; both inside, and cheap when nothing does. */
static inline void gr_object_set_ready(struct gr_object *o, bool ready)
{
	if (o->ready == ready)
		return;
	o->ready = ready;
	if (ready && GR_UNLIKELY(!gr_list_empty(&o->links)))
		gr_object_fire(o);
}

/* --- waiting in line ------------------------------------------------------------------------------------------------------------- */

/* A greenlet's place in a line, first come first served; it lies on the waiter's stack. */
struct gr_turn {
	union {
		struct gr_list link;	/* in the line; unlinked once it was given */
		struct gr_place place;
	};
	struct gr_greenlet *g;
	bool given;
	bool broken;			/* what ended the wait came from outside, not from its own deadline */
	int result;
	void *value;			/* what the waiter brings, or takes away */
	void (*unwound)(struct gr_turn *);	/* of gr_wait_guarded() */
};

/*
 * gr_wait_turn - stand last in @line until somebody gives us our turn, or until @deadline
 * @waits, @object: what is waited for, for people
 * @turn: ours, with .value set; NULL: none is needed
 * Inside.  Returns the result given, -EAGAIN (@deadline is GR_AT_ONCE), -ETIMEDOUT, or what broke it off (scope.h): then it was not
 * given, and is in no line any more.  Signal handlers run meanwhile, and whatever else: look again at what you knew.
 */
int gr_wait_turn(struct gr_list *line, const char *waits, const void *object, gr_time deadline, struct gr_turn *turn);

/* The same without a line, for turns that others know of by other means. */
int gr_wait_alone(const char *waits, const void *object, gr_time deadline, struct gr_turn *turn);

/*
 * Either of them (@line NULL: alone) for a wait that must leave things in order also when its greenlet is unwound out of it, by a signal
 * handler that throws or by pthread_cancel(3): then @turn->unwound is called, outside, after the turn has left the line; @turn->given says
 * whether it was given, so that there is something to give back.  @turn->place.also: other places, to be unlinked in a forked child.
 */
int gr_wait_guarded(struct gr_list *line, const char *waits, const void *object, gr_time deadline, struct gr_turn *turn);

/* Give @t its turn: it leaves the line and runs; its wait returns @result.  Inside. */
void gr_give_turn(struct gr_turn *t, int result);

static inline struct gr_turn *gr_first_turn(struct gr_list *line)
{
	return gr_list_empty(line) ? NULL : gr_list_first(line, struct gr_turn, link);
}

/* Give all in @line their turn. */
void gr_give_all(struct gr_list *line, int result);

/* --- for the hub -------------------------------------------------------------------------------------------------------------------- */

/* The hub is about to wait, @no_timers: without an end in sight.  False: somebody is to run first. */
bool gr_api_before_wait(bool no_timers);

/* Nothing outside of the greenlets is left that could make one of them run, but for deadlines. */
bool gr_api_only_inside(const struct gr_carrier *c);

/* lock.c: the greenlet that owns this lock, writes behind this rwlock, or is this one; NULL: nobody who is known, or another kind. */
struct gr_greenlet *gr_object_holder(const void *object);

/* start.c: the greenlet that gr_asker() has named so, or NULL */
struct gr_greenlet *gr_greenlet_of_asker(uintptr_t asker);

/* --- greenlets, for the other files of the API ------------------------------------------------------------------------------------- */

/* The current greenlet's public half.  NULL with errno ENOMEM for a pthread whose half could not be made. */
struct grove_greenlet *gr_self(void);

/* A greenlet of grove's own: not among those that are left over, its blocking calls green even where the program's are not. */
struct grove_greenlet *gr_spawn_service(const char *name, grove_fn *fn, void *arg);

/* Run @fn(@arg) in the greenlet for callbacks.  The job is the caller's, and must live until it runs; inside or in the hub. */
struct gr_soon {
	struct gr_list link;
	void (*fn)(struct gr_soon *);
};
void gr_soon(struct gr_soon *job);

/* A kernel thread of grove's own, whatever pthread_create() makes otherwise: as pthread_create(3), outside. */
int gr_native_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);

/* Values of grove/local.h: destroyed when their greenlet ends, outside; inherited by @g when it is spawned. */
void gr_locals_end(struct grove_greenlet *g);
void gr_locals_inherit(struct grove_greenlet *g);
void gr_locals_drop(struct grove_greenlet *g);		/* what it inherited, where it never runs; inside or outside */

#endif
