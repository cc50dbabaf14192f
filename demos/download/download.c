/*
 * download.c - many downloads at once through a blocking library: one after another, by threads, by greenlets
 *
 *	download		all three, with their times on standard error
 *
 * fetch() is ordinary blocking libcurl: curl_easy_perform() returns when the file is there, and writes it to disk in pieces of at most
 * 1,024 bytes as they come.  It is the same function three times.  Greenlets need no callbacks and no multi interface, and cost no
 * kernel threads: grove_patch() makes the poll() and recv() within libcurl park their greenlet.
 *
 * Each way runs in a process of its own, since a patched process stays patched.
 * Needs: libcurl4-openssl-dev
 */
#include "../demo.h"
#include "server.h"
#include <curl/curl.h>
#include <grove.h>
#include <sys/wait.h>

#define FILES	8
#define SIZE	(16 * 1024)

static struct server server;
static long kernel_threads[FILES];

struct target {
	FILE *file;
	size_t largest;
};

static size_t write_piece(char *data, size_t one, size_t n, void *arg)
{
	struct target *t = arg;

	(void)one;
	if (n > t->largest)
		t->largest = n;
	return fwrite(data, 1, n, t->file);
}

static void *fetch(void *arg)
{
	int k = (int)(long)arg;
	struct target t = { 0 };
	char url[64], name[64];
	CURL *curl = curl_easy_init();
	CURLcode r;

	kernel_threads[k] = kernel_thread();
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/%d", server.port[k % server.ports], k);
	snprintf(name, sizeof(name), "file.%d", k);
	t.file = fopen(name, "w");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 1024L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_piece);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	r = curl_easy_perform(curl);
	if (r != CURLE_OK || t.largest > 1024)
		printf("%s: %s, largest piece %zu\n", name, curl_easy_strerror(r), t.largest);
	curl_easy_cleanup(curl);
	fclose(t.file);
	return NULL;
}

static void one_after_another(void)
{
	for (long k = 0; k < FILES; k++)
		fetch((void *)k);
}

static void by_threads(void)
{
	pthread_t thread[FILES];

	for (long k = 0; k < FILES; k++)
		pthread_create(&thread[k], NULL, fetch, (void *)k);
	for (int k = 0; k < FILES; k++)
		pthread_join(thread[k], NULL);
}

static void by_greenlets(void)
{
	grove_greenlet *g[FILES];

	if (grove_patch() == -1)
		exit(1);
	for (long k = 0; k < FILES; k++)
		g[k] = grove_spawn(fetch, (void *)k);
	grove_joinall(g, FILES, 0, GROVE_FOREVER, 0);
	for (int k = 0; k < FILES; k++)
		grove_release(g[k]);
}

static bool good_file(int k)
{
	char name[64];
	FILE *f;
	size_t at = 0;
	int c;

	snprintf(name, sizeof(name), "file.%d", k);
	f = fopen(name, "r");
	while (f && (c = getc(f)) != EOF && c == server_byte(k, at))
		at++;
	if (f)
		fclose(f);
	unlink(name);
	return at == SIZE;
}

static int run(const char *name, void (*way)(void))
{
	double begin = seconds_now();
	int good = 0;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	way();
	fprintf(stderr, "%-18s %.2f s\n", name, seconds_now() - begin);
	for (int k = 0; k < FILES; k++)
		good += good_file(k);
	printf("%s: %d of %d files are right, %s at once, on %d kernel thread%s\n", name, good, FILES,
	       server.counts->most_in_flight > 1 ? "many" : "one", count_different(kernel_threads, FILES),
	       count_different(kernel_threads, FILES) > 1 ? "s" : "");
	return 0;
}

static int in_a_process(const char *name, void (*way)(void))
{
	int status = 1;
	pid_t pid;

	server_start(&server, 4, SIZE, 15000, 1);
	pid = fork();
	if (pid == 0)
		exit(run(name, way));
	waitpid(pid, &status, 0);
	server_stop(&server);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(void)
{
	int r = in_a_process("one after another", one_after_another);

	if (r == 0)
		r = in_a_process("threads", by_threads);
	if (r == 0)
		r = in_a_process("greenlets", by_greenlets);
	return r;
}
