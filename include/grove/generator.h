/*
 * grove/generator.h - generators: functions that stop in the middle to hand out a value, and go on when the next one is wanted
 *
 * A generator has a stack of its own, so any function that its body calls may yield, not the body alone.
 *
 *	static void *countdown(void *arg)
 *	{
 *		for (long n = (long)arg; n > 0; n--)
 *			grove_gen_yield((void *)n);
 *		return NULL;
 *	}
 *
 *	grove_generator *gen = grove_generator_new(countdown, (void *)3);
 *	long n;
 *	GROVE_FOR_EACH(n, gen)
 *		printf("%ld\n", n);			// 3, 2, 1
 *	grove_generator_free(gen);
 *
 * It runs as part of the greenlet that asks for the next value, as a generator in Python runs in its caller's thread: it has that
 * greenlet's identity, errno, thread-local variables, locks, deadlines and kills.  Asking costs two switches of the stack, and no
 * scheduler is involved.  A generator may be handed to another greenlet between two values.
 *
 * Asynchronous generators are the same thing: a body that waits, for a descriptor, a queue, a lock, parks the greenlet that
 * asked, and others run meanwhile.  So grove_gen_next(), send, throw and close are also Python's anext, asend, athrow and aclose, and
 * GROVE_ASYNC_FOR is another name of GROVE_FOR_EACH.
 *
 * States:
 *
 *	CREATED --next--> RUNNING --yield--> SUSPENDED --next, send, throw--> RUNNING --the body returns--> CLOSED
 *
 * A deadline (grove/timeout.h) or handler of pthread_cleanup_push(3) that the body has started holds while the body runs, and not in
 * the consumer between two values; those of the consumer hold in the body too.
 *
 * A C++ exception that leaves the body comes out of grove_gen_next() in the consumer.  So does the unwinding of pthread_exit(3) and
 * pthread_cancel(3): first the body's cleanup handlers and destructors run, then the consumer's.  The generator is closed then.  Neither
 * passes through a native thread's call.  longjmp(3) must not lead from the body to the consumer or back.
 *
 * errno is the body's and the consumer's alike.  A value that comes leaves it as the body did, or 0.  So are floating-point modes
 * (fenv(3)).
 */
#ifndef GROVE_GENERATOR_H
#define GROVE_GENERATOR_H

#include <grove/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_generator grove_generator;

/* For grove_generator_new_with(); to be filled with zeros first.  size: sizeof(struct grove_generator_attr). */
struct grove_generator_attr {
	size_t size;
	size_t stack_size;		/* bytes; 0: GROVE_STACK_SIZE */
	uint64_t reserved[2];
};

/*
 * grove_generator_new - a generator whose body is @fn(@arg); it begins to run when the first value is asked for
 *
 * Returns it, or NULL with errno
 *   EINVAL   @fn is NULL
 *   ENOMEM, EAGAIN   no memory for its stack
 *   ENOTSUP  the runtime cannot start (see grove_spawn)
 * Parks: no.   Threads: any.   Follows calling a generator function in Python.
 */
GROVE_API grove_generator *grove_generator_new(grove_fn *fn, void *arg);

/* grove_generator_new_with - the same with attributes.   EINVAL also for a wrong size, a stack under GROVE_STACK_MIN, or reserved
 * fields that are not 0.   Parks: no.   Threads: any. */
GROVE_API grove_generator *grove_generator_new_with(const struct grove_generator_attr *attr, grove_fn *fn, void *arg);

/*
 * grove_generator_free - close it, and give back its memory
 *
 * A body that yields once more, although it was closed, is ended right there, as by pthread_exit(3): handlers pushed by code that was
 * compiled with -fexceptions, and C++ destructors run.  NULL is allowed.
 * Returns 0, or -1 with errno EBUSY (it is running) or EINVAL; the body's own last error is not reported.
 * Parks: as the body does while it ends.   Threads: any.   Follows the end of a generator's life in Python.
 */
GROVE_API int grove_generator_free(grove_generator *gen);

/*
 * grove_gen_next - run the body up to its next value
 * @ret_value: the value yielded; written only when there is one; may be NULL
 *
 * Returns 1 when there is a value; 0 when there is none any more, since the body has returned (grove_gen_result); or -1 with errno
 *   EBUSY    it is running already: called from within the body, or by a second greenlet
 *   EINVAL   @gen is no generator
 *   any      what the body gave to grove_gen_fail(); told once, and then the generator is closed
 * Parks: as the body does.   Threads: any.   Follows Python's next, anext: 0 is StopIteration.
 */
GROVE_API int grove_gen_next(grove_generator *gen, void **ret_value);

/*
 * grove_gen_send - the same, and the grove_gen_yield() in which the body stands returns @value
 *
 * grove_gen_next() sends NULL.  The first value must be asked for by grove_gen_next(), since no yield waits yet: EINVAL otherwise, unless
 * @value is NULL.
 * Parks: as the body does.   Threads: any.   Follows generator.send, asend.
 */
GROVE_API int grove_gen_send(grove_generator *gen, void *value, void **ret_value);

