/*
 * hub.c - the loop under the greenlets: signals, callbacks, watchers of libev, descriptors, children; and how a program ends
 *
 * grove_run() runs a function to its end, then kills what is left and says what that was.  A program in which everybody waits for
 * somebody does not hang: main's wait fails with EDEADLK, and standard error has the list of who waits for what.
 */
#include <errno.h>
#include <ev.h>
#include <grove.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static grove_event *told;

static void on_signal(int sig, void *arg)
{
	(void)arg;
	printf("signal %s, in a greenlet\n", sigabbrev_np(sig));
	grove_event_set(told);
}

static void soon(void *arg)
{
	printf("%s\n", (char *)arg);
}

static void *thread(void *arg)
{
	grove_call_soon_threadsafe(soon, "called from a kernel thread");
	return arg;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	printf("a watcher of libev's\n");
	grove_future_set(w->data, NULL);
}

static void watcher(void)
{
	grove_future *f = grove_future_new();
	ev_timer timer;

	ev_timer_init(&timer, on_timer, .01, 0.);
	timer.data = f;
	ev_timer_start(grove_loop(), &timer);
	grove_run_until(f);
	grove_future_release(f);
}

static void child(void)
{
	int ends[2], status;
	char word;
	grove_child *c;
	grove_object *list[1];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 || (pid = fork()) < 0)
		return;
	if (pid == 0)			/* greenlets here too: it waits for a word, and answers */
		_exit(grove_recv(ends[1], &word, 1, GROVE_SEC(60)) == 1 && grove_sendall(ends[1], "x", 1, GROVE_SEC(60)) == 0 ? 7 : 1);
	printf("socket, at once: %s\n", grove_wait_read(ends[0], 0) < 0 ? strerrorname_np(errno) : "ready");
	grove_sendall(ends[0], "x", 1, GROVE_FOREVER);
	printf("socket, later: %s\n", grove_wait_read(ends[0], GROVE_FOREVER) < 0 ? strerrorname_np(errno) : "ready");
	list[0] = c = grove_child_new(pid);
	printf("children that have ended: %d\n", grove_wait(list, 1, 0, GROVE_FOREVER, NULL));
	waitpid(pid, &status, 0);
	printf("status %d\n", WEXITSTATUS(status));
	grove_child_free(c);
	close(ends[0]);
	close(ends[1]);
}

static void *left_over(void *arg)
{
	grove_event_clear(told);
	printf("left over: %s\n", grove_event_wait(told, GROVE_FOREVER) < 0 ? strerrorname_np(errno) : "0");
	return arg;
}

static void *body(void *arg)
{
	told = grove_event_new();
	grove_signal(SIGUSR1, on_signal, NULL);
	kill(getpid(), SIGUSR1);
	grove_event_wait(told, GROVE_FOREVER);
	grove_signal(SIGUSR1, NULL, NULL);
	grove_call_soon(soon, "called soon");
	grove_to_thread(thread, NULL, NULL, GROVE_FOREVER);
	grove_yield();
	watcher();
	child();
	grove_spawn_raw(left_over, NULL);
	grove_idle();
	return arg;
}

static void *wants_ever(void *event)
{
	grove_event_wait(event, GROVE_FOREVER);
	return NULL;
}

int main(void)
{
	grove_event *never = grove_event_new();
	void *value;

	printf("run: %d", grove_run(body, "done", &value));
	printf(", %s\n", (char *)value);
	grove_spawn_raw(wants_ever, never);
	printf("nobody sets it: %s\n", grove_event_wait(never, GROVE_FOREVER) < 0 ? strerrorname_np(errno) : "0");
	grove_shutdown(GROVE_SEC(1));
	grove_event_free(never);
	grove_event_free(told);
	return 0;
}
