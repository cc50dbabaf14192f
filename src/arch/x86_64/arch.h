/*
 * arch.h - x86-64: registers at the gate, the context switch, and what gate.S and patch.c share
 */
#ifndef GR_ARCH_H
#define GR_ARCH_H

#include "../../base.h"
#include "../../raw.h"
#include <signal.h>

/* What gr_gate pushes, lowest address first; gate.S writes this layout, gate.c reads it, the clone child starts from a copy. */
struct gr_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r9, r8, r10, rdx, rsi, rdi, rax;
	uint64_t flags;
	uint64_t site;		/* the address after the program's `syscall`: what the unwinder takes for our return address */
	uint64_t thunk;		/* where the gate returns to: the thunk of the site */
};
/* and above it: the 128 bytes of the red zone, then the caller's rsp */
#define GR_RED_ZONE 128

/* From the return address in a thunk to the thunk's own `syscall` instruction (thunk.c writes it, gate.S jumps to it) */
#define GR_THUNK_RAW 10

/*
 * void gr_switch(void **save_sp, void *load_sp, uintptr_t load_fs): see switch.S.  load_fs 0: keep the FS base.
 * gr_switch_x does the same and keeps the whole vector state too, on the leaving greenlet's stack.
 */
void gr_switch(void **save_sp, void *load_sp, uintptr_t load_fs);
void gr_switch_x(void **save_sp, void *load_sp, uintptr_t load_fs);

/* fn(arg), from which an unwinder goes on in the greenlet that gr_switch() left at @sp, after gr_walk_begins: see switch.S. */
void gr_walk_from(const void *sp, void (*fn)(void *), void *arg);
extern const char gr_walk_begins[];

/* fn(), ordinary code that may use vector registers, called from within a green call: they are kept as gr_switch_x keeps them. */
int gr_with_vectors(int (*fn)(void));

/* Write a first frame below @top so that gr_switch() to the result calls fn(arg) on that stack. */
void *gr_frame_init(void *top, void (*fn)(void *), void *arg);

/* Write a first frame for a thread made by clone: it goes on where its creator stood at the gate, registers as in @regs, rax 0, stack
 * pointer @stack.  The frame lives below @stack.  @on_start runs first, on the new stack (it clears carrier->inside). */
void *gr_frame_clone(const struct gr_regs *regs, void *stack, void (*on_start)(void));

/* gate.S: make a process by clone or clone3 that shares our memory and leaves the gate by itself, on a stack of its own. */
long gr_raw_clone_child(long nr, long a, long b, long c, long d, long e, const struct gr_regs *regs);

/* In step with gate.S: offsets in struct gr_regs. */
#define GR_REGS_RAX 96

/* What gr_gate_dispatch() tells the gate: the result, or (raw != 0) to make the call itself at the thunk's raw way. */
struct gr_gate_result {
	long ret;
	long raw;
};
struct gr_gate_result gr_gate_dispatch(struct gr_regs *regs);

/* 1 for each system call number (low 16 bits) that has a row in the table; the gate passes the others straight to the kernel */
extern uint8_t gr_gate_green[65536];

/* In a signal handler that is going to switch: the kernel has set the protection key register for the handler; make it again what it is
 * in @context (struct ucontext_t), since other greenlets have the interrupted one's. */
void gr_arch_keep_pkru(const void *context);

/* Copies between program memory and ours; a fault inside makes them return 1.  gate.S; signal.c moves rip to the fix-up. */
int gr_user_copy(void *to, const void *from, size_t n);
int gr_user_touch(uint32_t *word);
extern const char gr_user_copy_begin[], gr_user_copy_end[], gr_user_copy_fault[];

/* The signal return for handlers of our own */
extern const char gr_restorer[];

/* 0, or -errno: fills in how to write the FS base and how large the vector state is.  Once, before the first switch. */
int gr_arch_init(void);
uintptr_t gr_arch_fs(void);	/* the FS base now */

/* The way in for rewritten sites.  Not a C function: rcx holds the site's return address, rsp is 128 + 8 below the program's. */
extern const char gr_gate[];

/* --- clone.S ------------------------------------------------------------------------------------------------------------- */

/* A kernel thread of our own that runs fn(arg) on a stack of its own, then exits; it never returns into the caller's frames.
 * *tid is there before it runs; it is cleared, and who waits for that as a futex is woken, when it has ended.  The tid, or -errno. */
long gr_raw_clone_thread(void *stack_top, void *tls, int *tid, void (*fn)(void *), void *arg);

/* The same with all signals blocked: they are the carrier's. */
static inline long gr_raw_thread(void *stack_top, void *tls, int *tid, void (*fn)(void *), void *arg)
{
	uint64_t all = ~0ull, mask;
	long r;

	raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(mask));
	r = gr_raw_clone_thread((void *)((uintptr_t)stack_top & ~63ul), tls, tid, fn, arg);
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, sizeof(mask));
	return r;
}

/* The system call call[0] with arguments call[1..6].  -GR_ERESTART when *cancelled; to break it off, set that and then send the signal whose
 * handler is gr_interrupt_handler(): see clone.S for why no moment is missed. */
long gr_raw_interruptible(const volatile int *cancelled, const long call[7]);
void gr_interrupt_handler(int sig, siginfo_t *info, void *context);

/* --- patch.c ------------------------------------------------------------------------------------------------------------- */

struct gr_patch_stats {
	unsigned objects, sites, patched, kept, failed;
};

/*
 * gr_patch_loaded - rewrite the `syscall` instructions of every loaded object that has not been done yet
 *
 * Each site becomes a 5-byte jump to a thunk of its own within 2 GiB:
 *	[the instructions moved from before the site]
 *	lea -128(%rsp), %rsp
 *	lea site_after(%rip), %rcx
 *	call gr_gate			(through a pointer near the thunks)
 *	lea 128(%rsp), %rsp		8 bytes: 48 8d a4 24 80 00 00 00
 *	jmp over the next		2 bytes: eb 02
 *	syscall				the raw way in: GR_THUNK_RAW bytes after the gate's return address
 *	[the instructions moved from after the site]
 *	jmp back
 * The gate takes the raw way, all registers and rsp as the program had them, for calls that must not be made from within a C
 * frame (vfork, clone onto another stack) and for kernel threads that are not the carrier's.
 * Skipped: the vdso, libgrove and libgrove-shim themselves, and the signal return (mov $15,%rax; syscall), which counts as kept.
 * Adds to *stats.  0 when all went well or some sites failed; -errno when the kernel refuses to change text at all (nothing is
 * changed then), so that the caller can leave everything as it was.
 */
int gr_patch_loaded(struct gr_patch_stats *stats);

#endif
