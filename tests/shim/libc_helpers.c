/* libc_helpers.c - what libc does by threads of its own: asynchronous I/O, messages that are told of; who waits for it parks */
#include "inside.h"
#include <aio.h>
#include <mqueue.h>
#include <sys/stat.h>

static int ends[2];
static char got[3][16];

static void write_one(void) { MUST(write(ends[1], "late", 4)); }

static void write_three(void)
{
	for (int i = 0; i < 3; i++)
		MUST(write(ends[1], "0123456789abcdef", 16));
}

/* --- aio --- */

static struct aiocb cb[3];

static long do_suspend(void)
{
	const struct aiocb *list[1] = { &cb[0] };

	return aio_suspend(list, 1, NULL) ? -1 : aio_error(&cb[0]);
}

static long do_listio(void)
{
	struct aiocb *list[3] = { &cb[0], &cb[1], &cb[2] };

	return lio_listio(LIO_WAIT, list, 3, NULL);
}

static void reading(int i)
{
	cb[i] = (struct aiocb){ .aio_fildes = ends[0], .aio_buf = got[i], .aio_nbytes = 16, .aio_lio_opcode = LIO_READ };
}

static void asynchronous(void)
{
	say("-- aio");
	must_pipe(ends);
	reading(0);
	MUST(aio_read(&cb[0]));
	say("aio_suspend: %ld", inside("aio_suspend", do_suspend, write_one));
	say("read %zd, %s", aio_return(&cb[0]), got[0]);
	for (int i = 0; i < 3; i++)
		reading(i);
	say("lio_listio: %ld", inside("lio_listio", do_listio, write_three));
	say("read %zd %zd %zd", aio_return(&cb[0]), aio_return(&cb[1]), aio_return(&cb[2]));
	reading(1);
	MUST(aio_read(&cb[1]));
	reading(2);
	MUST(aio_read(&cb[2]));		/* behind the other one on the same descriptor */
	int r = aio_cancel(ends[0], &cb[2]);
	say("cancelled while it stands in line: %d", r == AIO_CANCELED && aio_error(&cb[2]) == ECANCELED);
	write_one();
	while (aio_error(&cb[1]) == EINPROGRESS)
		msleep(1);
	say("read %zd", aio_return(&cb[1]));
	close2(ends);
}

/* --- mq_notify: libc's thread waits for the kernel's word and makes one for each message --- */

static int told, told_by_other, value;
static pthread_t main_thread;

static void on_message(union sigval v)
{
	t_set(&value, v.sival_int);
	t_set(&told_by_other, !pthread_equal(pthread_self(), main_thread));
	msleep(2);
	__atomic_add_fetch(&told, 1, __ATOMIC_SEQ_CST);
}

static void messages(void)
{
	struct sigevent se = { .sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 44, .sigev_notify_function = on_message };
	struct mq_attr at = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	char name[64], text[16];

	say("-- mq_notify");
	main_thread = pthread_self();
	snprintf(name, sizeof(name), "/grove-notify-%d", getpid());
	mqd_t q = (mqd_t)MUST(mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &at));
	mq_unlink(name);
	for (int i = 1; i <= 3; i++) {
		R("mq_notify", mq_notify(q, &se));
		R("once more", mq_notify(q, &se));
		MUST(mq_send(q, "m", 2, 0));
		t_until(&told, i);
		say("told %d, on another thread %d, value %d", t_get(&told), t_get(&told_by_other), t_get(&value));
		R("mq_receive", mq_receive(q, text, sizeof(text), NULL));
	}
	R("mq_notify", mq_notify(q, &se));
	R("no more", mq_notify(q, NULL));
	MUST(mq_send(q, "m", 2, 0));
	R("mq_receive", mq_receive(q, text, sizeof(text), NULL));
	msleep(5);
	say("told %d", t_get(&told));
	mq_close(q);
}

/* --- names and files of one's own --- */

static void *makes_files(void *arg)
{
	int good = 0;

	for (int i = 0; i < 10; i++) {
		char name[] = "file.XXXXXX", dir[] = "dir.XXXXXX", *path;
		int fd = mkstemp(name);
		FILE *f = tmpfile();
		struct stat st;

		good += fd != -1 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600;
		good += mkdtemp(dir) && (path = realpath(dir, NULL)) && strstr(path, dir) && (free(path), true);
		good += f && fprintf(f, "%d", i) == 1 && fflush(f) == 0 && fseek(f, 0, SEEK_SET) == 0 && fgetc(f) == '0' + i;
		sched_yield();
		fclose(f);
		close(fd);
		good += unlink(name) == 0 && rmdir(dir) == 0;
	}
	return (void *)(intptr_t)(good + (arg != NULL));
}

static void files(void)
{
	pthread_t t[10];
	long good = 0;

	say("-- files");
	for (int i = 0; i < 10; i++)
		t[i] = start(makes_files, NULL);
	for (int i = 0; i < 10; i++)
		good += (long)join(t[i]);
	say("mkstemp, mkdtemp, realpath, tmpfile: %ld", good);
}

int main(void)
{
	t_begin();
	asynchronous();
	messages();
	files();
	return 0;
}
