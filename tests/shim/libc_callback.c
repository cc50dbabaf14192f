/* libc_callback.c - functions of the program's that libc calls in the middle of its own, and that wait */
#include "inside.h"
#include <ftw.h>
#include <glob.h>
#include <printf.h>
#include <search.h>
#include <sys/stat.h>
#include <threads.h>

static int gate_[2];			/* the callbacks wait for a byte from here */

static void hold(void)
{
	char c;

	MUST(read(gate_[0], &c, 1));
}

static void let_go(void)
{
	MUST(write(gate_[1], "g", 1));
}

/* --- streams with functions of the program's --- */

static bool held_once;

/* libc may call these more than once, to know where it is and to fill its buffer */
static void hold_once(void)
{
	if (!held_once)
		hold();
	held_once = true;
}

static ssize_t cookie_read(void *c, char *buf, size_t n)
{
	(void)c;
	(void)n;
	hold_once();
	memcpy(buf, "cookie\n", 7);
	return 7;
}

static ssize_t cookie_write(void *c, const char *buf, size_t n)
{
	(void)buf;
	hold();
	*(size_t *)c += n;
	return (ssize_t)n;
}

static int cookie_seek(void *c, off64_t *at, int whence)
{
	(void)c;
	(void)whence;
	hold_once();
	*at = 5;
	return 0;
}

static int cookie_close(void *c)
{
	(void)c;
	hold();
	return 0;
}

static FILE *stream;
static char line[32];
static size_t written;

static long do_read(void) { return fgets(line, sizeof(line), stream) ? (long)strlen(line) : -1; }
static long do_write(void) { return fputs("out", stream) < 0 || fflush(stream) ? -1 : (long)written; }
static long do_seek(void) { return fseek(stream, 5, SEEK_SET); }
static long do_close(void) { return fclose(stream); }

static int tried = -1;

static void *try_lock(void *arg)
{
	tried = ftrylockfile(arg);
	return NULL;
}

static void others_may_not(void)
{
	join(start(try_lock, stream));
	say("its lock is taken: %d", tried != 0);
	let_go();
}

static void cookies(void)
{
	cookie_io_functions_t io = { cookie_read, cookie_write, cookie_seek, cookie_close };

	say("-- fopencookie");
	stream = fopencookie(&written, "r+", io);
	R("read", inside("read", do_read, others_may_not));
	say("%s", line);
	held_once = false;
	R("seek", inside("seek", do_seek, others_may_not));
	R("write", inside("write", do_write, others_may_not));
	R("close", inside("close", do_close, let_go));
	stream = fmemopen(line, sizeof(line), "r+");
	fprintf(stream, "memory %d", 5);
	R("fmemopen, close", fclose(stream));
	say("%s", line);
}

/* --- printf with a conversion of the program's --- */

static int print_it(FILE *f, const struct printf_info *info, const void *const *args)
{
	(void)info;
	hold();
	return fprintf(f, "<%d>", **(const int *const *)args);
}

static int print_size(const struct printf_info *info, size_t n, int *types, int *size)
{
	(void)info;
	if (n > 0) {
		types[0] = PA_INT;
		size[0] = sizeof(int);
	}
	return 1;
}

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
static long do_printf(void)
{
	return fprintf(stream, "%Y", 5);
}

static void conversions(void)
{
	say("-- a conversion of the program's");
	register_printf_specifier('Y', print_it, print_size);
	char *text = NULL;
	size_t len;
	stream = open_memstream(&text, &len);
	R("fprintf", inside("fprintf", do_printf, others_may_not));
	fclose(stream);
	say("%s", text);
	free(text);
}

/* --- walks --- */

static int seen;

static int on_file(const char *path, const struct stat *st, int type)
{
	(void)path;
	(void)st;
	if (type == FTW_F && seen++ == 0)
		hold();
	return 0;
}

static int on_nfile(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)f;
	return on_file(path, st, type);
}

static int pick(const struct dirent *d)
{
	if (seen++ == 0)
		hold();
	return d->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	if (seen++ == 100)
		hold();
	return strcmp((*a)->d_name, (*b)->d_name);
}

static long do_ftw(void) { seen = 0; long r = ftw("dir", on_file, 4); return r * 1000 + seen; }
static long do_nftw(void) { seen = 0; long r = nftw("dir", on_nfile, 4, FTW_DEPTH); return r * 1000 + seen; }

static long do_scandir(void)
{
	struct dirent **names;

	seen = 0;
	int n = scandir("dir", &names, pick, alphasort);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n;
}

static long do_scandir_compare(void)
{
	struct dirent **names;

	seen = 100;
	int n = scandir("dir", &names, NULL, by_name);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return n;
}

static void *slow_opendir(const char *path)
{
	hold();
	return opendir(path);
}

static long do_glob(void)
{
	glob_t g = { .gl_opendir = slow_opendir, .gl_readdir = (struct dirent *(*)(void *))(void (*)(void))readdir,
		     .gl_closedir = (void (*)(void *))(void (*)(void))closedir, .gl_stat = stat, .gl_lstat = lstat };
	int r = glob("dir/f*", GLOB_ALTDIRFUNC, NULL, &g);
	long n = r == 0 ? (long)g.gl_pathc : -1;

	globfree(&g);
	return n;
}

static int on_error(const char *path, int err)
{
	(void)path;
	(void)err;
	hold();
	return 1;
}

