/*
 * switch.S - leaving one greenlet and going on in another
 *
 * void gr_switch(void **save_sp, void *load_sp, uintptr_t load_fs);                 x86-64 System V, psABI 1.0
 *   rdi: where our stack pointer goes   rsi: the one to continue on   rdx: its FS base, or 0 to keep ours
 * Kept:     rbx rbp r12-r15, x87 control word, MXCSR.    Not kept: caller-saved, signal mask
 * Frame:    sp -> [mxcsr:4 fcw:2 pad:2] r15 r14 r13 r12 rbx rbp return-address      64 bytes, sp 16-aligned
 * In step:  gr_frame_init() and gr_frame_clone() in arch.c write this frame by hand; the .cfi lines let gdb and the unwinder
 *           walk through a switch.
 * Leaves by `ret`: the processor's return stack knows only the side that leaves, but both left from the same place in sched.c, so it is
 *           right, here and as far up as both came the same way.  A jump would leave an entry too many there, and every return
 *           after it would be mispredicted.
 */
	.text

	.globl	gr_switch
	.hidden	gr_switch
	.type	gr_switch, @function
	.p2align 4
gr_switch:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	testq	%rdx, %rdx
	jz	2f
	cmpb	$0, gr_arch_wrfsbase(%rip)
	je	3f
	wrfsbase %rdx
2:	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	gr_switch, . - gr_switch

/* The slow way to write the FS base, for processors and kernels without FSGSBASE: arch_prctl(ARCH_SET_FS, rdx). */
	.type	gr_switch_prctl, @function
gr_switch_prctl:
	.cfi_startproc
	.cfi_def_cfa rsp, 64
	.cfi_offset rip, -8
3:	movl	$158, %eax
	movl	$0x1002, %edi
	movq	%rdx, %rsi
	syscall
	jmp	2b
	.cfi_endproc
	.size	gr_switch_prctl, . - gr_switch_prctl

/*
 * void gr_switch_x(void **save_sp, void *load_sp, uintptr_t load_fs);
 *   As gr_switch, and all that XCR0 names (PKRU and the AMX tiles apart) is kept in an XSAVE area on the leaving stack.
 * int gr_with_vectors(int (*fn)(void));
 *   fn() between the same saving and restoring.
 * Frame:    rbp-based; area of gr_arch_xsize bytes, 64-aligned, below.  XSAVEC writes only what is in use.
 */
	.macro	KEEPING_VECTORS name, callee
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	movl	gr_arch_xsize(%rip), %eax
	subq	%rax, %rsp
	andq	$-64, %rsp
	movq	%rdx, %r8
	cmpb	$0, gr_arch_xsave(%rip)
	je	4f
	/* XRSTOR insists on zeros in the header that XSAVE does not write */
	xorl	%eax, %eax
	movq	%rax, 512(%rsp)
	movq	%rax, 520(%rsp)
	movq	%rax, 528(%rsp)
	movq	%rax, 536(%rsp)
	movq	%rax, 544(%rsp)
	movq	%rax, 552(%rsp)
	movq	%rax, 560(%rsp)
	movq	%rax, 568(%rsp)
	movl	gr_arch_xmask(%rip), %eax
	movl	gr_arch_xmask+4(%rip), %edx
	cmpb	$2, gr_arch_xsave(%rip)
	jne	1f
	xsavec64 (%rsp)
	jmp	2f
1:	xsave64	(%rsp)
2:	movq	%r8, %rdx
	call	\callee
	movl	%eax, %ecx
	movl	gr_arch_xmask(%rip), %eax
	movl	gr_arch_xmask+4(%rip), %edx
	xrstor64 (%rsp)
	movl	%ecx, %eax
	jmp	5f
4:	fxsave64 (%rsp)
	call	\callee
	fxrstor64 (%rsp)
5:	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	KEEPING_VECTORS gr_switch_x, gr_switch
	KEEPING_VECTORS gr_with_vectors, *%rdi

/*
 * void gr_walk_from(const void *sp, void (*fn)(void *), void *arg);
 *   Calls fn(arg).  To an unwinder the frame above this one, at gr_walk_begins, is that of the gr_switch() which left @sp behind: so a
 *   backtrace made in fn goes on in the greenlet that is parked there.  Nothing may be thrown through here.
 */
	.globl	gr_walk_from, gr_walk_begins
	.hidden	gr_walk_from, gr_walk_begins
	.type	gr_walk_from, @function
	.p2align 4
gr_walk_from:
	.cfi_startproc
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	movq	%rdi, %rbx
	movq	%rdx, %rdi
	.cfi_remember_state
	.cfi_def_cfa rbx, 64
	.cfi_offset rip, -8
	.cfi_offset rbp, -16
	.cfi_offset rbx, -24
	.cfi_offset r12, -32
	.cfi_offset r13, -40
	.cfi_offset r14, -48
	.cfi_offset r15, -56
	call	*%rsi
gr_walk_begins:
	.cfi_restore_state
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.cfi_endproc
	.size	gr_walk_from, . - gr_walk_from

/*
 * First frame of a greenlet that starts with a function: r12 = argument, rbx = function; rsp is 16-aligned, rbp 0 ends backtraces.
 */
	.globl	gr_frame_start
	.hidden	gr_frame_start
	.type	gr_frame_start, @function
gr_frame_start:
	.cfi_startproc
	.cfi_undefined rip
	movq	%r12, %rdi
	call	*%rbx
	ud2
	.cfi_endproc
	.size	gr_frame_start, . - gr_frame_start

	.section .note.GNU-stack,"",@progbits
