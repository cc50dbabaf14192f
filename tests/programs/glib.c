/*
 * glib.c - GLib's threads, whose GMutex and GCond call futex(2) themselves: pools, asynchronous queues, main loops, timed waits
 *
 * Prints only what does not depend on the order in which threads run.
 */
#include <glib.h>

static GMutex mutex;
static GCond cond;
static int turn, total;

static gpointer take_turns(gpointer arg)
{
	int me = GPOINTER_TO_INT(arg);

	for (int i = 0; i < 100; i++) {
		g_mutex_lock(&mutex);
		while (turn % 10 != me)
			g_cond_wait(&cond, &mutex);
		turn++;
		total += me;
		g_cond_broadcast(&cond);
		g_mutex_unlock(&mutex);
	}
	return arg;
}

static void turns(void)
{
	GThread *threads[10];
	int sum = 0;

	for (int i = 0; i < 10; i++)
		threads[i] = g_thread_new("turns", take_turns, GINT_TO_POINTER(i));
	for (int i = 0; i < 10; i++)
		sum += GPOINTER_TO_INT(g_thread_join(threads[i]));
	g_print("turns %d, total %d, results %d\n", turn, total, sum);
}

static void square(gpointer data, gpointer queue)
{
	int n = GPOINTER_TO_INT(data);

	if (n % 50 == 0)
		g_usleep(1000);
	g_async_queue_push(queue, GINT_TO_POINTER(n * n % 1000 + 1));
}

static void pools(void)
{
	GAsyncQueue *queue = g_async_queue_new();
	GThreadPool *pool = g_thread_pool_new(square, queue, 20, FALSE, NULL);
	int sum = 0;

	for (int i = 1; i <= 2000; i++)
		g_thread_pool_push(pool, GINT_TO_POINTER(i), NULL);
	for (int i = 1; i <= 2000; i++)
		sum += GPOINTER_TO_INT(g_async_queue_pop(queue));
	g_thread_pool_free(pool, FALSE, TRUE);
	g_print("pool %d, left %d, timed out %d\n", sum, g_async_queue_length(queue), g_async_queue_timeout_pop(queue, 5000) == NULL);
	g_async_queue_unref(queue);
}

/* --- a main loop in a thread of its own, called from many others ----------------------------------------------------------- */

static int calls;	/* touched only in the loop's thread */

static gboolean called(gpointer arg)
{
	(void)arg;
	calls++;
	return G_SOURCE_REMOVE;
}

static gboolean quit(gpointer loop)
{
	g_main_loop_quit(loop);
	return G_SOURCE_REMOVE;
}

static gpointer run_loop(gpointer loop)
{
	g_main_context_push_thread_default(g_main_loop_get_context(loop));
	g_main_loop_run(loop);
	g_main_context_pop_thread_default(g_main_loop_get_context(loop));
	return NULL;
}

static gpointer call_loop(gpointer loop)
{
	for (int i = 0; i < 50; i++)
		g_main_context_invoke(g_main_loop_get_context(loop), called, NULL);
	return NULL;
}

static void loops(void)
{
	GMainContext *context = g_main_context_new();
	GMainLoop *loop = g_main_loop_new(context, FALSE);
	GThread *runner = g_thread_new("loop", run_loop, loop), *callers[20];
	GSource *last = g_timeout_source_new(20);

	while (!g_main_loop_is_running(loop))		/* or invoke() would run the call in the caller */
		g_usleep(1000);
	for (int i = 0; i < 20; i++)
		callers[i] = g_thread_new("caller", call_loop, loop);
	for (int i = 0; i < 20; i++)
		g_thread_join(callers[i]);
	g_source_set_callback(last, quit, loop, NULL);
	g_source_attach(last, context);
	g_thread_join(runner);
	g_print("loop %d\n", calls);
	g_source_unref(last);
	g_main_loop_unref(loop);
	g_main_context_unref(context);
}

/* --- reader-writer locks, recursive locks, once, private data, timed waits ------------------------------------------------- */

static GRWLock rw;
static GRecMutex recursive;
static int shared_value, torn, initialised;
static GPrivate mine = G_PRIVATE_INIT(g_free);
static GThread *writers[5], *readers[20];

static gpointer init_once(gpointer arg)
{
	(void)arg;
	g_usleep(2000);
	return GINT_TO_POINTER(++initialised);
}

static gpointer writer(gpointer once)
{
	g_once((GOnce *)once, init_once, NULL);
	for (int i = 0; i < 200; i++) {
		g_rw_lock_writer_lock(&rw);
		shared_value++;
		if (i % 20 == 0)
			g_thread_yield();
		shared_value++;
		g_rw_lock_writer_unlock(&rw);
	}
	return NULL;
}

static gpointer reader(gpointer once)
{
	g_once((GOnce *)once, init_once, NULL);
	g_private_set(&mine, g_strdup_printf("%p", (void *)g_thread_self()));
	for (int i = 0; i < 200; i++) {
		g_rw_lock_reader_lock(&rw);
		g_atomic_int_add(&torn, shared_value % 2);
		g_rw_lock_reader_unlock(&rw);
		g_rec_mutex_lock(&recursive);
		g_rec_mutex_lock(&recursive);
		g_rec_mutex_unlock(&recursive);
		g_rec_mutex_unlock(&recursive);
	}
	char *me = g_strdup_printf("%p", (void *)g_thread_self());
	gboolean same = g_str_equal(me, g_private_get(&mine));

	g_free(me);
	return GINT_TO_POINTER(same);
}

static void locks(void)
{
	GOnce once = G_ONCE_INIT;
	int own = 0;
	gint64 deadline;

	for (int i = 0; i < 5; i++)
		writers[i] = g_thread_new("writer", writer, &once);
	for (int i = 0; i < 20; i++)
		readers[i] = g_thread_new("reader", reader, &once);
	for (int i = 0; i < 5; i++)
		g_thread_join(writers[i]);
	for (int i = 0; i < 20; i++)
		own += GPOINTER_TO_INT(g_thread_join(readers[i]));
	g_print("locks %d, torn %d, own %d, once %d\n", shared_value, torn, own, initialised);
	g_mutex_lock(&mutex);
	deadline = g_get_monotonic_time() + 10000;
	while (g_cond_wait_until(&cond, &mutex, deadline))
		;
	g_mutex_unlock(&mutex);
	g_print("timed wait %d\n", g_get_monotonic_time() >= deadline);
}

int main(void)
{
	turns();
	pools();
	loops();
	locks();
	return 0;
}
