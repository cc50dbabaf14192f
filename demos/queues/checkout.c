/*
 * checkout.c - an asynchronous context: a pool's check-out that is given back whatever happens, also when its user is cancelled
 *
 * Entering may wait, for a connection to be free.  Leaving may wait too, for the commit or the rollback; and it does even in a greenlet
 * that was killed, since grove shields it.  So Ben, cancelled in the middle of his query, still rolls back and gives his
 * connection back, and Cora gets it.
 */
#include <errno.h>
#include <grove.h>
#include <stdio.h>
#include <string.h>

static grove_queue *pool;		/* of numbers of connections */
static grove_greenlet *anna, *ben, *cora;

static int check_out(grove_context *ctx)
{
	return grove_queue_get(pool, &ctx->value, GROVE_FOREVER);
}

/* @err is 0 only when the block was run to its end. */
static int check_in(grove_context *ctx, int err)
{
	grove_sleep(GROVE_MS(10));
	printf("%s: connection %ld: %s\n", (const char *)ctx->arg, (long)ctx->value, err ? "rolled back" : "committed");
	return grove_queue_put(pool, ctx->value, GROVE_FOREVER);
}

/* Anna's takes until Cora's is done, Ben's for ever. */
static int query(const char *name)
{
	if (strcmp(name, "Anna") == 0)
		return grove_join(cora, GROVE_FOREVER);
	return grove_sleep(strcmp(name, "Ben") == 0 ? GROVE_SEC(3600) : GROVE_MS(10));
}

static void *user(void *name)
{
	grove_context c = GROVE_CONTEXT(check_out, check_in, name);

	GROVE_WITH(&c) {
		printf("%s: connection %ld: begins a transaction\n", (const char *)name, (long)c.value);
		if (query(name) == -1) {
			printf("%s: query failed: %s\n", (const char *)name, strerrorname_np(errno));
			break;
		}
	}
	return NULL;
}

int main(void)
{
	pool = grove_queue_new(2);
	grove_queue_put(pool, (void *)1L, GROVE_FOREVER);
	grove_queue_put(pool, (void *)2L, GROVE_FOREVER);
	anna = grove_spawn(user, "Anna");
	ben = grove_spawn(user, "Ben");
	cora = grove_spawn(user, "Cora");
	grove_idle();
	puts("both connections are in use, Cora waits; Ben is cancelled");
	grove_kill(ben, GROVE_FOREVER);
	grove_join(anna, GROVE_FOREVER);
	printf("in the pool: %zu\n", grove_queue_size(pool));
	grove_release(anna);
	grove_release(ben);
	grove_release(cora);
	grove_queue_free(pool);
	return 0;
}
