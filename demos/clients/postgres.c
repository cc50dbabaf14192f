/*
 * postgres.c - ten queries at once through libpq's blocking calls, on one kernel thread
 *
 *	with_postgres postgres		beside a real server of its own; any other is found by PGHOST, PGPORT, PGUSER ...
 *
 * PQexec() sends a query and waits in poll() for the answer.  libpq has an asynchronous interface too, with a state machine to drive
 * by hand; with greenlets the blocking one is enough.  Each query takes 0.3 s of the server's time: one after another 3 s, by greenlets
 * 0.3 s.  A connection can do one query at a time, so each greenlet has its own.
 *
 * Needs: libpq-dev
 */
#include "../demo.h"
#include <grove.h>
#include <libpq-fe.h>

#define N 10

static PGconn *db[N];
static int under_way, most;

static void *connect_one(void *arg)
{
	db[(long)arg] = PQconnectdb("");
	return NULL;
}

static void *query_one(void *arg)
{
	char query[100];
	PGresult *r;
	long i = (long)arg, answer = -1;

	snprintf(query, sizeof(query), "SELECT %ld * %ld FROM pg_sleep(0.3)", i, i);
	if (++under_way > most)
		most = under_way;
	r = PQexec(db[i], query);
	under_way--;
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		answer = atol(PQgetvalue(r, 0, 0));
	else
		fprintf(stderr, "%s", PQerrorMessage(db[i]));
	PQclear(r);
	return (void *)answer;
}

static void all_at_once(grove_fn *fn, void **ret_value)
{
	grove_greenlet *g[N];

	for (long i = 0; i < N; i++)
		g[i] = grove_spawn(fn, (void *)i);
	for (int i = 0; i < N; i++) {
		grove_get(g[i], &ret_value[i], GROVE_FOREVER);
		grove_release(g[i]);
	}
}

static void one_after_another(grove_fn *fn, void **ret_value)
{
	for (long i = 0; i < N; i++)
		ret_value[i] = fn((void *)i);
}

static void ask(const char *how, void (*way)(grove_fn *, void **))
{
	void *answer[N];
	double begin = seconds_now();

	most = 0;
	way(query_one, answer);
	fprintf(stderr, "%s: %.2f s\n", how, seconds_now() - begin);
	printf("%s:", how);
	for (int i = 0; i < N; i++)
		printf(" %ld", (long)answer[i]);
	printf("; under way at once: %d\n", most);
}

int main(void)
{
	void *none[N];

	if (!getenv("PGHOST")) {
		puts("PGHOST is not set: run it by with_postgres");
		return 77;
	}
	if (grove_patch() == -1)
		return 1;
	all_at_once(connect_one, none);
	if (PQstatus(db[0]) != CONNECTION_OK) {
		fprintf(stderr, "%s", PQerrorMessage(db[0]));
		return 1;
	}
	ask("one after another", one_after_another);
	ask("by greenlets", all_at_once);
	for (int i = 0; i < N; i++)
		PQfinish(db[i]);
	return 0;
}