/*
 * grove_gen_throw - the same, but the yield in which the body stands fails with errno @err
 *
 * The body may take it as it likes: yield the next value (1), return (0), or end with an error (-1).  One that has not begun, or is closed,
 * does not run: -1 with @err.   EINVAL also when @err is not an errno value (1 to 4095).
 * Parks: as the body does.   Threads: any.   Follows generator.throw, athrow.
 */
GROVE_API int grove_gen_throw(grove_generator *gen, int err, void **ret_value);

/*
 * grove_gen_close - end the body: the yield in which it stands fails with ECANCELED
 *
 * One that has not begun never will; one that is closed stays so.  What the body returns now is its result.
 * Returns 0 when it has ended, by returning or with ECANCELED, or -1 with errno
 *   EBUSY    it is running; or the body has yielded once more instead of ending: it is suspended there
 *   EINVAL   @gen is no generator
 *   any      what the body ended with instead
 * Parks: as the body does.   Threads: any.   Follows generator.close, aclose; ECANCELED is GeneratorExit.
 */
GROVE_API int grove_gen_close(grove_generator *gen);

/*
 * grove_gen_yield - in a body, or in a function that it calls: hand out @value, and stop until the next one is wanted
 *
 * Returns what was sent.  NULL has three meanings, told apart by errno
 *   0          the consumer called grove_gen_next(), or sent NULL
 *   ECANCELED  the generator is being closed: return soon
 *   any        what grove_gen_throw() was given
 *   EPERM      the caller is not in a generator
 * Parks: no; the greenlet goes on in the consumer.   Threads: greenlets.   Follows yield.
 */
GROVE_API void *grove_gen_yield(void *value);

/*
 * grove_gen_yield_from - in a body: hand out all values of @inner, as if its body stood here
 * @ret_result: what the inner body returned, written only on success; may be NULL
 *
 * What the consumer sends or throws goes to @inner, and closing closes it first.
 * Returns 0 when @inner has ended well, or -1 with errno
 *   EPERM      the caller is not in a generator
 *   EBUSY      @inner is running
 *   ECANCELED  the generator is being closed
 *   any        what @inner ended with
 * Parks: as the inner body does.   Threads: greenlets.   Follows yield from, PEP 380.
 */
GROVE_API int grove_gen_yield_from(grove_generator *inner, void **ret_result);

/*
 * grove_gen_fail - the body of the calling generator is to end with error @err (an errno value): return grove_gen_fail(EIO);
 *
 * Returns NULL.  What counts is the last call before the body returns; 0 takes it back.  Outside of generators it does nothing.
 * Parks: no.   Threads: greenlets.   In Python an exception that is not caught.
 */
GROVE_API void *grove_gen_fail(int err);

/* grove_gen_result - what the body has returned; NULL while it has not, and when it ended with an error.   Parks: no.   Threads: any.
 * StopIteration.value. */
GROVE_API void *grove_gen_result(const grove_generator *gen);

/* grove_gen_error - the errno value the body has ended with; 0: it ended well, or has not ended.  Tells why a loop came to its end.
 * Parks: no.   Threads: any. */
GROVE_API int grove_gen_error(const grove_generator *gen);

enum grove_gen_state { GROVE_GEN_CREATED, GROVE_GEN_RUNNING, GROVE_GEN_SUSPENDED, GROVE_GEN_CLOSED };

/* grove_gen_state - how it stands; CLOSED also for what is no generator.   Parks: no.   Threads: any.
 * Follows inspect.getgeneratorstate, getasyncgenstate. */
GROVE_API enum grove_gen_state grove_gen_state(const grove_generator *gen);

/* grove_gen_current - the generator whose body is calling, the innermost; NULL: none.   Parks: no.   Threads: any. */
GROVE_API grove_generator *grove_gen_current(void);

/*
 * grove_coroutine_new - a generator that waits at its first yield: ready to be sent to
 *
 * NULL also when the body has ended before it yielded: with its error, or ECANCELED when it has none.
 * Returns and errors otherwise as grove_generator_new.
 * Parks: as the body does.   Threads: any.   Follows the @coroutine decorator of Beazley's "A Curious Course on Coroutines".
 */
GROVE_API grove_generator *grove_coroutine_new(grove_fn *fn, void *arg);

/*
 * GROVE_FOR_EACH - for each value of a generator: GROVE_FOR_EACH(value, gen) statement
 *
 * @value: a variable of pointer type, or of an integer type as wide (long, intptr_t).  After the loop grove_gen_error() tells whether the
 * body has ended with an error.  A loop that is left by break leaves the generator suspended.
 */
#define GROVE_FOR_EACH(value, gen)                                                                                                 \
	for (void *grove_each_; grove_gen_next((gen), &grove_each_) == 1 && (((value) = (__typeof__(value))grove_each_), 1);)

/* GROVE_ASYNC_FOR - the same, for generators that wait */
#define GROVE_ASYNC_FOR(value, gen) GROVE_FOR_EACH(value, gen)

#ifdef __cplusplus
}
#endif

#endif
