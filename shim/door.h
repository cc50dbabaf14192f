/*
 * door.h - how a name door is written: libc's name and prototype, one gr_call(), errno
 *
 * A door exists where a program's call of libc would block, and goes the short way: no vector state to keep, since it is an ordinary
 * function call, and no switching of the cancellation type.  Functions in which libc does real work around the system call
 * (stdio, system, popen, posix_spawn, fork, lockf) have none: their system calls come through the gate.
 */
#ifndef GROVE_SHIM_DOOR_H
#define GROVE_SHIM_DOOR_H

#include "../src/door.h"
#include "../src/gate.h"
#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>

#define DOOR __attribute__((visibility("default")))

/*
 * The function that the door hides: libc's, or that of a library preloaded after us.  All are looked up when the shim is loaded
 * (init.c): later dlsym() might have to wait for the loader's lock, which a thread holds as long as a library's constructor runs.
 */
struct door_real {
	const char *name;
	void *fn;
};

extern struct door_real *const __start_door_reals[] __attribute__((visibility("hidden")));
extern struct door_real *const __stop_door_reals[] __attribute__((visibility("hidden")));

static inline void *door_find(struct door_real *real)
{
	if (GR_UNLIKELY(!real->fn))
		real->fn = dlsym(RTLD_NEXT, real->name);
	return real->fn;
}

#define REAL(name)                                                                                                                 \
	({                                                                                                                         \
		static struct door_real real_ = { #name, 0 };                                                                      \
		static struct door_real *const entry_ __attribute__((section("door_reals"), used)) = &real_;                       \
		(__typeof__(&name))door_find(&real_);                                                                              \
	})

static inline long door_return(long r)
{
	if (GR_UNLIKELY((unsigned long)r > -4096UL)) {
		errno = (int)-r;
		return -1;
	}
	return r;
}

/* DOOR_CALL(SYS_x, ...): up to six arguments of scalar type; DOOR_CANCEL for cancellation points (pthreads(7) lists them) */
#define DOOR_L(x) ((long)(x))
#define DOOR_PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define DOOR_ARGS(...) DOOR_PICK(__VA_ARGS__, DOOR_6, DOOR_5, DOOR_4, DOOR_3, DOOR_2, DOOR_1, DOOR_0)(__VA_ARGS__)
#define DOOR_0(n) n, 0, 0, 0, 0, 0, 0
#define DOOR_1(n, a) n, DOOR_L(a), 0, 0, 0, 0, 0
#define DOOR_2(n, a, b) n, DOOR_L(a), DOOR_L(b), 0, 0, 0, 0
#define DOOR_3(n, a, b, c) n, DOOR_L(a), DOOR_L(b), DOOR_L(c), 0, 0, 0
#define DOOR_4(n, a, b, c, d) n, DOOR_L(a), DOOR_L(b), DOOR_L(c), DOOR_L(d), 0, 0
#define DOOR_5(n, a, b, c, d, e) n, DOOR_L(a), DOOR_L(b), DOOR_L(c), DOOR_L(d), DOOR_L(e), 0
#define DOOR_6(n, a, b, c, d, e, f) n, DOOR_L(a), DOOR_L(b), DOOR_L(c), DOOR_L(d), DOOR_L(e), DOOR_L(f)
#define DOOR_CALL(...) door_call(DOOR_ARGS(__VA_ARGS__))
#define DOOR_CANCEL(...) door_cancel(DOOR_ARGS(__VA_ARGS__))

static inline long door_call(long nr, long a, long b, long c, long d, long e, long f)
{
	return door_return(gr_call(nr, a, b, c, d, e, f));
}

static inline long door_cancel(long nr, long a, long b, long c, long d, long e, long f)
{
	return door_return(gr_call_cancel(nr, a, b, c, d, e, f));
}

#endif
