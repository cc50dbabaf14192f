/*
 * raw.h - system calls as the kernel gives them: inline, never intercepted, result or -errno
 *
 * Everything under src/ that must reach the kernel goes through here; libc's own functions of these names may be our doors.
 * They touch no thread-local storage, so threads without any (offload.c) may use them.
 */
#ifndef GR_RAW_H
#define GR_RAW_H

#include "base.h"
#include "numbers.h"

static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long raw_syscall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static inline long raw_syscall4(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}

/* raw(SYS_read, fd, buf, n): any call by number, arguments of any scalar type */
#define GR_RAW_L(x) ((long)(x))
#define GR_RAW_PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define raw(...) GR_RAW_PICK(__VA_ARGS__, GR_RAW_6, GR_RAW_5, GR_RAW_4, GR_RAW_3, GR_RAW_2, GR_RAW_1, GR_RAW_0)(__VA_ARGS__)
#define GR_RAW_0(n) raw_syscall3(n, 0, 0, 0)
#define GR_RAW_1(n, a) raw_syscall3(n, GR_RAW_L(a), 0, 0)
#define GR_RAW_2(n, a, b) raw_syscall3(n, GR_RAW_L(a), GR_RAW_L(b), 0)
#define GR_RAW_3(n, a, b, c) raw_syscall3(n, GR_RAW_L(a), GR_RAW_L(b), GR_RAW_L(c))
#define GR_RAW_4(n, a, b, c, d) raw_syscall4(n, GR_RAW_L(a), GR_RAW_L(b), GR_RAW_L(c), GR_RAW_L(d))
#define GR_RAW_5(n, a, b, c, d, e) raw_syscall6(n, GR_RAW_L(a), GR_RAW_L(b), GR_RAW_L(c), GR_RAW_L(d), GR_RAW_L(e), 0)
#define GR_RAW_6(n, a, b, c, d, e, f) \
	raw_syscall6(n, GR_RAW_L(a), GR_RAW_L(b), GR_RAW_L(c), GR_RAW_L(d), GR_RAW_L(e), GR_RAW_L(f))

static inline bool raw_failed(long r)
{
	return (unsigned long)r > -4096UL;
}

#endif
