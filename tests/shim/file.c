/* file.c - locks on files, FIFOs opened, flushing, splicing, ioctl: calls that wait for disks and for others */
#include "t.h"
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int place;

/* --- flock and record locks: one waits while another thread goes on working --- */

static int fd_a, fd_b;
static struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

static void *lock_flock(void *unused)
{
	(void)unused;
	t_here(&place);
	R("  other: flock EX", flock(fd_b, LOCK_EX));
	R("  other: flock UN", flock(fd_b, LOCK_UN));
	return NULL;
}

static void *lock_ofd(void *unused)
{
	struct flock l = whole;

	(void)unused;
	t_here(&place);
	R("  other: F_OFD_SETLKW", fcntl(fd_b, F_OFD_SETLKW, &l));
	l.l_type = F_UNLCK;
	R("  other: F_OFD_SETLK unlock", fcntl(fd_b, F_OFD_SETLK, &l));
	return NULL;
}

static void locks(void)
{
	struct flock l = whole;
	pthread_t t;

	say("locks");
	fd_a = MUST(open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	fd_b = MUST(open("locked", O_RDWR | O_CLOEXEC));
	R("flock EX", flock(fd_a, LOCK_EX));
	R("flock EX|NB by another", flock(fd_b, LOCK_EX | LOCK_NB));
	R("flock SH|NB by another", flock(fd_b, LOCK_SH | LOCK_NB));
	R("flock of nothing", flock(-1, LOCK_EX));
	R("flock with no operation", flock(fd_a, 0));
	place = 0;
	t = start(lock_flock, NULL);
	wait_parked(&place);
	MUST(flock(fd_a, LOCK_UN));	/* says nothing: the other is talking now */
	join(t);
	R("flock again", flock(fd_a, LOCK_EX | LOCK_NB));
	R("flock UN", flock(fd_a, LOCK_UN));

	R("F_OFD_SETLK", fcntl(fd_a, F_OFD_SETLK, &l));
	R("F_OFD_SETLK by another", fcntl(fd_b, F_OFD_SETLK, &l));
	place = 0;
	t = start(lock_ofd, NULL);
	wait_parked(&place);
	l.l_type = F_UNLCK;
	MUST(fcntl(fd_a, F_OFD_SETLK, &l));
	join(t);
	l = whole;
	R("F_SETLKW of one's own", fcntl(fd_a, F_SETLKW, &l));
	R("F_SETLKW with a bad pointer", fcntl(fd_a, F_SETLKW, T_BAD));
	R("F_SETLKW of nothing", fcntl(-1, F_SETLKW, &l));
	l.l_type = 77;
	R("F_SETLKW with a bad type", fcntl(fd_a, F_SETLKW, &l));
}

/* The lock of another process, given up while a thread of ours waits. */
static void *lock_process(void *unused)
{
	struct flock l = whole;

	(void)unused;
	t_here(&place);
	R("  F_SETLKW", fcntl(fd_a, F_SETLKW, &l));
	return NULL;
}

static void between_processes(void)
{
	struct flock l = whole;
	int up[2], down[2];
	char c = 0;
	pthread_t t;
	pid_t pid;

	say("between processes");
	l.l_type = F_UNLCK;
	MUST(fcntl(fd_a, F_SETLK, &l));
	must_pipe(up);
	must_pipe(down);
	pid = MUST(fork());
	if (pid == 0) {
		l.l_type = F_WRLCK;
		MUST(fcntl(fd_a, F_SETLK, &l));
		MUST(write(up[1], "l", 1));
		MUST(read(down[0], &c, 1));
		_exit(0);
	}
	MUST(read(up[0], &c, 1));
	l.l_type = F_WRLCK;
	R("F_SETLK held by a child", fcntl(fd_a, F_SETLK, &l));
	place = 0;
	t = start(lock_process, NULL);
	wait_parked(&place);
	MUST(write(down[1], "g", 1));
	join(t);
	say("child: %d", t_reap(pid));
	close2(up);
	close2(down);
}

/* --- a signal while waiting for a lock --- */

static int handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void *interrupted_lock(void *unused)
{
	(void)unused;
	t_here(&place);
	R("  flock, interrupted", flock(fd_b, LOCK_EX));
	return NULL;
}

static void interrupted(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	pthread_t t;

	say(flags ? "a handler with SA_RESTART" : "a handler without SA_RESTART");
	MUST(sigaction(SIGUSR1, &sa, NULL));
	handled = 0;
	MUST(flock(fd_a, LOCK_EX));
	place = 0;
	t = start(interrupted_lock, NULL);
	wait_parked(&place);
	pthread_kill(t, SIGUSR1);
	t_until(&handled, 1);
	wait_parked(&place);
	MUST(flock(fd_a, LOCK_UN));
	join(t);
	MUST(flock(fd_b, LOCK_UN));
}

/* --- FIFOs --- */

static int writer_said;

static void *open_reader(void *unused)
{
	char buf[16] = "";
	int fd;

	(void)unused;
	t_here(&place);
	fd = open("fifo", O_RDONLY | O_CLOEXEC);
	t_until(&writer_said, 1);
	YES("  open for reading", fd >= 0);
	R("  read", read(fd, buf, sizeof(buf)));
	say("  %s", buf);
	close(fd);
	return NULL;
}

static void fifos(void)
{
	pthread_t t;
	int fd;

	say("FIFOs");
	MUST(mkfifo("fifo", 0600));
	R("open for writing, O_NONBLOCK, no reader", open("fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	fd = OK("open for both", open("fifo", O_RDWR | O_CLOEXEC));
	close(fd);
	place = 0;
	t = start(open_reader, NULL);
	wait_parked(&place);
	fd = OK("open for writing", open("fifo", O_WRONLY | O_CLOEXEC));
	MUST(write(fd, "hello", 5));
	close(fd);
	t_set(&writer_said, 1);
	join(t);
	R("open what is not there", open("nothing", O_RDONLY));
	R("open a bad pointer", open(T_BAD, O_RDONLY));
	R("creat in a folder that is not there", creat("no/thing", 0600));
	R("open a file as a folder", open("fifo/x", O_RDONLY));
}

/* --- disks --- */

static void disks(void)
{
	char *map;
	int fd;

	say("disks");
	fd = MUST(open("data", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	R("ftruncate", ftruncate(fd, 8192));
	R("fallocate", fallocate(fd, 0, 0, 16384));
	R("fallocate, negative", fallocate(fd, 0, -1, 5));
	R("fallocate of nothing", fallocate(-1, 0, 0, 5));
	R("posix_fallocate", posix_fallocate(fd, 0, 100));
	R("fsync", fsync(fd));
	R("fsync of nothing", fsync(-1));
	R("fdatasync", fdatasync(fd));
	R("sync_file_range", sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE));
	R("syncfs of nothing", syncfs(-1));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	map[0] = 'x';
	R("msync", msync(map, 8192, MS_SYNC));
	R("msync, misaligned", msync(map + 1, 8192, MS_SYNC));
	R("msync of two minds", msync(map, 8192, MS_SYNC | MS_ASYNC));
	munmap(map, 8192);
	close(fd);
}

/* --- moved within the kernel --- */

static int pipes[3][2];

static void *fill_later(void *arg)
{
	t_here(&place);
	msleep(5);
	MUST(write(*(int *)arg, "spliced bytes", 13));
	return NULL;
}

static void *drain_socket(void *arg)
{
	static char buf[65536];
	long total = 0, n;

	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		total += n;
	say("  drained %ld", total);
	return NULL;
}

static void splicing(void)
{
	struct iovec iov = { "abc", 3 };
	char buf[64] = "";
	int sv[2], fd;
	off_t at = 2;
	pthread_t t;

	say("splicing");
	for (int i = 0; i < 3; i++)
		must_pipe(pipes[i]);
	R("vmsplice", vmsplice(pipes[0][1], &iov, 1, 0));
	R("tee", tee(pipes[0][0], pipes[1][1], 100, 0));
	R("splice pipe to pipe", splice(pipes[0][0], NULL, pipes[1][1], NULL, 100, 0));
	R("splice, nothing there", splice(pipes[0][0], NULL, pipes[1][1], NULL, 100, SPLICE_F_NONBLOCK));
	R("tee, nothing there", tee(pipes[0][0], pipes[1][1], 100, SPLICE_F_NONBLOCK));
	R("read", read(pipes[1][0], buf, sizeof(buf)));
	say("%s", buf);
	R("splice of no pipe", splice(fd_a, NULL, fd_b, NULL, 5, 0));
	R("splice of nothing", splice(-1, NULL, pipes[0][1], NULL, 5, 0));
	R("tee onto itself", tee(pipes[0][0], pipes[0][1], 5, 0));

	t = start(fill_later, &pipes[0][1]);
	R("splice waits for bytes", splice(pipes[0][0], NULL, pipes[1][1], NULL, 100, 0));
	join(t);
	R("read", read(pipes[1][0], buf, sizeof(buf)));

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	t = start(fill_later, &sv[1]);
	R("splice waits for a socket", splice(sv[0], NULL, pipes[1][1], NULL, 100, 0));
	join(t);
	R("splice to a socket", splice(pipes[1][0], NULL, sv[0], NULL, 100, 0));
	R("read", read(sv[1], buf, sizeof(buf)));

	fd = MUST(open("big", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	MUST(ftruncate(fd, 1 << 20));
	MUST(pwrite(fd, "0123456789", 10, 0));
	R("sendfile with an offset", sendfile(sv[0], fd, &at, 5));
	say("offset %d", (int)at);
	R("read", read(sv[1], buf, sizeof(buf)));
	t = start(drain_socket, &sv[1]);
	R("sendfile of a megabyte", sendfile(sv[0], fd, NULL, 1 << 20));
	shutdown(sv[0], SHUT_WR);
	join(t);
	R("sendfile to nothing", sendfile(-1, fd, NULL, 5));
	R("sendfile at the end", sendfile(sv[0], fd, NULL, 5));
	at = 0;
	R("copy_file_range", copy_file_range(fd, &at, fd_a, NULL, 10, 0));
	R("copy_file_range of nothing", copy_file_range(-1, NULL, fd_a, NULL, 10, 0));
	signal(SIGPIPE, on_signal);
	handled = 0;
	close(pipes[2][0]);
	MUST(write(pipes[0][1], "x", 1));
	R("splice to a broken pipe", splice(pipes[0][0], NULL, pipes[2][1], NULL, 1, 0));
	say("SIGPIPE %d", handled);
	at = 0;
	R("sendfile to a broken socket", sendfile(sv[0], fd, &at, 5));
	say("SIGPIPE %d", handled);
	close(pipes[2][1]);
	close2(pipes[0]);
	close2(pipes[1]);
	close2(sv);
	close(fd);
}

/* --- O_NONBLOCK by fcntl and ioctl --- */

static void nonblocking(void)
{
	int p[2], on = 1, off = 0, n = -1, dup_fd;
	char c;

	say("O_NONBLOCK");
	must_pipe(p);
	R("FIONBIO", ioctl(p[0], FIONBIO, &on));
	R("read", read(p[0], &c, 1));
	R("F_GETFL", fcntl(p[0], F_GETFL) & O_NONBLOCK);
	dup_fd = MUST(fcntl(p[0], F_DUPFD_CLOEXEC, 100));
	YES("F_DUPFD is at least that", dup_fd >= 100);
	R("read by the duplicate", read(dup_fd, &c, 1));
	R("FIONBIO off", ioctl(dup_fd, FIONBIO, &off));
	R("F_GETFL", fcntl(p[0], F_GETFL) & O_NONBLOCK);
	R("F_SETFL", fcntl(p[0], F_SETFL, O_NONBLOCK));
	R("read by the duplicate", read(dup_fd, &c, 1));
	R("FIONREAD", ioctl(p[0], FIONREAD, &n));
	say("%d", n);
	R("FIONBIO, bad pointer", ioctl(p[0], FIONBIO, T_BAD));
	R("FIONBIO of nothing", ioctl(-1, FIONBIO, &on));
	R("ioctl unknown", ioctl(p[0], 0x12345678, 0));
	R("TCSBRK of a pipe", ioctl(p[0], TCSBRK, 1));
	R("F_SETFL of nothing", fcntl(-1, F_SETFL, O_NONBLOCK));
	R("fcntl unknown", fcntl(p[0], 9999, 0));
	close2(p);
	close(dup_fd);
}

int main(void)
{
	t_begin();
	locks();
	between_processes();
	interrupted(0);
	interrupted(SA_RESTART);
	fifos();
	disks();
	splicing();
	nonblocking();
	return 0;
}
