/*
 * generator.c - generators: a second stack under the greenlet that asks for the next value
 *
 * The body runs as the greenlet that asked, on a stack of its own.  What belongs to the frames on that stack, though it hangs off the greenlet or
 * its thread, goes with the body when it stops and comes back with it: its scopes, the handlers it pushed (pthread_cleanup_push() without
 * -fexceptions), and in C++ the exceptions it has caught and not yet let go.  Usually there is nothing of the kind, which is one
 * comparison each.
 *
 * Unwinding cannot go from one stack to the other.  At the bottom of ours (generator.S) the unwinder asks a personality function, which
 * keeps the exception, switches to the consumer for good, and has the unwinding begin anew there.
 */
#include "api.h"
#include "fiber.h"
#include "info.h"
#include "../stack.h"
#include <grove/generator.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#define STACK_MAX	((size_t)1 << 40)
#define ERRNO_MAX	4095
#define OWN_CLASS	0x47524f5647454e00ull	/* "GROVGEN": of the unwinding that grove_generator_free() begins */

/* What libstdc++ has per thread: part of the Itanium C++ ABI, 2.2.2 */
struct cxx_globals {
	void *caught;
	unsigned uncaught;
};
extern struct cxx_globals *__cxa_get_globals(void) __attribute__((weak));
extern _Noreturn void terminate(void) __asm__("_ZSt9terminatev") __attribute__((weak));
extern void __pthread_register_cancel(__pthread_unwind_buf_t *buf);
extern void __pthread_unregister_cancel(__pthread_unwind_buf_t *buf);

struct grove_generator {
	struct gr_object object;	/* GR_GENERATOR; ready: closed */
	uint8_t state;			/* enum grove_gen_state */
	bool forced;			/* .exception is not to be caught: pthread_exit() */
	bool dropped;			/* grove_generator_free(): the next yield is the end */
	int thrown;			/* what the yield it stands in is to fail with, or 0 */
	int failing;			/* grove_gen_fail() */
	int error;			/* how it ended, */
	void *result;			/* or with what */
	void *sp;			/* where gr_switch() left off: the body while it is suspended, the consumer while it runs */
	void *sent;			/* by the consumer, the last time */
	void **ret_value;		/* where the consumer wants the next value */
	void *unwanted;			/* which is here if it does not */
	struct grove_generator *outer;	/* in whose body the consumer is */
	struct gr_scope *scopes;	/* while suspended: the body's, the innermost; */
	struct gr_scope *outer_scopes;	/* while running: the consumer's */
	__pthread_unwind_buf_t *handlers, *outer_handlers;	/* likewise */
	struct cxx_globals cxx;		/* likewise: of the side that is not running */
	struct _Unwind_Exception *exception;	/* has left the body, and is to go on in the consumer */
	struct _Unwind_Exception dropping;
	grove_fn *fn;
	void *arg;
	struct gr_stack stack;
	unsigned fiber;			/* fiber.h: */
	void *fake, *outer_fake;
	const void *outer_lo;
	size_t outer_size;
};

/* By its two kinds of results, so that the calls can be the last thing that is done */
int gr_generator_resume(void **sp, void *passed) __asm__("gr_generator_switch");
void *gr_generator_stop(void **sp, long passed) __asm__("gr_generator_switch");
void gr_generator_end(void **sp, int (*fn)(void *), void *arg);
void gr_generator_first(void);
void gr_generator_run(void *arg);
_Unwind_Reason_Code gr_generator_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class cls,
					     struct _Unwind_Exception *exc, struct _Unwind_Context *context);

/* The first frame of a body, as generator.S pops it */
struct frame {
	uint64_t pad, r15, r14, r13, r12, rbx, rbp;
	void (*ret)(void);
};
_Static_assert(offsetof(struct gr_carrier, inside) == 0 && offsetof(struct gr_carrier, todo) == 4, "generator.S knows both");
_Static_assert(GR_OUTSIDE == 0 && GR_TODO_SIGNAL == 1, "and their values");

/* --- what goes along with a body ---------------------------------------------------------------------------------------------------- */

/*
 * Where in struct pthread libc keeps its innermost __pthread_unwind_buf_t: the word that changes when one is registered.  It lies between the part
 * of the struct that is fixed by the ABI and its 1,024th byte in all versions; 0: it was not found.
 */
#define PTHREAD_HEAD	704u
#define PTHREAD_END	1024u

static ptrdiff_t handlers_at;

