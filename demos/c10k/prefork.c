/*
 * prefork.c - all CPUs: worker processes, each with its greenlets, and a master that looks after them
 *
 * Greenlets of one process share one kernel thread.  For more CPUs there are more processes: four here, so that the picture is
 * the same on all machines; grove_prefork(0, ...) takes as many as there are CPUs.  Each makes a socket of its own at the same
 * port (GROVE_REUSE_PORT), the kernel spreads the connections, and each serves a hundred or so at the same time.  One worker is
 * killed, and its number lives on in another process; then SIGTERM ends them all, and who is connected may finish.
 */
#include "../demo.h"
#include <arpa/inet.h>
#include <grove.h>
#include <signal.h>
#include <sys/socket.h>

#define WORKERS	4
#define CLIENTS	400

static char address[GROVE_ADDRESS_MAX];
static int up[2];			/* workers say here that they listen */

/* --- workers ---------------------------------------------------------------------------------------------------------------- */

static void serve(int fd, const struct sockaddr *peer, socklen_t len, void *number)
{
	unsigned answer[2] = { *(unsigned *)number, (unsigned)getpid() };
	char c;

	(void)peer;
	(void)len;
	while (grove_recv(fd, &c, 1, GROVE_FOREVER) == 1)
		grove_sendall(fd, answer, sizeof(answer), GROVE_FOREVER);
}

static int work(unsigned number, void *arg)
{
	struct grove_server_attr attr = { .size = sizeof(attr), .flags = GROVE_REUSE_PORT, .grace = GROVE_SEC(5) };
	grove_server *server = grove_server_new(address, serve, &number, &attr);

	(void)arg;
	if (!server)
		return 1;
	grove_sendall(up[1], &number, sizeof(number), GROVE_FOREVER);
	grove_server_serve_forever(server);	/* SIGTERM: it fails with ECANCELED, after the handlers had their grace */
	return 0;
}

/* --- clients ---------------------------------------------------------------------------------------------------------------- */

static unsigned served[WORKERS];	/* clients of each */
static int right;
static grove_barrier *all_there;

static bool ask(int fd, unsigned ret_answer[2])
{
	return grove_sendall(fd, "?", 1, GROVE_SEC(9)) == 0 && grove_recv(fd, ret_answer, 2 * sizeof(unsigned), GROVE_SEC(9)) > 0;
}

static void *client(void *arg)
{
	int fd = grove_dial(address, GROVE_SEC(9));
	unsigned answer[2];

	(void)arg;
	if (ask(fd, answer) && answer[0] < WORKERS) {
		served[answer[0]]++;
		right++;
	}
	grove_barrier_wait(all_there, GROVE_SEC(9));	/* nobody hangs up before all are served */
	close(fd);
	return NULL;
}

static void wait_for_workers(int n)
{
	unsigned number;

	while (n--)
		grove_recv(up[0], &number, sizeof(number), GROVE_SEC(9));
}

/* A socket that is bound but does not listen keeps a port for the workers. */
static int choose_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || grove_local_address(fd, address, sizeof(address)) < 0) {
		perror("prefork");
		exit(1);
	}
	return fd;
}

static struct grove_prefork_result result;

static void *be_master(void *master)
{
	grove_master_run(master, &result);
	return NULL;
}

static void serve_many(void)
{
	grove_group *clients = grove_group_new();
	bool share = true;

	all_there = grove_barrier_new(CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		grove_group_spawn_raw(clients, client, NULL);
	grove_group_join(clients, GROVE_FOREVER, 0);
	for (int i = 0; i < WORKERS; i++) {
		share &= served[i] > 0;
		fprintf(stderr, "worker %d: %u clients at once\n", i, served[i]);
	}
	printf("%d clients at once had their answers: %s\n", CLIENTS, yes_no(right == CLIENTS));
	printf("each of %d workers had its share: %s\n", WORKERS, yes_no(share));
	grove_group_free(clients);
	grove_barrier_free(all_there);
}

static void kill_one(grove_master *master)
{
	int old = grove_master_pid(master, 0);

	kill(old, SIGKILL);
	wait_for_workers(1);
	printf("a worker was killed, and another process has its number: %s\n",
	       yes_no(grove_master_pid(master, 0) > 0 && grove_master_pid(master, 0) != old));
}

static void end_all(grove_greenlet *runs)
{
	unsigned answer[2];
	int fd = grove_dial(address, GROVE_SEC(9));
	bool still = ask(fd, answer);

	kill(getpid(), SIGTERM);
	grove_sleep(GROVE_MS(20));
	still &= ask(fd, answer);
	printf("SIGTERM: who was connected is still served: %s\n", yes_no(still));
	close(fd);
	grove_join(runs, GROVE_FOREVER);
	printf("workers stopped: %u, killed because they did not: %u\n", result.stopped, result.killed);
}

int main(void)
{
	struct grove_prefork_attr attr = { .size = sizeof(attr), .min_delay = GROVE_MS(10) };
	grove_master *master = grove_master_new(WORKERS, work, NULL, &attr);
	int keeps_port = choose_port();
	grove_greenlet *runs;

	if (!master || socketpair(AF_UNIX, SOCK_DGRAM, 0, up) < 0)
		return 1;
	fprintf(stderr, "%u CPUs\n", grove_cpu_count());
	runs = grove_spawn(be_master, master);
	wait_for_workers(WORKERS);
	serve_many();
	kill_one(master);
	end_all(runs);
	grove_release(runs);
	grove_master_free(master);
	close(keeps_port);
	return 0;
}
