/*
 * thread.c - <pthread.h> and <threads.h>: libc's functions do the work; these see to stacks, cancellation and names around it
 */
#include "door.h"
#include "../src/threads.h"
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <threads.h>
#include <time.h>

/* --- making threads: on a stack of the pool, unless the program brought one ------------------------------------------------------ */

static int wants_executable(struct dl_phdr_info *info, size_t size, void *arg)
{
	int flags = PF_R | PF_W | PF_X;		/* an object that does not say wants it */

	(void)size;
	if (info->dlpi_phnum == 0 || strstr(info->dlpi_name, "linux-vdso"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_STACK)
			flags = (int)info->dlpi_phdr[i].p_flags;
	*(bool *)arg |= flags & PF_X;
	return 0;
}

/* Code on thread stacks (trampolines of nested functions): libc knows to make its stacks executable, the pool does not. */
static bool stacks_executable(void)
{
	static enum { UNKNOWN, NO, YES } known;
	bool wanted = false;

	if (known == UNKNOWN) {
		dl_iterate_phdr(wants_executable, &wanted);
		known = wanted ? YES : NO;
	}
	return known == YES;
}

/* libc rounds sizes down to this much (alignment of the TLS block); what pthread_getattr_np() says shows it */
#define STACK_ALIGN 64

/* @mine is *@attr with a stack set, or the default attributes with one; it shares what @attr points to. */
static bool set_stack(pthread_attr_t *mine, void **ret_lo)
{
	size_t size, guard;
	void *lo;

	if (pthread_attr_getstack(mine, &lo, &size) != 0 || (uintptr_t)lo + size != 0)	/* the program's own */
		return false;
	pthread_attr_getstacksize(mine, &size);
	pthread_attr_getguardsize(mine, &guard);
	size &= ~(size_t)(STACK_ALIGN - 1);
	if (gr_thread_stack_new(size, guard, &lo) < 0)
		return false;
	if (pthread_attr_setstack(mine, lo, size) != 0) {
		gr_thread_released(lo);
		return false;
	}
	*ret_lo = lo;
	return true;
}

/*
 * The attributes of a thread for which the program gave none.  libc takes a lock and copies each part to say what they are; but they stay as
 * they are until the program changes them.
 */
static pthread_attr_t defaults;
static bool defaults_known;		/* atomic */

static __attribute__((constructor)) void ask_for_defaults(void)
{
	if (pthread_getattr_default_np(&defaults) == 0)
		__atomic_store_n(&defaults_known, true, __ATOMIC_RELEASE);
}

DOOR int pthread_setattr_default_np(const pthread_attr_t *attr)
{
	__atomic_store_n(&defaults_known, false, __ATOMIC_RELEASE);
	return REAL(pthread_setattr_default_np)(attr);
}

/* A copy to be destroyed, if @ret_copy says so; else it shares what it points to. */
static bool get_defaults(pthread_attr_t *ret_attr, bool *ret_copy)
{
	*ret_copy = !__atomic_load_n(&defaults_known, __ATOMIC_ACQUIRE);
	if (*ret_copy)
		return pthread_getattr_default_np(ret_attr) == 0;
	*ret_attr = defaults;
	return true;
}

DOOR int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	bool have, copy = false;
	pthread_attr_t mine;
	int r, state;
	void *lo;

	if (stacks_executable() || (!attr && !get_defaults(&mine, &copy)))
		return REAL(pthread_create)(thread, attr, fn, arg);
	if (attr)
		mine = *attr;
	pthread_attr_getdetachstate(&mine, &state);
	have = set_stack(&mine, &lo);
	r = have ? REAL(pthread_create)(thread, &mine, fn, arg) : -1;
	if (copy)
		pthread_attr_destroy(&mine);
	if (r == 0 && state == PTHREAD_CREATE_DETACHED)
		gr_thread_detached(lo);
	if (r == 0)
		return 0;
	if (have)
		gr_thread_released(lo);
	return REAL(pthread_create)(thread, attr, fn, arg);	/* perhaps it can; if not, its error is the right one */
}

/* --- and being done with them ------------------------------------------------------------------------------------------------------ */

static int joined(pthread_t thread, int r, int success)
{
	if (r == success)
		gr_thread_released((void *)thread);
	return r;
}

