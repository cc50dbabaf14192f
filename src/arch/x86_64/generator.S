/*
 * generator.S - between a generator's stack and its consumer's
 *
 * long gr_generator_switch(void **sp, long passed);                                x86-64 System V, psABI 1.0
 *   rdi: where the other side's stack pointer lies, and ours goes   rsi: what the other side's call of this function returns
 *   Called inside, arrives outside: as gr_leave() does, it clears carrier->inside and runs signal handlers that had to wait.
 * void gr_generator_end(void **sp, int (*fn)(void *), void *arg);
 *   The same without a way back, and the other side's call is answered by fn(arg), on its own stack; that one is called inside.
 * Kept:     rbx rbp r12-r15.   Shared, as the thread is: FS base, x87 control word, MXCSR, signal mask.
 * Frame:    sp -> r15 r14 r13 r12 rbx rbp return-address                           56 bytes, sp 8 above a multiple of 16
 * In step:  struct frame and the two assertions in generator.c.
 * Leaves by an indirect jump: see switch.S.  The callers end with these calls, so that the jump leads right into the body's code, or the
 * consumer's: each return after a change of stacks would be one more that the processor predicts wrong.
 */
	.text

	.macro	LOAD_FRAME
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
	.endm

	.hidden	gr_carrier0
	.hidden	gr_run_handlers
	.hidden	gr_generator_personality
	.hidden	gr_generator_run

	.globl	gr_generator_switch
	.hidden	gr_generator_switch
	.type	gr_generator_switch, @function
	.p2align 4
gr_generator_switch:
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
	movq	(%rdi), %rcx
	movq	%rsp, (%rdi)
	movq	%rcx, %rsp
	movq	%rsi, %rax
	movl	$0, gr_carrier0(%rip)		/* ->inside */
	testb	$1, 4+gr_carrier0(%rip)		/* ->todo & GR_TODO_SIGNAL */
	jnz	2f
1:	.cfi_remember_state
	LOAD_FRAME
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	jmp	*%rcx
2:	.cfi_restore_state
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	call	gr_run_handlers
	popq	%rax
	.cfi_adjust_cfa_offset -8
	jmp	1b
	.cfi_endproc
	.size	gr_generator_switch, . - gr_generator_switch

	.globl	gr_generator_end
	.hidden	gr_generator_end
	.type	gr_generator_end, @function
	.p2align 4
gr_generator_end:
	.cfi_startproc
	.cfi_undefined rip
	movq	(%rdi), %rsp
	movq	%rsi, %rax
	movq	%rdx, %rdi
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	jmp	*%rax
	.cfi_endproc
	.size	gr_generator_end, . - gr_generator_end

/*
 * The bottom of a generator's stack: r12 = the generator; rsp is 16-aligned, rbp 0.  gr_generator_run(gen) never returns.
 * Backtraces end here, since the return address is undefined.  Exceptions, and the forced unwinding of pthread_exit(), find a personality,
 * which takes them over to the consumer's stack.
 */
	.globl	gr_generator_first
	.hidden	gr_generator_first
	.type	gr_generator_first, @function
	.p2align 4
gr_generator_first:
	.cfi_startproc
	.cfi_personality 0x1b, gr_generator_personality
	.cfi_undefined rip
	movq	%r12, %rdi
	call	gr_generator_run
	ud2
	.cfi_endproc
	.size	gr_generator_first, . - gr_generator_first

	.section .note.GNU-stack,"",@progbits
