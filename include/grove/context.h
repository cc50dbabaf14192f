/*
 * grove/context.h - context managers: what is entered is left again, whatever happens in between
 *
 * GROVE_WITH(ctx) { ... } calls the context's enter function, runs the block, and calls its exit function when the block is left: at its
 * end, by break, return or goto, by a C++ exception, or when the greenlet is unwound by pthread_exit(3) or pthread_cancel(3).  (In C
 * the last two need -fexceptions, as cleanups of the compiler's always do.)  A greenlet that is killed leaves the block by itself, since its
 * waiting calls fail.  Both functions may wait; exit is shielded from kills, deadlines and cancellation, so that it can do its work.
 *
 *	static int check_out(grove_context *ctx)
 *	{
 *		ctx->value = pool_get(ctx->arg);		// may wait
 *		return ctx->value ? 0 : -1;
 *	}
 *	static int check_in(grove_context *ctx, int err)
 *	{
 *		return pool_put(ctx->arg, ctx->value, err);	// may wait, even in a greenlet that was killed
 *	}
 *
 *	grove_context c = GROVE_CONTEXT(check_out, check_in, pool);
 *	GROVE_WITH(&c) {
 *		if (query(c.value) < 0)
 *			break;					// exit is told: ECANCELED
 *	}							// exit is told: 0
 *	if (c.error) ...					// enter or exit has failed
 *
 * What exit is told: 0 when the block came to its end, or was left by continue; otherwise the errno value that GROVE_WITH_ERROR() named, or
 * ECANCELED.  So a transaction commits only if its block was run to the end.
 *
 * Follows Python's with and async with, contextlib.asynccontextmanager (grove_context_from) and AsyncExitStack (grove_exit_stack).
 */
#ifndef GROVE_CONTEXT_H
#define GROVE_CONTEXT_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_context grove_context;

struct grove_context {
	int (*enter)(grove_context *ctx);		/* 0, or -1 with errno: then the block does not run; NULL: nothing to do */
	int (*exit)(grove_context *ctx, int err);	/* 0, or -1 with errno; NULL: nothing to do */
	void *arg;					/* the two functions' own, */
	void *value;					/* and this: what enter has got hold of */
	int error;					/* the errno value with which enter or exit failed; 0 */
	int entered;					/* grove's, and the next */
	void *own[2];
};

#define GROVE_CONTEXT(enter, exit, arg) { (enter), (exit), (arg), NULL, 0, 0, { NULL, NULL } }

/*
 * grove_context_enter, grove_context_exit - what GROVE_WITH calls, for code that cannot be a block
 *
 * Return 0, or -1 with errno: EINVAL; EBUSY @ctx is entered already; ESRCH it is not entered; or what the context's own function failed
 * with, which is also in ctx->error.  A context that has been left may be entered again.
 * Parks: as its functions.   Threads: any; on native threads nothing is shielded.   Follows __aenter__, __aexit__.
 */
GROVE_API int grove_context_enter(grove_context *ctx);
GROVE_API int grove_context_exit(grove_context *ctx, int err);

/*
 * grove_context_from - make @ctx a context out of a generator's body (grove/generator.h) with one yield
 *
 * What comes before the yield is enter, and the value yielded is ctx->value; what comes after it is exit.  When the block was not run to its
 * end, the yield fails with the error.  A body that ends with just that error has not failed.
 * A body that does not yield, or yields twice, makes enter or exit fail with EPROTO.
 *
 *	static void *locked(void *arg)
 *	{
 *		grove_lock_acquire(arg, GROVE_FOREVER);
 *		grove_gen_yield(arg);
 *		grove_lock_release(arg);
 *		return NULL;
 *	}
 *
 * Returns 0, or -1 with errno EINVAL.
 * Parks: no.   Threads: any.   Follows contextlib.contextmanager, asynccontextmanager.
 */
GROVE_API int grove_context_from(grove_context *ctx, grove_fn *body, void *arg);

/* In the frame of GROVE_WITH */
struct grove_with {
	grove_context *ctx;
	int err;
	int go;
};

/* grove_with_begin, grove_with_end - for GROVE_WITH only */
GROVE_API struct grove_with grove_with_begin(grove_context *ctx);
GROVE_API void grove_with_end(struct grove_with *with);

/* GROVE_WITH - a statement or block that runs once, in the context @ctx; not at all when it could not be entered (ctx->error) */
#define GROVE_WITH(ctx)                                                                                                            \
	for (struct grove_with grove_with_ __attribute__((cleanup(grove_with_end))) = grove_with_begin(ctx); grove_with_.go;        \
	     grove_with_.go = 0, grove_with_.err = 0)

/* GROVE_WITH_ERROR - in the block: exit is to be told @errnum, unless the block comes to its end: GROVE_WITH_ERROR(EIO); break; */
#define GROVE_WITH_ERROR(errnum) ((void)(grove_with_.err = (errnum)))

/*
 * grove_exit_stack_new - several contexts, their number known only at run time, that are left together, the last entered first
 *
 * Returns it, or NULL with errno ENOMEM.
 * Parks: no.   Threads: any, one at a time.   Follows contextlib.AsyncExitStack, ExitStack.
 */
typedef struct grove_exit_stack grove_exit_stack;
GROVE_API grove_exit_stack *grove_exit_stack_new(void);

/* grove_exit_stack_enter - enter @ctx, and leave it with the stack.  0, or -1 with errno as grove_context_enter, ENOMEM.
 * Parks: as the context.   Threads: any.   Follows AsyncExitStack.enter_async_context. */
GROVE_API int grove_exit_stack_enter(grove_exit_stack *stack, grove_context *ctx);

/* grove_exit_stack_push - call @fn(@arg) when the stack is closed.  0, or -1 with EINVAL, ENOMEM.
 * Parks: no.   Threads: any.   Follows AsyncExitStack.push_async_callback, callback. */
GROVE_API int grove_exit_stack_push(grove_exit_stack *stack, void (*fn)(void *), void *arg);

/*
 * grove_exit_stack_close - leave all, the last first, telling them @err
 *
 * All are left, also when one fails; then those further out are told its error instead.  The stack is empty afterwards, and may be used
 * again.   Returns 0, or -1 with errno EINVAL or the last error.
 * Parks: as the contexts; shielded.   Threads: any.   Follows AsyncExitStack.aclose.
 */
GROVE_API int grove_exit_stack_close(grove_exit_stack *stack, int err);

/* grove_exit_stack_pop_all - a new stack with all that is in @stack, which is empty then: it is not to be left here after all.  NULL with
 * errno EINVAL, ENOMEM.   Parks: no.   Threads: any.   Follows AsyncExitStack.pop_all. */
GROVE_API grove_exit_stack *grove_exit_stack_pop_all(grove_exit_stack *stack);

/* grove_exit_stack_context - the stack as a context: exit closes it.  NULL with errno EINVAL.   Parks: no.   Threads: any. */
GROVE_API grove_context *grove_exit_stack_context(grove_exit_stack *stack);

/* grove_exit_stack_free - close it, and give back its memory.  NULL is allowed.  0, or -1 as grove_exit_stack_close.
 * Parks: as the contexts.   Threads: any. */
GROVE_API int grove_exit_stack_free(grove_exit_stack *stack);

#ifdef __cplusplus
}
#endif

#endif
