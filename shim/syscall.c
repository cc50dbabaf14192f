/*
 * syscall.c - syscall(2): programs that bring their own wrappers (futex, gettid, getrandom, ...) come in by any number
 *
 * Calls after which there are two returns, or none, must not come by way of a C frame of ours: the second would find it
 * overwritten by the first.  They go on to libc's function as if it had been called, and from there through the gate.
 */
#include "door.h"
#include <asm/unistd.h>

long syscall(long nr, ...);

__attribute__((used)) static long grove_door_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	return DOOR_CALL(nr, a, b, c, d, e, f);
}

__attribute__((used)) static long (*grove_libc_syscall)(long, ...) = (long (*)(long, ...))grove_door_syscall;

__attribute__((constructor(101))) static void find_libc_syscall(void)
{
	long (*libc)(long, ...) = REAL(syscall);

	if (libc)
		grove_libc_syscall = libc;
}

#define STR_(x) #x
#define STR(x) STR_(x)
#define TO_LIBC(nr) "	cmpq	$" STR(nr) ", %rdi\n	je	1f\n"

__asm__("	.text\n"
	"	.p2align 4\n"
	"	.globl	syscall\n"
	"	.type	syscall, @function\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	TO_LIBC(__NR_clone)
	TO_LIBC(__NR_clone3)
	TO_LIBC(__NR_fork)
	TO_LIBC(__NR_vfork)
	TO_LIBC(__NR_exit)
	TO_LIBC(__NR_rt_sigreturn)
	"	jmp	grove_door_syscall\n"
	"1:	jmp	*grove_libc_syscall(%rip)\n"
	"	.cfi_endproc\n"
	"	.size	syscall, . - syscall\n");
