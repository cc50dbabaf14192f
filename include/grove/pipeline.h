/*
 * grove/pipeline.h - pipelines: stages that run side by side, with what one puts handed to the next
 *
 *	static int lines(grove_stage *stage, void *path);		// puts every line of a file
 *	static int grep(grove_stage *stage, void *pattern)
 *	{
 *		void *line;
 *		while (grove_stage_get(stage, &line, GROVE_FOREVER) == 1)
 *			if (strstr(line, pattern) && grove_stage_put(stage, line, GROVE_FOREVER) < 0)
 *				return -1;
 *		return 0;
 *	}
 *	static int print(grove_stage *stage, void *file);		// gets until there is no more
 *
 *	grove_pipeline *p = grove_pipeline_new(16, free);
 *	grove_pipeline_add(p, lines, "log");
 *	grove_pipeline_add(p, grep, "python");
 *	grove_pipeline_add(p, print, stdout);
 *	if (grove_pipeline_run(p, GROVE_FOREVER) < 0) ...		// the first error of any stage
 *	grove_pipeline_free(p);
 *
 * Each stage is a greenlet.  A source puts, a filter gets and puts, a sink gets.  grove_pipeline_add() joins the new stage to the one added
 * before; other shapes are made by grove_pipeline_stage() and grove_pipeline_link(): what a stage puts goes to each of those it is linked to
 * (broadcast), and a stage gets from all that are linked to it, in the order in which they put (fan-in).  Several greenlets may work as
 * one stage (grove_stage_workers).
 *
 * Back-pressure: each stage has room for a number of values that were put and not yet got; a put waits while there is none.
 *
 * The end travels down: when all stages in front of one have ended and what they put is taken, its get returns 0.  It travels up: when all
 * stages behind one have ended, its put fails with EPIPE, as a pipe(7) does; a stage that ends with EPIPE has ended well.
 * An error travels both ways: when a stage returns -1, all others are killed, so that whatever they wait for fails with ECANCELED, and
 * grove_pipeline_wait() reports that first error.
 *
 * Values are pointers.  Who gets one owns it; in a broadcast all receivers get the same pointer.  Values that nobody got when the pipeline
 * ends are given to the drop function.
 *
 * Push pipelines without greenlets or queues, after D. Beazley's "A Curious Course on Coroutines", are generators that are sent to:
 * grove_coroutine_new() makes one, grove_gen_send() pushes into it, and grove_cobroadcast_new() has several behind it.
 */
#ifndef GROVE_PIPELINE_H
#define GROVE_PIPELINE_H

#include <grove/generator.h>
#include <grove/greenlet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct grove_pipeline grove_pipeline;
typedef struct grove_stage grove_stage;

/* What a stage runs.  Returns 0, or -1 with errno: the pipeline is to end with that error. */
typedef int grove_stage_fn(grove_stage *stage, void *arg);

/*
 * grove_pipeline_new - a pipeline without stages
 * @capacity: how many values wait in front of each stage at most; 1 or more
 * @drop: called for values that nobody got, NULL: nothing is done
 *
 * Returns it, or NULL with errno EINVAL, ENOMEM.
 * Parks: no.   Threads: any.
 */
GROVE_API grove_pipeline *grove_pipeline_new(size_t capacity, void (*drop)(void *value));

/*
 * grove_pipeline_stage - a new stage, not linked to any
 * grove_pipeline_add - a new stage, linked behind the one that was made before, if there is one
 * grove_pipeline_link - what @from puts goes to @to
 *
 * Return the stage, or 0; or NULL, or -1, with errno
 *   EINVAL   not a pipeline, or stages of another one; @fn is NULL; @from is @to
 *   EEXIST   they are linked already
 *   EBUSY    the pipeline has been started
 *   ENOMEM
 * Parks: no.   Threads: any.
 */
GROVE_API grove_stage *grove_pipeline_stage(grove_pipeline *p, grove_stage_fn *fn, void *arg);
GROVE_API grove_stage *grove_pipeline_add(grove_pipeline *p, grove_stage_fn *fn, void *arg);
GROVE_API int grove_pipeline_link(grove_stage *from, grove_stage *to);

/* grove_stage_workers - let @n greenlets work as this stage: each runs its function, and the stage ends when the last has ended.  0, or -1 with
 * EINVAL, EBUSY.   Parks: no.   Threads: any. */
GROVE_API int grove_stage_workers(grove_stage *stage, unsigned n);

/* grove_stage_name - for traces; at most 31 characters are kept.  0, or -1 with EINVAL, EBUSY.   Parks: no.   Threads: any. */
GROVE_API int grove_stage_name(grove_stage *stage, const char *name);

/*
 * grove_stage_get - the next value that was put for this stage
 * @ret_value: written only when there is one
 *
 * Returns 1 when there is one; 0 when there is none any more: all in front have ended; -1 with errno
 *   EAGAIN     @timeout is 0 and there is none yet
 *   ETIMEDOUT  @timeout, or a deadline, is over
 *   ECANCELED  the pipeline, or this greenlet, was killed
 *   EINVAL     not a stage, or a negative timeout
 * Parks: yes.   Threads: any.
 */