static long do_glob_error(void)
{
	glob_t g = { 0 };
	int r = glob("dir/f1/*/x*", GLOB_ERR, on_error, &g);

	globfree(&g);
	return r;
}

static int compare_ints(const void *a, const void *b)
{
	if (seen++ == 0)
		hold();
	return *(const int *)a - *(const int *)b;
}

static long do_qsort(void)
{
	int v[5] = { 5, 3, 1, 4, 2 };

	seen = 0;
	qsort(v, 5, sizeof(v[0]), compare_ints);
	return v[0] * 10000 + v[1] * 1000 + v[2] * 100 + v[3] * 10 + v[4];
}

static long do_bsearch(void)
{
	int v[5] = { 1, 2, 3, 4, 5 }, key = 4;

	seen = 0;
	int *at = bsearch(&key, v, 5, sizeof(v[0]), compare_ints);
	return at - v;
}

static void walks(void)
{
	say("-- walks");
	MUST(mkdir("dir", 0700));
	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof(line), "dir/f%d", i);
		MUST(close(open(line, O_CREAT | O_WRONLY, 0600)));
	}
	R("ftw", inside("ftw", do_ftw, let_go));
	R("nftw", inside("nftw", do_nftw, let_go));
	R("scandir", inside("scandir", do_scandir, let_go));
	R("scandir, order", inside("scandir, order", do_scandir_compare, let_go));
	R("glob", inside("glob", do_glob, let_go));
	R("glob, error", do_glob_error());
	R("qsort", inside("qsort", do_qsort, let_go));
	R("bsearch", inside("bsearch", do_bsearch, let_go));
}

/* --- once --- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;
static int ran, arrived, waiting;

static void routine(void)
{
	ran++;
	hold();
	ran += 10;
}

static void *second(void *arg)
{
	t_here(&waiting);
	if (arg)
		call_once(&flag, routine);
	else
		pthread_once(&once, routine);
	t_set(&arrived, ran);
	return NULL;
}

static pthread_t seconds[3];
static void *second_arg;

static void seconds_wait(void)
{
	for (int i = 0; i < 3; i++) {
		waiting = 0;
		seconds[i] = start(second, second_arg);
		wait_parked(&waiting);
	}
	say("others wait for the first: %d", t_get(&arrived) == 0);
	let_go();
}

static long do_once(void) { pthread_once(&once, routine); return ran; }
static long do_call_once(void) { call_once(&flag, routine); return ran; }

static void cancelled_once(void);

static void onces(void)
{
	say("-- once");
	R("pthread_once", inside("pthread_once", do_once, seconds_wait));
	for (int i = 0; i < 3; i++)
		join(seconds[i]);
	say("arrived after it: %d", arrived == 11);
	ran = arrived = 0;
	second_arg = &flag;
	R("call_once", inside("call_once", do_call_once, seconds_wait));
	for (int i = 0; i < 3; i++)
		join(seconds[i]);
	say("arrived after it: %d", arrived == 11);
	cancelled_once();
}

/* Who runs the routine is cancelled in it: the next one runs it anew. */
static void *once_again(void *arg)
{
	(void)arg;
	t_here(&waiting);
	pthread_once(&once, routine);
	return NULL;
}

static void cancelled_once(void)
{
	once = PTHREAD_ONCE_INIT;
	ran = arrived = waiting = 0;
	pthread_t t = start(once_again, NULL);
	wait_parked(&waiting);
	second_arg = NULL;
	waiting = 0;
	seconds[0] = start(second, NULL);
	wait_parked(&waiting);
	pthread_cancel(t);
	say("cancelled in its routine: %d", join(t) == PTHREAD_CANCELED);
	let_go();
	join(seconds[0]);
	say("the next ran it again: %d", ran);
}

/* --- destructors of thread-specific data, cleanup handlers --- */

static pthread_key_t key;
static tss_t c11_key;
static int destroyed, rounds;

static void destroy(void *v)
{
	hold();
	destroyed++;
	if (rounds++ == 0)
		pthread_setspecific(key, v);		/* and so once more */
}

static void *with_key(void *arg)
{
	t_here(&waiting);
	if (arg)
		tss_set(c11_key, arg);
	else
		pthread_setspecific(key, &key);
	return arg;
}

static void *with_cleanup(void *arg)
{
	pthread_cleanup_push((void (*)(void *))(void (*)(void))hold, NULL);
	t_here(&waiting);
	pause();
	pthread_cleanup_pop(0);
	return arg;
}

static long do_key(void) { pthread_t t = start(with_key, NULL); join(t); return destroyed; }
static long do_tss(void) { pthread_t t = start(with_key, &c11_key); join(t); return destroyed; }

static void twice(void)
{
	let_go();
	let_go();
}

static long do_cancel(void)
{
	waiting = 0;
	pthread_t t = start(with_cleanup, NULL);
	wait_parked(&waiting);
	pthread_cancel(t);
	return join(t) == PTHREAD_CANCELED;
}

static void destructors(void)
{
	say("-- destructors");
	pthread_key_create(&key, destroy);
	R("pthread_key, twice", inside("pthread_key", do_key, twice));
	tss_create(&c11_key, destroy);
	R("tss", inside("tss", do_tss, let_go));
	say("cleanup of a cancelled thread: %ld", inside("cleanup", do_cancel, let_go));
}

int main(void)
{
	t_begin();
	must_pipe(gate_);
	cookies();
	conversions();
	walks();
	onces();
	destructors();
	return 0;
}
