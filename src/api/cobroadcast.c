/*
 * cobroadcast.c - push pipelines: a coroutine that sends what it gets to others
 */
#include "api.h"
#include <grove/pipeline.h>
#include <stdlib.h>
#include <string.h>

#define MOST	((size_t)1 << 40)

struct broadcast {
	size_t n;
	grove_generator *target[];
};

/* To all that are left.  How many that is, or -1. */
static int send_to_all(const struct broadcast *b, void *value, int thrown)
{
	int left = 0;

	for (size_t i = 0; i < b->n; i++) {
		grove_generator *t = b->target[i];
		int r;

		if (grove_gen_state(t) == GROVE_GEN_CLOSED)
			continue;
		r = thrown ? grove_gen_throw(t, thrown, NULL) : grove_gen_send(t, value, NULL);
		if (r < 0)
			return -1;
		left += r;
	}
	return left;
}

static void *cobroadcast(void *arg)
{
	struct broadcast *b = arg;
	int left = 1;

	while (left > 0) {
		void *value = grove_gen_yield(NULL);
		int thrown = value ? 0 : errno;

		if (thrown == ECANCELED)
			break;
		left = send_to_all(b, value, thrown);
	}
	if (left < 0)
		grove_gen_fail(errno);
	free(b);
	return NULL;
}

grove_generator *grove_cobroadcast_new(grove_generator *const *targets, size_t n)
{
	struct broadcast *b;
	grove_generator *gen;

	GR_ANYWHERE((grove_generator *)NULL, grove_cobroadcast_new, targets, n);
	if (!targets || !n || n > MOST)
		return gr_fails_null(EINVAL);
	for (size_t i = 0; i < n; i++)
		if (!gr_is(targets[i], GR_GENERATOR))
			return gr_fails_null(EINVAL);
	b = malloc(sizeof(*b) + n * sizeof(b->target[0]));
	if (!b)
		return NULL;
	b->n = n;
	memcpy(b->target, targets, n * sizeof(b->target[0]));
	gen = grove_coroutine_new(cobroadcast, b);
	if (!gen)
		free(b);
	return gen;
}