GROVE_API int grove_stage_get(grove_stage *stage, void **ret_value, int64_t timeout);

/*
 * grove_stage_put - hand a value to each stage behind this one; wait while one has no room
 *
 * Returns 0, or -1 with errno
 *   EPIPE      no stage behind it is left, or there never was one
 *   EAGAIN     @timeout is 0 and one has no room; nobody has got it
 *   ETIMEDOUT  @timeout, or a deadline, is over; some may have got it if there are several
 *   ECANCELED  the pipeline, or this greenlet, was killed
 *   EINVAL     not a stage, or a negative timeout
 * When it fails the value is the caller's still, unless another stage has got it.
 * Parks: yes.   Threads: any.
 */
GROVE_API int grove_stage_put(grove_stage *stage, void *value, int64_t timeout);

/* grove_stage_pipeline - the pipeline of a stage.   NULL with errno EINVAL.   Parks: no.   Threads: any. */
GROVE_API grove_pipeline *grove_stage_pipeline(const grove_stage *stage);

/*
 * grove_pipeline_start - start all stages
 *
 * Returns 0, or -1 with errno EINVAL (not a pipeline, or one without stages), EBUSY (it was started before), ENOMEM, EAGAIN, ENOTSUP.
 * Parks: no.   Threads: any.
 */
GROVE_API int grove_pipeline_start(grove_pipeline *p);

/*
 * grove_pipeline_wait - wait until all stages have ended
 *
 * Returns 0, or -1 with errno
 *   any        the first error with which a stage ended; ECANCELED when it was killed
 *   EAGAIN     @timeout is 0 and they have not
 *   ETIMEDOUT  @timeout, or a deadline, is over; the stages go on
 *   ESRCH      it was not started
 *   EINVAL
 * Who must tell the two kinds apart asks grove_pipeline_error().
 * Parks: yes.   Threads: any.
 */
GROVE_API int grove_pipeline_wait(grove_pipeline *p, int64_t timeout);

/*
 * grove_pipeline_run - start it, and wait for its end; when it has not ended by itself after @timeout, or the caller is killed, kill it
 *
 * Returns 0, or -1 with errno as start and wait; all stages have ended in any case.
 * Parks: yes.   Threads: any.
 */
GROVE_API int grove_pipeline_run(grove_pipeline *p, int64_t timeout);

/* grove_pipeline_kill - kill all stages, and wait for their ends for at most @timeout.  0, or -1 with EINVAL, ETIMEDOUT, ESRCH: it had ended,
 * or was not started.   Parks: yes.   Threads: any. */
GROVE_API int grove_pipeline_kill(grove_pipeline *p, int64_t timeout);

/* grove_pipeline_error - the first error with which a stage ended; 0: none.   Parks: no.   Threads: any. */
GROVE_API int grove_pipeline_error(const grove_pipeline *p);

#define GROVE_PIPELINE_IN	1u
#define GROVE_PIPELINE_OUT	2u

/*
 * grove_pipeline_open - before the start: whoever runs the pipeline feeds the first stage, or takes what the last one puts, or both
 * @ends: GROVE_PIPELINE_IN, GROVE_PIPELINE_OUT; first and last in the order in which they were made
 *
 * Returns 0, or -1 with errno EINVAL (also: it has no stages), EBUSY (it was started, or the end is open already), ENOMEM.
 * Parks: no.   Threads: any.
 */
GROVE_API int grove_pipeline_open(grove_pipeline *p, unsigned ends);

/*
 * grove_pipeline_put, grove_pipeline_get - from outside: put for the first stage; get what the last one puts
 *
 * Results and errors are those of grove_stage_put and grove_stage_get, and ESRCH for an end that was not opened, or EPIPE that was closed.
 * When the pipeline has ended with an error, both fail with that.
 * Parks: yes.   Threads: any.
 */
GROVE_API int grove_pipeline_put(grove_pipeline *p, void *value, int64_t timeout);
GROVE_API int grove_pipeline_get(grove_pipeline *p, void **ret_value, int64_t timeout);

/* grove_pipeline_close - from outside: nothing more will be put.  0, or -1 with EINVAL, ESRCH (not opened, or closed).
 * Parks: no.   Threads: any. */
GROVE_API int grove_pipeline_close(grove_pipeline *p);

/* grove_pipeline_free - NULL is allowed.  0, or -1 with EINVAL, EBUSY: stages run.   Parks: as the drop function.   Threads: any. */
GROVE_API int grove_pipeline_free(grove_pipeline *p);

/*
 * grove_cobroadcast_new - a coroutine that sends whatever it is sent to all @n targets, in order
 * @targets: generators that wait at a yield; copied.  They are not closed or freed with it.
 *
 * A target that has ended is passed over from then on; the coroutine ends when all have, and with its error when one fails.
 * Returns it, or NULL with errno as grove_coroutine_new; EINVAL @n is 0 or a target is no generator.
 * Parks: as the targets do.   Threads: any.   Follows Beazley's cobroadcast.
 */
GROVE_API grove_generator *grove_cobroadcast_new(grove_generator *const *targets, size_t n);

#ifdef __cplusplus
}
#endif

#endif
