/*
 * context.c - context managers: entering, leaving under a shield; made of generators; many at once
 */
#include "api.h"
#include <grove/context.h>
#include <grove/generator.h>
#include <grove/timeout.h>
#include <pthread.h>
#include <stdlib.h>

#define STACK_MAGIC	0x67724001u

/* --- one context ------------------------------------------------------------------------------------------------------------------- */

int grove_context_enter(grove_context *ctx)
{
	if (!ctx)
		return gr_fails(EINVAL);
	if (ctx->entered)
		return gr_fails(EBUSY);
	ctx->error = 0;
	if (ctx->enter && ctx->enter(ctx) < 0) {
		ctx->error = errno ? errno : ECANCELED;
		return -1;
	}
	ctx->entered = 1;
	return 0;
}

/* What keeps kills, deadlines and pthread_cancel() out while an exit function runs, however it ends */
struct quiet {
	struct grove_timeout shield;
	bool shielded;
	int cancel_state;
};

static void begin_quiet(struct quiet *q)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &q->cancel_state);
	q->shielded = gr_here() && grove_shield_start(&q->shield) == 0;
}

static void end_quiet(struct quiet *q)
{
	if (q->shielded)
		grove_timeout_stop(&q->shield);
	pthread_setcancelstate(q->cancel_state, NULL);
}

static int leave(grove_context *ctx, int err)
{
	struct quiet q __attribute__((cleanup(end_quiet))) = { .shielded = false };

	begin_quiet(&q);
	if (!ctx->exit || ctx->exit(ctx, err) == 0)
		return 0;
	return errno ? errno : ECANCELED;
}

int grove_context_exit(grove_context *ctx, int err)
{
	int was = errno;

	if (!ctx || err < 0)
		return gr_fails(EINVAL);
	if (!ctx->entered)
		return gr_fails(ESRCH);
	ctx->entered = 0;
	ctx->error = leave(ctx, err);
	errno = ctx->error ? ctx->error : was;
	return ctx->error ? -1 : 0;
}

struct grove_with grove_with_begin(grove_context *ctx)
{
	struct grove_with with = { .ctx = ctx, .err = ECANCELED };

	with.go = grove_context_enter(ctx) == 0;
	if (!with.go)
		with.ctx = NULL;
	return with;
}

/* errno is what the block left: whoever breaks out of it wants to see it. */
void grove_with_end(struct grove_with *with)
{
	int was = errno;

	if (with->ctx)
		grove_context_exit(with->ctx, with->err);
	errno = was;
}

/* --- out of a generator --------------------------------------------------------------------------------------------------------------- */

static int enter_body(grove_context *ctx)
{
	grove_generator *gen = grove_generator_new((grove_fn *)ctx->own[0], ctx->arg);
	int r, err;

	if (!gen)
		return -1;
	r = grove_gen_next(gen, &ctx->value);
	if (r == 1) {
		ctx->own[1] = gen;
		return 0;
	}
	err = r < 0 ? errno : EPROTO;
	grove_generator_free(gen);
	return gr_fails(err);
}

static int exit_body(grove_context *ctx, int err)
{
	grove_generator *gen = ctx->own[1];
	int r = err ? grove_gen_throw(gen, err, NULL) : grove_gen_next(gen, NULL);
	int failed = r == 1 ? EPROTO : r < 0 && errno != err ? errno : 0;

	ctx->own[1] = NULL;
	grove_generator_free(gen);
	return failed ? gr_fails(failed) : 0;
}

int grove_context_from(grove_context *ctx, grove_fn *body, void *arg)
{
	if (!ctx || !body)
		return gr_fails(EINVAL);
	*ctx = (grove_context){ .enter = enter_body, .exit = exit_body, .arg = arg, .own = { (void *)body, NULL } };
	return 0;
}

/* --- many at once ---------------------------------------------------------------------------------------------------------------------- */

struct entry {
	struct entry *outer;
	grove_context *ctx;		/* or, NULL: */
	void (*fn)(void *);
	void *arg;
};

struct grove_exit_stack {
	uint32_t magic;
	struct entry *last;
	grove_context ctx;
};

static bool is_stack(const grove_exit_stack *stack)
{
	return stack && stack->magic == STACK_MAGIC;
}

static int exit_stack(grove_context *ctx, int err)
{
	return grove_exit_stack_close(ctx->arg, err);
}

grove_exit_stack *grove_exit_stack_new(void)
{
	grove_exit_stack *stack = malloc(sizeof(*stack));

	if (!stack)
		return NULL;
	*stack = (grove_exit_stack){ .magic = STACK_MAGIC, .ctx = { .exit = exit_stack, .arg = stack } };
	return stack;
}

static int push(grove_exit_stack *stack, grove_context *ctx, void (*fn)(void *), void *arg)
{
	struct entry *e = malloc(sizeof(*e));

	if (!e)
		return -1;
	*e = (struct entry){ .outer = stack->last, .ctx = ctx, .fn = fn, .arg = arg };
	stack->last = e;
	return 0;
}

int grove_exit_stack_push(grove_exit_stack *stack, void (*fn)(void *), void *arg)
{
	return is_stack(stack) && fn ? push(stack, NULL, fn, arg) : gr_fails(EINVAL);
}

/* The place comes first: what has been entered must not be lost for want of memory. */
int grove_exit_stack_enter(grove_exit_stack *stack, grove_context *ctx)
{
	struct entry *e;

	if (!is_stack(stack) || !ctx)
		return gr_fails(EINVAL);
	e = malloc(sizeof(*e));
	if (!e)
		return -1;
	if (grove_context_enter(ctx) < 0) {
		free(e);
		return -1;
	}
	*e = (struct entry){ .outer = stack->last, .ctx = ctx };
	stack->last = e;
	return 0;
}

static void call(void (*fn)(void *), void *arg)
{
	struct quiet q __attribute__((cleanup(end_quiet))) = { .shielded = false };

	begin_quiet(&q);
	fn(arg);
}

int grove_exit_stack_close(grove_exit_stack *stack, int err)
{
	int failed = 0, was = errno;
	struct entry *e;

	if (!is_stack(stack) || err < 0)
		return gr_fails(EINVAL);
	while ((e = stack->last)) {
		struct entry now = *e;

		stack->last = e->outer;
		free(e);
		if (!now.ctx)
			call(now.fn, now.arg);
		else if (grove_context_exit(now.ctx, err) < 0)
			err = failed = errno;
	}
	errno = was;
	return failed ? gr_fails(failed) : 0;
}

grove_exit_stack *grove_exit_stack_pop_all(grove_exit_stack *stack)
{
	grove_exit_stack *other;

	if (!is_stack(stack))
		return gr_fails_null(EINVAL);
	other = grove_exit_stack_new();
	if (!other)
		return NULL;
	other->last = stack->last;
	stack->last = NULL;
	return other;
}

grove_context *grove_exit_stack_context(grove_exit_stack *stack)
{
	return is_stack(stack) ? &stack->ctx : gr_fails_null(EINVAL);
}

int grove_exit_stack_free(grove_exit_stack *stack)
{
	int r;

	if (!stack)
		return 0;
	r = grove_exit_stack_close(stack, 0);
	if (!is_stack(stack))
		return -1;
	stack->magic = 0;
	free(stack);
	return r;
}