static void find_handlers(void)
{
	__pthread_unwind_buf_t buf;
	char *self = (char *)gr_fs_self();

	if (handlers_at)
		return;
	__pthread_register_cancel(&buf);
	for (size_t at = PTHREAD_HEAD; at < PTHREAD_END && !handlers_at; at += sizeof(void *))
		if (*(void **)(self + at) == (void *)&buf)
			handlers_at = (ptrdiff_t)at;
	__pthread_unregister_cancel(&buf);
}

static __pthread_unwind_buf_t **handlers_of(const struct gr_greenlet *g)
{
	return (__pthread_unwind_buf_t **)(g->fs + (uintptr_t)handlers_at);
}

/* pthreadP.h: struct pthread_unwind_buf's priv.data.prev */
static __pthread_unwind_buf_t *outer_of(__pthread_unwind_buf_t *buf)
{
	return (__pthread_unwind_buf_t *)buf->__pad[0];
}

/* The last one before @base; NULL: it does not lead there. */
static __pthread_unwind_buf_t *bottom_of(__pthread_unwind_buf_t *buf, __pthread_unwind_buf_t *base)
{
	while (buf && outer_of(buf) != base)
		buf = outer_of(buf);
	return buf;
}

static void bring_handlers(struct grove_generator *gen, struct gr_greenlet *g)
{
	__pthread_unwind_buf_t **top = handlers_of(g);

	gen->outer_handlers = *top;
	if (GR_LIKELY(!gen->handlers))
		return;
	bottom_of(gen->handlers, NULL)->__pad[0] = *top;
	*top = gen->handlers;
	gen->handlers = NULL;
}

static void take_handlers(struct grove_generator *gen, struct gr_greenlet *g)
{
	__pthread_unwind_buf_t **top = handlers_of(g), *bottom;

	if (GR_LIKELY(*top == gen->outer_handlers))
		return;
	bottom = bottom_of(*top, gen->outer_handlers);
	if (bottom) {
		gen->handlers = *top;
		bottom->__pad[0] = NULL;
	}
	*top = gen->outer_handlers;
}

static void swap_cxx(struct grove_generator *gen)
{
	struct cxx_globals *now = __cxa_get_globals(), was = *now;

	*now = gen->cxx;
	gen->cxx = was;
}

static inline void bring(struct grove_generator *gen, struct gr_greenlet *g)
{
	gen->outer = g->generator;
	g->generator = gen;
	gen->outer_scopes = g->scopes;
	if (GR_UNLIKELY(gen->scopes != NULL)) {
		gr_scopes_bring(gen->scopes);
		gen->scopes = NULL;
	}
	if (GR_LIKELY(handlers_at))
		bring_handlers(gen, g);
	if (GR_UNLIKELY(__cxa_get_globals != NULL))
		swap_cxx(gen);
}

static inline void take(struct grove_generator *gen, struct gr_greenlet *g)
{
	g->generator = gen->outer;
	if (GR_UNLIKELY(g->scopes != gen->outer_scopes))
		gen->scopes = gr_scopes_take(gen->outer_scopes);
	if (GR_LIKELY(handlers_at))
		take_handlers(gen, g);
	if (GR_UNLIKELY(__cxa_get_globals != NULL))
		swap_cxx(gen);
}

/* --- there and back ------------------------------------------------------------------------------------------------------------------- */

/* Whose body calls?  Where we stand tells sooner than the FS base that we are no native thread. */
static inline struct grove_generator *current(void)
{
	struct gr_greenlet *g = gr_carrier()->current;
	struct grove_generator *gen = g ? g->generator : NULL;

	if (GR_LIKELY(gen && (uintptr_t)__builtin_frame_address(0) - (uintptr_t)gen->stack.lo < gen->stack.size))
		return gen;
	return gen && gr_here() ? gen : NULL;
}

/* Nobody stands on its stack any more.  Inside. */
static void free_stack(struct grove_generator *gen)
{
	gr_fiber_gone(gen->fiber, gen->stack.lo, gen->stack.size);
	gr_stack_free(&gen->stack);
}

/* What has left the body goes on from here; if nobody wants it, it is the end of the program, as it is for threads. */
static _Noreturn void raise_again(struct grove_generator *gen)
{
	struct _Unwind_Exception *exc = gen->exception;

	gen->exception = NULL;
	gr_fiber_unwinds();
	if (!gen->forced && __cxa_get_globals)
		__cxa_get_globals()->uncaught += gen->cxx.uncaught;
	if (gen->forced)	/* libgcc keeps the stop function and its argument there */
		_Unwind_ForcedUnwind(exc, (_Unwind_Stop_Fn)(uintptr_t)exc->private_1, (void *)(uintptr_t)exc->private_2);
	else
		_Unwind_RaiseException(exc);
	if (terminate)
		terminate();
	abort();
}

