/* stdio.c - libc's own reads and writes: streams on pipes, shared by threads, and lines that come late */
#include "t.h"
#include <stdio_ext.h>
#include <sys/socket.h>

static int place, pipes[2];

static void *late_lines(void *arg)
{
	static const char *const parts[] = { "first li", "ne\nsecond line\nthi", "rd", " line\n", "no end" };

	(void)arg;
	for (unsigned i = 0; i < T_LENGTH(parts); i++) {
		msleep(5);
		MUST(write(pipes[1], parts[i], strlen(parts[i])));
	}
	close(pipes[1]);
	return NULL;
}

static void lines(void)
{
	char line[64], *grown = NULL;
	size_t size = 0;

	say("-- lines");
	must_pipe(pipes);
	pthread_t t = start(late_lines, NULL);
	FILE *f = fdopen(pipes[0], "r");
	while (fgets(line, sizeof(line), f))
		say("fgets: %s", line);
	say("eof %d error %d", feof(f) != 0, ferror(f) != 0);
	join(t);
	fclose(f);
	must_pipe(pipes);
	t = start(late_lines, NULL);
	f = fdopen(pipes[0], "r");
	for (ssize_t n; (n = getline(&grown, &size, f)) != -1;)
		say("getline: %zd", n);
	join(t);
	fclose(f);
	free(grown);
	must_pipe(pipes);
	t = start(late_lines, NULL);
	f = fdopen(pipes[0], "r");
	char a[32], b[32];
	int n = fscanf(f, "%31s %31s", a, b);
	say("fscanf: %d %s %s", n, a, b);
	say("fread: %zu", fread(line, 1, 30, f));
	say("fgetc: %d", fgetc(f) != EOF);
	join(t);
	fclose(f);
}

/* --- one stream, many threads --- */

static FILE *shared;

static void *printer(void *arg)
{
	int id = (int)(intptr_t)arg;

	for (int i = 0; i < 100; i++) {
		fprintf(shared, "%c%c%c%c%c%c%c%c%c%c\n", id, id, id, id, id, id, id, id, id, id);
		if (i % 20 == 0)
			fflush(shared);
		if (i % 10 == 0)
			sched_yield();
	}
	return NULL;
}

static void *locked_printer(void *arg)
{
	int id = (int)(intptr_t)arg;

	for (int i = 0; i < 30; i++) {
		flockfile(shared);
		for (int k = 0; k < 5; k++) {
			putc_unlocked(id, shared);
			if (k == 2 && i % 10 == 0)
				msleep(1);
		}
		for (int k = 0; k < 5; k++)
			putc(id, shared);
		putc('\n', shared);
		funlockfile(shared);
	}
	return NULL;
}

static void *count_lines(void *arg)
{
	FILE *f = fdopen(pipes[0], "r");
	char line[64];
	int *counts = arg;

	setvbuf(f, NULL, _IOFBF, 128);
	while (fgets(line, sizeof(line), f)) {
		int same = strlen(line) == 11;

		for (int i = 1; i < 10; i++)
			same &= line[i] == line[0];
		counts[same ? line[0] - 'a' : 20]++;
	}
	fclose(f);
	return NULL;
}

static void sharing(const char *what, void *(*fn)(void *), int mode)
{
	int counts[21] = { 0 };
	pthread_t t[10];
	char out[200] = "";

	must_pipe(pipes);
	fcntl(pipes[1], F_SETPIPE_SZ, 4096);
	pthread_t reader = start(count_lines, counts);
	shared = fdopen(pipes[1], "w");
	setvbuf(shared, NULL, mode, mode == _IONBF ? 0 : 300);
	for (intptr_t i = 0; i < 10; i++)
		t[i] = start(fn, (void *)('a' + i));
	for (int i = 0; i < 10; i++)
		join(t[i]);
	fclose(shared);
	join(reader);
	for (int i = 0; i < 10; i++)
		sprintf(out + strlen(out), "%d ", counts[i]);
	say("%s: %storn %d", what, out, counts[20]);
}

/* --- waiting for a stream's lock, and errors --- */

static void *take_lock(void *arg)
{
	t_here(&place);
	flockfile(arg);
	funlockfile(arg);
	return (void *)1;
}

static void rest(void)
{
	char buf[16];

	say("-- rest");
	FILE *f = tmpfile();
	flockfile(f);
	say("ftrylockfile again %d", ftrylockfile(f));
	place = 0;
	pthread_t t = start(take_lock, f);
	wait_parked(&place);
	funlockfile(f);
	funlockfile(f);
	say("the other had it %ld", (long)join(t));
	fprintf(f, "%d %s", 42, "words");
	rewind(f);
	say("read back %zu %.8s", fread(buf, 1, sizeof(buf), f), buf);
	fclose(f);

	signal(SIGPIPE, SIG_IGN);
	must_pipe(pipes);
	f = fdopen(pipes[1], "w");
	close(pipes[0]);
	fputs("nobody reads", f);
	R("fflush, no reader", fflush(f));
	say("error %d", ferror(f) != 0);
	R("fclose", fclose(f));

	MUST(pipe2(pipes, O_NONBLOCK | O_CLOEXEC));
	f = fdopen(pipes[0], "r");
	errno = 0;
	int ch = fgetc(f);
	say("fgetc, O_NONBLOCK: %d %s", ch, t_errname(errno));
	clearerr(f);
	MUST(write(pipes[1], "x", 1));
	say("fgetc: %c", fgetc(f));
	fclose(f);
	close(pipes[1]);

	int s[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	FILE *in_ = fdopen(s[0], "r"), *out = fdopen(s[1], "w");
	dprintf(s[1], "%s-%d\n", "dprintf", 5);
	say("from a socket: %s", fgets(buf, sizeof(buf), in_) ? "line" : "nothing");
	say("%.9s", buf);
	fclose(out);
	say("end %d", fgetc(in_) == EOF);
	fclose(in_);

	f = popen("for i in 1 2 3; do echo $i; sleep 0.02; done", "r");
	int sum = 0, n;
	while (fscanf(f, "%d", &n) == 1)
		sum += n;
	say("popen: %d", sum);
	say("pclose: %d", pclose(f));
	char *mem = NULL;
	size_t len = 0;
	f = open_memstream(&mem, &len);
	fprintf(f, "in memory %d", 7);
	fclose(f);
	say("%s, %zu", mem, len);
	free(mem);
}

int main(void)
{
	t_begin();
	lines();
	say("-- sharing");
	sharing("buffered", printer, _IOFBF);
	sharing("by lines", printer, _IOLBF);
	sharing("locked", locked_printer, _IOFBF);
	rest();
	printf("left in the buffer for exit()\n");
	return 0;
}