DOOR int pthread_join(pthread_t thread, void **ret)
{
	return joined(thread, REAL(pthread_join)(thread, ret), 0);
}

DOOR int pthread_tryjoin_np(pthread_t thread, void **ret)
{
	return joined(thread, REAL(pthread_tryjoin_np)(thread, ret), 0);
}

DOOR int pthread_timedjoin_np(pthread_t thread, void **ret, const struct timespec *until)
{
	return joined(thread, REAL(pthread_timedjoin_np)(thread, ret, until), 0);
}

DOOR int pthread_clockjoin_np(pthread_t thread, void **ret, clockid_t clock, const struct timespec *until)
{
	return joined(thread, REAL(pthread_clockjoin_np)(thread, ret, clock, until), 0);
}

DOOR int thrd_join(thrd_t thread, int *ret)
{
	return joined(thread, REAL(thrd_join)(thread, ret), thrd_success);
}

static int detached(pthread_t thread, int r, int success)
{
	if (r == success)
		gr_thread_detached((void *)thread);
	return r;
}

DOOR int pthread_detach(pthread_t thread) { return detached(thread, REAL(pthread_detach)(thread), 0); }
DOOR int thrd_detach(thrd_t thread) { return detached(thread, REAL(thrd_detach)(thread), thrd_success); }

/* A stack of ours looks to libc like the program's, without a guard; the program asked for one, and libc reports it in whole pages. */
DOOR int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
	int r = REAL(pthread_getattr_np)(thread, attr);
	ptrdiff_t guard = r == 0 ? gr_thread_asked_guard(thread) : -1;

	if (guard >= 0)
		pthread_attr_setguardsize(attr, ((size_t)guard + GR_PAGE - 1) & ~(size_t)(GR_PAGE - 1));
	return r;
}

/* --- cancellation ---------------------------------------------------------------------------------------------------------------- */

DOOR int pthread_cancel(pthread_t thread)
{
	int r = REAL(pthread_cancel)(thread);

	if (r == 0)
		gr_cancel_sent(thread);
	return r;
}

DOOR int pthread_setcancelstate(int state, int *old)
{
	int r = REAL(pthread_setcancelstate)(state, old);

	if (r == 0)
		gr_cancel_state(state == PTHREAD_CANCEL_ENABLE);
	return r;
}

/* --- names: libc writes other threads' to /proc, which knows only the kernel's threads ---------------------------------------------- */

DOOR int pthread_setname_np(pthread_t thread, const char *name)
{
	char padded[GR_NAME_SIZE] = "";

	if (strlen(name) >= sizeof(padded))
		return ERANGE;
	strcpy(padded, name);
	return gr_thread_set_name(thread, padded) ? 0 : REAL(pthread_setname_np)(thread, name);
}

DOOR int pthread_getname_np(pthread_t thread, char *name, size_t size)
{
	char padded[GR_NAME_SIZE];

	if (size < sizeof(padded))
		return ERANGE;
	if (!gr_thread_get_name(thread, padded))
		return REAL(pthread_getname_np)(thread, name, size);
	memcpy(name, padded, sizeof(padded));
	return 0;
}

/* libc makes the clock's number of the thread's, which the kernel does not know.  What can be had is the time of them all together. */
DOOR int pthread_getcpuclockid(pthread_t thread, clockid_t *ret_clock)
{
	if (!gr_thread_is_green(thread))
		return REAL(pthread_getcpuclockid)(thread, ret_clock);
	*ret_clock = CLOCK_THREAD_CPUTIME_ID;
	return 0;
}

/* --- spinning: the owner may be a greenlet that needs the processor we would burn --------------------------------------------------- */

/* libc's word on x86: 1 is free, 0 and less is taken; its unlock and trylock go on as they are */
DOOR int pthread_spin_lock(pthread_spinlock_t *lock)
{
	int free = 1;

	while (!__atomic_compare_exchange_n(lock, &free, 0, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		gr_call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
		free = 1;
	}
	return 0;
}

/* For programs built before glibc 2.34, whose headers did not yet make sched_yield() of it */
int old_pthread_yield(void) __asm__("pthread_yield");
DOOR int old_pthread_yield(void) { return (int)DOOR_CALL(SYS_sched_yield); }