/* The body has ended; in the consumer, as the result of resume().  Inside. */
static int ended(void *arg)
{
	struct grove_generator *gen = arg;

	free_stack(gen);
	gr_object_set_ready(&gen->object, true);
	gr_leave_quietly();
	if (GR_UNLIKELY(gen->exception != NULL))
		raise_again(gen);
	return gen->error ? gr_fails(gen->error) : 0;
}

/* With AddressSanitizer, which is told before and after */
static __attribute__((noinline)) int resume_watched(struct grove_generator *gen, void *value)
{
	int r;

	gr_fiber_leave(&gen->outer_fake, gen->stack.lo, gen->stack.size);
	r = gr_generator_resume(&gen->sp, value);
	gr_fiber_arrive(gen->outer_fake, NULL, NULL);
	if (gen->state != GROVE_GEN_CLOSED)
		return r;
	gr_enter();
	return ended(gen);
}

/* Let the body run up to its next value, or its end.  1, 0, or -1 with its errno. */
static int resume(struct grove_generator *gen, void *value, int err, void **ret_value)
{
	if (!value)
		errno = err;		/* our thread is the body's */
	gen->thrown = err;
	gen->ret_value = ret_value ? ret_value : &gen->unwanted;
	gen->sent = value;
	gen->state = GROVE_GEN_RUNNING;
	gr_enter();
	bring(gen, gr_carrier()->current);
	if (GR_UNLIKELY(gr_fiber_watched()))
		return resume_watched(gen, value);
	return gr_generator_resume(&gen->sp, value);
}

static __attribute__((noinline)) void *stop_watched(struct grove_generator *gen)
{
	void *sent;

	gr_fiber_leave(&gen->fake, gen->outer_lo, gen->outer_size);
	sent = gr_generator_stop(&gen->sp, 1);
	gr_fiber_arrive(gen->fake, &gen->outer_lo, &gen->outer_size);
	return sent;
}

/* Back to the consumer; returns what it sends when it wants the next value. */
static inline void *stop(struct grove_generator *gen, void *value)
{
	*gen->ret_value = value;
	gr_enter();
	gen->state = GROVE_GEN_SUSPENDED;
	take(gen, gr_carrier()->current);
	if (GR_UNLIKELY(gr_fiber_watched()))
		return stop_watched(gen);
	return gr_generator_stop(&gen->sp, 1);
}

/* The last thing on the generator's stack */
static _Noreturn void end(struct grove_generator *gen, int err)
{
	gen->error = err;
	gr_enter();
	if (GR_UNLIKELY(gr_carrier()->current->scopes != gen->outer_scopes))
		gr_scopes_drop(gen->outer_scopes);
	take(gen, gr_carrier()->current);
	gen->state = GROVE_GEN_CLOSED;
	if (GR_UNLIKELY(gr_fiber_watched())) {
		gr_fiber_leave(NULL, gen->outer_lo, gen->outer_size);
		gr_generator_stop(&gen->sp, 0);
	}
	gr_generator_end(&gen->sp, ended, gen);
	__builtin_unreachable();
}

void gr_generator_run(void *arg)
{
	struct grove_generator *gen = arg;
	void *result;

	gr_fiber_arrive(NULL, &gen->outer_lo, &gen->outer_size);
	result = gen->fn(gen->arg);
	gen->result = gen->failing ? NULL : result;
	end(gen, gen->failing);
}

/*
 * The unwinder has come to the bottom.  An exception: say that it is caught here, so that the body is unwound; who catches it is found out in the
 * consumer.  The unwinder's frames are left behind with the stack.
 */
_Unwind_Reason_Code gr_generator_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class cls,
					     struct _Unwind_Exception *exc, struct _Unwind_Context *context)
{
	struct grove_generator *gen = gr_carrier()->current->generator;

	(void)version, (void)cls, (void)context;
	if (actions & _UA_SEARCH_PHASE)
		return _URC_HANDLER_FOUND;
	gen->forced = (actions & _UA_FORCE_UNWIND) != 0;
	gen->exception = exc == &gen->dropping ? NULL : exc;
	end(gen, ECANCELED);
}

/* --- making and freeing ---------------------------------------------------------------------------------------------------------------- */

static bool is_good(const struct grove_generator_attr *a)
{
	return a && a->size == sizeof(*a) && !a->reserved[0] && !a->reserved[1] &&
	       (!a->stack_size || (a->stack_size >= GROVE_STACK_MIN && a->stack_size <= STACK_MAX));
}

