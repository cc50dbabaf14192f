/* libc_load.c - libraries whose constructors and destructors wait, and data that libc loads from something slow */
#include "inside.h"
#include <dlfcn.h>
#include <iconv.h>
#include <link.h>
#include <locale.h>
#include <sys/stat.h>
#include <wchar.h>

static char library[512];
static int gate_[2];
static void *handle;

/* Beside the program or, where libtool has put it, in .libs */
static void find_library(void)
{
	static const char *const places[] = { "libnss_slow.so.2", ".libs/libnss_slow.so.2", ".libs/libnss_slow.so" };
	char dir[256] = "";
	size_t i = 0;

	MUST(readlink("/proc/self/exe", dir, sizeof(dir) - 1));
	*strrchr(dir, '/') = 0;
	do {
		if (i == T_LENGTH(places)) {
			say("libnss_slow.so.2 is not built");
			exit(1);
		}
		snprintf(library, sizeof(library), "%s/%s", dir, places[i++]);
	} while (access(library, R_OK) != 0);
}

static void told_to_wait(const char *variable)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", gate_[0]);
	setenv(variable, text, 1);
}

static void let_go(void)
{
	MUST(write(gate_[1], "g", 1));
}

/* --- dlopen and dlclose --- */

static int objects, opened;

static int count(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	(void)arg;
	objects++;
	return 0;
}

static long do_open(void)
{
	handle = dlopen(library, RTLD_NOW);
	if (!handle)
		say("%s", dlerror());
	return handle ? *(int *)dlsym(handle, "slow_loaded") : -1;
}

static long do_close(void) { return dlclose(handle); }

/* While a constructor waits, the loader's lock is held, but it may be asked what is loaded; and TLS of the others works. */
static void *asks(void *arg)
{
	static __thread int mine = 5;

	(void)arg;
	objects = 0;
	dl_iterate_phdr(count, NULL);
	return (void *)(intptr_t)(objects > 3 && mine == 5);
}

static int place;

static void *opens_another(void *arg)
{
	t_here(&place);
	void *h = dlopen("libm.so.6", RTLD_NOW);
	t_set(&opened, 1);
	return arg ? arg : h;
}

static pthread_t second;

static void look_and_let_go(void)
{
	place = opened = 0;
	second = start(opens_another, NULL);
	wait_parked(&place);
	say("another may ask: %ld; dlopen waits for the first: %d", (long)join(start(asks, NULL)), !t_get(&opened));
	let_go();
	join(second);
}

static void loading(void)
{
	int (*add)(int);

	say("-- dlopen");
	told_to_wait("SLOW_LOAD");
	setenv("SLOW_SAYS", "1", 1);
	say("loaded: %ld", inside("constructor", do_open, look_and_let_go));
	add = (int (*)(int))dlsym(handle, "slow_add");
	say("its TLS: %d", add(1));
	unsetenv("SLOW_LOAD");
	void *again = dlopen(library, RTLD_NOW);
	say("the same again: %d", again == handle);
	R("dlclose, still open", dlclose(again));
	told_to_wait("SLOW_UNLOAD");
	say("unloaded: %ld", inside("destructor", do_close, look_and_let_go));
	unsetenv("SLOW_UNLOAD");
	YES("gone", dlopen(library, RTLD_NOW | RTLD_NOLOAD) == NULL);
	say("loaded again: %ld", do_open());
	R("dlclose", do_close());
	YES("not there", dlopen("./no-such-library.so", RTLD_NOW) == NULL && dlerror() != NULL);
}

/* --- functions for fork, of the program and of libraries that come and go --- */

static char order[64];
static void before_1(void) { say("before, first"); }
static void before_2(void) { say("before, second"); }
static void parent_1(void) { strcat(order, "1"); }
static void parent_2(void) { strcat(order, "2"); }
static void child_1(void) { say("child, first"); }
static void child_2(void) { say("child, second"); }

static void *forks(void *arg)
{
	order[0] = 0;
	pid_t pid = MUST(fork());
	if (pid == 0)
		_exit(3);
	say("left with %d, in the parent %s", t_reap(pid), order);
	return arg;
}

static void at_forks(void)
{
	say("-- pthread_atfork");
	pthread_atfork(before_1, parent_1, child_1);
	setenv("SLOW_ATFORK", "1", 1);
	do_open();
	pthread_atfork(before_2, parent_2, child_2);
	join(start(forks, NULL));
	say("the library in the parent: %d", *(int *)dlsym(handle, "slow_forks"));
	R("dlclose", do_close());
	join(start(forks, NULL));
	unsetenv("SLOW_ATFORK");
	unsetenv("SLOW_SAYS");
}

/* --- iconv and locales: what they load comes from a FIFO --- */

static long do_iconv(void)
{
	iconv_t cd = iconv_open("UTF-16LE", "NO-SUCH-CHARSET");

	return cd == (iconv_t)-1 ? errno == EINVAL : (long)iconv_close(cd);
}

static const char *slow_file;

/* libc waits for somebody to open the other end */
static void open_fifo(void)
{
	int fd = MUST(open(slow_file, O_WRONLY));

	close(fd);
}

static long do_locale(void)
{
	locale_t l = newlocale(LC_CTYPE_MASK, "xx_SLOW", NULL);

	if (l)
		freelocale(l);
	return l != NULL;
}

static long do_setlocale(void) { return setlocale(LC_CTYPE, "yy_SLOW") != NULL; }

static void *with_locale(void *arg)
{
	locale_t l = newlocale(LC_ALL_MASK, "C.UTF-8", NULL), was = uselocale(l);
	wchar_t w = 0;
	char mb[8] = "\xc3\xa9";

	sched_yield();
	int n = mbtowc(&w, mb, 2);
	msleep(1);
	bool good = n == 2 && w == 0xe9 && uselocale(NULL) == l;
	uselocale(was);
	freelocale(l);
	return (void *)(intptr_t)(good && arg == NULL);
}

static void data(void)
{
	pthread_t t[10];
	int good = 0;

	say("-- iconv, locales");
	MUST(mkdir("conv", 0700));
	MUST(mkfifo("conv/gconv-modules", 0600));
	setenv("GCONV_PATH", "conv", 1);
	slow_file = "conv/gconv-modules";
	say("iconv_open: no such set %ld", inside("iconv_open", do_iconv, open_fifo));
	MUST(mkdir("loc", 0700));
	MUST(mkdir("loc/xx_SLOW", 0700));
	MUST(mkfifo("loc/xx_SLOW/LC_CTYPE", 0600));
	MUST(mkdir("loc/yy_SLOW", 0700));
	MUST(mkfifo("loc/yy_SLOW/LC_CTYPE", 0600));
	setenv("LOCPATH", "loc", 1);
	slow_file = "loc/xx_SLOW/LC_CTYPE";
	say("newlocale: %ld", inside("newlocale", do_locale, open_fifo));
	slow_file = "loc/yy_SLOW/LC_CTYPE";
	say("setlocale: %ld", inside("setlocale", do_setlocale, open_fifo));
	unsetenv("LOCPATH");
	unsetenv("GCONV_PATH");
	for (int i = 0; i < 10; i++)
		t[i] = start(with_locale, NULL);
	for (int i = 0; i < 10; i++)
		good += (int)(intptr_t)join(t[i]);
	say("each thread its locale: %d", good);
}

int main(void)
{
	t_begin();
	find_library();
	must_pipe(gate_);
	loading();
	at_forks();
	data();
	return 0;
}
