/* notify.c - descriptors that tell of processes, files and clocks: pidfd, inotify, fanotify, timerfd, memfd; and fanotify's questions */
#include "inside.h"
#include <linux/userfaultfd.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

/* --- processes ----------------------------------------------------------------------------------------------------------- */

static int pidfd, go[2];
static siginfo_t info;

static pid_t child_until_told(void)
{
	char c;
	pid_t pid = (pid_t)MUST(fork());

	if (pid)
		return pid;
	close(go[1]);
	read(go[0], &c, 1);
	_exit(7);
}

static long wait_pidfd(void)
{
	return waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
}

static long poll_pidfd(void)
{
	return poll(&(struct pollfd){ pidfd, POLLIN, 0 }, 1, -1);
}

static void tell(void)
{
	MUST(write(go[1], "x", 1));
}

static void processes(void)
{
	say("-- pidfd");
	must_pipe(go);
	pid_t pid = child_until_told();
	pidfd = MUST(pidfd_open(pid, 0));
	R("poll, 5 ms", poll(&(struct pollfd){ pidfd, POLLIN, 0 }, 1, 5));
	R("waitid, WNOHANG", waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG));
	R("poll", inside("poll", poll_pidfd, tell));
	R("waitid", waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
	say("status %d", info.si_status);
	R("again", waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
	R("a signal to one that has ended", pidfd_send_signal(pidfd, SIGUSR1, NULL, 0));
	close(pidfd);

	pid = child_until_told();
	pidfd = MUST(pidfd_open(pid, 0));
	R("waitid", inside("waitid", wait_pidfd, tell));
	say("status %d, same pid %d", info.si_status, info.si_pid == pid);
	close(pidfd);

	pid = child_until_told();
	pidfd = MUST(pidfd_open(pid, 0));
	int mine = pidfd_getfd(pidfd, go[0], 0);
	YES("a descriptor of the child's", mine >= 0);
	R("kill", pidfd_send_signal(pidfd, SIGKILL, NULL, 0));
	R("waitid", waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
	say("status %d, killed %d", info.si_status, info.si_code == CLD_KILLED);
	close(mine);
	close(pidfd);
	R("no such process", pidfd_open(0x3ffffff, 0));
	close2(go);
}

/* --- files ------------------------------------------------------------------------------------------------------------------ */

static int watch;
static union {
	char bytes[4096];
	struct inotify_event file;
	struct fanotify_event_metadata question;
} event;

static long read_watch(void)
{
	return read(watch, &event, sizeof(event)) > 0;
}

static long epoll_watch(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC));

	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, watch, &ev));
	long n = epoll_wait(ep, &ev, 1, -1);
	close(ep);
	return n;
}

static void touch(void)
{
	close(MUST(open("watched", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
}

static void remove_it(void)
{
	MUST(unlink("watched"));
}

static void files(void)
{
	say("-- inotify");
	watch = MUST(inotify_init1(IN_CLOEXEC));
	MUST(inotify_add_watch(watch, ".", IN_CREATE | IN_DELETE));
	R("read", inside("read", read_watch, touch));
	say("%s created %d", event.file.name, !!(event.file.mask & IN_CREATE));
	R("epoll", inside("epoll", epoll_watch, remove_it));
	YES("read", read_watch());
	say("%s deleted %d", event.file.name, !!(event.file.mask & IN_DELETE));
	close(watch);
}

/* --- questions: a thread answers for files that the others open ------------------------------------------------------------------ */

static int asked;

static void *answer(void *arg)
{
	(void)arg;
	for (;;) {
		ssize_t n = read(watch, &event, sizeof(event));
		struct fanotify_event_metadata *q = &event.question;

		if (n <= 0)
			return NULL;
		for (; FAN_EVENT_OK(q, n); q = FAN_EVENT_NEXT(q, n)) {
			struct stat st;
			struct fanotify_response a = { .fd = q->fd, .response = FAN_ALLOW };

			if (q->mask & FAN_OPEN_PERM && fstat(q->fd, &st) == 0 && st.st_size == 3)
				a.response = FAN_DENY;
			__atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
			if (write(watch, &a, sizeof(a)) != sizeof(a))
				say("no answer");
			if (q->fd >= 0)
				close(q->fd);
		}
	}
}

static void put(const char *name, const char *text)
{
	int fd = MUST(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void questions(void)
{
	char buf[16] = "";

	say("-- fanotify");
	put("good", "hello");
	put("bad", "no\n");
	int warm = MUST(open("good", O_RDONLY | O_CLOEXEC));
	MUST(pread(warm, buf, sizeof(buf), 0));
	R("mark nothing", fanotify_mark(-1, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "good"));
	watch = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	if (watch == -1) {
		say("not allowed here");
		return;
	}
	for (int i = 0; i < 2; i++)
		R("mark", fanotify_mark(watch, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_ACCESS_PERM, AT_FDCWD, i ? "bad" : "good"));
	pthread_t t = start(answer, NULL);
	int fd = open("good", O_RDONLY | O_CLOEXEC);
	YES("open", fd >= 0);
	R("read", read(fd, buf, sizeof(buf)));
	say("%s", buf);
	R("read one opened before", pread(warm, buf, sizeof(buf), 0));
	R("open another", open("bad", O_RDONLY | O_CLOEXEC));
	FILE *f = fopen("good", "re");
	YES("fgets", f && fgets(buf, sizeof(buf), f));
	fclose(f);
	say("asked %d", t_get(&asked));
	close(fd);
	close(warm);
	R("unmark", fanotify_mark(watch, FAN_MARK_FLUSH, 0, AT_FDCWD, NULL));
	R("open", open("bad", O_RDONLY | O_CLOEXEC) >= 0);
	pthread_cancel(t);
	join(t);
	close(watch);
}

/* --- clocks, memory ------------------------------------------------------------------------------------------------------------- */

static long read_timer(void)
{
	uint64_t n;

	return read(watch, &n, sizeof(n)) == sizeof(n) ? (long)n : -1;
}

static void set_timer(void)
{
	struct itimerspec it = { .it_value = in(CLOCK_REALTIME, 5) };

	MUST(timerfd_settime(watch, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &it, NULL));
}

static void clocks(void)
{
	struct itimerspec it = { .it_value = in(CLOCK_REALTIME, 100000) };

	say("-- timerfd");
	watch = MUST(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC));
	R("set", timerfd_settime(watch, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &it, NULL));
	R("read", inside("read", read_timer, set_timer));
	close(watch);
	int fd = MUST(memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	R("write", write(fd, "abc", 3));
	R("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	R("write, sealed", write(fd, "abc", 3));
	R("read", pread(fd, &it, 3, 0));
	close(fd);
}

/* Pages that are there; one that is missing would be met by an instruction. */
static void faults(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	say("-- userfaultfd");
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (fd == -1) {
		say("not allowed here");
		return;
	}
	R("API", ioctl(fd, UFFDIO_API, &api));
	R("nothing to do", poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 5));
	R("read", read(fd, &event, sizeof(event)));
	close(fd);
}

int main(void)
{
	t_begin();
	processes();
	files();
	questions();
	clocks();
	faults();
	return 0;
}