static struct grove_generator *make(size_t stack_size, grove_fn *fn, void *arg)
{
	struct grove_generator *gen = calloc(1, sizeof(*gen));
	struct frame *frame;
	int r;

	if (!gen)
		return NULL;
	gr_object_init(&gen->object, GR_GENERATOR, false);
	gen->fn = fn;
	gen->arg = arg;
	find_handlers();
	gr_enter();
	r = gr_stack_new(stack_size ? stack_size : GROVE_STACK_SIZE, GR_PAGE, &gen->stack);
	gr_leave_quietly();
	if (r < 0) {
		free(gen);
		return gr_fails_null(-r);
	}
	gen->fiber = gr_fiber_new(gen->stack.lo, gen->stack.size);
	frame = (struct frame *)(gen->stack.lo + gen->stack.size) - 1;
	*frame = (struct frame){ .r12 = (uintptr_t)gen, .ret = gr_generator_first };
	gen->sp = &frame->r15;
	return gen;
}

grove_generator *grove_generator_new_with(const struct grove_generator_attr *attr, grove_fn *fn, void *arg)
{
	GR_ANYWHERE((grove_generator *)NULL, grove_generator_new_with, attr, fn, arg);
	return fn && is_good(attr) ? make(attr->stack_size, fn, arg) : gr_fails_null(EINVAL);
}

grove_generator *grove_generator_new(grove_fn *fn, void *arg)
{
	GR_ANYWHERE((grove_generator *)NULL, grove_generator_new, fn, arg);
	return fn ? make(0, fn, arg) : gr_fails_null(EINVAL);
}

/* It never runs again, and never has, or has ended. */
static int close_at_rest(struct grove_generator *gen)
{
	if (gen->state == GROVE_GEN_CLOSED)
		return 0;
	gr_enter();
	gen->state = GROVE_GEN_CLOSED;
	free_stack(gen);
	gr_object_set_ready(&gen->object, true);
	return gr_leave(0);
}

int grove_generator_free(grove_generator *gen)
{
	int was = errno;

	if (!gen)
		return 0;
	GR_ANYWHERE(-1, grove_generator_free, gen);
	if (!gr_is(gen, GR_GENERATOR))
		return gr_fails(EINVAL);
	if (gen->state == GROVE_GEN_RUNNING)
		return gr_fails(EBUSY);
	gen->dropped = true;
	if (gen->state == GROVE_GEN_SUSPENDED)
		resume(gen, NULL, ECANCELED, NULL);
	else
		close_at_rest(gen);
	gen->object.type = 0;
	free(gen);
	errno = was;
	return 0;
}

/* --- the consumer's side --------------------------------------------------------------------------------------------------------------- */

int grove_gen_next(grove_generator *gen, void **ret_value)
{
	GR_ANYWHERE(-1, grove_gen_next, gen, ret_value);
	if (GR_UNLIKELY(!gr_is(gen, GR_GENERATOR)))
		return gr_fails(EINVAL);
	if (GR_UNLIKELY(gen->state == GROVE_GEN_RUNNING))
		return gr_fails(EBUSY);
	return GR_UNLIKELY(gen->state == GROVE_GEN_CLOSED) ? 0 : resume(gen, NULL, 0, ret_value);
}

int grove_gen_send(grove_generator *gen, void *value, void **ret_value)
{
	GR_ANYWHERE(-1, grove_gen_send, gen, value, ret_value);
	if (GR_UNLIKELY(!gr_is(gen, GR_GENERATOR) || (gen->state == GROVE_GEN_CREATED && value)))
		return gr_fails(EINVAL);
	if (GR_UNLIKELY(gen->state == GROVE_GEN_RUNNING))
		return gr_fails(EBUSY);
	return GR_UNLIKELY(gen->state == GROVE_GEN_CLOSED) ? 0 : resume(gen, value, 0, ret_value);
}

int grove_gen_throw(grove_generator *gen, int err, void **ret_value)
{
	int was = errno, r;

	GR_ANYWHERE(-1, grove_gen_throw, gen, err, ret_value);
	if (!gr_is(gen, GR_GENERATOR) || err < 1 || err > ERRNO_MAX)
		return gr_fails(EINVAL);
	if (gen->state == GROVE_GEN_RUNNING)
		return gr_fails(EBUSY);
	if (gen->state == GROVE_GEN_SUSPENDED) {
		r = resume(gen, NULL, err, ret_value);
		if (r >= 0)
			errno = was;
		return r;
	}
	if (gen->state == GROVE_GEN_CREATED)
		gen->error = err;
	close_at_rest(gen);
	return gr_fails(err);
}

