/*
 * clients.c - N downloads by libcurl, N queries by libpq and N commands by hiredis, all through blocking calls
 *
 *	clients sequential N	one after another
 *	clients greenlets N	all at once, on one kernel thread, by -lgrove and grove_patch()
 *
 * With greenlets every answer is held back until all 3 N calls are under way, by the servers' own counts: HTTP answers when N + 1
 * requests have come, queries wait for an advisory lock, commands are BLPOP of empty lists.  The controller makes the last request,
 * unlocks and pushes.  A client that blocks anybody else would wait for ever.  One after another nothing is held back.
 */
#include "../../demos/demo.h"
#include "../../demos/download/server.h"
#include <curl/curl.h>
#include <errno.h>
#include <grove.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>

#define SIZE	3000		/* of a file */
#define LOCK	"7"		/* the advisory lock */

static struct {
	int n;
	struct server http;
	PGconn *sql;		/* the controller's */
	redisContext *redis;	/* the controller's */
	int begun, ended, most;	/* calls */
	int begun_before_an_end;
	int right;		/* answers */
	long kernel_thread;	/* that of all calls; -1: of several */
} all;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "clients: %s: %s\n", what, why);
	exit(1);
}

/* --- what is counted --------------------------------------------------------------------------------------------------------- */

static void call_begins(void)
{
	long here = kernel_thread();

	if (all.begun++ == 0)
		all.kernel_thread = here;
	if (all.kernel_thread != here)
		all.kernel_thread = -1;
	if (all.begun - all.ended > all.most)
		all.most = all.begun - all.ended;
	if (all.ended == 0)
		all.begun_before_an_end = all.begun;
}

static void call_ends(bool right)
{
	all.ended++;
	all.right += right;
}

/* --- the three clients --------------------------------------------------------------------------------------------------------- */

struct body {
	int k;
	size_t len;
	bool right;
};

static size_t check_body(char *data, size_t one, size_t n, void *arg)
{
	struct body *b = arg;

	(void)one;
	for (size_t i = 0; i < n; i++)
		b->right &= (unsigned char)data[i] == server_byte(b->k, b->len++);
	return n;
}

static bool get(int k)
{
	struct body body = { .k = k, .right = true };
	CURL *curl = curl_easy_init();
	char url[64];
	CURLcode r;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/%d", all.http.port[k % all.http.ports], k);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, check_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	r = curl_easy_perform(curl);
	if (r != CURLE_OK)
		fprintf(stderr, "clients: %s: %s\n", url, curl_easy_strerror(r));
	curl_easy_cleanup(curl);
	return r == CURLE_OK && body.right && body.len == SIZE;
}

static void *download(void *arg)
{
	call_begins();
	call_ends(get((int)(long)arg));
	return NULL;
}

static PGconn *connect_sql(void)
{
	PGconn *db = PQconnectdb("");

	if (PQstatus(db) != CONNECTION_OK)
		die("PostgreSQL", PQerrorMessage(db));
	return db;
}

/* The first field of the answer, as a number */
static long ask_sql(PGconn *db, const char *query)
{
	PGresult *r = PQexec(db, query);
	long n;

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		die(query, PQerrorMessage(db));
	n = atol(PQgetvalue(r, 0, 0));
	PQclear(r);
	return n;
}

static void *query(void *arg)
{
	PGconn *db = connect_sql();
	char text[100];

	snprintf(text, sizeof(text), "SELECT %ld FROM pg_advisory_lock_shared(" LOCK ")", (long)arg);
	call_begins();
	call_ends(ask_sql(db, text) == (long)arg);
	PQfinish(db);
	return NULL;
}

static redisContext *connect_redis(void)
{
	redisContext *redis = redisConnect(getenv("REDIS_HOST"), atoi(getenv("REDIS_PORT")));

	if (!redis || redis->err)
		die("Redis", redis ? redis->errstr : "no memory");
	freeReplyObject(redisCommand(redis, "AUTH %s", getenv("REDIS_PASSWORD")));
	return redis;
}

static void *command(void *arg)
{
	redisContext *redis = connect_redis();
	redisReply *r;

	call_begins();
	r = redisCommand(redis, "BLPOP list:%ld 0", (long)arg);
	call_ends(r && r->elements == 2 && atol(r->element[1]->str) == (long)arg);
	freeReplyObject(r);
	redisFree(redis);
	return NULL;
}

static void push_all(void)
{
	for (long k = 0; k < all.n; k++)
		freeReplyObject(redisCommand(all.redis, "RPUSH list:%ld %ld", k, k));
}

static grove_fn *const kinds[] = { download, query, command };

/* --- the two ways ---------------------------------------------------------------------------------------------------------------- */

static void sequential(void)
{
	push_all();
	for (int kind = 0; kind < 3; kind++)
		for (long k = 0; k < all.n; k++)
			kinds[kind]((void *)k);
}

static int blocked_commands(void)
{
	redisReply *r = redisCommand(all.redis, "INFO clients");
	int n = atoi(strstr(r->str, "blocked_clients:") + strlen("blocked_clients:"));

	freeReplyObject(r);
	return n;
}

static int blocked_queries(void)
{
	return (int)ask_sql(all.sql, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
}

static void *controller(void *arg)
{
	while (all.http.counts->requests < all.n || blocked_queries() < all.n || blocked_commands() < all.n)
		usleep(10000);
	printf("the servers have %d requests, %d queries and %d commands, and have answered none\n", (int)all.http.counts->requests,
	       blocked_queries(), blocked_commands());
	printf("ended: %d\n", all.ended);
	ask_sql(all.sql, "SELECT pg_advisory_unlock(" LOCK ")::int");
	push_all();
	if (!get(all.n))
		die("the controller's request", "is wrong");
	return arg;
}

static void greenlets(void)
{
	grove_greenlet **g = calloc((size_t)(3 * all.n + 1), sizeof(*g));
	int n = 0;

	ask_sql(all.sql, "SELECT 1 FROM pg_advisory_lock(" LOCK ")");
	for (int kind = 0; kind < 3; kind++)
		for (long k = 0; k < all.n; k++)
			g[n++] = grove_spawn(kinds[kind], (void *)k);
	g[n++] = grove_spawn(controller, NULL);
	if (grove_joinall(g, (size_t)n, 0, GROVE_FOREVER, 0) != n)
		die("grove_joinall", strerror(errno));
	while (n > 0)
		grove_release(g[--n]);
	free(g);
}

int main(int argc, char **argv)
{
	bool at_once = argc > 1 && strcmp(argv[1], "greenlets") == 0;
	double begin;

	all.n = argc > 2 ? atoi(argv[2]) : 200;
	server_start(&all.http, 4, SIZE, 0, at_once ? all.n + 1 : 1);
	if (at_once && grove_patch() == -1) {
		puts("grove_patch() does not work here");
		return 1;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	all.sql = connect_sql();
	all.redis = connect_redis();
	begin = seconds_now();
	at_once ? greenlets() : sequential();
	fprintf(stderr, "%s: %.2f s\n", argv[1], seconds_now() - begin);
	printf("%d calls, %d right answers; under way at most: %d; begun before the first ended: %d\n", all.begun, all.right, all.most,
	       all.begun_before_an_end);
	printf("one kernel thread: %s\n", yes_no(all.kernel_thread == kernel_thread()));
	PQfinish(all.sql);
	redisFree(all.redis);
	server_stop(&all.http);
	return 0;
}
