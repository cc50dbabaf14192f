/*
 * connections.c - C10K: 10,000 connections at once, a blocking handler for each, one kernel thread
 *
 * The server is grove/server.h with a handler of four lines; a second process, with a greenlet for each client, connects ten
 * thousand times, and only then do all of them talk, so all connections are there at the same time.  A thread for each would be
 * ten thousand kernel threads.  Each process needs as many descriptors as there are connections; where the limit is lower, there
 * are fewer (see standard error, which has the figures as well).
 */
#include "../demo.h"
#include <dirent.h>
#include <grove.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define WANTED		10000
#define SPARE		200	/* descriptors for other things; grove's own are beyond */
#define DIALLING	500	/* at a time, so that the kernel's queue of new connections does not overflow */

static grove_server *server;
static int wanted = WANTED;
static size_t most;
static int most_threads;

static int count_kernel_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int n = 0;

	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void serve(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	char buf[64];
	ssize_t n;

	(void)peer;
	(void)len;
	(void)arg;
	while ((n = grove_recv(fd, buf, sizeof(buf), GROVE_FOREVER)) > 0) {
		if (grove_server_handlers(server) > most) {
			most = grove_server_handlers(server);
			most_threads = count_kernel_threads();
		}
		grove_sendall(fd, buf, (size_t)n, GROVE_FOREVER);
	}
}

/* --- the other process ------------------------------------------------------------------------------------------------------ */

static grove_semaphore *dialling;
static grove_barrier *all_there, *all_answered;
static int right;

static void *client(void *arg)
{
	char line[32], buf[32];
	int n = snprintf(line, sizeof(line), "I am number %d", (int)(intptr_t)arg), fd;

	grove_semaphore_acquire(dialling, GROVE_FOREVER);
	fd = grove_dial(grove_server_address(server), GROVE_FOREVER);
	grove_semaphore_release(dialling);
	grove_barrier_wait(all_there, GROVE_FOREVER);
	if (fd >= 0 && grove_sendall(fd, line, (size_t)n, GROVE_FOREVER) == 0 &&
	    grove_recv(fd, buf, sizeof(buf), GROVE_FOREVER) == n)
		right += !memcmp(line, buf, (size_t)n);
	grove_barrier_wait(all_answered, GROVE_FOREVER);
	close(fd);
	return NULL;
}

static void be_clients(void)
{
	grove_group *clients = grove_group_new();

	dialling = grove_semaphore_new(DIALLING);
	all_there = grove_barrier_new((unsigned)wanted);
	all_answered = grove_barrier_new((unsigned)wanted);
	for (intptr_t i = 0; i < wanted; i++)
		if (grove_group_spawn_raw(clients, client, (void *)i) < 0) {
			perror("connections: client");
			_exit(1);
		}
	grove_group_join(clients, GROVE_FOREVER, 0);
	_exit(right != wanted);
}

static void look_at_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < WANTED + SPARE ? limit.rlim_max : WANTED + SPARE;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < WANTED + SPARE) {
		wanted = limit.rlim_cur > 2 * SPARE ? (int)limit.rlim_cur - SPARE : SPARE / 2;
		fprintf(stderr, "the limit of open files is %ld: %d connections instead of %d\n", (long)limit.rlim_cur, wanted,
			WANTED);
	}
}

int main(void)
{
	struct rusage usage;
	int pid, status;
	grove_child *child;
	grove_object *object;
	double begin;

	look_at_limit();
	server = grove_server_new("127.0.0.1:0", serve, NULL, NULL);
	if (!server) {
		perror("connections");
		return 1;
	}
	begin = seconds_now();
	pid = fork();
	if (pid == 0)
		be_clients();
	grove_server_start(server);
	child = grove_child_new(pid);
	object = child;
	grove_wait(&object, 1, 0, GROVE_FOREVER, NULL);
	waitpid(pid, &status, 0);
	grove_child_free(child);
	printf("all clients had the right answer: %s\n", yes_no(status == 0));
	printf("all connections were there at once: %s\n", yes_no(most == (size_t)wanted));
	printf("kernel threads of the server: %d\n", most_threads);
	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, "%d connections in %.2f s; server: %.1f KB each, %.2f s of CPU time\n", wanted, seconds_now() - begin,
		(double)usage.ru_maxrss / wanted, (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
		(double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
	grove_server_stop(server, GROVE_SEC(5));
	grove_server_free(server);
	return 0;
}