int grove_gen_close(grove_generator *gen)
{
	int was = errno, r;

	GR_ANYWHERE(-1, grove_gen_close, gen);
	if (!gr_is(gen, GR_GENERATOR))
		return gr_fails(EINVAL);
	if (gen->state == GROVE_GEN_RUNNING)
		return gr_fails(EBUSY);
	if (gen->state != GROVE_GEN_SUSPENDED)
		return close_at_rest(gen);
	r = resume(gen, NULL, ECANCELED, NULL);
	if (r == 1)
		return gr_fails(EBUSY);
	if (r == -1 && errno != ECANCELED)
		return -1;
	gen->error = 0;
	errno = was;
	return 0;
}

void *grove_gen_result(const grove_generator *gen)
{
	return gr_is(gen, GR_GENERATOR) ? gen->result : NULL;
}

int grove_gen_error(const grove_generator *gen)
{
	return gr_is(gen, GR_GENERATOR) ? gen->error : 0;
}

enum grove_gen_state grove_gen_state(const grove_generator *gen)
{
	return gr_is(gen, GR_GENERATOR) ? (enum grove_gen_state)gen->state : GROVE_GEN_CLOSED;
}

grove_generator *grove_coroutine_new(grove_fn *fn, void *arg)
{
	grove_generator *gen;
	int r, err;

	GR_ANYWHERE((grove_generator *)NULL, grove_coroutine_new, fn, arg);
	gen = grove_generator_new(fn, arg);
	if (!gen)
		return NULL;
	r = grove_gen_next(gen, NULL);
	if (r == 1)
		return gen;
	err = r < 0 ? errno : ECANCELED;
	grove_generator_free(gen);
	return gr_fails_null(err);
}

/* --- the body's side ------------------------------------------------------------------------------------------------------------------ */

static _Unwind_Reason_Code never_stop(int version, _Unwind_Action actions, _Unwind_Exception_Class cls, struct _Unwind_Exception *exc,
				      struct _Unwind_Context *context, void *arg)
{
	(void)version, (void)actions, (void)cls, (void)exc, (void)context, (void)arg;
	return _URC_NO_REASON;
}

static void nothing_to_clean(_Unwind_Reason_Code reason, struct _Unwind_Exception *exc)
{
	(void)reason, (void)exc;
}

/* The body was closed, yields all the same, and nobody is there to take it.  Code without unwind tables: its frames are just left. */
static _Noreturn void unwind(struct grove_generator *gen)
{
	gen->dropping = (struct _Unwind_Exception){ .exception_class = OWN_CLASS, .exception_cleanup = nothing_to_clean };
	gr_fiber_unwinds();
	_Unwind_ForcedUnwind(&gen->dropping, never_stop, NULL);
	end(gen, ECANCELED);
}

void *grove_gen_yield(void *value)
{
	struct grove_generator *gen = current();

	if (GR_UNLIKELY(!gen))
		return gr_fails_null(EPERM);
	if (GR_UNLIKELY(gen->dropped))
		unwind(gen);
	return stop(gen, value);
}

/* PEP 380: pass on what the consumer of @gen asks for.  1, 0 or -1 as grove_gen_next(). */
static int delegate(struct grove_generator *gen, grove_generator *inner, void **value)
{
	grove_gen_yield(*value);
	if (gen->thrown == ECANCELED)
		return grove_gen_close(inner) < 0 ? -1 : gr_fails(ECANCELED);
	if (gen->thrown)
		return grove_gen_throw(inner, gen->thrown, value);
	return grove_gen_send(inner, gen->sent, value);
}

int grove_gen_yield_from(grove_generator *inner, void **ret_result)
{
	struct grove_generator *gen = current();
	void *value;
	int r;

	if (!gen)
		return gr_fails(EPERM);
	r = grove_gen_next(inner, &value);
	while (r == 1)
		r = delegate(gen, inner, &value);
	if (r == 0 && ret_result)
		*ret_result = inner->result;
	return r;
}

void *grove_gen_fail(int err)
{
	struct grove_generator *gen = current();

	if (gen)
		gen->failing = err;
	return NULL;
}

grove_generator *grove_gen_current(void)
{
	return current();
}

/* Our frame is gr_switch()'s without the eight bytes below (generator.S). */
const void *gr_generator_consumer(const struct grove_generator *gen, const struct grove_generator **ret_outer)
{
	*ret_outer = gen->outer;
	return (const char *)gen->sp - 8;
}
