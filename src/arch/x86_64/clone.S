/*
 * clone.S - kernel threads of grove's own, and system calls that can be broken off, by others or by a signal
 *
 * long gr_raw_clone_thread(void *stack_top, void *tls, int *tid, void (*fn)(void *), void *arg)
 *   rdi: stack, 16-aligned   rsi: FS base   rdx: where the tid goes   rcx: fn   r8: arg                         psABI 1.0
 * Returns the tid or -errno in the parent.  The child begins here, on its own stack, and must not return through the parent's
 * frames; so it calls fn(arg), and exits when that returns.  Both CLONE_PARENT_SETTID and CLONE_CHILD_CLEARTID mean @tid.
 */
#define SYS_rt_sigreturn	15
#define SYS_clone		56
#define SYS_exit		60
#define GR_ERESTART		512
#define THREAD_FLAGS		0x3d0f00 /* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID */
#define UCONTEXT_RIP		168	/* offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) */

	.text

	.globl	gr_raw_clone_thread
	.hidden	gr_raw_clone_thread
	.type	gr_raw_clone_thread, @function
	.p2align 4
gr_raw_clone_thread:
	.cfi_startproc
	subq	$16, %rdi
	movq	%rcx, (%rdi)
	movq	%r8, 8(%rdi)
	movq	%rsi, %r8
	movq	%rdi, %rsi
	movq	%rdx, %r10
	movl	$THREAD_FLAGS, %edi
	movl	$SYS_clone, %eax
	syscall
	testq	%rax, %rax
	jz	1f
	ret
1:	.cfi_undefined rip
	xorl	%ebp, %ebp
	popq	%rax
	popq	%rdi
	call	*%rax
	xorl	%edi, %edi
	movl	$SYS_exit, %eax
	syscall
	hlt
	.cfi_endproc
	.size	gr_raw_clone_thread, . - gr_raw_clone_thread

/*
 * long gr_raw_interruptible(const volatile int *cancelled, const long call[7])
 *   rdi: becomes nonzero to break the call off   rsi: number and six arguments
 * Returns the call's result, or -GR_ERESTART when *cancelled was set before it began to wait, or where the kernel would have made the
 * call again.
 *
 * Who wants to break it off sets *cancelled, then sends GR_SIG_INTERRUPT, once; or the handler sets it.  The signal comes
 *   before `begin':               *cancelled is seen
 *   from `begin' up to `syscall': the handler moves rip to `cancelled' below, so the call is not made
 *   in the call:                  the kernel ends it with EINTR, or with what it had done so far; where it would have made the call again
 *                                 it puts rip back on `syscall', and the line above holds
 *   at `end' or later:            too late; the result stands
 */
	.globl	gr_raw_interruptible
	.hidden	gr_raw_interruptible
	.type	gr_raw_interruptible, @function
	.p2align 4
gr_raw_interruptible:
	.cfi_startproc
	movq	%rdi, %r11
	movq	%rsi, %rcx
	movq	(%rcx), %rax
	movq	8(%rcx), %rdi
	movq	16(%rcx), %rsi
	movq	24(%rcx), %rdx
	movq	32(%rcx), %r10
	movq	40(%rcx), %r8
	movq	48(%rcx), %r9
.Lbegin:
	cmpl	$0, (%r11)
	jne	.Lcancelled
	syscall
.Lend:
	ret
.Lcancelled:
	movq	$-GR_ERESTART, %rax
	ret
	.cfi_endproc
	.size	gr_raw_interruptible, . - gr_raw_interruptible

/*
 * void gr_interrupt_handler(int sig, siginfo_t *info, void *context): GR_SIG_INTERRUPT has come on an offload thread, or something on the
 * carrier while it is about to exec (gr_signal_exec)
 *   rdx: context, all that is looked at
 * Runs on whichever thread the signal was sent to; on any other rip lies elsewhere and nothing happens.
 */
	.globl	gr_interrupt_handler
	.hidden	gr_interrupt_handler
	.type	gr_interrupt_handler, @function
	.p2align 4
gr_interrupt_handler:
	.cfi_startproc
	movq	UCONTEXT_RIP(%rdx), %rax
	leaq	.Lbegin(%rip), %rcx
	subq	%rcx, %rax
	cmpq	$.Lend - .Lbegin, %rax
	jae	2f
	leaq	.Lcancelled(%rip), %rcx
	movq	%rcx, UCONTEXT_RIP(%rdx)
2:	ret
	.cfi_endproc
	.size	gr_interrupt_handler, . - gr_interrupt_handler

	.section .note.GNU-stack, "", @progbits
